//! A Unix stream socket pair, and the two self-tests that are made from it.

use std::{
    io,
    os::{
        fd::{AsFd, OwnedFd},
        unix::net::UnixStream,
    },
};

use nix::sys::socket::{getsockopt, setsockopt, sockopt};

use super::{Link, Role, descriptors::Descriptors, doing, handover, spins};
use crate::{case::Case, control::Facts};

pub(super) fn open(case: &Case, role: Role, meet: &UnixStream) -> io::Result<Descriptors> {
    let (socket, facts) = socket(case, role, meet)?;
    let read = socket.try_clone()?;
    Descriptors::new(read, socket, spins(case), facts)
}

/// This side's socket of the pair, with its buffers set.
pub(super) fn socket(case: &Case, role: Role, meet: &UnixStream) -> io::Result<(OwnedFd, Facts)> {
    match role {
        Role::Initiator => {
            let (ours, theirs) = doing(UnixStream::pair(), "making a socket pair")?;
            let theirs = OwnedFd::from(theirs);
            buffers(&theirs, case)?;
            let facts = buffers(&ours, case)?;
            handover::send(meet, &[&theirs])?;
            Ok((OwnedFd::from(ours), facts))
        }
        Role::Responder => {
            let [socket] = handover::receive(meet)?;
            Ok((socket, Facts::new()))
        }
    }
}

/// Asks for buffers of the size of the case, if it has one; what was granted is read back and reported.
///
/// Linux grants twice what is asked, up to twice `net.core.{w,r}mem_max`, because its own bookkeeping counts.
pub(super) fn buffers(socket: &impl AsFd, case: &Case) -> io::Result<Facts> {
    if let Some(buffer) = case.buffer {
        let half = buffer.0 / 2;
        doing(setsockopt(socket, sockopt::SndBuf, &half), "setting SO_SNDBUF")?;
        doing(setsockopt(socket, sockopt::RcvBuf, &half), "setting SO_RCVBUF")?;
    }
    granted(socket)
}

/// The sizes of a socket's buffers as the system has them.
pub(super) fn granted(socket: &impl AsFd) -> io::Result<Facts> {
    let send = doing(getsockopt(socket, sockopt::SndBuf), "reading SO_SNDBUF")?;
    let receive = doing(getsockopt(socket, sockopt::RcvBuf), "reading SO_RCVBUF")?;
    Ok(Facts::from([
        ("send buffer".to_owned(), send.to_string()),
        ("receive buffer".to_owned(), receive.to_string()),
    ]))
}

/// Falsifies one byte in a million of what it receives.
#[derive(Debug)]
pub(super) struct Corrupting {
    link: Descriptors,
    received: u64,
}

pub(super) fn open_corrupting(
    case: &Case,
    role: Role,
    meet: &UnixStream,
) -> io::Result<Corrupting> {
    Ok(Corrupting { link: open(case, role, meet)?, received: 0 })
}

impl Link for Corrupting {
    fn send(&mut self, message: &[u8]) -> io::Result<()> {
        self.link.send(message)
    }

    fn recv(&mut self, message: &mut [u8]) -> io::Result<()> {
        const EVERY: u64 = 1_000_000;
        self.link.recv(message)?;
        let before = self.received;
        self.received += message.len() as u64;
        if before / EVERY != self.received / EVERY {
            let place = (self.received / EVERY * EVERY - before) as usize;
            message[place.min(message.len() - 1)] ^= 0x10;
        }
        Ok(())
    }
}

/// Answers a thousand messages, then never again.
#[derive(Debug)]
pub(super) struct Stuck {
    link: Descriptors,
    left: u64,
}

pub(super) fn open_stuck(case: &Case, role: Role, meet: &UnixStream) -> io::Result<Stuck> {
    Ok(Stuck { link: open(case, role, meet)?, left: 1_000 })
}

impl Link for Stuck {
    fn send(&mut self, message: &[u8]) -> io::Result<()> {
        self.link.send(message)
    }

    fn recv(&mut self, message: &mut [u8]) -> io::Result<()> {
        if self.left == 0 {
            loop {
                std::thread::park();
            }
        }
        self.left -= 1;
        self.link.recv(message)
    }
}
