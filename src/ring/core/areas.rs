//! The three areas of one direction, wherever they lie.

use std::{any::Any, fmt, ptr::NonNull, sync::Arc};

use super::{
    copy::Data,
    layout::{Bells, Side},
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
        Self {
            producer,
            consumer,
            bells,
            data,
            _memory: memory,
        }
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

    /// The bytes between the sides.
    #[inline(always)]
    pub(crate) fn data(&self) -> &Data {
        &self.data
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
        f.debug_struct("Areas")
            .field("capacity", &self.data.capacity())
            .finish_non_exhaustive()
    }
}
