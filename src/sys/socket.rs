//! What the handshake needs of a Unix socket and std does not have: descriptors in messages, and who the peer is.

use std::{
    io, mem,
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd},
        unix::net::UnixStream,
    },
    ptr,
};

use nix::{
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::{epoll::EpollFlags, stat::fstat},
};

use super::clock::Moment;

/// Most descriptors that one message may carry here; what comes beyond is closed by the kernel, and told.
pub(crate) const MAX_FDS: usize = 8;

/// Who is on the other side of a socket, as the kernel noted it when they connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// Process id, in this process's namespace; 0 if it is not visible there.
    pub pid: i32,
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
}

/// One piece of an incoming message.
#[derive(Debug, Default)]
pub(crate) struct Received {
    pub(crate) bytes: usize,
    pub(crate) fds: Vec<OwnedFd>,
    /// A descriptor of the sending process, where the kernel gives one.
    pub(crate) pidfd: Option<OwnedFd>,
    /// The sending process has ended, and its parent knows: there is nothing left to have a descriptor of.
    pub(crate) is_from_the_dead: bool,
    /// More ancillary data came than there is room for.
    pub(crate) truncated: bool,
}

// Newer than libc's table for some targets: <linux/socket.h>, <asm-generic/socket.h>.
const SCM_PIDFD: libc::c_int = 0x04;
const SO_PASSPIDFD: libc::c_int = 76;

impl Received {
    /// Notes what the kernel gave for the sending process: a new descriptor, or the negated reason why there is none.
    ///
    /// # Safety
    /// A descriptor is owned by nobody else.
    unsafe fn come_from(&mut self, pidfd: RawFd) {
        match pidfd {
            // SAFETY: as for this function.
            0.. => self.pidfd = Some(unsafe { OwnedFd::from_raw_fd(pidfd) }),
            // Older kernels say the one, newer ones the other.
            _ => self.is_from_the_dead = [libc::EINVAL, libc::ESRCH].contains(&-pidfd),
        }
    }
}

/// A new descriptor of a process, or the negated reason why there is none. Should the process have ended since it sent its
/// message, and its number belong to another one by now, it is that one's: whose end then tells of a death that has been.
fn open_pidfd(pid: libc::pid_t) -> RawFd {
    if pid <= 0 {
        // Of a process that cannot be seen from here, which does not mean that it has ended.
        return -libc::EACCES;
    }
    // SAFETY: the call takes two numbers.
    match unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) } {
        -1 => -io::Error::last_os_error().raw_os_error().unwrap_or(libc::EACCES),
        fd => fd as RawFd,
    }
}

