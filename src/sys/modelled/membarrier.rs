//! `membarrier` for threads that are coroutines: the caller's fence has its counterpart in each of the others.
//!
//! The kernel stops every other processor at whatever instruction it is, and has it pass a fence there. What a publisher can tell
//! of that is on which side of its own [`pass`] the stop was. Before it: the publisher catches up on the fence as it passes.
//! After it: what it did before it passed is visible to the caller. Nothing else is ordered, so that
//! what a publisher without a fence of its own needs besides shows as missing.

use std::{
    cell::Cell,
    sync::atomic::{AtomicU32 as Count, Ordering::Relaxed},
};

use crate::sync::{AtomicU32, Ordering, full_fence};

loom::lazy_static! {
    static ref PASSED: AtomicU32 = AtomicU32::new(0);
    // Not loom's: it is read and written in one step with `PASSED`, which tells loom of the step.
    static ref BARRIERS: Count = Count::new(0);
}

loom::thread_local! {
    /// How many barriers this thread has caught up on.
    static CAUGHT_UP: Cell<u32> = Cell::new(0);
}

std::thread_local! {
    static AVAILABLE: Cell<bool> = const { Cell::new(false) };
}

/// Says whether the models that this thread runs have the call.
pub(crate) fn set_available(available: bool) {
    AVAILABLE.set(available);
}

pub(crate) fn available() -> bool {
    // Made before any thread starts, so that making them orders nothing between threads.
    let _ = (PASSED.load(Ordering::Relaxed), BARRIERS.load(Relaxed));
    AVAILABLE.get()
}

pub(crate) fn barrier() -> bool {
    if !AVAILABLE.get() {
        return false;
    }
    PASSED.fetch_add(1, Ordering::Acquire);
    BARRIERS.fetch_add(1, Relaxed);
    full_fence();
    true
}

/// Stands where the publisher keeps the compiler from moving its two accesses.
pub(crate) fn pass() {
    PASSED.fetch_add(1, Ordering::Release);
    let barriers = BARRIERS.load(Relaxed);
    if CAUGHT_UP.with(|caught_up| caught_up.replace(barriers)) != barriers {
        full_fence();
    }
}

/// The threads of a model are of one process.
pub(crate) fn barrier_here() -> bool {
    barrier()
}
