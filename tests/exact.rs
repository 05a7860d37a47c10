//! What does not depend on the machine, as exact counts: system calls, allocations, wakes and copies of a message, what an
//! end costs that waits, and the memory of many rings.
//!
//! Each figure is printed with its bound. They hold on a busy machine and on a slow one, so that a change for the worse is
//! found by any run, where a clock would need many.

#[path = "common/child.rs"]
mod child;
mod common;
#[path = "exact/mod.rs"]
mod exact;

use exact::allocator::Counting;

#[global_allocator]
static COUNTING: Counting = Counting;

/// Not a test by itself: what a child does.
#[test]
fn the_other_process() {
    if let Some(role) = child::role() {
        let role: Vec<&str> = role.iter().map(String::as_str).collect();
        exact::roles::play(&role);
    }
}
