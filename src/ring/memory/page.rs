//! A one-page area in a file of its own.

use std::{mem::ManuallyDrop, os::fd::BorrowedFd, ptr::NonNull};

use memmap2::{Advice, MmapOptions, MmapRaw};

use super::mapping::Access;
use crate::{
    error::Error,
    ring::core::layout::AREA_SIZE,
    sys::{fork::Origin, io_error},
};

/// A mapped area. Raw: nobody gets a reference to memory that another process writes.
#[derive(Debug)]
pub(crate) struct Page {
    map: ManuallyDrop<MmapRaw>,
    origin: Origin,
}

impl Page {
    pub(crate) fn map(fd: BorrowedFd<'_>, access: Access) -> Result<Self, Error> {
        let mut options = MmapOptions::new();
        options.len(AREA_SIZE);
        let map = match access {
            Access::ReadOnly => options.map_raw_read_only(&fd),
            Access::ReadWrite => options.map_raw(&fd),
        };
        let failed = |e| io_error("mapping a page of shared memory", &e);
        let map = map.map_err(failed)?;
        map.advise(Advice::DontFork).map_err(failed)?;
        Ok(Self { map: ManuallyDrop::new(map), origin: Origin::here() })
    }

    /// Has it filled in now: see [`Mapping::fill`](super::mapping::Mapping::fill).
    pub(crate) fn fill(&self) -> Result<(), Error> {
        match self.map.advise(Advice::PopulateRead) {
            Err(e) if e.raw_os_error() != Some(libc::EINVAL) => {
                Err(io_error("filling a page of shared memory", &e))
            }
            _ => Ok(()),
        }
    }

    /// The address of its first byte.
    pub(crate) fn base(&self) -> NonNull<u8> {
        let base = NonNull::new(self.map.as_mut_ptr());
        base.expect("a mapping is never at address 0")
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        // In a forked child the page was never mapped, and its address may hold something else by now.
        if self.origin.is_here() {
            // SAFETY: dropped once, here.
            unsafe { ManuallyDrop::drop(&mut self.map) };
        }
    }
}