/// Sends all of `bytes`, and `fds` with the first of them. Never raises SIGPIPE.
pub(crate) fn send(
    socket: &UnixStream,
    bytes: &[u8],
    fds: &[BorrowedFd<'_>],
    deadline: Moment,
) -> io::Result<()> {
    let mut sent = 0;
    while sent < bytes.len() {
        match send_once(socket, &bytes[sent..], if sent == 0 { fds } else { &[] }) {
            Ok(n) => sent += n,
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                wait_for(socket.as_fd(), PollFlags::POLLOUT, Some(deadline))?;
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

fn send_once(socket: &UnixStream, bytes: &[u8], fds: &[BorrowedFd<'_>]) -> io::Result<usize> {
    let raw: Vec<RawFd> = fds.iter().map(AsRawFd::as_raw_fd).collect();
    let length = mem::size_of_val(raw.as_slice()) as u32;
    let mut control = ControlBuffer::new();
    let mut vector =
        libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
    // SAFETY: all-zero is a valid message header.
    let mut message: libc::msghdr = unsafe { mem::zeroed() };
    message.msg_iov = &raw mut vector;
    message.msg_iovlen = 1;
    if !raw.is_empty() {
        message.msg_control = control.0.as_mut_ptr().cast();
        // SAFETY: plain arithmetic.
        message.msg_controllen = unsafe { libc::CMSG_SPACE(length) } as usize;
        assert!(message.msg_controllen <= mem::size_of_val(&control.0), "too many descriptors");
        // SAFETY: the buffer is aligned, zeroed and long enough for one header with these descriptors.
        unsafe {
            let header = libc::CMSG_FIRSTHDR(&raw const message);
            (*header).cmsg_level = libc::SOL_SOCKET;
            (*header).cmsg_type = libc::SCM_RIGHTS;
            (*header).cmsg_len = libc::CMSG_LEN(length) as usize;
            ptr::copy_nonoverlapping(raw.as_ptr().cast(), libc::CMSG_DATA(header), length as usize);
        }
    }
    let flags = libc::MSG_NOSIGNAL | libc::MSG_DONTWAIT;
    // SAFETY: the header leads to live buffers of the stated lengths.
    let sent = unsafe { libc::sendmsg(socket.as_raw_fd(), &raw const message, flags) };
    if sent < 0 { Err(io::Error::last_os_error()) } else { Ok(sent as usize) }
}

/// Receives what is there, waiting for it until `deadline`; 0 bytes are the end of the stream.
pub(crate) fn receive(
    socket: &UnixStream,
    buf: &mut [u8],
    deadline: Moment,
) -> io::Result<Received> {
    loop {
        match receive_once(socket, buf) {
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                wait_for(socket.as_fd(), PollFlags::POLLIN, Some(deadline))?;
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

fn receive_once(socket: &UnixStream, buf: &mut [u8]) -> io::Result<Received> {
    let mut control = ControlBuffer::new();
    let mut vector = libc::iovec { iov_base: buf.as_mut_ptr().cast(), iov_len: buf.len() };
    // SAFETY: all-zero is a valid message header.
    let mut message: libc::msghdr = unsafe { mem::zeroed() };
    message.msg_iov = &raw mut vector;
    message.msg_iovlen = 1;
    message.msg_control = control.0.as_mut_ptr().cast();
    message.msg_controllen = mem::size_of_val(&control.0);
    let flags = libc::MSG_CMSG_CLOEXEC | libc::MSG_DONTWAIT;
    // SAFETY: the header leads to live buffers of the stated lengths.
    let got = unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut message, flags) };
    if got < 0 {
        return Err(io::Error::last_os_error());
    }
    let mut received = Received {
        bytes: got as usize,
        truncated: message.msg_flags & (libc::MSG_CTRUNC | libc::MSG_TRUNC) != 0,
        ..Received::default()
    };
    // SAFETY: the kernel filled the control buffer with well-formed headers up to the length it stored; each descriptor
    // in it is new and ours, whatever else is wrong with the message.
    unsafe {
        let mut header = libc::CMSG_FIRSTHDR(&raw const message);
        while !header.is_null() {
            let data = libc::CMSG_DATA(header);
            let length = (*header).cmsg_len - (data as usize - header as usize);
            match (*header).cmsg_type {
                _ if (*header).cmsg_level != libc::SOL_SOCKET => {}
                libc::SCM_RIGHTS => {
                    for at in 0..length / mem::size_of::<RawFd>() {
                        let raw = data.cast::<RawFd>().add(at).read_unaligned();
                        received.fds.push(OwnedFd::from_raw_fd(raw));
                    }
                }
                SCM_PIDFD => received.come_from(data.cast::<RawFd>().read_unaligned()),
                libc::SCM_CREDENTIALS => {
                    let sender = data.cast::<libc::ucred>().read_unaligned();
                    received.come_from(open_pidfd(sender.pid));
                }
                _ => {}
            }
            header = libc::CMSG_NXTHDR(&raw const message, header);
        }
    }
    Ok(received)
}

/// Room for [`MAX_FDS`] descriptors and for who sends them, aligned as headers must be.
#[repr(align(8))]
struct ControlBuffer([u8; 128]);

impl ControlBuffer {
    fn new() -> Self {
        Self([0; 128])
    }
}

const _: () = {
    // SAFETY: plain arithmetic.
    let sender = unsafe { libc::CMSG_SPACE(size_of::<libc::ucred>() as u32) };
    // SAFETY: plain arithmetic.
    let room = unsafe { libc::CMSG_SPACE(4 * MAX_FDS as u32) } + sender;
    assert!(room as usize <= size_of::<ControlBuffer>());
};

/// Waits until the descriptor is ready for `events` or broken.
///
/// # Errors
/// `TimedOut` once `deadline` has passed.
pub(crate) fn wait_for(
    fd: BorrowedFd<'_>,
    events: PollFlags,
    deadline: Option<Moment>,
) -> io::Result<()> {
    loop {
        let timeout = match deadline {
            None => PollTimeout::NONE,
            Some(deadline) => {
                let left = deadline.since(Moment::now());
                if left.is_zero() {
                    return Err(io::ErrorKind::TimedOut.into());
                }
                // Rounded up, so that a wait does not end a moment too early and come here again.
                let millis = left.as_millis().saturating_add(1);
                PollTimeout::try_from(millis.min(1 << 30)).unwrap_or(PollTimeout::MAX)
            }
        };
        match poll(&mut [PollFd::new(fd, events)], timeout) {
            Ok(0) | Err(nix::errno::Errno::EINTR) => {}
            Ok(_) => return Ok(()),
            Err(e) => return Err(e.into()),
        }
    }
}

/// Whether bytes that nobody asked for are waiting.
pub(crate) fn has_more(socket: &UnixStream) -> bool {
    let mut byte = 0u8;
    let flags = libc::MSG_PEEK | libc::MSG_DONTWAIT;
    // SAFETY: room for one byte.
    unsafe { libc::recv(socket.as_raw_fd(), (&raw mut byte).cast(), 1, flags) > 0 }
}

/// Whether the descriptor shows any of `signs` now, or a hang-up.
pub(crate) fn shows(fd: BorrowedFd<'_>, signs: EpollFlags) -> bool {
    // The bits of poll and epoll are the same by definition of the kernel.
    let signs = PollFlags::from_bits_retain(signs.bits() as i16);
    matches!(poll(&mut [PollFd::new(fd, signs)], PollTimeout::ZERO), Ok(n) if n > 0)
}

/// Asks the kernel for a descriptor of the sending process with each message; before Linux 6.5 for its number, which is
/// made a descriptor here from Linux 5.3 on.
pub(crate) fn ask_for_pidfd(socket: &UnixStream) {
    let _ = switch_on(socket, SO_PASSPIDFD) || switch_on(socket, libc::SO_PASSCRED);
}

fn switch_on(socket: &UnixStream, option: libc::c_int) -> bool {
    let on: libc::c_int = 1;
    // SAFETY: the option takes an int.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            option,
            (&raw const on).cast(),
            mem::size_of_val(&on) as u32,
        )
    };
    result == 0
}

/// Who connected, or listens, on the other side.
pub(crate) fn credentials(socket: &UnixStream) -> io::Result<Credentials> {
    use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
    let peer = getsockopt(socket, PeerCredentials)?;
    Ok(Credentials { pid: peer.pid(), uid: peer.uid(), gid: peer.gid() })
}

/// What tells this socket from every other one of the system.
pub(crate) fn inode(socket: BorrowedFd<'_>) -> io::Result<u64> {
    Ok(fstat(socket)?.st_ino)
}

/// Takes the descriptor with this number, if it is the socket that the parent spoke of.
pub(crate) fn take_inherited_socket(fd: RawFd, expected: u64) -> Option<UnixStream> {
    // SAFETY: `fcntl` and `fstat` may be asked about any number; nothing is done with a wrong one.
    let borrowed = unsafe {
        if fd < 0 || libc::fcntl(fd, libc::F_GETFD) != 0 {
            // Closed, or one that this process opened itself: those are close-on-exec.
            return None;
        }
        BorrowedFd::borrow_raw(fd)
    };
    if inode(borrowed).ok()? != expected {
        return None;
    }
    // SAFETY: it was made for this process, which knows of it from its environment alone. The flag keeps it from being
    // taken twice.
    unsafe {
        libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC);
        Some(OwnedFd::from_raw_fd(fd).into())
    }
}
