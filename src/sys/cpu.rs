//! Which processors there are, and which one this thread is on.

use nix::{
    sched::{CpuSet, sched_getaffinity},
    unistd::Pid,
};

/// The CPU this thread runs on, plus one; 0 if the kernel does not tell.
pub(crate) fn current() -> u32 {
    // SAFETY: no preconditions; glibc answers from the thread's restartable-sequence area without a system call.
    let cpu = unsafe { libc::sched_getcpu() };
    u32::try_from(cpu).map_or(0, |cpu| cpu + 1)
}

/// How many CPUs this thread may run on; 1 if the kernel does not tell.
pub(crate) fn usable() -> usize {
    let Ok(set) = sched_getaffinity(Pid::from_raw(0)) else { return 1 };
    (0..CpuSet::count()).filter(|&cpu| set.is_set(cpu).unwrap_or(false)).count().max(1)
}

/// Lets another thread run on this CPU.
pub(crate) fn yield_now() {
    std::thread::yield_now();
}

/// How many CPUs the machine has switched on; 1 if the kernel does not tell.
pub(crate) fn online() -> usize {
    // SAFETY: no preconditions.
    let count = unsafe { libc::sysconf(libc::_SC_NPROCESSORS_ONLN) };
    usize::try_from(count).unwrap_or(1).max(1)
}
