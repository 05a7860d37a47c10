//! The answering side.
//!
//! The thread that reads a request also executes it, which costs no hop, as long as its method is quick. A method that
//! takes longer than a tick of the [crew](crew)'s watch is noticed: another thread takes over reading the
//! connection, and from then on that method is given to a thread of its own. So the handlers of one connection run
//! in parallel, and the quick ones do not pay for it.

mod accept;
mod crew;
mod exchange;
mod service;
mod session;

use std::sync::Arc;

pub use service::Service;

use self::{accept::Sessions, crew::Crew, service::Registry, session::Session};
use super::{Codec, Connection, DEFAULT_MESSAGE_LIMIT, Listener, SetupError, listener::Closed};

/// What a server takes from one connection before it lets it wait or hangs up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// The largest request or reply in bytes. A larger request ends its connection; default 64 MiB.
    pub message: usize,
    /// How many calls of one connection are executed at the same time; default 256. More wait in memory, as many as fit
    /// into the size of one message, and beyond that are not read. With 1 they are answered in the order they came.
    pub in_flight: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { message: DEFAULT_MESSAGE_LIMIT, in_flight: 256 }
    }
}

impl Limits {
    /// The largest request or reply in bytes.
    #[must_use]
    pub fn message(mut self, bytes: usize) -> Self {
        self.message = bytes;
        self
    }

    /// How many calls of one connection are executed at the same time, at least one.
    #[must_use]
    pub fn in_flight(mut self, calls: usize) -> Self {
        self.in_flight = calls.max(1);
        self
    }
}

/// Answers calls, over as many connections as come, with the methods registered with it.
///
/// Cloning gives another handle to the same server. When the last is dropped and no connection is served any
/// more, its threads end.
#[derive(Clone, Debug)]
pub struct Server {
    // Dropped in this order: the sessions' threads use the crew.
    sessions: Arc<Sessions>,
    crew: Arc<Crew>,
    registry: Arc<Registry>,
    limits: Limits,
}

impl Default for Server {
    fn default() -> Self {
        Self::new()
    }
}

impl Server {
    /// A server without services.
    pub fn new() -> Self {
        Self::with_limits(Limits::default())
    }

    /// A server with limits of its own.
    ///
    /// ```
    /// use ringpipe::rpc::{Limits, Server};
    /// let server = Server::with_limits(Limits::default().message(1 << 20).in_flight(16));
    /// # let _ = server;
    /// ```
    pub fn with_limits(limits: Limits) -> Self {
        Self {
            sessions: Arc::default(),
            crew: Arc::new(Crew::new()),
            registry: Arc::default(),
            limits,
        }
    }

    /// Makes the methods of `service` callable, also on connections that are being served.
    ///
    /// # Errors
    /// [`SetupError::Defined`] when a service of this name is registered.
    pub fn register(&self, service: Service) -> Result<(), SetupError> {
        self.registry.add(service)
    }

    /// Answers the calls of one connection.
    ///
    /// # Blocking
    /// Until the client ends the connection, or this server is closed, and the calls in flight are answered.
    pub fn serve(&self, connection: Connection, codec: Codec) {
        let session = Session::new(
            connection,
            codec,
            self.limits,
            Arc::clone(&self.registry),
            self.crew.handle(),
        );
        let Some(_entry) = self.sessions.enter(&session) else {
            session.hang_up();
            return;
        };
        session.serve();
    }

    /// Accepts connections and serves each with a thread of its own.
    ///
    /// # Blocking
    /// Until the listener is closed. Connections accepted before are served on.
    ///
    /// # Errors
    /// What the system said, when the listener can accept no more. A shortage of descriptors or memory is waited out.
    pub fn accept(&self, listener: &Listener, codec: Codec) -> std::io::Result<()> {
        loop {
            let arrival = match listener.arrive() {
                Ok(arrival) => arrival,
                Err(error) if Closed::is(&error) => return Ok(()),
                Err(error) => return Err(error),
            };
            let server = self.clone();
            self.sessions.spawn(move || {
                // A client whose greeting fails is told by the end of its connection.
                if let Ok(connection) = arrival.greet() {
                    server.serve(connection, codec);
                }
            });
        }
    }

    /// Ends every connection, refuses new ones, and ends the server's threads.
    ///
    /// Close the listeners first, or [`accept`](Self::accept) goes on accepting connections that end at once.
    ///
    /// # Blocking
    /// Until the methods that are being executed return. A method cannot be stopped from outside. Called by a method it would
    /// wait for itself: there, leave it to another thread.
    pub fn close(&self) {
        self.sessions.close();
        self.crew.close();
    }

    /// How many connections are being served.
    pub fn connections(&self) -> usize {
        self.sessions.len()
    }
}
