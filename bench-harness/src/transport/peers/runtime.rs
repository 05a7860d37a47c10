//! The asynchronous runtime of the frameworks for calls: one of a single thread on each side, which for one call at a time
//! is the fastest there is.

use std::{io, os::unix::net::UnixStream, sync::Arc, thread};

use tokio::runtime::{Builder, Runtime};

use super::super::calls::Desk;

pub(super) fn start() -> io::Result<Runtime> {
    Builder::new_current_thread().enable_all().build()
}

/// The same socket as the runtime has them.
pub(super) fn adopt(socket: UnixStream) -> io::Result<tokio::net::UnixStream> {
    socket.set_nonblocking(true)?;
    tokio::net::UnixStream::from_std(socket)
}

/// Runs `serve` over `socket` on a thread and a runtime of its own.
pub(super) fn serve_on_a_thread<F: Future<Output = ()>>(
    socket: UnixStream,
    serve: impl FnOnce(tokio::net::UnixStream, Arc<Desk>) -> F + Send + 'static,
) -> io::Result<Arc<Desk>> {
    let desk = Arc::new(Desk::default());
    let clerk = Arc::clone(&desk);
    let runtime = start()?;
    thread::Builder::new().name("server".to_owned()).spawn(move || {
        runtime.block_on(async {
            // It can fail only where no runtime is, and then nobody is answered.
            if let Ok(socket) = adopt(socket) {
                serve(socket, Arc::clone(&clerk)).await;
            }
        });
        clerk.close();
    })?;
    Ok(desk)
}
