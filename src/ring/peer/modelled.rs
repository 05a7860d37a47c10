//! The tie to a modelled process, which nobody watches: whoever waits has to look for itself.

use crate::sync::{AtomicU32, Ordering};

#[derive(Debug)]
pub(crate) struct Link(AtomicU32);

impl Link {
    pub(crate) fn new() -> Self {
        Self(AtomicU32::new(0))
    }

    pub(crate) fn is_watched(&self) -> bool {
        false
    }

    /// The kernel orders what the dead process wrote before the sign of its death.
    pub(crate) fn is_hung_up(&self) -> bool {
        self.0.load(Ordering::Acquire) != 0
    }

    pub(crate) fn hang_up(&self) {
        self.0.store(1, Ordering::Release);
    }
}
