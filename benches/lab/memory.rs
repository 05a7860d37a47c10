//! Memory that two threads share for a floor or a variant: raw bytes, and words among them.

use std::{
    alloc::{Layout, alloc_zeroed, dealloc},
    ptr::{self, NonNull},
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64},
    },
};

use memmap2::{MmapMut, MmapOptions};

/// Two lines are fetched together, so what two sides write lies this far apart.
pub(crate) const APART: usize = 128;

/// Zeroed, touched, and aligned to a page.
#[derive(Debug)]
pub(crate) struct Memory {
    base: NonNull<u8>,
    layout: Layout,
}

// SAFETY: raw bytes; who touches which of them when is up to the contenders' own flags and positions.
unsafe impl Send for Memory {}
// SAFETY: as for `Send`.
unsafe impl Sync for Memory {}

impl Memory {
    pub(crate) fn new(length: usize) -> Arc<Self> {
        let layout = Layout::from_size_align(length, 4096).expect("a length");
        // SAFETY: no contender asks for nothing.
        let base = NonNull::new(unsafe { alloc_zeroed(layout) }).expect("memory");
        for page in (0..length).step_by(4096) {
            // SAFETY: within the allocation, which nobody else has yet.
            unsafe { base.add(page).write_volatile(0) };
        }
        Arc::new(Self { base, layout })
    }

    fn at(&self, offset: usize, length: usize) -> *mut u8 {
        assert!(offset + length <= self.layout.size());
        // SAFETY: within the allocation.
        unsafe { self.base.as_ptr().add(offset) }
    }

    #[inline]
    pub(crate) fn u64(&self, offset: usize) -> &AtomicU64 {
        // SAFETY: within the allocation, aligned by the callers' offsets, and touched by atomic operations alone.
        unsafe { AtomicU64::from_ptr(self.at(offset, 8).cast()) }
    }

    #[inline]
    pub(crate) fn u32(&self, offset: usize) -> &AtomicU32 {
        // SAFETY: as in `u64`.
        unsafe { AtomicU32::from_ptr(self.at(offset, 4).cast()) }
    }

    /// Copies `message` to `offset`; the contender's own flags keep the other side away meanwhile.
    #[inline]
    pub(crate) fn put(&self, offset: usize, message: &[u8]) {
        let to = self.at(offset, message.len());
        // SAFETY: in bounds; `message` is private memory.
        unsafe { ptr::copy_nonoverlapping(message.as_ptr(), to, message.len()) };
    }

    /// Copies what lies at `offset` to `message`.
    #[inline]
    pub(crate) fn get(&self, offset: usize, message: &mut [u8]) {
        let from = self.at(offset, message.len());
        // SAFETY: as in `put`, the other way round.
        unsafe { ptr::copy_nonoverlapping(from, message.as_mut_ptr(), message.len()) };
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: allocated in `new` with this layout.
        unsafe { dealloc(self.base.as_ptr(), self.layout) };
    }
}

/// Memory that the system has not given to this process before, every page of it touched; unmapped when it is dropped.
pub(crate) fn fresh(length: usize) -> MmapMut {
    MmapOptions::new().len(length).populate().map_anon().expect("memory")
}
