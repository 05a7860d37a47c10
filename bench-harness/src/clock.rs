//! The two clocks: one for the coordinator's budget, one for the samples; and what reading it costs.

use std::time::{Duration, Instant};

use nix::time::{ClockId, clock_gettime};

/// Time as the coordinator sees it; tests put their own in its place.
pub(crate) trait Clock {
    /// Time since an arbitrary but fixed moment; never goes back.
    fn now(&self) -> Duration;
}

/// The system's monotonic clock.
#[derive(Debug)]
pub(crate) struct SystemClock(Instant);

impl SystemClock {
    pub(crate) fn new() -> Self {
        Self(Instant::now())
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Duration {
        self.0.elapsed()
    }
}

/// Nanoseconds of `CLOCK_MONOTONIC`, the same in every process of the machine.
///
/// That is what makes "first byte sent here, last byte verified there" a difference of two readings.
#[inline]
pub(crate) fn monotonic_ns() -> u64 {
    read(ClockId::CLOCK_MONOTONIC)
}

/// Processor time of this process so far, user and system together.
pub(crate) fn process_cpu_ns() -> u64 {
    read(ClockId::CLOCK_PROCESS_CPUTIME_ID)
}

/// Processor time of this thread so far, user and system together.
pub(crate) fn thread_cpu_ns() -> u64 {
    read(ClockId::CLOCK_THREAD_CPUTIME_ID)
}

#[inline]
fn read(id: ClockId) -> u64 {
    match clock_gettime(id) {
        Ok(time) => time.tv_sec() as u64 * 1_000_000_000 + time.tv_nsec() as u64,
        // Linux has all three clocks since 2.6.12; a zero shows up as an impossible sample.
        Err(_) => 0,
    }
}

/// What one reading of [`monotonic_ns`] costs, in nanoseconds: the best of several batches.
pub(crate) fn cost_ns() -> f64 {
    const BATCH: u64 = 10_000;
    (0..9)
        .map(|_| {
            let start = monotonic_ns();
            for _ in 0..BATCH {
                std::hint::black_box(monotonic_ns());
            }
            (monotonic_ns() - start) as f64 / BATCH as f64
        })
        .fold(f64::INFINITY, f64::min)
}

#[cfg(test)]
pub(crate) mod tests {
    use std::cell::Cell;

    use super::*;

    /// A clock that moves only when it is told to.
    #[derive(Debug, Default)]
    pub(crate) struct FakeClock(Cell<Duration>);

    impl FakeClock {
        pub(crate) fn advance(&self, by: Duration) {
            self.0.set(self.0.get() + by);
        }
    }

    impl Clock for FakeClock {
        fn now(&self) -> Duration {
            self.0.get()
        }
    }

    #[test]
    fn the_monotonic_clock_never_goes_back() {
        let mut last = monotonic_ns();
        for _ in 0..10_000 {
            let now = monotonic_ns();
            assert!(now >= last);
            last = now;
        }
        assert!(cost_ns() > 0.0);
    }
}
