//! What can be asked of the kernel for pages that are mapped already.

use std::ptr::NonNull;

/// A range of mapped addresses, from the start of a page: its first byte, and how many there are.
pub(crate) type Range = (NonNull<u8>, usize);

/// Bytes of a huge page, with pages of 4 KiB, on x86-64 and AArch64.
pub(crate) const HUGE: usize = 2 << 20;
/// Bytes of the smallest page of any system; touching one byte in so many touches every page.
const SMALLEST: usize = 4096;

/// Puts the whole huge pages that lie in a range into such. `false` if there is no room for one, or the kernel does not do it: before 6.1,
/// without transparent huge pages for shared memory, or for lack of memory in one piece.
pub(crate) fn make_huge((base, length): Range) -> bool {
    let first = (base.as_ptr() as usize).next_multiple_of(HUGE) - base.as_ptr() as usize;
    let whole = length.saturating_sub(first) / HUGE * HUGE;
    if whole == 0 {
        return false;
    }
    // SAFETY: within the range.
    let range = (unsafe { base.add(first) }, whole);
    // The pages are allocated by now, so that the advice alone would only count for those to come.
    advise(range, libc::MADV_HUGEPAGE) && advise(range, libc::MADV_COLLAPSE)
}

/// Maps every page of `ranges` now, for writing where that is allowed.
pub(crate) fn prefault(ranges: &[Range]) -> bool {
    for &range in ranges {
        // Kernels before 5.14 know neither; a mapping for reading only takes the second.
        if !advise(range, libc::MADV_POPULATE_WRITE) && !advise(range, libc::MADV_POPULATE_READ) {
            let (base, length) = range;
            for offset in (0..length).step_by(SMALLEST) {
                // SAFETY: mapped for reading at least, and allocated. What is there, or changes meanwhile, does not matter.
                unsafe { base.add(offset).read_volatile() };
            }
        }
    }
    true
}

/// Keeps `ranges` from being paged out; all of them or none. Usually it is RLIMIT_MEMLOCK that forbids it.
pub(crate) fn lock(ranges: &[Range]) -> bool {
    let locked = ranges.iter().all(|&(base, length)| {
        // SAFETY: changes nothing about the memory but where it may be.
        unsafe { libc::mlock(base.as_ptr().cast(), length) == 0 }
    });
    if !locked {
        for &(base, length) in ranges {
            // SAFETY: as above.
            unsafe { libc::munlock(base.as_ptr().cast(), length) };
        }
    }
    locked
}

fn advise((base, length): Range, advice: libc::c_int) -> bool {
    // SAFETY: none of the advice given here changes what the memory holds.
    unsafe { libc::madvise(base.as_ptr().cast(), length, advice) == 0 }
}
