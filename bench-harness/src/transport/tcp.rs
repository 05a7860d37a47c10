//! TCP over the loopback interface, with TCP_NODELAY on both sides.

use std::{
    io::{self, Read, Write},
    net::{Ipv4Addr, TcpListener, TcpStream},
    os::{
        fd::{AsRawFd, OwnedFd},
        unix::net::UnixStream,
    },
};

use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, SockaddrIn, bind, connect, getsockname, socket,
};

use super::{
    Role,
    descriptors::Descriptors,
    doing, spins,
    unix::{buffers, granted},
};
use crate::{case::Case, control::Facts};

pub(super) fn open(case: &Case, role: Role, meet: &UnixStream) -> io::Result<Descriptors> {
    let (stream, facts) = stream(case, role, meet)?;
    let read = stream.try_clone()?;
    Descriptors::new(OwnedFd::from(read), OwnedFd::from(stream), spins(case), facts)
}

/// This side of a connection, with its buffers and options set.
pub(super) fn stream(case: &Case, role: Role, meet: &UnixStream) -> io::Result<(TcpStream, Facts)> {
    let stream = match role {
        Role::Initiator => accept(case, meet)?,
        Role::Responder => reach(case, meet)?,
    };
    doing(stream.set_nodelay(true), "setting TCP_NODELAY")?;
    let mut facts = granted(&stream)?;
    facts.insert("TCP_NODELAY".to_owned(), stream.nodelay()?.to_string());
    Ok((stream, facts))
}

/// Listens on a port the system chooses, tells it to the responder, and takes that responder and nobody else.
fn accept(case: &Case, meet: &UnixStream) -> io::Result<TcpStream> {
    let listener = doing(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)), "listening on 127.0.0.1")?;
    // An accepted socket inherits its buffers, and the window is agreed upon before it is accepted.
    buffers(&listener, case)?;
    let mut meet = meet;
    meet.write_all(&listener.local_addr()?.port().to_be_bytes())?;
    let mut expected = [0; 2];
    meet.read_exact(&mut expected)?;
    loop {
        let (stream, from) = doing(listener.accept(), "accepting on 127.0.0.1")?;
        if from.port() == u16::from_be_bytes(expected) {
            return Ok(stream);
        }
    }
}

fn reach(case: &Case, meet: &UnixStream) -> io::Result<TcpStream> {
    let mut meet = meet;
    let mut port = [0; 2];
    meet.read_exact(&mut port)?;
    // By hand, because std connects before the buffers can be set.
    let made = socket(AddressFamily::Inet, SockType::Stream, SockFlag::SOCK_CLOEXEC, None);
    let socket = doing(made, "making a TCP socket")?;
    buffers(&socket, case)?;
    doing(bind(socket.as_raw_fd(), &SockaddrIn::new(127, 0, 0, 1, 0)), "binding to 127.0.0.1")?;
    let here: SockaddrIn = doing(getsockname(socket.as_raw_fd()), "asking for the local port")?;
    meet.write_all(&here.port().to_be_bytes())?;
    let there = SockaddrIn::new(127, 0, 0, 1, u16::from_be_bytes(port));
    doing(connect(socket.as_raw_fd(), &there), "connecting over loopback")?;
    Ok(TcpStream::from(socket))
}
