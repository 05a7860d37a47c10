//! Signals in every call, from the greeting to the last word.

use std::time::{Duration, Instant};

use crate::{
    census::Census,
    common::watchdog,
    flow::Calls,
    pair::{KINDS, with_other_process},
    report::{Report, scaled},
    storm::handled,
    turn::alone,
};

/// Signals for each of two processes, in a CI run: twenty seconds of them.
const SIGNALS: u64 = 200_000;

#[test]
fn ten_thousand_signals_a_second_interrupt_no_call_and_lose_no_byte() {
    let _turn = alone();
    watchdog(Duration::from_secs(scaled(300)), || {
        let before = Census::take_when_quiet();
        let mut report = Report::new("T11 signals", "signals handled in calls");
        let start = Instant::now();
        let each = scaled(SIGNALS).div_ceil(KINDS as u64);
        let (mut signals, mut bytes, mut timeouts) = (0, 0, 0);
        for kind in 0..KINDS {
            let so_far = handled();
            let tallies = with_other_process(kind, each, Calls::OfAnyKind, |tallies, _, _| {
                tallies.wait_until(|direction, _| {
                    handled() >= so_far + each && direction.timeouts() > 0
                });
            });
            // The other process has had as many at least.
            signals += handled() - so_far + each;
            bytes += tallies.bytes().iter().sum::<u64>();
            timeouts += tallies.timeouts().iter().sum::<u64>();
        }
        before.assert_unchanged();
        let rate = signals as f64 / 2.0 / start.elapsed().as_secs_f64();
        report.field("per_second", format!("{rate:.0}"));
        report.field("megabytes", bytes / 1_000_000).field("timeouts", timeouts);
        report.done(signals, 2 * SIGNALS);
    });
}
