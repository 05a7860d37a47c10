//! Calls of this project's RPC: a client and a server over a socket or a ring, in one of its codecs.
//!
//! The request is the argument of a call, the reply its result, both as bytes; a message has the size of the case, and
//! what the codec adds travels on top. The name of a row says what carries the calls and, after it, the codec:
//! `rpc-ring` speaks `bin`, `rpc-ring-json` JSON over the same ring.

use std::{
    convert::Infallible,
    fmt, io,
    os::unix::net::UnixStream,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
};

use nix::sys::socket::SockType;
use ringpipe::rpc::{Bytes, Client, Codec, Connection, Server, Service};

use super::{Link, Role, doing, ring, tcp, unix, unsupported};
use crate::{case::Case, control::Facts, pattern::Replier};

const SERVICE: &str = "Bench";
const METHOD: &str = "Bench.Exchange";

/// One side of the calls.
#[derive(Debug)]
pub(super) enum Rpc {
    Caller {
        client: Client,
        facts: Facts,
    },
    /// The server has a thread of its own, which reads the connection, runs the method and writes the reply.
    Server {
        desk: Arc<Desk>,
        asked: u64,
    },
}

pub(super) fn open(case: &Case, role: Role, meet: &UnixStream) -> io::Result<Rpc> {
    let (carrier, codec) = parts(&case.row.transport)?;
    let (connection, mut facts) = match carrier {
        "unix" => {
            let (socket, facts) = unix::socket(case, role, meet, SockType::Stream)?;
            (Connection::from(UnixStream::from(socket)), facts)
        }
        "tcp" => {
            let (stream, facts) = tcp::stream(case, role, meet)?;
            (Connection::tcp(stream)?, facts)
        }
        "ring" => {
            let mut stream = ring::stream(&ring::options(case), role, meet)?;
            let facts = ring::facts(stream.writer());
            (Connection::from(stream), facts)
        }
        other => return Err(unsupported(format!("no calls go over {other}"))),
    };
    facts.insert("codec".to_owned(), codec.to_string());
    match role {
        Role::Initiator => {
            let client = doing(Client::new(connection, codec), "starting a client")?;
            Ok(Rpc::Caller { client, facts })
        }
        Role::Responder => Ok(Rpc::Server { desk: serve(connection, codec)?, asked: 0 }),
    }
}

/// `rpc-ring-json` is the ring and JSON; without a codec it is `bin`.
fn parts(name: &str) -> io::Result<(&str, Codec)> {
    let rest = name.strip_prefix("rpc-").unwrap_or(name);
    let (carrier, codec) = rest.split_once('-').unwrap_or((rest, "bin"));
    Ok((carrier, doing(codec.parse(), "choosing a codec")?))
}

fn serve(connection: Connection, codec: Codec) -> io::Result<Arc<Desk>> {
    let desk = Arc::new(Desk::default());
    let server = Server::new();
    let clerk = Arc::clone(&desk);
    let service = Service::new(SERVICE).method("Exchange", move |request: Bytes| {
        let mut message = request.into_vec();
        clerk.answer(&mut message);
        Ok::<_, Infallible>(Bytes::from(message))
    });
    doing(server.register(service), "registering a method")?;
    let closer = Arc::clone(&desk);
    thread::Builder::new().name("server".to_owned()).spawn(move || {
        server.serve(connection, codec);
        closer.close();
    })?;
    Ok(desk)
}

/// Where the method finds what to answer with, and the responder learns how far it is.
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
    fn answer(&self, message: &mut [u8]) {
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

    fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }
}

impl Link for Rpc {
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
        let result: Bytes = client
            .call(METHOD, &Bytes::from(request.to_vec()))
            .map_err(|error| io::Error::other(error.to_string()))?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        pattern::{Direction, Pattern},
        report::record::Payload,
    };

    #[test]
    fn the_name_of_a_row_says_carrier_and_codec() {
        assert_eq!(parts("rpc-unix").unwrap(), ("unix", Codec::Bin));
        assert_eq!(parts("rpc-ring-json").unwrap(), ("ring", Codec::Json));
        assert!(parts("rpc-ring-morse").is_err());
    }

    #[test]
    fn a_method_answers_across_windows_and_a_client_that_leaves_ends_the_wait() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let desk = serve(Connection::from(theirs), Codec::Bin).unwrap();
        let mut server = Rpc::Server { desk, asked: 0 };
        let client = Client::new(Connection::from(ours), Codec::Bin).unwrap();
        let mut caller = Rpc::Caller { client, facts: Facts::new() };
        let pattern = Pattern::new(3, Payload::Full);
        thread::scope(|scope| {
            scope.spawn(move || {
                let (mut request, mut reply) = ([0; 40], [0; 40]);
                for number in 0..20 {
                    pattern.fill(Direction::Request, number, &mut request);
                    caller.exchange(&request, &mut reply).unwrap();
                    pattern.check(Direction::Reply, number, &reply).unwrap();
                }
            });
            for window in 0..2 {
                let mut replier = Replier::new(pattern, window * 10);
                server.serve(10, &mut [], &mut replier).unwrap();
                assert_eq!(replier.fault(), None);
            }
        });
        let mut replier = Replier::new(pattern, 20);
        let error = server.serve(10, &mut [], &mut replier).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }
}
