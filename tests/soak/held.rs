//! What a process holds between two rounds, when it holds least.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    fs,
    sync::atomic::{AtomicU64, Ordering},
};

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

#[global_allocator]
static COUNTING: Counting = Counting;

/// The system's allocator, with a count of what was not freed yet.
struct Counting;

// SAFETY: the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: as for this function.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        ALLOCATIONS.fetch_sub(1, Ordering::Relaxed);
        // SAFETY: as for this function.
        unsafe { System.dealloc(at, layout) };
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as for this function.
        unsafe { System.realloc(at, layout, size) }
    }
}

/// Names of the numbers in [`Held`].
pub(crate) const NAMES: [&str; 5] =
    ["resident KiB", "allocations", "mappings of rings", "descriptors", "threads"];
/// How far each may grow without being a leak: memory that the allocator keeps for threads to come, and tables that grow
/// by doubling.
const SLACK: [u64; 5] = [8192, 16, 0, 0, 0];

/// One number each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Held(pub(crate) [u64; 5]);

impl Held {
    pub(crate) fn now() -> Self {
        let pages = fs::read_to_string("/proc/self/statm").unwrap();
        let pages = pages.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok());
        let maps = fs::read_to_string("/proc/self/maps").unwrap();
        let count = |path| fs::read_dir(path).unwrap().count() as u64;
        Self([
            pages.expect("a number of pages") * 4,
            ALLOCATIONS.load(Ordering::Relaxed),
            maps.lines().filter(|line| line.contains("memfd:")).count() as u64,
            count("/proc/self/fd"),
            count("/proc/self/task"),
        ])
    }

    /// The least of each: what is only late to go is in some of them, what leaks is in all that come later.
    fn least(all: &[Self]) -> Self {
        let least = |of: usize| all.iter().map(|held| held.0[of]).min();
        Self(std::array::from_fn(|of| least(of).unwrap_or_default()))
    }
}

/// Fails if more is held late than early; gives both.
pub(crate) fn assert_no_drift(who: &str, all: &[Held]) -> (Held, Held) {
    // Not at first, when everything is used for the first time.
    let (early, late) = (&all[all.len() / 10..all.len() * 3 / 10], &all[all.len() * 8 / 10..]);
    let (early, late) = (Held::least(early), Held::least(late));
    for (of, name) in NAMES.iter().enumerate() {
        let (early, late) = (early.0[of], late.0[of]);
        assert!(late <= early + SLACK[of], "{who} holds {late} {name}, and held {early} early on");
    }
    (early, late)
}
