//! Calls of this project's RPC: a client and a server over a socket or a ring, in one of its codecs.
//!
//! The request is the argument of a call, the reply its result, both as bytes; a message has the size of the case, and
//! what the codec adds travels on top. The name of a row says what carries the calls and, after it, the codec:
//! `rpc-ring` speaks `bin`, `rpc-ring-json` JSON over the same ring.

use std::{convert::Infallible, io, os::unix::net::UnixStream, sync::Arc, thread};

use nix::sys::socket::SockType;
use ringpipe::rpc::{Bytes, Client, Codec, Connection, Server, Service};

use super::{
    Role,
    calls::{Call, Calls, Desk},
    doing, ring, tcp, unix, unsupported,
};
use crate::case::Case;

const SERVICE: &str = "Bench";
const METHOD: &str = "Bench.Exchange";

pub(super) fn open(case: &Case, role: Role, meet: &UnixStream) -> io::Result<Calls<Client>> {
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
            Ok(Calls::Caller { client, facts })
        }
        Role::Responder => Ok(Calls::Server { desk: serve(connection, codec)?, asked: 0 }),
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

impl Call for Client {
    fn call(&mut self, request: &[u8]) -> io::Result<Vec<u8>> {
        Client::call(self, METHOD, &Bytes::from(request.to_vec()))
            .map(Bytes::into_vec)
            .map_err(|error| io::Error::other(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        control::Facts,
        pattern::{Direction, Pattern, Replier},
        report::record::Payload,
        transport::Link,
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
        let mut server = Calls::<Client>::Server { desk, asked: 0 };
        let client = Client::new(Connection::from(ours), Codec::Bin).unwrap();
        let mut caller = Calls::Caller { client, facts: Facts::new() };
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
