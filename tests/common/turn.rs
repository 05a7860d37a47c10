//! One test at a time: they fork, count what processes hold, and use all there is.
#![allow(unreachable_pub, reason = "each test binary compiles this file for itself")]

use std::sync::{Mutex, MutexGuard, PoisonError};

pub fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}
