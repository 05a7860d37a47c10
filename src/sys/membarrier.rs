//! A fence on every CPU that runs a process which asked for it, paid by the caller alone.
//!
//! The side that publishes runs millions of times a second; the side that goes to sleep is about to spend microseconds
//! anyway. With this call the sleeper pays for the fence of both (`membarrier(2)`: "pairs with a compiler barrier").

use crate::sync::{AtomicU32, Ordering};

const QUERY: libc::c_int = 0;
const GLOBAL_EXPEDITED: libc::c_int = 1 << 1;
const REGISTER_GLOBAL_EXPEDITED: libc::c_int = 1 << 2;
const PRIVATE_EXPEDITED: libc::c_int = 1 << 3;
const REGISTER_PRIVATE_EXPEDITED: libc::c_int = 1 << 4;
const NEEDED: [libc::c_int; 4] =
    [REGISTER_GLOBAL_EXPEDITED, REGISTER_PRIVATE_EXPEDITED, GLOBAL_EXPEDITED, PRIVATE_EXPEDITED];

/// Registers this process, and gives whether it can call [`barrier`] and [`barrier_here`], and be reached by the peer's.
pub(crate) fn available() -> bool {
    // Registering twice changes nothing; a forked child is registered as its parent was, and `exec` forgets.
    static KNOWN: AtomicU32 = AtomicU32::new(UNKNOWN);
    const UNKNOWN: u32 = 0;
    const NO: u32 = 1;
    const YES: u32 = 2;
    match KNOWN.load(Ordering::Relaxed) {
        UNKNOWN => {
            let offered = call(QUERY).unwrap_or(0);
            let works = NEEDED.iter().all(|command| offered & command != 0)
                && NEEDED.iter().all(|command| call(*command).is_some());
            KNOWN.store(if works { YES } else { NO }, Ordering::Relaxed);
            works
        }
        known => known == YES,
    }
}

/// Has every CPU that runs a registered process pass a full fence, this one included. `false` if the kernel refuses, as it may
/// once a filter was installed.
///
/// Not to be relied upon alone. Linux (seen on 6.18) leaves out a CPU that runs a registered process if
/// what ran there just before was a thread of the same process that exited: that clears the CPU's mark, and a switch
/// between threads of one process does not set it again. `docs/decisions.md` has the measurement.
pub(crate) fn barrier() -> bool {
    call(GLOBAL_EXPEDITED).is_some()
}

/// Has every CPU that runs this process pass a full fence. `false` as for [`barrier`]; whom it has to reach, the kernel finds in
/// another way, which has no such hole.
pub(crate) fn barrier_here() -> bool {
    call(PRIVATE_EXPEDITED).is_some()
}

fn call(command: libc::c_int) -> Option<libc::c_int> {
    // SAFETY: the call takes integers and touches no memory of ours.
    let result = unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) };
    libc::c_int::try_from(result).ok().filter(|result| *result >= 0)
}
