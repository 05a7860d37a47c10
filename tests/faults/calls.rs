//! The system calls that are made to fail, and how each of them can.

use libc::{
    EACCES, EADDRINUSE, EAGAIN, EBUSY, ECONNABORTED, ECONNREFUSED, ECONNRESET, EFAULT, EFBIG,
    EINTR, EINVAL, EIO, EMFILE, ENFILE, ENOBUFS, ENOENT, ENOLCK, ENOMEM, ENOPROTOOPT, ENOSPC,
    ENOSYS, EOPNOTSUPP, EPERM, EROFS, c_long,
};

use crate::filter::{Only, Rule};

/// A system call, and the errors it is known to fail with: those of its manual page that do not need a wrong
/// argument, and those that filters answer with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call {
    pub(crate) name: &'static str,
    pub(crate) number: c_long,
    pub(crate) only: Only,
    pub(crate) errors: &'static [i32],
}

const fn call(name: &'static str, number: c_long, errors: &'static [i32]) -> Call {
    Call { name, number, only: Only::Every, errors }
}

/// Waiting and waking across processes. The C library's own, on private words, are left alone: it ends the
/// process where one of those is refused.
pub(crate) const SHARED_FUTEX: Only =
    Only::Equal(1, &[libc::FUTEX_WAKE as u32, libc::FUTEX_WAIT_BITSET as u32]);

/// Every one of them.
pub(crate) const CALLS: &[Call] = &[
    call("memfd_create", libc::SYS_memfd_create, &[EMFILE, ENFILE, ENOMEM, EINVAL, ENOSYS, EPERM]),
    call("ftruncate", libc::SYS_ftruncate, &[EINTR, ENOMEM, EFBIG, EPERM]),
    call("fallocate", libc::SYS_fallocate, &[ENOSPC, ENOMEM, EINTR, EOPNOTSUPP, ENOSYS, EFBIG]),
    call("fcntl", libc::SYS_fcntl, &[EPERM, EBUSY, EMFILE, EINVAL]),
    call("mmap", libc::SYS_mmap, &[ENOMEM, EAGAIN, EPERM]),
    call("munmap", libc::SYS_munmap, &[ENOMEM]),
    call("mprotect", libc::SYS_mprotect, &[ENOMEM]),
    call("madvise", libc::SYS_madvise, &[ENOMEM, EAGAIN, EINVAL]),
    call("mlock", libc::SYS_mlock, &[ENOMEM, EPERM, EAGAIN]),
    call("socket", libc::SYS_socket, &[EMFILE, ENFILE, ENOBUFS, EPERM]),
    call("socketpair", libc::SYS_socketpair, &[EMFILE, ENFILE, ENOMEM]),
    call("bind", libc::SYS_bind, &[EACCES, ENOSPC, EROFS, ENOMEM]),
    call("listen", libc::SYS_listen, &[EADDRINUSE, ENOBUFS]),
    call("connect", libc::SYS_connect, &[ECONNREFUSED, EAGAIN, EACCES, EINTR, ENOENT]),
    call(
        "accept4",
        libc::SYS_accept4,
        &[EMFILE, ENFILE, ENOBUFS, ECONNABORTED, EINTR, EAGAIN, EPERM],
    ),
    call("ioctl", libc::SYS_ioctl, &[ENOMEM, EPERM]),
    call("setsockopt", libc::SYS_setsockopt, &[ENOPROTOOPT, ENOMEM, EPERM]),
    call("getsockopt", libc::SYS_getsockopt, &[ENOBUFS, EPERM]),
    call("getsockname", libc::SYS_getsockname, &[ENOBUFS]),
    call("sendmsg", libc::SYS_sendmsg, &[ECONNRESET, EAGAIN, EINTR, ENOBUFS, ENOMEM, EPERM]),
    call("recvmsg", libc::SYS_recvmsg, &[ECONNRESET, EAGAIN, EINTR, ENOMEM, EPERM]),
    call("sendto", libc::SYS_sendto, &[EINTR, ENOBUFS, ENOMEM]),
    call("recvfrom", libc::SYS_recvfrom, &[EAGAIN, EINTR, ECONNRESET, ENOMEM]),
    Call {
        name: "futex",
        number: libc::SYS_futex,
        only: SHARED_FUTEX,
        errors: &[ENOSYS, EPERM, EINVAL, ENOMEM, EFAULT, EINTR, EAGAIN],
    },
    call("membarrier", libc::SYS_membarrier, &[EPERM, ENOSYS, EINVAL, ENOMEM]),
    call("epoll_create1", libc::SYS_epoll_create1, &[EMFILE, ENFILE, ENOMEM]),
    call("epoll_ctl", libc::SYS_epoll_ctl, &[ENOMEM, ENOSPC, EPERM]),
    #[cfg(target_arch = "x86_64")]
    call("epoll_wait", libc::SYS_epoll_wait, &[EINTR, EPERM, ENOSYS]),
    call("epoll_pwait", libc::SYS_epoll_pwait, &[EINTR, EPERM, ENOSYS]),
    call("eventfd2", libc::SYS_eventfd2, &[EMFILE, ENFILE, ENOMEM]),
    #[cfg(target_arch = "x86_64")]
    call("poll", libc::SYS_poll, &[EINTR, ENOMEM, EPERM]),
    call("ppoll", libc::SYS_ppoll, &[EINTR, ENOMEM, EPERM]),
    call("clone3", libc::SYS_clone3, &[EAGAIN, ENOMEM, EPERM, ENOSYS]),
    call("clone", libc::SYS_clone, &[EAGAIN, ENOMEM, EPERM]),
    call("fstat", libc::SYS_fstat, &[ENOMEM, EPERM]),
    call("newfstatat", libc::SYS_newfstatat, &[ENOMEM, EACCES, EPERM]),
    call("statx", libc::SYS_statx, &[ENOMEM, EACCES, EPERM, ENOSYS]),
    call("fstatfs", libc::SYS_fstatfs, &[EINTR, ENOSYS, EPERM]),
    call("flock", libc::SYS_flock, &[EINTR, EAGAIN, ENOLCK, EPERM]),
    call("openat", libc::SYS_openat, &[EMFILE, ENFILE, EACCES, EINTR, ENOMEM]),
    #[cfg(target_arch = "x86_64")]
    call("unlink", libc::SYS_unlink, &[EACCES, EBUSY, EROFS, EIO]),
    call("unlinkat", libc::SYS_unlinkat, &[EACCES, EBUSY, EROFS, EIO]),
    call("getrandom", libc::SYS_getrandom, &[ENOSYS, EPERM, EINTR]),
    call("sched_getaffinity", libc::SYS_sched_getaffinity, &[EPERM]),
    call("clock_nanosleep", libc::SYS_clock_nanosleep, &[EINTR]),
    call("prctl", libc::SYS_prctl, &[EPERM]),
    call("sigaltstack", libc::SYS_sigaltstack, &[ENOMEM]),
];

/// The filter's rules for all of them.
pub(crate) fn rules() -> Vec<Rule> {
    CALLS.iter().map(|call| Rule { call: call.number, only: call.only }).collect()
}

/// The place of a call in [`CALLS`].
pub(crate) fn place(name: &str) -> usize {
    CALLS.iter().position(|call| call.name == name).unwrap()
}
