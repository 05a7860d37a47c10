//! The handshake over a connected socket: hello, welcome, and nothing else.

use std::{
    io::ErrorKind,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::net::UnixStream,
    },
    sync::Arc,
};

use super::greeting::{FILES_AND_SWITCHES, Greeting, Handover, LENGTH, Offer};
use crate::{
    error::Error,
    ring::{
        Options, Reader, Stream, Writer,
        doorbell::pollable::{Doorbell, Light, Switch},
        memory::{
            compact,
            split::{
                ConsumerFile, ProducerFiles, create_consumer, create_producer, join, open_consumer,
                open_producer,
            },
        },
        options::{check_capacity, check_system},
        peer::Link,
        wait::{Fences, Sleeper},
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
    admit(&socket, options)?;
    let own = Own::create(options)?;
    let (greeting, from) = match own.send(&socket, &Greeting::Hello(own.offer()), deadline) {
        Ok(()) => receive(&socket, deadline)?,
        // Whoever hung up before it heard anything may have said why.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => {
            receive(&socket, deadline).map_err(|_| error)?
        }
        Err(error) => return Err(error),
    };
    match greeting {
        Greeting::Welcome(peer, answered) if answered == own.producer.header.nonce => {
            let peer = Peer::open(peer, from, options)?;
            Ok(stream(socket, own, peer, options))
        }
        Greeting::Refusal(text) => Err(Error::Refused(format!("the peer refused: {text}").into())),
        Greeting::Welcome(..) => Err(Error::Refused("the welcome answers another hello".into())),
        Greeting::Handover(_) => Err(Error::Refused("the welcome is a handover".into())),
        Greeting::Hello(_) => {
            Err(Error::Refused("both sides greet as the one that connects".into()))
        }
    }
}

/// Answers: the side that accepted, or a parent.
pub(crate) fn accept(socket: UnixStream, options: &Options) -> Result<Stream, Error> {
    let deadline = prepare(&socket, options)?;
    let result = admit(&socket, options).and_then(|()| accept_hello(&socket, options, deadline));
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
    // Before the hello is there: most of the time that a meeting takes goes into allocating memory, and this way both sides
    // do it at once. A client that never greets costs this memory until its time is up, but only one at a time.
    let own = Own::create(options)?;
    let (greeting, from) = receive(socket, deadline)?;
    let offer = match greeting {
        Greeting::Hello(offer) => offer,
        _ => {
            return Err(Error::Refused("the peer does not begin with a hello".into()));
        }
    };
    let peer = Peer::open(offer, from, options)?;
    own.send(socket, &Greeting::Welcome(own.offer(), offer.header.nonce), deadline)?;
    Ok((own, peer))
}

fn prepare(socket: &UnixStream, options: &Options) -> Result<Moment, Error> {
    check_capacity(options.capacity)?;
    check_system()?;
    let failed = |e| io_error("preparing the socket for the handshake", &e);
    socket.set_nonblocking(true).map_err(failed)?;
    socket::ask_for_pidfd(socket);
    Ok(Moment::now().after(options.handshake_timeout))
}

/// Refuses a peer of another user, unless the options let it in.
fn admit(socket: &UnixStream, options: &Options) -> Result<(), Error> {
    let failed = |e| io_error("asking who the peer is", &e);
    let peer = socket::credentials(socket).map_err(failed)?;
    if options.any_user || peer.uid == nix::unistd::geteuid().as_raw() {
        return Ok(());
    }
    let uid = peer.uid;
    Err(Error::Refused(format!("the peer runs as user {uid}; Options::any_user lets it in").into()))
}

/// What this side makes: the files it writes, what it polls, and the descriptors of both until they are sent.
struct Own {
    producer: ProducerFiles,
    consumer: ConsumerFile,
    lights: Option<[Light; 2]>,
    fences: Fences,
    fds: Vec<OwnedFd>,
}

