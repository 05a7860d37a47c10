//! Memory for the victim that is handed out the same way every time.
//!
//! The allocator's own way through its lists depends on all that this process did before the fork, and a call that
//! allocates would be another sequence of instructions in each victim.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::UnsafeCell,
    ptr,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
};

/// Bytes of it; a victim lives too shortly to need any of them twice.
const SIZE: usize = 4 << 20;
/// What a copy might take another way for.
const ALIGN: usize = 64;

#[repr(align(64))]
struct Bytes(UnsafeCell<[u8; SIZE]>);

// SAFETY: each byte is handed out once.
unsafe impl Sync for Bytes {}

static BYTES: Bytes = Bytes(UnsafeCell::new([0; SIZE]));
static USED: AtomicUsize = AtomicUsize::new(0);
static IN_VICTIM: AtomicBool = AtomicBool::new(false);

#[global_allocator]
static ARENA: Arena = Arena;

struct Arena;

/// From here on this process, a victim, takes its memory from the arena.
pub(crate) fn enter() {
    IN_VICTIM.store(true, Ordering::Relaxed);
}

// SAFETY: the system's allocator, or bytes that are handed out once, aligned as all but giants want it.
unsafe impl GlobalAlloc for Arena {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if !IN_VICTIM.load(Ordering::Relaxed) {
            // SAFETY: as for this function.
            return unsafe { System.alloc(layout) };
        }
        let size = layout.size().next_multiple_of(ALIGN);
        let at = USED.fetch_add(size, Ordering::Relaxed);
        if layout.align() > ALIGN || at + size > SIZE {
            return ptr::null_mut();
        }
        // SAFETY: within the array.
        unsafe { BYTES.0.get().cast::<u8>().add(at) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // What a victim has inherited is not worth freeing either.
        if !IN_VICTIM.load(Ordering::Relaxed) {
            // SAFETY: as for this function.
            unsafe { System.dealloc(at, layout) };
        }
    }
}
