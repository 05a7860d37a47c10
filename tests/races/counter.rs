//! Two threads count together: with an atomic, or with `--cfg planted` without anything that keeps them apart.
//!
//! Built by the test `race_detector` with the thread sanitizer, and without cargo: no crate is needed.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    thread,
};

static COUNT: AtomicU64 = AtomicU64::new(0);

fn add_one() {
    if cfg!(planted) {
        // SAFETY: none, which is the point: another thread writes the same word at the same time.
        unsafe { *COUNT.as_ptr() += 1 }
    } else {
        COUNT.fetch_add(1, Ordering::Relaxed);
    }
}

fn main() {
    let counters = [(); 2].map(|()| thread::spawn(|| (0..1000).for_each(|_| add_one())));
    for counter in counters {
        counter.join().expect("counting does not panic");
    }
    println!("counted to {}", COUNT.load(Ordering::Relaxed));
}
