//! Telling the process that created an end from a copy that `fork` made of it.

use std::{num::NonZeroUsize, ptr::NonNull, sync::OnceLock};

use nix::sys::mman::{MapFlags, MmapAdvise, ProtFlags, madvise, mmap_anonymous, munmap};

use crate::sync::{AtomicU32, Ordering};

/// Remembers the process in which it was made.
///
/// A word on a page that the kernel wipes at `fork` (`MADV_WIPEONFORK`) holds the generation of this process; a
/// forked child finds 0 there, and takes a generation of its own when it first makes an end. So it costs
/// one load to ask, and no system call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Origin {
    word: NonNull<AtomicU32>,
    generation: u32,
}

// SAFETY: the page is never unmapped, and the word is atomic.
unsafe impl Send for Origin {}
// SAFETY: as for `Send`.
unsafe impl Sync for Origin {}

/// The generation given out last. Ordinary memory, so a child goes on counting where its parent was.
static LAST: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);

impl Origin {
    /// This process.
    pub(crate) fn here() -> Self {
        static PAGE: OnceLock<Page> = OnceLock::new();
        let word = PAGE.get_or_init(Page::new).0;
        // SAFETY: the page lives as long as the process.
        let generation = unsafe { word.as_ref() };
        if generation.load(Ordering::Relaxed) == 0 {
            let next = LAST.fetch_add(1, Ordering::Relaxed) + 1;
            // Two threads of a fresh child may both come here; the first one counts.
            let _ = generation.compare_exchange(0, next, Ordering::Relaxed, Ordering::Relaxed);
        }
        Self { word, generation: generation.load(Ordering::Relaxed) }
    }

    /// Whether this is still the process in which [`here`](Self::here) was called.
    #[inline(always)]
    pub(crate) fn is_here(self) -> bool {
        // SAFETY: the page lives as long as the process.
        unsafe { self.word.as_ref() }.load(Ordering::Relaxed) == self.generation
    }
}

struct Page(NonNull<AtomicU32>);

// SAFETY: the page is never unmapped, and the word is atomic.
unsafe impl Send for Page {}
// SAFETY: as for `Send`.
unsafe impl Sync for Page {}

impl Page {
    /// A wiped page; where none can be had (a kernel before 4.14, no memory), a word that the C library has the child wipe.
    /// That is as good for every `fork` but one that is called without it.
    fn new() -> Self {
        Self::wiped().unwrap_or_else(|| {
            static WORD: AtomicU32 = AtomicU32::new(0);
            extern "C" fn wipe() {
                WORD.store(0, Ordering::Relaxed);
            }
            // SAFETY: the handler stores a number, which may be done between fork and exec. Should there be no memory to
            // note it, copies are not told apart.
            unsafe { libc::pthread_atfork(None, None, Some(wipe)) };
            Self(NonNull::from(&WORD))
        })
    }

    fn wiped() -> Option<Self> {
        const LENGTH: usize = 4096;
        let protection = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: a fresh private anonymous mapping at an address of the kernel's choice.
        let page = unsafe {
            mmap_anonymous(None, NonZeroUsize::new(LENGTH)?, protection, MapFlags::MAP_PRIVATE)
        };
        let page = page.ok()?;
        // SAFETY: the page is ours, whole, and holds nothing yet; zeroed memory is a valid atomic. Unmapped, nobody uses it.
        unsafe {
            if madvise(page, LENGTH, MmapAdvise::MADV_WIPEONFORK).is_err() {
                let _ = munmap(page, LENGTH);
                return None;
            }
        }
        Some(Self(page.cast()))
    }
}
