//! The one import of atomics, so that a model checker can take their place.
//!
//! Built with `--cfg loom`, every atomic and fence of the lock-free core and of the waiting protocol is
//! loom's, and the models under `tests/loom_*` walk through their interleavings. Everything
//! else in the crate takes its atomics from here as well, so that nothing escapes the models by accident.

#[cfg(not(loom))]
pub(crate) use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering, fence};

#[cfg(loom)]
pub(crate) use loom::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering, fence};
