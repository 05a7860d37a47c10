//! What ties two processes together for as long as their stream lives.

use std::{
    net::Shutdown,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::net::UnixStream,
    },
    sync::{Arc, OnceLock, Weak},
};

use nix::sys::epoll::EpollFlags;

use super::watcher::{Registration, Watcher};
use crate::{ring::end::End, sys::socket};

/// The socket and the pidfd whose readiness means that the peer is gone.
#[derive(Debug)]
pub(crate) struct Link {
    socket: UnixStream,
    pidfd: Option<OwnedFd>,
    /// Whom to tell.
    ends: OnceLock<Vec<Weak<End>>>,
    /// Absent where the watching thread could not be had; the ends then look for themselves.
    registration: OnceLock<Registration>,
}

impl Link {
    pub(crate) fn new(socket: UnixStream, pidfd: Option<OwnedFd>) -> Arc<Self> {
        Arc::new(Self { socket, pidfd, ends: OnceLock::new(), registration: OnceLock::new() })
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
        self.signs().any(|(fd, sign)| socket::shows(fd, sign))
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
    pub(super) fn signs(&self) -> impl Iterator<Item = (BorrowedFd<'_>, EpollFlags)> {
        let socket = (self.socket.as_fd(), EpollFlags::EPOLLRDHUP);
        let pidfd = self.pidfd.as_ref().map(|fd| (fd.as_fd(), EpollFlags::EPOLLIN));
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
