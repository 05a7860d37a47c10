//! How long a thread may run once it has the CPU, which decides how soon it gets it.

use std::mem;

/// The shortest slice that the kernel grants, in nanoseconds (`SCHED_OTHER`, Linux 6.12).
const SHORT_SLICE: u64 = 100_000;

/// `struct sched_attr` of `<linux/sched/types.h>`, as of its first version.
#[repr(C)]
#[derive(Debug, Default, PartialEq, Eq)]
struct SchedAttr {
    size: u32,
    policy: u32,
    flags: u64,
    nice: i32,
    priority: u32,
    /// The slice, for a thread of an ordinary policy.
    runtime: u64,
    deadline: u64,
    period: u64,
}

/// Asks the kernel to let this thread run as soon as it is woken, for it will not run for long: a thread with a
/// shorter slice than the running one's need not wait until that is used up. An end that waits without sleeping
/// would otherwise keep the CPU from the very thread that has news for it, until the next tick. Needs no privilege;
/// older kernels ignore it, and a thread of another policy is left alone.
pub(crate) fn run_at_once() {
    let Some(mut attr) = attr() else { return };
    if attr.policy != libc::SCHED_OTHER as u32 {
        return;
    }
    attr.runtime = SHORT_SLICE;
    // SAFETY: the structure is as long as it says; 0 is this thread. It matters to nobody but the scheduler.
    unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const attr, 0) };
}

/// How this thread is scheduled.
fn attr() -> Option<SchedAttr> {
    let size = mem::size_of::<SchedAttr>() as u32;
    let mut attr = SchedAttr::default();
    // SAFETY: room for `size` bytes; 0 is this thread.
    let got = unsafe { libc::syscall(libc::SYS_sched_getattr, 0, &raw mut attr, size, 0) };
    (got == 0).then_some(SchedAttr { size, ..attr })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asking_for_a_short_slice_changes_nothing_else() {
        let (before, after) = std::thread::spawn(|| {
            let before = attr().unwrap();
            run_at_once();
            (before, attr().unwrap())
        })
        .join()
        .unwrap();
        // A kernel that knows nothing of slices shows none.
        assert!(after.runtime == SHORT_SLICE || after.runtime == before.runtime, "{after:?}");
        assert_eq!(SchedAttr { runtime: 0, ..after }, SchedAttr { runtime: 0, ..before });
    }
}
