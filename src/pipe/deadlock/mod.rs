//! Finds out that a process has put itself to sleep for ever.
//!
//! A pipe whose two ends are used by one thread stops at the first write. When *every* thread of a process waits on an
//! in-memory pipe without a deadline, no thread is left that could wake one of them, and the wait can be turned into an
//! error. The diagnosis must be right rather than quick: it may come late, or not at all, but never for a process
//! in which some thread runs, sleeps or is blocked elsewhere.
//!
//! # Why it is never wrong
//! A wait enters itself in the process-wide [`Registry`] only after it lasted for [`PATIENCE`], so that the usual
//! wait pays nothing. Everything happens under two locks, always taken in this order: that of the pipe, that of the registry.
//!
//! * Who enters has just seen, under the lock of its pipe, that its wait has no reason to end.
//! * Who gives it such a reason (bytes, a free turn, a close, a deadline) strikes it from the registry first, under the same lock.
//!   A waiter that is satisfied but not yet scheduled is therefore not in the registry.
//! * The kernel's count of threads is taken while the registry is locked. The threads in the registry are alive, so they
//!   are among those counted. If both numbers are equal, there is no other thread, and each one that there is waits for
//!   another of them.
//!
//! The one that finds this out strikes itself as well and returns with an error: it runs again, so nobody else fails.
//!
//! Only the kernel of Linux is asked (`/proc/self/stat`); elsewhere, or where `/proc` is missing, nothing is diagnosed.

use std::time::{Duration, Instant};

/// How long a call waits before it first asks whether anybody is left to wake it. A thread that is merely busy for so long
/// costs its peer one look at `/proc`; each further look comes after twice the time, up to [`LONGEST_BETWEEN_LOOKS`].
pub(super) const PATIENCE: Duration = Duration::from_millis(100);

/// A wait asks again because other threads may have ended since; seldom enough to cost nothing.
#[cfg(target_os = "linux")]
const LONGEST_BETWEEN_LOOKS: Duration = Duration::from_secs(60);

/// What a wait without a deadline does next.
pub(super) enum Look {
    /// Sleep, at most until then.
    Sleep(Option<Instant>),
    /// Nobody can wake it: this many threads, all of them waiting.
    #[cfg_attr(
        not(target_os = "linux"),
        expect(dead_code, reason = "only Linux is asked for its threads")
    )]
    Stuck(usize),
}

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
pub(super) use linux::{Waits, Watch};

#[cfg(not(target_os = "linux"))]
mod elsewhere;
#[cfg(not(target_os = "linux"))]
pub(super) use elsewhere::{Waits, Watch};
