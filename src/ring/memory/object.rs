//! Anonymous files that are allocated before they are used and cannot change their size afterwards.
//!
//! A file that can shrink is a SIGBUS in every process that maps it, and so is one whose pages cannot be had when
//! they are first touched. Here the pages are allocated first, and the size is sealed.

use std::{
    ffi::CStr,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use nix::{
    errno::Errno,
    fcntl::{FallocateFlags, FcntlArg, SealFlag, fallocate, fcntl},
    sys::{
        memfd::{MFdFlags, memfd_create},
        signal::{SigSet, SigmaskHow, pthread_sigmask},
    },
    unistd::ftruncate,
};

use crate::{error::Error, sys::os_error};

/// Makes a file of `size` bytes in memory, every page of it allocated.
pub(crate) fn create(name: &CStr, size: usize) -> Result<OwnedFd, Error> {
    // nix does not know the newer flag yet.
    let no_exec = MFdFlags::from_bits_retain(libc::MFD_NOEXEC_SEAL);
    let base = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
    let fd = match memfd_create(name, base | no_exec) {
        // Kernels before 6.3 do not know the flag.
        Err(Errno::EINVAL) => memfd_create(name, base),
        other => other,
    };
    let fd = fd.map_err(|e| os_error("creating shared memory (memfd_create)", e))?;
    ftruncate(fd.as_fd(), size as i64).map_err(|e| out_of_memory(size, e))?;
    allocate(fd.as_fd(), size).map_err(|e| out_of_memory(size, e))?;
    Ok(fd)
}

/// Takes `seals` for ever.
pub(crate) fn seal(fd: BorrowedFd<'_>, seals: SealFlag) -> Result<(), Error> {
    match fcntl(fd, FcntlArg::F_ADD_SEALS(seals)) {
        Ok(_) => Ok(()),
        Err(e) => Err(os_error("sealing shared memory", e)),
    }
}

/// Allocates every page with signals held back: under a periodic signal the kernel would start again for ever.
fn allocate(fd: BorrowedFd<'_>, size: usize) -> Result<(), Errno> {
    let mut before = SigSet::empty();
    pthread_sigmask(
        SigmaskHow::SIG_BLOCK,
        Some(&SigSet::all()),
        Some(&mut before),
    )?;
    let result = fallocate(fd, FallocateFlags::empty(), 0, size as i64);
    pthread_sigmask(SigmaskHow::SIG_SETMASK, Some(&before), None)?;
    result
}

fn out_of_memory(size: usize, errno: Errno) -> Error {
    os_error(
        format!("allocating {size} bytes of shared memory (a smaller capacity needs less)"),
        errno,
    )
}
