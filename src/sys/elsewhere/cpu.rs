//! Which processors there are, where the system does not say on which one a thread is.

/// Unknown.
pub(crate) fn current() -> u32 {
    0
}

/// Lets another thread run on this CPU.
pub(crate) fn yield_now() {
    std::thread::yield_now();
}

/// How many CPUs this process may use; 1 if the system does not tell.
pub(crate) fn online() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get)
}

/// How many CPUs this thread may run on, taken to be all of them.
pub(crate) fn usable() -> usize {
    online()
}
