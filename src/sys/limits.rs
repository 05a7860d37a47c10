//! What a process may have of shared memory, and what to say if that is not enough.

use nix::{
    errno::Errno,
    sys::resource::{Resource, getrlimit},
};

use super::os_error;
use crate::error::Error;

/// Fails for a size over the limit of files (`RLIMIT_FSIZE`), which the kernel enforces by a signal that ends the process.
pub(crate) fn check_file_size(size: usize) -> Result<(), Errno> {
    match getrlimit(Resource::RLIMIT_FSIZE) {
        Ok((most, _)) if most < size as u64 => Err(Errno::EFBIG),
        _ => Ok(()),
    }
}

/// The error of memory that could not be had.
pub(crate) fn out_of_memory(size: usize, errno: Errno) -> Error {
    let doing = format!("allocating {size} bytes of shared memory (a smaller capacity needs less)");
    os_error(doing, errno)
}
