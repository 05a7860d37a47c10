//! Whether a stream becomes dearer as it goes on: one connection, and windows of ever more bytes over it.
//!
//! Nothing in a ring depends on how much went through it but the positions, which have 64 bits and never wrap. So what is
//! looked for is anything that grows all the same. A tebibyte would take a minute for each round; the longest window is a
//! thirty-second of it, and all windows of a run together are about half a tebibyte.

use std::time::Duration;

use anyhow::{Result, anyhow};

use super::{
    Run,
    definition::{Bound, Part},
    finding::{Finding, Kind, Line, Row},
    judge::{judge, ratio},
};
use crate::{
    case::{self, Case, Scenario, Wait},
    measure::MATCHED,
    place,
    progress::Progress,
    run::Observer,
    sample::Session,
    stats::{interval, rng::Rng},
    units::{self, Size},
};

const MESSAGE: usize = 64 << 10;
/// What goes through before anything is timed.
const WARM_UP: u64 = 256 << 20;
/// The lengths; the longest last. The time to wake the two sides is in each, and weighs in the shortest.
const TOTALS: [u64; 5] = [1 << 20, 32 << 20, 1 << 30, 8 << 30, 32 << 30];
/// In a self-test, which wants the way and not the figure.
const SHORT: [u64; 5] = [1 << 20, 2 << 20, 4 << 20, 8 << 20, 16 << 20];
/// No byte of the longest may cost more than so much of a byte of a shorter one.
const DEARER: f64 = 1.1;

/// Measures the stream and judges whether a byte of the longest window costs more than one of the others.
pub(super) fn measure(part: &Part, run: &Run<'_>) -> Result<Finding> {
    let placement = run.placement(false)?;
    let case = Case {
        scenario: Scenario::Stream,
        size: Size(MESSAGE),
        row: case::Row { transport: "ring".to_owned(), wait: Wait::Adaptive, replica: 0 },
        placement,
        buffer: MATCHED,
        pace: None,
    };
    let totals = if run.self_test { SHORT } else { TOTALS };
    // Bytes a second, one entry a round, for each length.
    let mut rates = vec![Vec::new(); totals.len()];
    let mut rng = Rng::new(run.seed);
    let began = std::time::Instant::now();
    let mut progress = Progress::new(run.rounds as usize);
    let processes = run.processes();
    for round in 0..run.rounds {
        progress.next(round as usize, run.rounds as usize, Duration::ZERO, &case.id());
        let mut session = processes.open(&case, rng.next()).map_err(stopped)?;
        session.window(WARM_UP.min(totals[4]) / MESSAGE as u64).map_err(stopped)?;
        let mut order: Vec<usize> = (0..totals.len()).collect();
        rng.shuffle(&mut order);
        for length in order {
            let window = session.window(totals[length] / MESSAGE as u64).map_err(stopped)?;
            if window.fault().is_some() {
                return Err(anyhow!("{}: a message did not arrive as it was sent", case.id()));
            }
            rates[length].push(Some(totals[length] as f64 * 1e9 / window.elapsed_ns() as f64));
        }
    }
    progress.finish();
    let names = totals.map(|total| format!("{} in a row", Size(total as usize)));
    let longest = totals.len() - 1;
    // How much dearer a byte of the longest is: the other rate to this one.
    let dearer = |length: usize| ratio(&rates[length], &rates[longest], run.seed);
    let figure = |length: usize| {
        let values: Vec<f64> = rates[length].iter().flatten().copied().collect();
        interval::estimate(&values, run.seed)
    };
    let said =
        |length: usize| figure(length).map_or_else(String::new, |rate| units::rate(rate.median));
    let lines = (0..longest).rev().map(|length| Line {
        what: format!("{}, {} against {}", part.what, names[longest], names[length]),
        ours: said(longest),
        against: said(length),
        ratio: dearer(length),
        bound: Bound::AtMost(DEARER).text(),
        verdict: judge(dearer(length), Bound::AtMost(DEARER)),
    });
    let rows = (0..totals.len()).map(|length| Row {
        row: names[length].clone(),
        kind: Kind::Ours,
        figure: said(length),
        value: figure(length),
        rounds: rates[length].clone(),
        ratio: ratio(&rates[length], &rates[longest], run.seed),
    });
    Ok(Finding {
        conditions: format!(
            "{}, {} rounds of all lengths in turn, messages of {}, every byte verified",
            place::say(placement),
            run.rounds,
            Size(MESSAGE)
        ),
        took_s: began.elapsed().as_secs_f64(),
        lines: lines.collect(),
        rows: rows.collect(),
        ..run.finding(part)
    })
}

fn stopped(stop: crate::sample::Stop) -> anyhow::Error {
    anyhow!("the stream ended early: {stop:?}")
}
