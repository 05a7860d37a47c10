//! Threads that stay where they are put.

use nix::{
    sched::{CpuSet, sched_getaffinity, sched_setaffinity},
    unistd::Pid,
};

/// The first CPU that this process may use, and the second. To be called before anything is pinned.
pub(crate) fn pair() -> Option<(usize, usize)> {
    let allowed = sched_getaffinity(Pid::from_raw(0)).expect("the allowed CPUs");
    let mut cpus = (0..CpuSet::count()).filter(|&cpu| allowed.is_set(cpu).unwrap_or(false));
    cpus.next().zip(cpus.next())
}

/// Keeps this thread on `cpu`.
pub(crate) fn to(cpu: usize) {
    let mut set = CpuSet::new();
    set.set(cpu).expect("a CPU");
    sched_setaffinity(Pid::from_raw(0), &set).expect("pinning");
}
