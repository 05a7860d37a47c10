//! The one import of atomics, so that a model checker can take their place.
//!
//! Built with `--cfg loom`, every atomic, fence and lock of the ring is loom's, and the models walk through their
//! interleavings. Everything else in the crate takes its atomics from here as well, so that nothing escapes the models
//! by accident.

#[cfg(not(loom))]
pub(crate) use std::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicU32, AtomicU64, Ordering},
};

#[cfg(all(not(loom), feature = "rpc"))]
pub(crate) use std::sync::atomic::AtomicBool;

#[cfg(loom)]
pub(crate) use loom::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicU32, AtomicU64, Ordering},
};

/// A word that the kernel can put threads to sleep on.
#[cfg(not(loom))]
pub(crate) type FutexWord = AtomicU32;

#[cfg(loom)]
pub(crate) use crate::sys::futex::FutexWord;

#[cfg(all(loom, feature = "rpc"))]
pub(crate) use loom::sync::atomic::AtomicBool;

/// A full fence: no earlier store may be delayed past a later load.
///
/// On x86-64 it is a locked read-modify-write of the stack instead of the `mfence` that the compiler emits for
/// `fence(SeqCst)`: the same guarantee for ordinary memory, and measurably cheaper. The manuals of
/// both vendors give locked instructions this ordering, and the Linux kernel's `smp_mb` rests on it.
///
/// The thread sanitizer knows neither: for it (`--cfg tsan`, see `scripts/sanitize`) it is an exchange of one word.
#[inline(always)]
pub(crate) fn full_fence() {
    #[cfg(loom)]
    loom::sync::atomic::fence(Ordering::SeqCst);

    #[cfg(tsan)]
    {
        static ORDER: AtomicU32 = AtomicU32::new(0);
        ORDER.fetch_add(0, Ordering::SeqCst);
    }

    #[cfg(all(not(loom), not(tsan), target_arch = "x86_64"))]
    // SAFETY: it adds zero to the word at the top of the stack, which belongs to this thread.
    unsafe {
        std::arch::asm!("lock or dword ptr [rsp], 0");
    }

    #[cfg(all(not(loom), not(tsan), not(target_arch = "x86_64")))]
    std::sync::atomic::fence(Ordering::SeqCst);
}

/// The compiler's part of a fence whose other part a thread elsewhere executes for this one, by `membarrier`.
#[inline(always)]
pub(crate) fn light_fence() {
    #[cfg(loom)]
    crate::sys::membarrier::pass();
    #[cfg(not(loom))]
    std::sync::atomic::compiler_fence(Ordering::SeqCst);
}

/// Tells the processor that this is a polling loop.
#[inline(always)]
pub(crate) fn spin_hint() {
    #[cfg(loom)]
    loom::thread::yield_now();
    #[cfg(not(loom))]
    std::hint::spin_loop();
}
