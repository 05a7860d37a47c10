//! Waits until a message is due, on the processor: a sleep would be late by more than most transports take.

use std::time::Duration;

use nix::{
    sys::{prctl, time::TimeSpec},
    time::{ClockId, ClockNanosleepFlags, clock_nanosleep},
};

use crate::{
    case::Case,
    clock::{monotonic_ns, thread_cpu_ns},
    syscalls,
};

/// Between two looks at the clock lie some tens of nanoseconds; where it is more than this, somebody else had the CPU.
const INTERRUPTED_NS: u64 = 2_000;

/// How an initiator waits between messages.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pacer {
    period_ns: u64,
    /// It has to where both sides share a CPU: one that polls would keep the other from running.
    sleeps: bool,
}

impl Pacer {
    /// The pacer of `case` on a machine of which `cpus` may be used.
    pub(crate) fn new(case: &Case, cpus: usize) -> Self {
        let period_ns = case.pace.map_or(0, |pace| pace.period_ns());
        let sleeps = period_ns > 0 && !case.placement.parallel(cpus);
        if sleeps {
            // Otherwise the kernel may be 50 µs late on purpose. Refused, it is late, which is part of the figure.
            let _ = prctl::set_timerslack(1);
        }
        Self { period_ns, sleeps }
    }

    /// For messages that follow each other at once.
    #[cfg(test)]
    pub(crate) fn none() -> Self {
        Self { period_ns: 0, sleeps: false }
    }

    /// Between two messages; 0 if the next one is due at once.
    pub(super) fn period_ns(self) -> u64 {
        self.period_ns
    }

    /// Waits until `due` on the monotonic clock. Returns the processor time that took, which is no transport's.
    pub(super) fn wait_until(self, due: u64) -> u64 {
        if self.sleeps { sleep_until(due) } else { spin_until(due) }
    }
}

fn spin_until(due: u64) -> u64 {
    let (mut now, mut spent) = (monotonic_ns(), 0);
    while now < due {
        std::hint::spin_loop();
        let next = monotonic_ns();
        if next - now < INTERRUPTED_NS {
            spent += next - now;
        }
        now = next;
    }
    spent
}

fn sleep_until(due: u64) -> u64 {
    let before = thread_cpu_ns();
    let due_at = TimeSpec::from(Duration::from_nanos(due));
    while monotonic_ns() < due {
        // Ended early by a signal, it is begun again.
        let _ =
            clock_nanosleep(ClockId::CLOCK_MONOTONIC, ClockNanosleepFlags::TIMER_ABSTIME, &due_at);
        syscalls::forget_one();
    }
    thread_cpu_ns().saturating_sub(before)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_sent_before_it_is_due_and_the_waiting_is_accounted_for() {
        for sleeps in [false, true] {
            let pacer = Pacer { period_ns: 1, sleeps };
            let due = monotonic_ns() + 2_000_000;
            let spent = pacer.wait_until(due);
            assert!(monotonic_ns() >= due);
            assert!(spent > 0, "sleeps: {sleeps}");
            assert!(pacer.wait_until(due) < 1_000_000, "what is late is sent at once");
        }
    }
}
