//! Runs the cells of one part in rounds, and holds what came of them against its claims.

use std::time::Duration;

use anyhow::{Result, anyhow};

use super::{
    Run,
    definition::{Cells, Claim, Metric, Part},
    finding::{Finding, Kind, Line, Row},
    judge::{Rounds, judge, ratio},
};
use crate::{
    case::{self, Case},
    clock::{self, SystemClock},
    measure::MATCHED,
    pin::Placement,
    place,
    plan::Plan,
    progress::Progress,
    run::{self, Outcome},
    sample::Sample,
    stats::{interval, median, percentile::Buckets},
    summary,
    transport::{self, Transport},
    units::{self, Size},
};

/// What the system offers by itself.
const KERNEL: [&str; 6] = ["pipe", "fifo", "unix", "unix-seqpacket", "mqueue", "tcp"];

/// Runs `cells` and judges them.
pub(super) fn measure(part: &Part, cells: &Cells, run: &Run<'_>) -> Result<Finding> {
    let placement = run.placement(cells.one_cpu)?;
    let (cases, mut notes) = cases(cells, placement, run)?;
    let slot =
        if run.self_test { Duration::from_millis(40) } else { Duration::from_millis(part.slot_ms) };
    let plan = Plan::of(cases, run.rounds, run.seed, slot);
    let mut progress = Progress::new(plan.steps.len());
    let mut processes = run.processes();
    let outcome = run::run(&plan, &mut processes, &SystemClock::new(), &mut progress);
    progress.finish();
    if outcome.early == Some(run::Early::Interrupted) {
        return Err(anyhow!("interrupted"));
    }
    for omitted in summary::skipped(&plan, &outcome) {
        notes.push(format!("{}: {}", omitted.cell, omitted.reason));
    }
    for (case, samples) in plan.cases.iter().zip(&outcome.samples) {
        if samples.iter().flatten().any(|sample| sample.fault.is_some()) {
            return Err(anyhow!("{}: a message did not arrive as it was sent", case.id()));
        }
    }
    let measured = measured(cells, &plan, &outcome);
    // Two readings lie around each latency.
    let clock = match cells.scenario {
        case::Scenario::Pingpong => {
            format!(", a reading of the clock ({:.0} ns) included", clock::cost_ns())
        }
        _ => String::new(),
    };
    let buffer = MATCHED.map_or_else(String::new, |size| format!(", buffers of {size}"));
    Ok(Finding {
        conditions: format!(
            "{}, {} interleaved rounds, seed {}, every byte verified{buffer}{clock}",
            place::say(placement),
            run.rounds,
            run.seed
        ),
        took_s: outcome.took.as_secs_f64(),
        notes,
        lines: lines(part, cells, &measured, run.seed),
        rows: rows(cells, &measured, run.seed),
        ..run.finding(part)
    })
}

/// The cases of the part, and which rows there are none for.
fn cases(cells: &Cells, placement: Placement, run: &Run<'_>) -> Result<(Vec<Case>, Vec<String>)> {
    let (mut cases, mut notes) = (Vec::new(), Vec::new());
    for name in cells.rows() {
        let (transport, wait) = name.split_once('/').unwrap_or((name, ""));
        let wait = wait.parse().map_err(|error: String| anyhow!(error))?;
        if transport::find(transport).is_none() {
            notes.push(format!("{name} is not in this build; --features peers has it"));
            continue;
        }
        if wait == case::Wait::Spin && transport != "memcpy" && !placement.parallel(run.cpus()) {
            notes.push(format!("{name}: both sides share one CPU, where nobody can spin"));
            continue;
        }
        cases.push(Case {
            scenario: cells.scenario,
            size: Size(cells.size),
            row: case::Row { transport: transport.to_owned(), wait, replica: 0 },
            placement,
            buffer: MATCHED,
            pace: cells.pace,
        });
    }
    Ok((cases, notes))
}

/// A row with its figure in each round.
struct Measured {
    name: String,
    transport: &'static Transport,
    rounds: Vec<Option<f64>>,
}

impl Measured {
    fn values(&self) -> Vec<f64> {
        self.rounds.iter().flatten().copied().collect()
    }

    fn median(&self) -> f64 {
        median(&self.values()).unwrap_or(f64::NAN)
    }
}

/// All rows that have at least one round.
fn measured(cells: &Cells, plan: &Plan, outcome: &Outcome) -> Vec<Measured> {
    let rows = plan.cases.iter().zip(&outcome.samples);
    rows.filter_map(|(case, samples)| {
        let figure = |sample: &Option<Sample>| sample.as_ref().map(|sample| figure(cells, sample));
        let rounds: Vec<Option<f64>> = samples.iter().map(figure).collect();
        let transport = transport::find(&case.row.transport)?;
        let name = case.row.to_string();
        rounds.iter().any(Option::is_some).then_some(Measured { name, transport, rounds })
    })
    .collect()
}

