//! Which calls were executed: written by the server, read after its death.

use std::{
    fs::File,
    os::fd::OwnedFd,
    sync::atomic::{AtomicU32, Ordering::SeqCst},
};

use memmap2::{MmapOptions, MmapRaw};
use nix::sys::memfd::{MFdFlags, memfd_create};

/// Numbers of calls are below this.
pub(crate) const NUMBERS: usize = 1 << 16;

/// How often each call was executed, in memory that outlives whoever writes it.
#[derive(Debug)]
pub(crate) struct Ledger {
    map: MmapRaw,
    file: File,
}

impl Ledger {
    pub(crate) fn new() -> Self {
        let file = File::from(memfd_create(c"ledger", MFdFlags::MFD_CLOEXEC).unwrap());
        file.set_len(((NUMBERS + 1) * size_of::<AtomicU32>()) as u64).unwrap();
        Self::open(file)
    }

    /// The one that `file` holds.
    pub(crate) fn open(file: File) -> Self {
        Self { map: MmapOptions::new().map_raw(&file).unwrap(), file }
    }

    /// For another process.
    pub(crate) fn file(&self) -> OwnedFd {
        self.file.try_clone().unwrap().into()
    }

    /// The words: how many executions there were in all, then how many of each call.
    fn words(&self) -> &[AtomicU32] {
        let words = self.map.as_mut_ptr().cast::<AtomicU32>();
        // SAFETY: the mapping is as long, lives as long as this, begins on a page, and is only used as atomic words, by any
        // process.
        unsafe { std::slice::from_raw_parts(words, NUMBERS + 1) }
    }

    /// Notes that a call is being executed, and gives which execution of all that is, from 1.
    pub(crate) fn enter(&self, number: u64) -> u32 {
        let words = self.words();
        words[number as usize + 1].fetch_add(1, SeqCst);
        words[0].fetch_add(1, SeqCst) + 1
    }

    /// How often a call was executed.
    pub(crate) fn executions(&self, number: u64) -> u32 {
        self.words()[number as usize + 1].load(SeqCst)
    }

    /// How many calls were executed.
    pub(crate) fn total(&self) -> u32 {
        self.words()[0].load(SeqCst)
    }

    /// Forgets all of it.
    pub(crate) fn clear(&self) {
        for word in self.words() {
            word.store(0, SeqCst);
        }
    }
}
