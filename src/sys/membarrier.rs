//! A fence on every CPU that runs a process which asked for it, paid by the caller alone.
//!
//! The side that publishes runs millions of times a second; the side that goes to sleep is about to spend microseconds
//! anyway. With this call the sleeper pays for the fence of both (`membarrier(2)`: "pairs with a compiler barrier").

use crate::sync::{AtomicU32, Ordering};

const QUERY: libc::c_int = 0;
const GLOBAL_EXPEDITED: libc::c_int = 1 << 1;
const REGISTER_GLOBAL_EXPEDITED: libc::c_int = 1 << 2;

/// Registers this process, and gives whether it can both call [`barrier`] and be reached by the peer's.
pub(crate) fn available() -> bool {
    // Registering twice changes nothing; a forked child is registered as its parent was, and `exec` forgets.
    static KNOWN: AtomicU32 = AtomicU32::new(UNKNOWN);
    const UNKNOWN: u32 = 0;
    const NO: u32 = 1;
    const YES: u32 = 2;
    match KNOWN.load(Ordering::Relaxed) {
        UNKNOWN => {
            let offered = call(QUERY).unwrap_or(0);
            let needed = GLOBAL_EXPEDITED | REGISTER_GLOBAL_EXPEDITED;
            let works = offered & needed == needed
                && call(REGISTER_GLOBAL_EXPEDITED).is_some()
                && call(GLOBAL_EXPEDITED).is_some();
            KNOWN.store(if works { YES } else { NO }, Ordering::Relaxed);
            works
        }
        known => known == YES,
    }
}

/// Has every CPU that runs a registered process pass a full fence, this one included. `false` if the kernel refuses, as it may
/// once a filter was installed.
pub(crate) fn barrier() -> bool {
    call(GLOBAL_EXPEDITED).is_some()
}

fn call(command: libc::c_int) -> Option<libc::c_int> {
    // SAFETY: the call takes integers and touches no memory of ours.
    let result = unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) };
    libc::c_int::try_from(result).ok().filter(|result| *result >= 0)
}
