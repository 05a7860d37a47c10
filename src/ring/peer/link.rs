//! What ties two processes together for as long as their stream lives.

use std::{
    io::ErrorKind,
    net::Shutdown,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::net::UnixStream,
    },
    sync::{
        Arc, OnceLock, Weak,
        atomic::{AtomicBool, Ordering},
    },
};

use nix::sys::epoll::EpollFlags;

use super::watcher::{Registration, Watcher};
use crate::{
    ring::end::End,
    sys::{clock::Moment, socket},
};

/// The socket and the pidfd whose readiness means that the peer is gone.
#[derive(Debug)]
pub(crate) struct Link {
    socket: UnixStream,
    pidfd: OnceLock<OwnedFd>,
    /// Which process is on the other side is not known before it says a byte.
    awaits: AtomicBool,
    /// Whom to tell.
    ends: OnceLock<Vec<Weak<End>>>,
    /// Absent where the watching thread could not be had; the ends then look for themselves.
    registration: OnceLock<Registration>,
}

/// A sign, and how it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sign {
    Socket = 0,
    Process = 1,
}

/// What became known of a peer that takes up its end.
#[derive(Debug)]
pub(super) enum Met<'a> {
    /// Nothing new.
    Nothing,
    /// A pidfd of it.
    Process(BorrowedFd<'a>),
    /// It has been, and is dead.
    Dead,
}

impl Link {
    pub(crate) fn new(socket: UnixStream, pidfd: Option<OwnedFd>) -> Arc<Self> {
        let link = Self {
            socket,
            pidfd: OnceLock::new(),
            awaits: AtomicBool::new(false),
            ends: OnceLock::new(),
            registration: OnceLock::new(),
        };
        if let Some(pidfd) = pidfd {
            let _ = link.pidfd.set(pidfd);
        }
        Arc::new(link)
    }

    /// To a process that has its half of the socket but has not taken up its end: which one of those that have the socket
    /// it will be shows when it [does](Self::introduce).
    pub(crate) fn awaiting(socket: UnixStream) -> Arc<Self> {
        let link = Self::new(socket, None);
        link.awaits.store(true, Ordering::Relaxed);
        link
    }

    /// Says to a peer that awaits it that this process has taken up the end.
    pub(crate) fn introduce(&self) {
        // A peer that does not hear it is gone, or is told of this process's death by the socket alone.
        let _ = socket::send(&self.socket, &[0], &[], Moment::now());
    }

    /// Whether the peer has still to say who it is.
    pub(super) fn awaits(&self) -> bool {
        self.awaits.load(Ordering::Relaxed)
    }

    /// Hears who the peer is, if it was not known and has been said.
    pub(super) fn meet(&self) -> Met<'_> {
        if !self.awaits() {
            return Met::Nothing;
        }
        let from = match socket::receive(&self.socket, &mut [0], Moment::now()) {
            Err(error) if error.kind() == ErrorKind::TimedOut => return Met::Nothing,
            from => from.unwrap_or_default(),
        };
        self.awaits.store(false, Ordering::Relaxed);
        match from.pidfd {
            _ if from.is_from_the_dead => Met::Dead,
            Some(pidfd) => Met::Process(self.pidfd.get_or_init(|| pidfd).as_fd()),
            None => Met::Nothing,
        }
    }

    /// Has `ends` told when the peer dies, and keeps the link alive for as long as they are. Called once.
    pub(crate) fn attach(self: &Arc<Self>, ends: &[&Arc<End>]) {
        let _ = self.ends.set(ends.iter().map(|end| Arc::downgrade(end)).collect());
        if let Some(registration) = Watcher::here().watch(self) {
            let _ = self.registration.set(registration);
        }
        for end in ends {
            end.set_link(self.clone());
        }
    }

    /// Whether the peer's death will be told without being asked for.
    pub(crate) fn is_watched(&self) -> bool {
        self.registration.get().is_some()
    }

    /// Looks for itself whether the peer is gone.
    pub(crate) fn is_hung_up(&self) -> bool {
        matches!(self.meet(), Met::Dead)
            || self.signs().any(|(fd, events, _)| socket::shows(fd, events))
    }

    /// Breaks the tie, for both sides: whoever sleeps on the other one is told of a death.
    pub(crate) fn hang_up(&self) {
        let _ = self.socket.shutdown(Shutdown::Both);
    }

    /// Tells the ends.
    pub(super) fn peer_died(&self) {
        for end in self.ends.get().into_iter().flatten().filter_map(Weak::upgrade) {
            end.peer_died();
        }
    }

    /// Descriptors, and what they show when the peer is gone: a socket hangs up, a pidfd becomes readable. A socket that
    /// becomes readable says nothing.
    pub(super) fn signs(&self) -> impl Iterator<Item = (BorrowedFd<'_>, EpollFlags, Sign)> {
        let socket = (self.socket.as_fd(), EpollFlags::EPOLLRDHUP, Sign::Socket);
        let pidfd = self.pidfd.get().map(|fd| (fd.as_fd(), EpollFlags::EPOLLIN, Sign::Process));
        std::iter::once(socket).chain(pidfd)
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        if let Some(registration) = self.registration.take() {
            registration.cancel(self);
        }
    }
}
