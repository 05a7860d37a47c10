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
        stat::fstat,
        statfs::{HUGETLBFS_MAGIC, TMPFS_MAGIC, fstatfs},
    },
    unistd::ftruncate,
};

use crate::{
    error::Error,
    sys::{
        limits::{check_file_size, out_of_memory},
        os_error,
    },
};

/// A file that keeps its size for ever.
pub(crate) const FIXED_SIZE: SealFlag =
    SealFlag::F_SEAL_SHRINK.union(SealFlag::F_SEAL_GROW).union(SealFlag::F_SEAL_SEAL);

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
    let sized = check_file_size(size)
        .and_then(|()| unless_interrupted(|| ftruncate(fd.as_fd(), size as i64)))
        .and_then(|()| allocate(fd.as_fd(), size));
    sized.map_err(|e| out_of_memory(size, e))?;
    Ok(fd)
}

/// Calls again for as long as a signal gets in between.
fn unless_interrupted(mut call: impl FnMut() -> Result<(), Errno>) -> Result<(), Errno> {
    loop {
        match call() {
            Err(Errno::EINTR) => {}
            other => return other,
        }
    }
}

/// Takes `seals` for ever.
pub(crate) fn seal(fd: BorrowedFd<'_>, seals: SealFlag) -> Result<(), Error> {
    match fcntl(fd, FcntlArg::F_ADD_SEALS(seals)) {
        Ok(_) => Ok(()),
        Err(e) => Err(os_error("sealing shared memory", e)),
    }
}

/// Allocates every page with signals held back: under a periodic signal the kernel would start again for ever. One that
/// cannot be held back, because it stops the process, makes it start again once.
pub(crate) fn allocate(fd: BorrowedFd<'_>, size: usize) -> Result<(), Errno> {
    let mut before = SigSet::empty();
    pthread_sigmask(SigmaskHow::SIG_BLOCK, Some(&SigSet::all()), Some(&mut before))?;
    let result = unless_interrupted(|| fallocate(fd, FallocateFlags::empty(), 0, size as i64));
    pthread_sigmask(SigmaskHow::SIG_SETMASK, Some(&before), None)?;
    result
}

/// Refuses a stranger's descriptor that is not a file in memory of exactly `size` bytes with at least these `seals` and
/// every page allocated; `what` names it in the error.
pub(crate) fn check(
    fd: BorrowedFd<'_>,
    size: usize,
    seals: SealFlag,
    what: &str,
) -> Result<(), Error> {
    let refused = |fault: &str| Error::Refused(format!("the {what} descriptor {fault}").into());
    let has =
        fcntl(fd, FcntlArg::F_GET_SEALS).map_err(|_| refused("is not a sealed file in memory"))?;
    // More seals than needed are fine: some systems add F_SEAL_EXEC to every file.
    if !SealFlag::from_bits_retain(has).contains(seals) {
        return Err(refused("lacks seals"));
    }
    let stat = fstat(fd).map_err(|_| refused("cannot be examined"))?;
    if stat.st_size != size as i64 {
        return Err(refused("has another size than was announced"));
    }
    // With the size sealed and holes impossible to punch, allocated pages stay allocated. Blocks count 512 bytes.
    if (stat.st_blocks as u64) < size as u64 / 512 {
        return Err(refused("has pages that are not allocated"));
    }
    let kind = fstatfs(fd).map_err(|_| refused("cannot be examined"))?.filesystem_type();
    if kind != TMPFS_MAGIC && kind != HUGETLBFS_MAGIC {
        return Err(refused("is not in memory"));
    }
    Ok(())
}
