//! One test at a time: they fork, count what processes hold, and use all there is.

use std::sync::{Mutex, MutexGuard, PoisonError};

pub(crate) fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}
