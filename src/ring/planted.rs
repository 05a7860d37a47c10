//! Faults that cost time and change nothing else: what `scripts/perf-gate --self-test` has to find.
//!
//! None of them is there unless a build asks for it with `--cfg mutant="…"`.

use std::hint::black_box;

/// On the way of every small write.
#[inline(always)]
pub(crate) fn on_write() {
    if cfg!(mutant = "slow_write") {
        // 10 % of a write and a read of 64 bytes when those took 10.3 ns (14 rounds: 8.9 %); the processor does part of it on
        // the side.
        for i in 0..16 {
            black_box(i);
        }
    }
    if cfg!(mutant = "allocating_write") {
        drop(black_box(Box::new(0)));
    }
}
