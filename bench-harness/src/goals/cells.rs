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
    clock::SystemClock,
    measure::MATCHED,
    pin::Placement,
    place,
    plan::Plan,
    progress::Progress,
    report::record::{Cell, Round},
    run, summary, transport,
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
    let measured = summary::cells(&plan, &outcome)?;
    for omitted in summary::skipped(&plan, &outcome) {
        notes.push(format!("{}: {}", omitted.cell, omitted.reason));
    }
    if let Some(cell) = measured.iter().find(|cell| cell.fault.is_some()) {
        return Err(anyhow!("{}: a message did not arrive as it was sent", cell.id));
    }
    let buffer = MATCHED.map_or_else(String::new, |size| format!(", buffers of {size}"));
    Ok(Finding {
        conditions: format!(
            "{}, {} interleaved rounds, seed {}, every byte verified{buffer}",
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

impl Metric {
    fn of(self, round: &Round) -> f64 {
        match self {
            Self::Value => round.value,
            Self::Cpu => {
                let both = round.initiator.cpu_ns + round.responder.cpu_ns;
                both as f64 / round.messages.max(1) as f64
            }
        }
    }
}

/// A cell's figure in each round.
fn rounds(cells: &Cells, cell: &Cell) -> Vec<Option<f64>> {
    cell.rounds.iter().map(|round| round.as_ref().map(|round| cells.metric.of(round))).collect()
}

fn more_is_better(cells: &Cells) -> bool {
    cells.metric == Metric::Value && cells.scenario.more_is_better()
}

fn figure(cells: &Cells, rounds: &Rounds) -> String {
    let values: Vec<f64> = rounds.iter().flatten().copied().collect();
    crate::stats::median(&values).map_or_else(
        || "–".to_owned(),
        |median| match cells.metric {
            Metric::Value => cells.scenario.figure(median),
            Metric::Cpu => units::nanos(median),
        },
    )
}

fn find<'a>(measured: &'a [Cell], row: &str) -> Option<&'a Cell> {
    measured.iter().find(|cell| cell.case.row.to_string() == row)
}

/// The best of the rows that were measured, by the median.
fn best<'a>(cells: &Cells, claim: &Claim, measured: &'a [Cell]) -> Option<&'a Cell> {
    let median = |cell: &Cell| {
        let values: Vec<f64> = rounds(cells, cell).into_iter().flatten().collect();
        crate::stats::median(&values).unwrap_or(f64::NAN)
    };
    let rows = claim.best_of.iter().filter_map(|row| find(measured, row));
    let order = |a: &&Cell, b: &&Cell| median(a).total_cmp(&median(b));
    if more_is_better(cells) { rows.max_by(order) } else { rows.min_by(order) }
}

fn lines(part: &Part, cells: &Cells, measured: &[Cell], seed: u64) -> Vec<Line> {
    let ours = find(measured, cells.ours).map(|cell| rounds(cells, cell)).unwrap_or_default();
    cells
        .claims
        .iter()
        .map(|claim| {
            let best = best(cells, claim, measured);
            let theirs = best.map(|cell| rounds(cells, cell)).unwrap_or_default();
            let ratio = ratio(&ours, &theirs, seed);
            let of = if claim.best_of.len() > 1 { "the best other, " } else { "" };
            Line {
                what: part.what.to_owned(),
                ours: figure(cells, &ours),
                against: best.map_or_else(
                    || claim.best_of.join(", "),
                    |cell| format!("{of}{} {}", cell.case.row, figure(cells, &theirs)),
                ),
                ratio,
                bound: claim.bound.text(),
                verdict: judge(ratio, claim.bound),
            }
        })
        .collect()
}

/// All rows, the best first.
fn rows(cells: &Cells, measured: &[Cell], seed: u64) -> Vec<Row> {
    let ours = find(measured, cells.ours).map(|cell| rounds(cells, cell)).unwrap_or_default();
    let mut rows: Vec<Row> = measured
        .iter()
        .map(|cell| {
            let name = cell.case.row.to_string();
            let transport = transport::find(&cell.case.row.transport);
            let kind = match transport {
                _ if name == cells.ours => Kind::Ours,
                Some(transport) if transport.floor => Kind::Floor,
                Some(transport) if transport.peer => Kind::Peer,
                Some(transport) if KERNEL.contains(&transport.name) => Kind::Kernel,
                _ => Kind::Ours,
            };
            let rounds = rounds(cells, cell);
            let values: Vec<f64> = rounds.iter().flatten().copied().collect();
            Row {
                row: name,
                kind,
                figure: figure(cells, &rounds),
                value: crate::stats::interval::estimate(&values, seed),
                ratio: ratio(&rounds, &ours, seed),
                rounds,
            }
        })
        .collect();
    let median = |row: &Row| row.value.map_or(f64::NAN, |value| value.median);
    rows.sort_by(|a, b| median(a).total_cmp(&median(b)));
    if more_is_better(cells) {
        rows.reverse();
    }
    rows
}
