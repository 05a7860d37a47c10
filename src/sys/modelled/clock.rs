//! A clock that stands still until a model moves it.

use std::{
    sync::OnceLock,
    time::{Duration, Instant},
};

use crate::sync::{AtomicU64, Ordering};

loom::lazy_static! {
    static ref NOW: AtomicU64 = AtomicU64::new(1);
}

/// A moment on the modelled clock, which begins each execution at 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(u64);

/// Moves the clock. Time orders as it does outside: who sees this moment sees what was done before it came. A thread may
/// still see an earlier one, as if it had looked earlier.
pub(super) fn set(now: Moment) {
    NOW.store(now.0, Ordering::Release);
}

impl Moment {
    pub(crate) fn now() -> Self {
        Self(NOW.load(Ordering::Acquire))
    }

    pub(crate) fn of(instant: Instant) -> Self {
        Self(instant.saturating_duration_since(beginning()).as_nanos() as u64)
    }

    /// The instant that [`of`](Self::of) makes this moment of.
    pub(crate) fn instant(self) -> Instant {
        beginning() + Duration::from_nanos(self.0)
    }

    pub(crate) fn after(self, later: Duration) -> Self {
        Self(self.0.saturating_add(later.as_nanos() as u64))
    }

    pub(crate) fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    pub(crate) fn as_nanos(self) -> u64 {
        self.0
    }

    pub(crate) fn from_nanos(nanos: u64) -> Option<Self> {
        (nanos != 0).then_some(Self(nanos))
    }
}

/// Where instants are counted from.
fn beginning() -> Instant {
    static BEGINNING: OnceLock<Instant> = OnceLock::new();
    *BEGINNING.get_or_init(Instant::now)
}
