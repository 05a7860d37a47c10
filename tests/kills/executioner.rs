//! The process that kills, and sees the kernel's own signs of the death as early as anybody can.
//!
//! A third process, because threads of the survivor would compete with it. What it sees is the floor of what the survivor
//! can know: it sleeps in `epoll_wait` on a socket whose other end the victim holds, and on the victim's pidfd,
//! and does nothing else.

use std::{
    io::{IoSlice, IoSliceMut},
    os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd},
    process::Child,
    thread,
    time::Duration,
};

use nix::{
    cmsg_space,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::{
        epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout},
        socket::{
            AddressFamily, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockType,
            recvmsg, sendmsg, socketpair,
        },
    },
};

use crate::child::other;

/// Nanoseconds on the monotonic clock, which all processes share.
pub(crate) fn now() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: room for the result.
    assert_eq!(unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) }, 0);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// Nanoseconds on the monotonic clock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Death {
    /// Before the signal was sent.
    pub(crate) killed: u64,
    /// The first sign was seen.
    pub(crate) noticed: u64,
}

/// Whom to kill, and when.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Order {
    /// Not before the victim has acknowledged something.
    pub(crate) at_work: bool,
    pub(crate) delay: Duration,
}

/// The executioner, as the test sees it.
#[derive(Debug)]
pub(crate) struct Executioner {
    socket: OwnedFd,
    process: Child,
}

impl Executioner {
    pub(crate) fn start() -> Self {
        let (socket, theirs) =
            socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)
                .unwrap();
        let process = other("executioner").stdin(theirs).spawn().unwrap();
        Self { socket, process }
    }

    /// Kills `victim`, which holds the other ends of `tie` and of the pipe `acknowledged`.
    pub(crate) fn kill(
        &self,
        victim: &Child,
        tie: impl AsFd,
        acknowledged: impl AsFd,
        order: Order,
    ) {
        let words =
            [u64::from(victim.id()), u64::from(order.at_work), order.delay.as_nanos() as u64];
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        let fds = [tie.as_fd().as_raw_fd(), acknowledged.as_fd().as_raw_fd()];
        let sent = sendmsg::<()>(
            self.socket.as_raw_fd(),
            &[IoSlice::new(&bytes)],
            &[ControlMessage::ScmRights(&fds)],
            MsgFlags::empty(),
            None,
        );
        assert_eq!(sent, Ok(bytes.len()));
    }

    /// What came of the last order.
    pub(crate) fn report(&self) -> Death {
        let ([killed, noticed], _) = receive(self.socket.as_raw_fd()).expect("a report");
        Death { killed, noticed }
    }
}

impl Drop for Executioner {
    fn drop(&mut self) {
        let _ =
            nix::sys::socket::shutdown(self.socket.as_raw_fd(), nix::sys::socket::Shutdown::Both);
        let _ = self.process.wait();
    }
}

/// One message of `N` words, and the descriptors that came with it; none at the end.
fn receive<const N: usize>(socket: RawFd) -> Option<([u64; N], Vec<OwnedFd>)> {
    let mut bytes = [0; 64];
    let mut control = cmsg_space!([RawFd; 2]);
    let (n, fds) = {
        let mut vectors = [IoSliceMut::new(&mut bytes)];
        let message =
            recvmsg::<()>(socket, &mut vectors, Some(&mut control), MsgFlags::MSG_CMSG_CLOEXEC)
                .unwrap();
        let fds = message.cmsgs().unwrap().filter_map(|control| match control {
            ControlMessageOwned::ScmRights(fds) => Some(fds),
            _ => None,
        });
        // SAFETY: new descriptors, and nobody else's.
        let fds = fds.flatten().map(|fd| unsafe { OwnedFd::from_raw_fd(fd) }).collect();
        (message.bytes, fds)
    };
    if n == 0 {
        return None;
    }
    assert_eq!(n, N * 8);
    let words = std::array::from_fn(|at| {
        u64::from_le_bytes(bytes[at * 8..][..8].try_into().expect("eight bytes"))
    });
    Some((words, fds))
}

/// What the process does: one order after the other, until the test has ended.
pub(crate) fn work() {
    let socket = std::io::stdin().as_raw_fd();
    while let Some(([victim, at_work, delay], fds)) = receive(socket) {
        let [tie, acknowledged] = <[OwnedFd; 2]>::try_from(fds).expect("two descriptors");
        // SAFETY: makes a new descriptor. The victim is not waited for before the report, so its number is its own.
        let pidfd = unsafe { libc::syscall(libc::SYS_pidfd_open, victim as libc::pid_t, 0) };
        assert!(pidfd >= 0, "{}", std::io::Error::last_os_error());
        // SAFETY: new, and nobody else's.
        let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd as RawFd) };
        let signs = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).unwrap();
        signs.add(&tie, EpollEvent::new(EpollFlags::EPOLLRDHUP, 0)).unwrap();
        signs.add(&pidfd, EpollEvent::new(EpollFlags::EPOLLIN, 1)).unwrap();
        if at_work == 1 {
            let mut said = [PollFd::new(acknowledged.as_fd(), PollFlags::POLLIN)];
            poll(&mut said, PollTimeout::NONE).unwrap();
        }
        thread::sleep(Duration::from_nanos(delay));
        let killed = now();
        // SAFETY: a signal to a process that is known.
        let sent = unsafe {
            libc::syscall(libc::SYS_pidfd_send_signal, pidfd.as_raw_fd(), libc::SIGKILL, 0, 0)
        };
        assert_eq!(sent, 0, "{}", std::io::Error::last_os_error());
        let mut events = [EpollEvent::empty(); 2];
        let ready = signs.wait(&mut events, EpollTimeout::NONE).unwrap();
        let noticed = now();
        assert!(ready > 0);
        let report = [killed.to_le_bytes(), noticed.to_le_bytes()].concat();
        let sent = nix::sys::socket::send(socket, &report, MsgFlags::empty());
        assert_eq!(sent, Ok(report.len()));
    }
}
