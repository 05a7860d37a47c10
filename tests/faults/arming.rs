//! When things go wrong: only while the library is at work, and not in what the test does in between.

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use crate::limits;

static ARMED: AtomicBool = AtomicBool::new(false);

/// Runs `work`, the library's, while things go wrong.
pub(crate) fn armed<T>(work: impl FnOnce() -> T) -> T {
    with(true, work)
}

/// Runs `work`, the test's own, while nothing does.
pub(crate) fn paused<T>(work: impl FnOnce() -> T) -> T {
    with(false, work)
}

pub(crate) fn is_armed() -> bool {
    ARMED.load(SeqCst)
}

fn with<T>(state: bool, work: impl FnOnce() -> T) -> T {
    struct Back(bool);
    impl Drop for Back {
        fn drop(&mut self) {
            set(self.0);
        }
    }
    let _back = Back(set(state));
    work()
}

fn set(state: bool) -> bool {
    if state {
        limits::lower();
    } else {
        limits::lift();
    }
    ARMED.swap(state, SeqCst)
}