impl Own {
    fn create(options: &Options) -> Result<Self, Error> {
        let (producer, [producer_fd, bells_fd]) =
            create_producer(options.capacity, random::nonce())?;
        let (consumer, consumer_fd) = create_consumer()?;
        let mut own = Self {
            producer,
            consumer,
            lights: None,
            fences: Fences::offer(options.doorbell),
            fds: vec![producer_fd, bells_fd, consumer_fd],
        };
        if options.doorbell == Doorbell::EventFd {
            let failed = |e| io_error("making descriptors to poll", &e);
            let (reader, reader_switch) = Light::remote().map_err(failed)?;
            let (writer, writer_switch) = Light::remote().map_err(failed)?;
            own.lights = Some([reader, writer]);
            own.fds.extend([reader_switch, writer_switch]);
        }
        Ok(own)
    }

    fn offer(&self) -> Offer {
        Offer { header: self.producer.header, fences: self.fences }
    }

    fn send(
        &self,
        socket: &UnixStream,
        greeting: &Greeting,
        deadline: Moment,
    ) -> Result<(), Error> {
        let fds: Vec<_> = self.fds.iter().map(AsFd::as_fd).collect();
        socket::send(socket, &greeting.to_bytes(), &fds, deadline).map_err(|e| lost(&e))
    }
}

/// What the peer made.
struct Peer {
    producer: ProducerFiles,
    consumer: ConsumerFile,
    /// For the peer's reader and its writer, if it polls them.
    switches: Option<[Switch; 2]>,
    fences: Fences,
    pidfd: Option<OwnedFd>,
}

impl Peer {
    fn open(offer: Offer, from: Received, options: &Options) -> Result<Self, Error> {
        let mut fds = from.fds.into_iter();
        let (producer, bells, consumer, switches) =
            match (fds.next(), fds.next(), fds.next(), fds.next(), fds.next()) {
                (Some(a), Some(b), Some(c), None, None) => (a, b, c, None),
                (Some(a), Some(b), Some(c), Some(d), Some(e)) => {
                    (a, b, c, Some([Switch::stranger(d)?, Switch::stranger(e)?]))
                }
                _ => {
                    return Err(Error::Refused(
                        "the greeting carries neither three descriptors nor five".into(),
                    ));
                }
            };
        let announced = offer.header;
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
            switches,
            fences: offer.fences,
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
    let fences = own.fences.agree(peer.fences);
    let mut reader = Reader::new(incoming, options, fences, 0);
    let mut writer = Writer::new(outgoing, options, fences, 0, 0);
    if let Some([for_reader, for_writer]) = peer.switches {
        writer.end.set_peer_switch(for_reader);
        reader.end.set_peer_switch(for_writer);
    }
    if let Some([for_reader, for_writer]) = own.lights {
        reader.set_pollable(for_reader);
        writer.set_pollable(for_writer);
    }
    let credentials = socket::credentials(&socket).ok();
    Link::new(socket, peer.pidfd).attach(&[&reader.end, &writer.end]);
    Stream::new(reader, writer, credentials)
}

/// Leaves an existing ring in the socket that a child will inherit.
pub(crate) fn send_handover(
    socket: &UnixStream,
    handover: Handover,
    file: BorrowedFd<'_>,
) -> Result<(), Error> {
    // A new socket has room for one message; nobody has to read it first.
    let bytes = Greeting::Handover(handover).to_bytes();
    socket::send(socket, &bytes, &[file], Moment::now()).map_err(|e| lost(&e))
}

/// Takes what the parent left: the ring's file, and a descriptor of the parent's process.
pub(crate) fn receive_handover(
    socket: &UnixStream,
    deadline: Moment,
) -> Result<(Handover, OwnedFd, Option<OwnedFd>), Error> {
    socket::ask_for_pidfd(socket);
    let (greeting, from) = receive(socket, deadline)?;
    let files = <[OwnedFd; 1]>::try_from(from.fds);
    match (greeting, files) {
        (Greeting::Handover(handover), Ok([file])) => {
            let capacity = usize::try_from(handover.header.capacity).unwrap_or(usize::MAX);
            check_capacity(capacity)?;
            let fits = handover.header.data_offset == compact::DATA as u64
                && handover.sleeps < Sleeper::MOST;
            if !fits {
                return Err(Error::Refused("the handover says what cannot be".into()));
            }
            Ok((handover, file, from.pidfd))
        }
        _ => Err(Error::Refused("the parent left something that is no handover".into())),
    }
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
        if whole.fds.len() > FILES_AND_SWITCHES {
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
        ErrorKind::TimedOut => Error::Timeout,
        _ => io_error("exchanging greetings with the peer", error),
    }
}
