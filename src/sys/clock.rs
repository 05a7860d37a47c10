//! The monotonic clock in nanoseconds, which is what the kernel's absolute waits take.

use std::time::{Duration, Instant};

/// A moment on `CLOCK_MONOTONIC`, in nanoseconds since boot; never 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(u64);

impl Moment {
    /// Now. About 25 ns through the vDSO.
    pub(crate) fn now() -> Self {
        let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: `now` is valid for writing; the clock exists on every Linux.
        unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut now) };
        Self((now.tv_sec as u64 * NANOS + now.tv_nsec as u64).max(1))
    }

    /// The same moment as `instant`, which std does not let us look into; a past one is as far past as can be told.
    pub(crate) fn of(instant: Instant) -> Self {
        // The distance first. This thread may lose the CPU between the two clocks, and what comes of that is to be a later
        // moment: a call may end after its deadline, but never before.
        let distance = instant.checked_duration_since(Instant::now());
        distance.map_or(Self(1), |ahead| Self::now().after(ahead))
    }

    /// `later` after this one, or the end of time.
    pub(crate) fn after(self, later: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(later.as_nanos()).unwrap_or(u64::MAX)))
    }

    /// From `earlier` to this moment; zero if that is not earlier.
    pub(crate) fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    pub(crate) fn as_nanos(self) -> u64 {
        self.0
    }

    /// The moment that [`as_nanos`](Self::as_nanos) gave; 0 is none.
    pub(crate) fn from_nanos(nanos: u64) -> Option<Self> {
        (nanos != 0).then_some(Self(nanos))
    }

    pub(crate) fn timespec(self) -> libc::timespec {
        libc::timespec {
            tv_sec: (self.0 / NANOS) as libc::time_t,
            tv_nsec: (self.0 % NANOS) as libc::c_long,
        }
    }
}

const NANOS: u64 = 1_000_000_000;

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    /// It was, by as long as the thread was interrupted between two readings of the clock.
    #[test]
    fn a_moment_is_never_before_its_instant() {
        const AHEAD: Duration = Duration::from_secs(3600);
        for _ in 0..100_000 {
            let earlier = Moment::now();
            let moment = Moment::of(Instant::now() + AHEAD);
            assert!(moment >= earlier.after(AHEAD), "{moment:?} of one after {earlier:?}");
        }
    }
}
