//! The handshake over a connected socket: hello, welcome, and nothing else.

use std::{
    os::{
        fd::{AsFd, OwnedFd},
        unix::net::UnixStream,
    },
    sync::Arc,
};

use super::greeting::{DESCRIPTORS, Greeting, LENGTH};
use crate::{
    error::Error,
    ring::{
        Options, Reader, Stream, Writer,
        core::header::Header,
        memory::split::{
            ConsumerFile, ProducerFiles, create_consumer, create_producer, join, open_consumer,
            open_producer,
        },
        options::check_capacity,
        peer::Link,
    },
    sys::{
        clock::Moment,
        io_error, random,
        socket::{self, Received},
    },
};

/// Greets first: the side that connected, or a child.
pub(crate) fn connect(socket: UnixStream, options: &Options) -> Result<Stream, Error> {
    let deadline = prepare(&socket, options)?;
    let own = Own::create(options)?;
    let header = own.producer.header;
    own.send(&socket, &Greeting::Hello(header), deadline)?;
    let (greeting, from) = receive(&socket, deadline)?;
    match greeting {
        Greeting::Welcome(peer, answered) if answered == header.nonce => {
            let peer = Peer::open(peer, from, options)?;
            Ok(stream(socket, own, peer, options))
        }
        Greeting::Refusal(text) => Err(Error::Refused(format!("the peer refused: {text}").into())),
        Greeting::Welcome(..) => Err(Error::Refused("the welcome answers another hello".into())),
        Greeting::Hello(_) => {
            Err(Error::Refused("both sides greet as the one that connects".into()))
        }
    }
}

/// Answers: the side that accepted, or a parent.
pub(crate) fn accept(socket: UnixStream, options: &Options) -> Result<Stream, Error> {
    let deadline = prepare(&socket, options)?;
    let result = accept_hello(&socket, options, deadline);
    match result {
        Ok((own, peer)) => Ok(stream(socket, own, peer, options)),
        Err(error) => {
            // So that the other side can tell its user; whether it still listens does not matter.
            let refusal = Greeting::Refusal(error.to_string().into());
            let _ = socket::send(&socket, &refusal.to_bytes(), &[], deadline);
            Err(error)
        }
    }
}

fn accept_hello(
    socket: &UnixStream,
    options: &Options,
    deadline: Moment,
) -> Result<(Own, Peer), Error> {
    let (greeting, from) = receive(socket, deadline)?;
    let header = match greeting {
        Greeting::Hello(header) => header,
        _ => {
            return Err(Error::Refused("the peer does not begin with a hello".into()));
        }
    };
    let peer = Peer::open(header, from, options)?;
    let own = Own::create(options)?;
    own.send(socket, &Greeting::Welcome(own.producer.header, header.nonce), deadline)?;
    Ok((own, peer))
}

fn prepare(socket: &UnixStream, options: &Options) -> Result<Moment, Error> {
    check_capacity(options.capacity)?;
    let failed = |e| io_error("preparing the socket for the handshake", &e);
    socket.set_nonblocking(true).map_err(failed)?;
    let peer = socket::credentials(socket).map_err(failed)?;
    if !options.any_user && peer.uid != nix::unistd::geteuid().as_raw() {
        return Err(Error::Refused(
            format!("the peer runs as user {}; Options::any_user lets it in", peer.uid).into(),
        ));
    }
    socket::ask_for_pidfd(socket);
    Ok(Moment::now().after(options.handshake_timeout))
}

/// What this side makes: the files it writes, and their descriptors until they are sent.
struct Own {
    producer: ProducerFiles,
    consumer: ConsumerFile,
    fds: [OwnedFd; DESCRIPTORS],
}

impl Own {
    fn create(options: &Options) -> Result<Self, Error> {
        let (producer, [producer_fd, bells_fd]) =
            create_producer(options.capacity, random::nonce())?;
        let (consumer, consumer_fd) = create_consumer()?;
        Ok(Self { producer, consumer, fds: [producer_fd, bells_fd, consumer_fd] })
    }

    fn send(
        &self,
        socket: &UnixStream,
        greeting: &Greeting,
        deadline: Moment,
    ) -> Result<(), Error> {
        let fds = self.fds.each_ref().map(AsFd::as_fd);
        socket::send(socket, &greeting.to_bytes(), &fds, deadline).map_err(|e| lost(&e))
    }
}

/// What the peer made.
struct Peer {
    producer: ProducerFiles,
    consumer: ConsumerFile,
    pidfd: Option<OwnedFd>,
}

impl Peer {
    fn open(announced: Header, from: Received, options: &Options) -> Result<Self, Error> {
        let Ok([producer, bells, consumer]) = <[OwnedFd; DESCRIPTORS]>::try_from(from.fds) else {
            return Err(Error::Refused("the greeting does not carry three descriptors".into()));
        };
        let capacity = usize::try_from(announced.capacity).unwrap_or(usize::MAX);
        check_capacity(capacity).map_err(|e| Error::Refused(format!("the peer's {e}").into()))?;
        if capacity > options.max_peer_capacity {
            let most = options.max_peer_capacity;
            return Err(Error::Refused(
                format!("the peer's ring of {capacity} bytes is over the limit of {most}").into(),
            ));
        }
        Ok(Self {
            producer: open_producer(producer.as_fd(), bells.as_fd(), announced)?,
            consumer: open_consumer(consumer.as_fd())?,
            pidfd: from.pidfd,
        })
    }
}

fn stream(socket: UnixStream, own: Own, peer: Peer, options: &Options) -> Stream {
    let outgoing = Arc::new(join(own.producer, peer.consumer));
    let incoming = Arc::new(join(peer.producer, own.consumer));
    for areas in [&outgoing, &incoming] {
        areas.presence().go();
    }
    let reader = Reader::new(incoming, options, 0);
    let writer = Writer::new(outgoing, options, 0, 0);
    Link::new(socket, peer.pidfd).attach(&[&reader.end, &writer.end]);
    Stream::new(reader, writer)
}

/// One greeting, in however many pieces it comes, with everything the kernel says about it. Whatever comes beyond
/// it is a reason to refuse, and all descriptors are closed then.
fn receive(socket: &UnixStream, deadline: Moment) -> Result<(Greeting, Received), Error> {
    let mut bytes = [0; LENGTH];
    let mut whole = Received::default();
    while whole.bytes < LENGTH {
        let piece =
            socket::receive(socket, &mut bytes[whole.bytes..], deadline).map_err(|e| lost(&e))?;
        if piece.bytes == 0 {
            return Err(Error::Refused("the peer hung up in the middle of the handshake".into()));
        }
        if piece.truncated {
            return Err(Error::Refused(
                "descriptors were lost: too many in the greeting, or this process has none left"
                    .into(),
            ));
        }
        whole.bytes += piece.bytes;
        whole.fds.extend(piece.fds);
        whole.pidfd = piece.pidfd.or(whole.pidfd);
        if whole.fds.len() > DESCRIPTORS {
            return Err(Error::Refused("the greeting carries too many descriptors".into()));
        }
    }
    let greeting = Greeting::from_bytes(&bytes)?;
    if socket::has_more(socket) {
        return Err(Error::Refused("bytes follow the greeting".into()));
    }
    Ok((greeting, whole))
}

fn lost(error: &std::io::Error) -> Error {
    match error.kind() {
        std::io::ErrorKind::TimedOut => Error::Timeout,
        _ => io_error("exchanging greetings with the peer", error),
    }
}
