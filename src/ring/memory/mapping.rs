//! Mappings of shared memory, unmapped on drop.

use std::{num::NonZeroUsize, os::fd::BorrowedFd, ptr::NonNull};

use nix::{
    errno::Errno,
    sys::mman::{MapFlags, MmapAdvise, ProtFlags, madvise, mmap, mmap_anonymous, munmap},
};

use crate::{
    error::Error,
    sys::{fork::Origin, os_error, pages::HUGE},
};

/// What the mapping's owner may do with it; the memory-management unit enforces it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    ReadOnly,
    ReadWrite,
}

/// A file mapped from its start, its tail mapped a second time right behind.
///
/// With the tail twice in a row, every span of a ring that lies in it is contiguous in memory.
#[derive(Debug)]
pub(crate) struct Mapping {
    base: NonNull<u8>,
    length: usize,
    origin: Origin,
}

// SAFETY: it is a range of addresses; what is done with them is up to those who use them.
unsafe impl Send for Mapping {}
// SAFETY: as for `Send`.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Maps `size` bytes of `fd`, and its last `tail` bytes again behind them. Both are multiples of the page size,
    /// and `tail` may be 0.
    pub(crate) fn new(
        fd: BorrowedFd<'_>,
        size: usize,
        tail: usize,
        access: Access,
    ) -> Result<Self, Error> {
        let length = size.checked_add(tail).and_then(NonZeroUsize::new);
        let failed = |e| os_error(format!("mapping {size} bytes of shared memory"), e);
        let length = length.ok_or_else(|| failed(Errno::EINVAL))?;
        let mapping = Self::reserve(length).map_err(failed)?;
        let base = mapping.base;
        mapping.place(fd, 0, size, 0, access).map_err(failed)?;
        if tail != 0 {
            mapping.place(fd, size, tail, size - tail, access).map_err(failed)?;
        }
        // A forked child has no business here: it must not even be able to.
        // SAFETY: the range is this mapping's.
        unsafe { madvise(base.cast(), length.get(), MmapAdvise::MADV_DONTFORK) }.map_err(failed)?;
        Ok(mapping)
    }

    /// Takes a range of addresses, so that it is certain that both parts fit side by side. From here on, drop unmaps
    /// whatever stands there.
    ///
    /// One that could hold a huge page begins at an address where one can begin: the file's bytes and the addresses must
    /// agree in that, in both parts.
    fn reserve(length: NonZeroUsize) -> Result<Self, Errno> {
        let room = if length.get() < HUGE { length } else { length.saturating_add(HUGE) };
        let private = MapFlags::MAP_PRIVATE | MapFlags::MAP_NORESERVE;
        // SAFETY: a fresh mapping at an address of the kernel's choice.
        let base = unsafe { mmap_anonymous(None, room, ProtFlags::PROT_NONE, private) }?.cast();
        let mut range = Self { base, length: room.get(), origin: Origin::here() };
        if room != length {
            let start = base.as_ptr() as usize;
            range.cut_front(start.next_multiple_of(HUGE) - start)?;
            range.cut_back(range.length - length.get())?;
        }
        Ok(range)
    }

    /// Gives the first `n` bytes of the range back. What could not be given back stays in it, and goes when it is dropped.
    fn cut_front(&mut self, n: usize) -> Result<(), Errno> {
        if n != 0 {
            // SAFETY: within the range, and nobody uses it yet.
            unsafe {
                munmap(self.base.cast(), n)?;
                self.base = self.base.add(n);
            }
            self.length -= n;
        }
        Ok(())
    }

    /// The same with the last `n` bytes.
    fn cut_back(&mut self, n: usize) -> Result<(), Errno> {
        if n != 0 {
            // SAFETY: within the range, and nobody uses it yet.
            unsafe { munmap(self.base.add(self.length - n).cast(), n) }?;
            self.length -= n;
        }
        Ok(())
    }

    /// Has the pages of the first `length` bytes filled in now, when a failure is an error and not a SIGBUS.
    ///
    /// A file from a stranger may have holes although its count of blocks is right: pages behind its end count too. Kernels
    /// before 5.14 cannot do this.
    pub(crate) fn fill(&self, length: usize) -> Result<(), Error> {
        assert!(length <= self.length);
        // SAFETY: within the range, which stays as it is.
        let filled = unsafe { madvise(self.base.cast(), length, MmapAdvise::MADV_POPULATE_READ) };
        match filled {
            Ok(()) | Err(Errno::EINVAL) => Ok(()),
            Err(e) => Err(os_error(format!("filling {length} bytes of shared memory"), e)),
        }
    }

    /// Has the pages of the first `length` bytes zeroed and mapped for writing now, and not one by one in the first round of
    /// the ring; the peer then finds them ready. Whatever stands against it shows when they are touched.
    pub(crate) fn warm(&self, length: usize) {
        assert!(length <= self.length);
        // SAFETY: within the range, which stays as it is.
        let _ = unsafe { madvise(self.base.cast(), length, MmapAdvise::MADV_POPULATE_WRITE) };
    }

    fn place(
        &self,
        fd: BorrowedFd<'_>,
        at: usize,
        length: usize,
        offset: usize,
        access: Access,
    ) -> Result<(), Errno> {
        let protection = match access {
            Access::ReadOnly => ProtFlags::PROT_READ,
            Access::ReadWrite => ProtFlags::PROT_READ | ProtFlags::PROT_WRITE,
        };
        let flags = MapFlags::MAP_SHARED | MapFlags::MAP_FIXED;
        let address = NonZeroUsize::new(self.base.as_ptr() as usize + at);
        let length = NonZeroUsize::new(length).ok_or(Errno::EINVAL)?;
        // SAFETY: MAP_FIXED replaces a part of the range that `self` has reserved, and nothing else.
        unsafe { mmap(address, length, protection, flags, fd, offset as i64) }.map(drop)
    }

    /// The address of the byte at `offset`.
    pub(crate) fn at(&self, offset: usize) -> NonNull<u8> {
        assert!(offset < self.length);
        // SAFETY: within the mapping.
        unsafe { self.base.add(offset) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // In a forked child the range was never mapped, and may hold something else by now.
        if self.origin.is_here() {
            // SAFETY: the range is this mapping's, and whoever used it is gone.
            let _ = unsafe { munmap(self.base.cast(), self.length) };
        }
    }
}
