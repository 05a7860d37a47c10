//! What the integration tests share.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test binary compiles this file for itself and uses a part of it"
)]

use std::{
    process,
    sync::{
        atomic::{AtomicU64, Ordering::Relaxed},
        mpsc::{self, RecvTimeoutError},
    },
    thread,
    time::Duration,
};

/// Runs `case` and ends the whole process, naming the case, if it has not ended after `limit`.
///
/// Tests have no upper bounds on time except this one, which only turns a hang into a failure.
pub fn watchdog<T>(limit: Duration, case: impl FnOnce() -> T) -> T {
    let name = thread::current().name().unwrap_or("unnamed").to_owned();
    let (done, wait) = mpsc::channel::<()>();
    let dog = thread::spawn(move || {
        if wait.recv_timeout(limit) == Err(RecvTimeoutError::Timeout) {
            eprintln!("{name}: still running after {limit:?}");
            process::abort();
        }
    });
    let result = case();
    drop(done);
    dog.join().expect("the watchdog does not panic");
    result
}

/// Runs drivers that count up their seeds in `now`, and ends the whole process, naming the seeds, if none of them has
/// gone on for `limit`. For how long all of it takes there is no bound.
pub fn watched<T>(limit: Duration, now: &[AtomicU64], drive: impl FnOnce() -> T) -> T {
    let (done, wait) = mpsc::channel::<()>();
    thread::scope(|scope| {
        scope.spawn(move || {
            let seeds = || now.iter().map(|seed| seed.load(Relaxed)).collect::<Vec<_>>();
            let mut before = Vec::new();
            while wait.recv_timeout(limit) == Err(RecvTimeoutError::Timeout) {
                let seeds = seeds();
                if seeds == before {
                    eprintln!("still running after {limit:?}: RINGPIPE_SEED is one of {seeds:?}");
                    process::abort();
                }
                before = seeds;
            }
        });
        let result = drive();
        drop(done);
        result
    })
}

/// A small generator of numbers that look random: xorshift64*, the same sequence for the same seed.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// A number below `bound`, which is not 0.
    pub fn below(&mut self, bound: usize) -> usize {
        (self.next() >> 33) as usize % bound
    }

    pub fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            let random = self.next().to_le_bytes();
            chunk.copy_from_slice(&random[..chunk.len()]);
        }
    }
}
