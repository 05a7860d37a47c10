//! Telling the process that created an end from a copy that `fork` made of it, where no page can be wiped at `fork`.

use std::sync::Once;

use crate::sync::{AtomicU32, Ordering};

/// Remembers the process in which it was made.
///
/// A counter that goes up in every forked child, before `fork` returns there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Origin(u32);

static FORKS: std::sync::atomic::AtomicU32 = AtomicU32::new(0);

impl Origin {
    /// This process.
    pub(crate) fn here() -> Self {
        static REGISTERED: Once = Once::new();
        REGISTERED.call_once(|| {
            // SAFETY: the handler adds to a number, which may be done between fork and exec. Should there be no memory to
            // note it, copies are not told apart.
            unsafe { libc::pthread_atfork(None, None, Some(count)) };
        });
        Self(FORKS.load(Ordering::Relaxed))
    }

    /// Whether this is still the process in which [`here`](Self::here) was called.
    #[inline(always)]
    pub(crate) fn is_here(self) -> bool {
        FORKS.load(Ordering::Relaxed) == self.0
    }
}

extern "C" fn count() {
    FORKS.fetch_add(1, Ordering::Relaxed);
}
