//! The only door to the kernel: thin safe calls, one file per subject, no policy.
//!
//! Behind the same door the models find a kernel of their own, in `modelled/`: a futex whose every step loom sees, and
//! a clock that moves when the model says so. Where another Unix goes without something of Linux, the portable backend
//! finds a file of the same name in `elsewhere/`.

#[cfg_attr(loom, path = "modelled/clock.rs")]
pub(crate) mod clock;
#[cfg_attr(loom, path = "modelled/cpu.rs")]
#[cfg_attr(all(not(target_os = "linux"), not(loom)), path = "elsewhere/cpu.rs")]
pub(crate) mod cpu;
#[cfg_attr(loom, path = "modelled/fork.rs")]
#[cfg_attr(all(not(target_os = "linux"), not(loom)), path = "elsewhere/fork.rs")]
pub(crate) mod fork;
#[cfg_attr(loom, path = "modelled/futex.rs")]
#[cfg_attr(all(not(target_os = "linux"), not(loom)), path = "elsewhere/futex.rs")]
pub(crate) mod futex;
#[cfg(not(loom))]
pub(crate) mod limits;
#[cfg(not(loom))]
pub(crate) mod lock;
#[cfg_attr(loom, path = "modelled/membarrier.rs")]
#[cfg_attr(all(not(target_os = "linux"), not(loom)), path = "elsewhere/membarrier.rs")]
pub(crate) mod membarrier;
#[cfg(all(target_os = "linux", not(loom)))]
pub(crate) mod pages;
#[cfg(not(loom))]
#[cfg_attr(not(target_os = "linux"), path = "elsewhere/random.rs")]
pub(crate) mod random;
#[cfg(all(target_os = "linux", not(loom)))]
pub(crate) mod slice;
#[cfg(all(target_os = "linux", not(loom)))]
pub(crate) mod socket;
#[cfg(not(loom))]
pub(crate) mod thread;

use std::io;

use crate::error::Error;

/// The error of the system call that just failed; `doing` completes "… : No space left on device".
pub(crate) fn os_error(doing: impl Into<std::sync::Arc<str>>, errno: nix::errno::Errno) -> Error {
    Error::Os { doing: doing.into(), code: errno as i32 }
}

/// The same for a failure that came as an [`io::Error`].
pub(crate) fn io_error(doing: impl Into<std::sync::Arc<str>>, error: &io::Error) -> Error {
    Error::Os { doing: doing.into(), code: error.raw_os_error().unwrap_or(libc::EIO) }
}
