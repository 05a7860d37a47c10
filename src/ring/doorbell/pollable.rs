//! A descriptor beside the futex word, for ends that wait together with other descriptors.
//!
//! The waiting end arms it by storing [`ARMED`](crate::ring::core::layout::ARMED) in `parked`; the peer then makes the
//! descriptor readable in place of ringing the word. While nobody polls, nobody arms, and it costs nothing.
//!
//! Within a process it is an eventfd. Between processes it is a socket: all holders of an eventfd share its `O_NONBLOCK`,
//! so a peer that clears the flag and fills the counter would block our next ring for ever. A socket
//! is told with each call not to block, and nobody else can change that.

use std::{
    io,
    net::Shutdown,
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
        unix::net::UnixDatagram,
    },
    sync::Arc,
};

use nix::{
    errno::Errno,
    sys::{
        eventfd::{EfdFlags, EventFd},
        socket::{MsgFlags, UnixAddr, getsockname, recv, send},
    },
};

use crate::error::Error;

/// How an end can be waited for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Doorbell {
    /// By a call that blocks. A word in shared memory and nothing else.
    #[default]
    Futex,
    /// Also by `poll`, `epoll` and what is built on them, through [`Pollable`](crate::ring::Pollable): an eventfd while both
    /// ends are in one process, a socket in its place between processes. Each message then costs both sides a fence, some ten
    /// nanoseconds, which rings without descriptors do without.
    EventFd,
}

/// What an end polls.
#[derive(Debug)]
pub(crate) enum Light {
    Event(Arc<EventFd>),
    /// The receiving side, and the sending one for what happens in this process.
    Socket(UnixDatagram, Switch),
}

/// What makes an end's [`Light`] readable.
#[derive(Debug)]
pub(crate) enum Switch {
    Event(Arc<EventFd>),
    Socket(OwnedFd),
}

impl Light {
    /// One for an end whose peer is in this process, and the switch for that peer.
    pub(crate) fn local() -> io::Result<(Self, Switch)> {
        let event = EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?;
        let event = Arc::new(event);
        Ok((Self::Event(event.clone()), Switch::Event(event)))
    }

    /// One for an end whose peer is another process, and the switch to send there.
    pub(crate) fn remote() -> io::Result<(Self, OwnedFd)> {
        let (own, peer) = UnixDatagram::pair()?;
        let switch = Switch::Socket(peer.try_clone()?.into());
        Ok((Self::Socket(own, switch), peer.into()))
    }

    /// Makes it unreadable. What a hostile peer has queued up beyond measure stays, and costs a look for nothing.
    pub(crate) fn clear(&self) {
        match self {
            Self::Event(event) => drop(event.read()),
            Self::Socket(socket, _) => {
                let mut byte = [0];
                let _ = (0..MOST_RINGS)
                    .find(|_| recv(socket.as_raw_fd(), &mut byte, MsgFlags::MSG_DONTWAIT).is_err());
            }
        }
    }

    /// Makes it readable from this side; for ever, if the kernel refuses to do it once. Polling turns into looking then.
    pub(crate) fn raise(&self) {
        match self {
            Self::Event(event) => drop(event.write(1)),
            Self::Socket(_, switch) => {
                if !switch.raise() {
                    self.raise_for_good();
                }
            }
        }
    }

    /// Makes it readable for ever. The switch is not enough for what must be seen: the peer holds the same socket, and may
    /// have taken it apart from ours.
    pub(crate) fn raise_for_good(&self) {
        match self {
            Self::Event(event) => drop(event.write(1)),
            Self::Socket(socket, _) => drop(socket.shutdown(Shutdown::Read)),
        }
    }
}

/// Rings that one call of [`Light::clear`] takes back at most.
const MOST_RINGS: usize = 64;

/// Nobody has the other half any more. The first to find out is told that it was refused, and from then on there is no connection.
const GONE: [Errno; 4] = [Errno::ECONNREFUSED, Errno::ENOTCONN, Errno::ECONNRESET, Errno::EPIPE];

impl Switch {
    /// One that another process sent: it must be a Unix socket, which can be told not to block.
    pub(crate) fn stranger(fd: OwnedFd) -> Result<Self, Error> {
        match getsockname::<UnixAddr>(fd.as_raw_fd()) {
            Ok(_) => Ok(Self::Socket(fd)),
            Err(_) => Err(Error::Refused("the descriptor to ring is no Unix socket".into())),
        }
    }

    /// Makes the light readable; it already is if there is no room for one more ring. `false` if the kernel refuses, and
    /// somebody may wait for it.
    #[must_use]
    pub(crate) fn raise(&self) -> bool {
        match self {
            Self::Event(event) => matches!(event.write(1), Ok(_) | Err(Errno::EAGAIN)),
            // More than once, because memory that could not be had now may be had the next time.
            Self::Socket(socket) => (0..3).any(|_| {
                let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
                match send(socket.as_raw_fd(), &[0], flags) {
                    Ok(_) | Err(Errno::EAGAIN) => true,
                    Err(e) => GONE.contains(&e),
                }
            }),
        }
    }
}

impl AsFd for Light {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Event(event) => event.as_fd(),
            Self::Socket(socket, _) => socket.as_fd(),
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    /// The second time it was taken for a kernel that refuses to wake anybody, and the tie to the other process was cut.
    #[test]
    fn a_light_that_is_gone_may_be_raised_again_and_again() {
        let (light, peer) = Light::remote().unwrap();
        let switch = Switch::stranger(peer).unwrap();
        assert!(switch.raise());
        drop(light);
        assert!((0..3).all(|_| switch.raise()));
    }
}
