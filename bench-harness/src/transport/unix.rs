//! A Unix socket pair, of bytes or of packets; a floor for setting up; and the two self-tests that are made from it.

use std::{
    io,
    os::{
        fd::{AsFd, OwnedFd},
        unix::net::UnixStream,
    },
};

use memmap2::MmapMut;
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, getsockopt, setsockopt, socketpair, sockopt,
};

use super::{Link, Role, descriptors::Descriptors, doing, handover, spins, unsupported};
use crate::{case::Case, control::Facts};

pub(super) fn open(case: &Case, role: Role, meet: &UnixStream) -> io::Result<Descriptors> {
    let (socket, facts) = socket(case, role, meet, SockType::Stream)?;
    let read = socket.try_clone()?;
    Descriptors::new(read, socket, spins(case), facts)
}

/// A message is a packet, which arrives whole or not at all.
pub(super) fn open_packets(case: &Case, role: Role, meet: &UnixStream) -> io::Result<Descriptors> {
    let (socket, facts) = socket(case, role, meet, SockType::SeqPacket)?;
    let room = doing(getsockopt(&socket, sockopt::SndBuf), "reading SO_SNDBUF")?;
    // The kernel keeps 32 bytes of the send buffer back (unix_dgram_sendmsg).
    if case.size.0 + 32 > room {
        return Err(unsupported(format!(
            "a packet of {} does not fit into the send buffer of {room} bytes; net.core.wmem_max limits it",
            case.size
        )));
    }
    let read = socket.try_clone()?;
    Descriptors::new(read, socket, spins(case), facts)
}

/// This side's socket of the pair, with its buffers set.
pub(super) fn socket(
    case: &Case,
    role: Role,
    meet: &UnixStream,
    kind: SockType,
) -> io::Result<(OwnedFd, Facts)> {
    match role {
        Role::Initiator => {
            let pair = socketpair(AddressFamily::Unix, kind, None, SockFlag::SOCK_CLOEXEC);
            let (ours, theirs) = doing(pair, "making a socket pair")?;
            buffers(&theirs, case)?;
            let facts = buffers(&ours, case)?;
            handover::send(meet, &[&theirs])?;
            Ok((ours, facts))
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

/// The floor of setting up: a Unix socket, and on each side as much memory as a ring has, written once.
#[derive(Debug)]
pub(super) struct Zeroed {
    link: Descriptors,
    _memory: MmapMut,
}

pub(super) fn open_zeroed(case: &Case, role: Role, meet: &UnixStream) -> io::Result<Zeroed> {
    let link = open(case, role, meet)?;
    // From the system and not from the allocator, which would hand out the same pages again and again.
    let mut memory = doing(MmapMut::map_anon(case.buffer.map_or(4096, |b| b.0)), "mapping memory")?;
    std::hint::black_box(&mut memory).fill(0);
    Ok(Zeroed { link, _memory: memory })
}

impl Link for Zeroed {
    fn send(&mut self, message: &[u8]) -> io::Result<()> {
        self.link.send(message)
    }

    fn recv(&mut self, message: &mut [u8]) -> io::Result<()> {
        self.link.recv(message)
    }
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

/// Takes ten messages, then never one again.
#[derive(Debug)]
pub(super) struct Stuck {
    link: Descriptors,
    left: u64,
}

pub(super) fn open_stuck(case: &Case, role: Role, meet: &UnixStream) -> io::Result<Stuck> {
    Ok(Stuck { link: open(case, role, meet)?, left: 10 })
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
