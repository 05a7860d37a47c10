//! A server for as long as it is needed.

use std::{
    sync::Arc,
    thread::{self, JoinHandle},
};

use tiny_http::Request;

use super::Result;

/// Answers the requests to a port of its own, one after the other, until it is dropped.
pub(crate) struct Serving {
    server: Arc<tiny_http::Server>,
    thread: Option<JoinHandle<()>>,
}

impl Serving {
    pub(crate) fn start(
        mut answer: impl FnMut(Request) -> Result<()> + Send + 'static,
    ) -> Result<Self> {
        let server = Arc::new(tiny_http::Server::http("127.0.0.1:0")?);
        let requests = Arc::clone(&server);
        let thread = thread::spawn(move || {
            for request in requests.incoming_requests() {
                if let Err(error) = answer(request) {
                    eprintln!("the server: {error}");
                }
            }
        });
        Ok(Self { server, thread: Some(thread) })
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/", self.server.server_addr())
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.server.unblock();
        if let Some(thread) = self.thread.take() {
            thread.join().expect("answering does not panic");
        }
    }
}
