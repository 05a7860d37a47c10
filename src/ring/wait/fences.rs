//! Who pays for the fence between publishing and sleeping.
//!
//! The protocol needs a full fence on both sides: between a publication and the look at `parked`, and between `parked` and
//! the second look. The first is on the path of every message, where it costs more than copying 64 bytes does;
//! the second precedes a sleep. Where both processes can, the sleeper therefore calls `membarrier`, which has the
//! publisher's CPU pass a fence at whatever instruction it is, and the publisher only keeps the compiler from moving the two
//! accesses.
//!
//! Three places where the publisher can be hit: before its store, and then it sees `parked` later; between store and load,
//! and then both see each other; after its load, and then its store is visible before the sleeper looks again. A process
//! that was not running had its fence when it was switched out.
//!
//! The kernel does not always reach the publisher ([`membarrier::barrier`]). A publication that was under way unseen, its position
//! still in a store buffer and its look at `parked` already made, is in memory long before [`SETTLE`] has passed; so
//! the first part of a sleep lasts no longer. During it `parked` is there for every later publication to be seen, whose
//! publisher then has a fence of its own, and the rest of the sleep may last for ever. An end that is polled has nobody who would look
//! again, so its peer always has its own fence.

use std::time::Duration;

use crate::{
    ring::doorbell::pollable::Doorbell,
    sync::{full_fence, light_fence},
    sys::membarrier,
};

/// How long a sleeper trusts in `membarrier` alone. A store buffer is empty after a microsecond, and whenever its thread is
/// interrupted; a message that comes later than this costs one wake more.
pub(crate) const SETTLE: Duration = Duration::from_millis(10);

/// What both sides of a direction do; agreed upon when they meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fences {
    /// Each side has its own.
    Both,
    /// The side that goes to sleep has one for both.
    Sleeper,
}

impl Fences {
    /// What this process can offer to the peer of an end with this doorbell.
    ///
    /// The thread sanitizer does not see fences that another thread executes.
    pub(crate) fn offer(doorbell: Doorbell) -> Self {
        let polled = doorbell == Doorbell::EventFd;
        if !polled && !cfg!(tsan) && membarrier::available() { Self::Sleeper } else { Self::Both }
    }

    /// What two sides agree upon, given what each offers.
    pub(crate) fn agree(self, other: Self) -> Self {
        if self == other { self } else { Self::Both }
    }

    /// Between a publication and the look whether the peer sleeps.
    #[inline(always)]
    pub(crate) fn after_publishing(self) {
        match self {
            Self::Both => full_fence(),
            Self::Sleeper => light_fence(),
        }
    }

    /// Between the announcement of a sleep, or of anything else that the peer must not miss, and the second look. `false` if the
    /// kernel has refused meanwhile: the look proves nothing then, and the sleep must be short.
    #[must_use]
    pub(crate) fn before_second_look(self) -> bool {
        self.own_or(membarrier::barrier)
    }

    /// The same where only a publisher of this process is to be seen.
    #[must_use]
    pub(crate) fn before_second_look_here(self) -> bool {
        self.own_or(membarrier::barrier_here)
    }

    /// The own fence of a sleeper, or what fences for the publisher too.
    fn own_or(self, barrier: impl FnOnce() -> bool) -> bool {
        match self {
            Self::Both => {
                full_fence();
                true
            }
            Self::Sleeper => barrier(),
        }
    }
}
