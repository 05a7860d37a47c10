//! Waits until a message is due, on the processor: a sleep would be late by more than most transports take.

use std::time::Duration;

use nix::{
    sys::{prctl, time::TimeSpec},
    time::{ClockId, ClockNanosleepFlags, clock_nanosleep},
};

use crate::{
    case::{Case, Pace},
    clock::{monotonic_ns, thread_cpu_ns},
    syscalls,
};

/// How long before a message is due the processor time is read for the last time: some times what the reading takes.
const EARLIER_NS: u64 = 2_000;

/// How an initiator waits between messages.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pacer {
    period_ns: u64,
    /// It has to where both sides share a CPU: one that polls would keep the other from running.
    sleeps: bool,
    /// What one reading of the processor time takes of it.
    reading_ns: u64,
}

impl Pacer {
    /// The pacer of `case` on a machine of which `cpus` may be used.
    pub(crate) fn new(case: &Case, cpus: usize) -> Self {
        let period_ns = case.pace.map_or(0, Pace::period_ns);
        let sleeps = period_ns > 0 && !case.placement.parallel(cpus);
        if sleeps {
            // Otherwise the kernel may be 50 µs late on purpose. Refused, it is late, which is part of the figure.
            let _ = prctl::set_timerslack(1);
        }
        let reading_ns = if period_ns > 0 { reading_ns() } else { 0 };
        Self { period_ns, sleeps, reading_ns }
    }

    /// For messages that follow each other at once.
    #[cfg(test)]
    pub(crate) fn none() -> Self {
        Self { period_ns: 0, sleeps: false, reading_ns: 0 }
    }

    /// Between two messages; 0 if the next one is due at once.
    pub(super) fn period_ns(self) -> u64 {
        self.period_ns
    }

    /// Waits until `due` on the monotonic clock. Returns the processor time that took, which is no transport's.
    ///
    /// The time is that of the processor and not of the clock, because interrupts take a part of the one that is polling as
    /// they do of everything; and it is read before the end, because reading it takes longer than some transports.
    pub(super) fn wait_until(self, due: u64) -> u64 {
        let begun = monotonic_ns();
        let early = due.saturating_sub(EARLIER_NS);
        let mut spent = 0;
        if begun < early {
            let before = thread_cpu_ns();
            if self.sleeps {
                sleep_until(early)
            } else {
                spin_until(early)
            }
            // Half of each reading lies between the two times, and half of each does not.
            spent = (thread_cpu_ns() - before) + self.reading_ns;
        }
        let late = monotonic_ns();
        spin_until(due);
        spent + due.saturating_sub(late)
    }
}

/// The median of what a reading of the processor time takes.
fn reading_ns() -> u64 {
    let mut steps = [0; 31];
    let mut last = thread_cpu_ns();
    for step in &mut steps {
        let now = thread_cpu_ns();
        *step = now - last;
        last = now;
    }
    steps.sort_unstable();
    steps[steps.len() / 2]
}

fn spin_until(due: u64) {
    while monotonic_ns() < due {
        std::hint::spin_loop();
    }
}

fn sleep_until(due: u64) {
    let due_at = TimeSpec::from(Duration::from_nanos(due));
    while monotonic_ns() < due {
        // Ended early by a signal, it is begun again.
        let _ =
            clock_nanosleep(ClockId::CLOCK_MONOTONIC, ClockNanosleepFlags::TIMER_ABSTIME, &due_at);
        syscalls::forget_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_sent_before_it_is_due_and_the_waiting_is_accounted_for() {
        for sleeps in [false, true] {
            let pacer = Pacer { sleeps, ..Pacer::none() };
            let due = monotonic_ns() + 2_000_000;
            let before = thread_cpu_ns();
            let spent = pacer.wait_until(due);
            assert!(monotonic_ns() >= due);
            assert!(
                spent > 0 && spent <= thread_cpu_ns() - before + EARLIER_NS,
                "{spent}, {sleeps}"
            );
            assert_eq!(pacer.wait_until(due), 0, "what is late is sent at once");
        }
    }
}