/// The figure of a sample.
///
/// Latencies are the mean of their middle half, because their median moves in the steps of the clock: ten nanoseconds on some
/// machines, which is a twelfth of the shortest round trips.
fn figure(cells: &Cells, sample: &Sample) -> f64 {
    match cells.metric {
        Metric::Value if cells.scenario == case::Scenario::Stream => sample.value,
        Metric::Value => middle(&sample.latencies).unwrap_or(sample.value),
        Metric::Cpu => {
            let both = sample.initiator.cpu_ns + sample.responder.cpu_ns;
            both as f64 / sample.messages.max(1) as f64
        }
    }
}

/// The mean of the middle half of what the buckets hold; `None` if they hold nothing.
fn middle(buckets: &Buckets) -> Option<f64> {
    let count: u64 = buckets.iter().map(|(_, count)| count).sum();
    let (first, last) = (count / 4, count - count / 4);
    let (mut before, mut sum) = (0, 0.0);
    for (value, count) in buckets {
        let after = before + count;
        let inside = after.min(last).saturating_sub(before.max(first));
        sum += *value as f64 * inside as f64;
        before = after;
    }
    (count > 0).then(|| sum / (last - first) as f64)
}

fn more_is_better(cells: &Cells) -> bool {
    cells.metric == Metric::Value && cells.scenario.more_is_better()
}

fn say(cells: &Cells, rounds: &Rounds) -> String {
    let values: Vec<f64> = rounds.iter().flatten().copied().collect();
    median(&values).map_or_else(
        || "–".to_owned(),
        |median| match cells.metric {
            Metric::Value => cells.scenario.figure(median),
            Metric::Cpu => units::nanos(median),
        },
    )
}

fn find<'a>(measured: &'a [Measured], row: &str) -> Option<&'a Measured> {
    measured.iter().find(|measured| measured.name == row)
}

/// The best of the rows that were measured, by the median.
fn best<'a>(cells: &Cells, claim: &Claim, measured: &'a [Measured]) -> Option<&'a Measured> {
    let rows = claim.best_of.iter().filter_map(|row| find(measured, row));
    let order = |a: &&Measured, b: &&Measured| a.median().total_cmp(&b.median());
    if more_is_better(cells) { rows.max_by(order) } else { rows.min_by(order) }
}

fn lines(part: &Part, cells: &Cells, measured: &[Measured], seed: u64) -> Vec<Line> {
    let ours = find(measured, cells.ours).map_or(&[][..], |row| &row.rounds);
    let line = |claim: &Claim| {
        let best = best(cells, claim, measured);
        let theirs = best.map_or(&[][..], |row| &row.rounds);
        let ratio = ratio(ours, theirs, seed);
        let of = if claim.best_of.len() > 1 { "the best other, " } else { "" };
        Line {
            what: part.what.to_owned(),
            ours: say(cells, ours),
            against: best.map_or_else(
                || claim.best_of.join(", "),
                |row| format!("{of}{} {}", row.name, say(cells, theirs)),
            ),
            ratio,
            bound: claim.bound.text(),
            verdict: judge(ratio, claim.bound),
        }
    };
    cells.claims.iter().map(line).collect()
}

/// All rows, the best first.
fn rows(cells: &Cells, measured: &[Measured], seed: u64) -> Vec<Row> {
    let ours = find(measured, cells.ours).map_or(&[][..], |row| &row.rounds);
    let mut measured: Vec<&Measured> = measured.iter().collect();
    measured.sort_by(|a, b| a.median().total_cmp(&b.median()));
    if more_is_better(cells) {
        measured.reverse();
    }
    let row = |row: &Measured| Row {
        row: row.name.clone(),
        kind: match row.transport {
            transport if transport.floor => Kind::Floor,
            transport if transport.peer => Kind::Peer,
            transport if KERNEL.contains(&transport.name) => Kind::Kernel,
            _ => Kind::Ours,
        },
        figure: say(cells, &row.rounds),
        value: interval::estimate(&row.values(), seed),
        ratio: ratio(&row.rounds, ours, seed),
        rounds: row.rounds.clone(),
    };
    measured.into_iter().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_of_steps_lies_between_them() {
        assert_eq!(middle(&vec![]), None);
        assert_eq!(middle(&vec![(120, 10)]), Some(120.0));
        assert_eq!(middle(&vec![(110, 1), (120, 1), (130, 1), (9_000, 1)]), Some(125.0));
        // A quarter on each side is left out, and the steps weigh by what is left of them.
        assert_eq!(middle(&vec![(100, 50), (110, 50)]), Some(105.0));
        assert_eq!(middle(&vec![(100, 30), (110, 70)]), Some(109.0));
    }
}
