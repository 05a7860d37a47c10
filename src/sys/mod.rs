//! The only door to the kernel: thin safe calls, one file per subject, no policy.

pub(crate) mod clock;
pub(crate) mod cpu;
pub(crate) mod fork;
pub(crate) mod futex;
pub(crate) mod membarrier;
pub(crate) mod random;
pub(crate) mod socket;

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
