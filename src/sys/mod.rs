//! The only door to the kernel: thin safe calls, one file per subject, no policy.

pub(crate) mod clock;
pub(crate) mod cpu;
pub(crate) mod fork;
pub(crate) mod futex;

use crate::error::Error;

/// The error of the system call that just failed; `doing` completes "… : No space left on device".
pub(crate) fn os_error(doing: impl Into<std::sync::Arc<str>>, errno: nix::errno::Errno) -> Error {
    Error::Os {
        doing: doing.into(),
        code: errno as i32,
    }
}
