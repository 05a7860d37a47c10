//! The link of every transport that calls: the request is the argument of a call, the reply its result.

use std::{
    fmt, io,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
};

use super::{Link, unsupported};
use crate::{control::Facts, pattern::Replier};

/// A client that is connected.
pub(super) trait Call: Send {
    /// Calls the method with the bytes of `request`, and waits for the result.
    fn call(&mut self, request: &[u8]) -> io::Result<Vec<u8>>;
}

/// One side of the calls.
#[derive(Debug)]
pub(super) enum Calls<C> {
    Caller {
        client: C,
        facts: Facts,
    },
    /// The server has a thread of its own, which reads the connection, runs the method and writes the reply.
    Server {
        desk: Arc<Desk>,
        asked: u64,
    },
}

impl<C: Call> Link for Calls<C> {
    fn send(&mut self, _: &[u8]) -> io::Result<()> {
        Err(unsupported("a call has a reply; it does not stream"))
    }

    fn recv(&mut self, _: &mut [u8]) -> io::Result<()> {
        Err(unsupported("a call has a reply; it does not stream"))
    }

    fn exchange(&mut self, request: &[u8], reply: &mut [u8]) -> io::Result<()> {
        let Self::Caller { client, .. } = self else {
            return Err(unsupported("the server does not call"));
        };
        let result = client.call(request)?;
        if result.len() != reply.len() {
            return Err(io::Error::other(format!(
                "a reply of {} bytes came for a request of {}",
                result.len(),
                reply.len()
            )));
        }
        reply.copy_from_slice(&result);
        Ok(())
    }

    fn serve(&mut self, count: u64, _: &mut [u8], replier: &mut Replier) -> io::Result<()> {
        let Self::Server { desk, asked } = self else {
            return Err(unsupported("the caller does not serve"));
        };
        *asked += count;
        desk.wait_for(*asked, replier)
    }

    fn facts(&self) -> Facts {
        match self {
            Self::Caller { facts, .. } => facts.clone(),
            Self::Server { .. } => Facts::new(),
        }
    }
}

/// Where the method of a server finds what to answer with, and the responder learns how far it is.
#[derive(Default)]
pub(super) struct Desk {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Comes with the first window and stays: the numbers of the messages go on from window to window.
    replier: Option<Replier>,
    answered: u64,
    /// At this many answers the responder is to be woken.
    awaited: u64,
    closed: bool,
}

impl fmt::Debug for Desk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Desk").field(&*self.lock()).finish()
    }
}

impl Desk {
    fn lock(&self) -> MutexGuard<'_, State> {
        // A method that panicked has failed its call, which the other side reports.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Turns a request into its reply.
    pub(super) fn answer(&self, message: &mut [u8]) {
        let mut state = self.lock();
        while state.replier.is_none() && !state.closed {
            // The caller was quicker than this side's first window.
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if let Some(replier) = &mut state.replier {
            replier.answer(message);
        }
        state.answered += 1;
        if state.answered == state.awaited {
            drop(state);
            self.changed.notify_all();
        }
    }

    /// Waits until `total` requests have been answered since the beginning.
    fn wait_for(&self, total: u64, replier: &mut Replier) -> io::Result<()> {
        let mut state = self.lock();
        state.awaited = total;
        if state.replier.is_none() {
            state.replier = Some(replier.clone());
            self.changed.notify_all();
        }
        while state.answered < total && !state.closed {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if let Some(used) = &state.replier {
            replier.clone_from(used);
        }
        if state.answered < total { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
    }

    /// Nobody will be answered from here on.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }
}
