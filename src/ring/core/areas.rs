//! The three areas of one direction, wherever they lie.

use std::{any::Any, fmt, ptr::NonNull, sync::Arc};

use crate::sync::{AtomicU32, Ordering};

use super::{
    copy::Data,
    layout::{AREA_SIZE, Bells, Side},
};

/// Which of the two sides an end is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// The writing side.
    Producer,
    /// The reading side.
    Consumer,
}

/// Base pointers of one direction's areas, and what keeps them mapped.
///
/// One compact mapping and three separate, partly read-only ones look the same from here. What an end may write
/// is decided by its role: its own [`Side`], the bells, and for the producer the data.
pub(crate) struct Areas {
    producer: NonNull<Side>,
    consumer: NonNull<Side>,
    bells: NonNull<Bells>,
    data: Data,
    presence: Presence,
    // Held for its drop: the mappings behind the pointers.
    _memory: Arc<dyn Any + Send + Sync>,
}

// SAFETY: the pointers lead to memory that `_memory` keeps alive; everything in the side areas and the bells is
// atomic, and the data is touched only by the one producer and the one consumer, each within the span that the
// positions give it.
unsafe impl Send for Areas {}
// SAFETY: as for `Send`; sharing gives access to atomics only, the data is reached through `&mut` ends.
unsafe impl Sync for Areas {}

impl Areas {
    /// Joins base pointers to the memory behind them.
    ///
    /// # Safety
    /// * The three areas and the data are valid for as long as `memory` lives, suitably aligned and initialised.
    /// * An end of either role that is used through this value may write what its role writes.
    pub(crate) unsafe fn new(
        producer: NonNull<Side>,
        consumer: NonNull<Side>,
        bells: NonNull<Bells>,
        data: Data,
        memory: Arc<dyn Any + Send + Sync>,
    ) -> Self {
        let presence = Presence(AtomicU32::new(0));
        Self { producer, consumer, bells, data, presence, _memory: memory }
    }

    /// Whether both ends are in this process.
    pub(crate) fn presence(&self) -> &Presence {
        &self.presence
    }

    /// The area that `role` writes.
    #[inline(always)]
    pub(crate) fn side(&self, role: Role) -> &Side {
        let side = match role {
            Role::Producer => self.producer,
            Role::Consumer => self.consumer,
        };
        // SAFETY: valid while `self` lives; a `Side` is all atomics but for the header, which is never read
        // through it, so another process may write it at any time.
        unsafe { side.as_ref() }
    }

    /// The doorbell words.
    #[inline(always)]
    pub(crate) fn bells(&self) -> &Bells {
        // SAFETY: valid while `self` lives, and atomic throughout.
        unsafe { self.bells.as_ref() }
    }

    /// Every part, as it is mapped.
    #[cfg(not(loom))]
    pub(crate) fn parts(&self) -> [(NonNull<u8>, usize); 4] {
        let area = |base: NonNull<u8>| (base, AREA_SIZE);
        [
            area(self.producer.cast()),
            area(self.consumer.cast()),
            area(self.bells.cast()),
            self.data.mapped(),
        ]
    }

    /// From the producer's area to the end of the data, which is one mapping in every layout.
    #[cfg(not(loom))]
    pub(crate) fn whole(&self) -> (NonNull<u8>, usize) {
        let (data, length) = self.data.mapped();
        let start = self.producer.cast::<u8>();
        (start, data.as_ptr() as usize + length - start.as_ptr() as usize)
    }

    /// The bytes between the sides.
    #[inline(always)]
    pub(crate) fn data(&self) -> &Data {
        &self.data
    }
}

/// Keeps slices of the data apart from the moment at which another process can write it.
#[derive(Debug)]
pub(crate) struct Presence(AtomicU32);

impl Presence {
    /// Set once an end has left the process; the other bits count slices.
    const GONE: u32 = 1 << 31;

    /// Counts a slice, unless an end is gone.
    pub(crate) fn enter(&self) -> bool {
        let mut now = self.0.load(Ordering::Relaxed);
        while now & Self::GONE == 0 {
            match self.0.compare_exchange_weak(now, now + 1, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(seen) => now = seen,
            }
        }
        false
    }

    /// Counts a slice off.
    pub(crate) fn leave(&self) {
        // ORDER(E9): synchronizes with the Acquire in `go`; what was read and written through the slice is done.
        self.0.fetch_sub(1, Ordering::Release);
    }

    /// Notes that an end leaves the process, unless slices are out.
    pub(crate) fn go(&self) -> bool {
        // ORDER(E9): synchronizes with the Release in `leave`.
        let gone = self.0.compare_exchange(0, Self::GONE, Ordering::Acquire, Ordering::Relaxed);
        matches!(gone, Ok(_) | Err(Self::GONE))
    }
}

impl Role {
    /// The other one.
    #[inline(always)]
    pub(crate) fn peer(self) -> Self {
        match self {
            Self::Producer => Self::Consumer,
            Self::Consumer => Self::Producer,
        }
    }
}

impl fmt::Debug for Areas {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Areas").field("capacity", &self.data.capacity()).finish_non_exhaustive()
    }
}
