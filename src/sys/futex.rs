//! Sleeping on a word of shared memory until another process rings it.
//!
//! Sixty lines over `libc` instead of a crate: rustix's call takes a `&AtomicU32`, nix has none, and the crates made
//! for it are private to one process.

use nix::errno::Errno;

use super::clock::Moment;
use crate::sync::FutexWord;

/// Why a wait ended. None of these says that anything happened: the caller looks for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Woke {
    /// A wake, a signal, or the word was not `expected` any more.
    LookAgain,
    /// The deadline passed.
    DeadlinePassed,
    /// The kernel does not do this here (a seccomp filter, say); waiting must go another way.
    Unavailable,
}

/// Sleeps while `word` is `expected`, at most until `deadline`.
pub(crate) fn wait(word: &FutexWord, expected: u32, deadline: Option<Moment>) -> Woke {
    let timeout = deadline.map(Moment::timespec);
    let timeout = timeout.as_ref().map_or(std::ptr::null(), |t| t as *const libc::timespec);
    // SAFETY: the word outlives the call. FUTEX_PRIVATE_FLAG is absent on purpose, here and in `wake`: with it, as std
    // and others have it, a wake from another process would never arrive. FUTEX_WAIT_BITSET takes an absolute time on
    // CLOCK_MONOTONIC, so that signals and spurious wakes do not stretch the deadline.
    let result = unsafe {
        libc::syscall(
            libc::SYS_futex,
            std::ptr::from_ref(word),
            libc::FUTEX_WAIT_BITSET,
            expected,
            timeout,
            std::ptr::null::<u32>(),
            libc::FUTEX_BITSET_MATCH_ANY,
        )
    };
    if result == 0 {
        return Woke::LookAgain;
    }
    match Errno::last() {
        Errno::EAGAIN | Errno::EINTR => Woke::LookAgain,
        Errno::ETIMEDOUT => Woke::DeadlinePassed,
        _ => Woke::Unavailable,
    }
}

/// Wakes one sleeper on `word`, in whichever process it is; `false` if the kernel refuses, and there may be one.
#[must_use]
pub(crate) fn wake(word: &FutexWord) -> bool {
    if cfg!(mutant = "waking_twice") {
        // SAFETY: as below.
        unsafe { libc::syscall(libc::SYS_futex, std::ptr::from_ref(word), libc::FUTEX_WAKE, 1) };
    }
    // More than once, because a page that could not be had now may be had the next time.
    (0..3).any(|_| {
        // SAFETY: the word outlives the call; see `wait` for the flag that is absent.
        let woken = unsafe {
            libc::syscall(libc::SYS_futex, std::ptr::from_ref(word), libc::FUTEX_WAKE, 1)
        };
        woken >= 0
    })
}

/// Whether this process may wake others. A filter of system calls may let through what the C library needs, which is the
/// private operations, and nothing else.
pub(crate) fn available() -> bool {
    static NOBODY_SLEEPS_HERE: FutexWord = FutexWord::new(0);
    wake(&NOBODY_SLEEPS_HERE)
}
