//! The answer in a few lines, and the advice for every kind of job with what it rests on.

use super::{
    super::{
        record::{Cell, Report},
        table::rows,
        text::Grid,
    },
    Block,
};
use crate::{
    case::Scenario,
    recommend::{Advice, Verdict, figure, unclear},
    transport::{self, Topology},
};

/// The jobs that most readers come with, by the names of their profiles.
const FIRST: [&str; 4] = [
    "lowest latency, cores to burn",
    "lowest latency, no cores to burn",
    "bulk data",
    "many small messages",
];

/// The answer: one line for each of the common jobs, one on how far to believe them, and how to read the names.
pub(super) fn lines(report: &Report) -> Vec<Block> {
    let mut lines: Vec<String> = FIRST
        .iter()
        .filter_map(|name| report.advice.iter().find(|advice| advice.profile == *name))
        .map(|advice| line(report, advice))
        .collect();
    if lines.is_empty() {
        lines.push("Nothing that was measured answers a question.".to_owned());
    }
    lines.push(trust(report));
    vec![Block::List(lines), Block::text(key(report))]
}

fn line(report: &Report, advice: &Advice) -> String {
    let job = capital(&advice.profile);
    let cells = report.cells_named(&advice.cells);
    let Some((chosen, others)) = cells.split_first().filter(|_| advice.verdict != Verdict::None)
    else {
        return format!("{job}: {}.", advice.text);
    };
    let level = |cell: &Cell| {
        transport::find(&cell.case.row.transport).map_or(u8::MAX, |known| known.complexity)
    };
    let (what, at) = match chosen.case.scenario {
        Scenario::Stream => ("Messages of {} stream at", " at"),
        _ => ("A round trip of {} takes", ""),
    };
    let what = what.replace("{}", &chosen.case.size.to_string());
    let rest = match others.first().filter(|_| advice.verdict != Verdict::Only) {
        Some(other) => format!(
            "with {}{},{at} {}{}",
            other.case.row,
            if level(other) < level(chosen) { ", the best of the simpler" } else { "" },
            figure(other),
            if advice.verdict == Verdict::Simpler {
                let why = unclear(other, chosen, &report.noise);
                let why = why.map_or_else(String::new, |why| format!(" ({why})"));
                format!(": no clear difference{why}")
            } else {
                String::new()
            }
        ),
        // What else fits may have been measured without coming to rest; the advice says which.
        None => {
            advice.text.rsplit_once("; ").map_or("nothing else fits", |(_, why)| why).to_owned()
        }
    };
    format!("{job}: take **{}**. {what} {}; {rest}.", chosen.case.row, figure(chosen))
}

/// What the names in the answer mean.
fn key(report: &Report) -> String {
    let advised = report.advice.iter().flat_map(|advice| report.cells_named(&advice.cells));
    let cells: Vec<&Cell> = advised.collect();
    let mut named: Vec<String> = vec![];
    for row in rows(&cells) {
        let Some(known) = transport::find(&row.transport) else { continue };
        let meaning = format!("`{}`: {}", known.name, known.what);
        if !named.contains(&meaning) {
            named.push(meaning);
        }
    }
    format!(
        "A name is a transport and what a side does while it waits: `block` sleeps at once, `adaptive` polls for a while \
         and then sleeps, `spin` polls for ever and keeps a CPU busy. The transports here are {}.",
        named.join("; ")
    )
}

fn trust(report: &Report) -> String {
    let count = report.warnings.len();
    if report.run.self_test {
        "Trust: **none**. This is a self-test of the harness; no figure here is a measurement."
            .to_owned()
    } else if !report.wrong().is_empty() {
        "Trust: **a message arrived wrong**; see below which transport to keep away from."
            .to_owned()
    } else if count > 0 {
        let things = if count == 1 { "1 thing" } else { &format!("{count} things") };
        format!("Trust: **with care**; {things} disturbed this run, listed below with the remedy.")
    } else {
        "Trust: **nothing disturbed this run**; the noise it measured on itself is below."
            .to_owned()
    }
}

/// Every kind of job with its advice and its evidence.
pub(super) fn jobs(report: &Report) -> Vec<Block> {
    let mut grid = Grid::new(["job", "advice", "rests on"]);
    for advice in &report.advice {
        let cells: Vec<String> = advice.cells.iter().map(|cell| format!("`{cell}`")).collect();
        grid.row([capital(&advice.profile), advice.text.clone(), cells.join(", ")]);
    }
    let mut blocks = vec![];
    if !grid.is_empty() {
        blocks.push(Block::table("Advice for each kind of job", grid));
    }
    blocks.push(Block::text(format!(
        "What a job must have decides who may stand; then the figures decide. A transport is called better only if its \
         ratio to the other, taken within each round, has a 95 % interval without 1 (with three rounds: better in each \
         of them), and exceeds by a tenth what the median of two equal rows of this run differs by in 99 of 100 cases. \
         Otherwise the simpler one is advised, in this order: {}.",
        order(report)
    )));
    blocks
}

/// The transports of the run that can be advised, the simplest first.
fn order(report: &Report) -> String {
    let mut known: Vec<_> = transport::known()
        .iter()
        .filter(|known| known.topology == Topology::Processes && !known.floor)
        .filter(|known| report.cells.iter().any(|cell| cell.case.row.transport == known.name))
        .collect();
    known.sort_by_key(|known| known.complexity);
    known.iter().map(|known| known.name).collect::<Vec<_>>().join(", ")
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        recommend,
        report::record::tests::{cell, noisy, report},
    };

    fn first_line(mut run: Report) -> String {
        run.advice = recommend::advise(&run);
        line(&run, &run.advice[0])
    }

    #[test]
    fn the_short_answer_too_says_why_a_large_difference_does_not_count() {
        let run = noisy(vec![
            cell("pingpong ring/block", &[100.0, 100.0, 100.0]),
            cell("pingpong pipe/block", &[125.0, 125.0, 125.0]),
        ]);
        let said = first_line(run);
        assert!(said.contains("take **pipe/block**"), "{said}");
        let why = "no clear difference (1.25× better here, but it takes 1.54×";
        assert!(said.contains(why), "{said}");
    }

    #[test]
    fn a_difference_that_nobody_would_ask_about_needs_no_reason() {
        let said = first_line(report(vec![
            cell("pingpong ring/block", &[100.0; 3]),
            cell("pingpong pipe/block", &[101.0; 3]),
        ]));
        assert!(said.ends_with("no clear difference."), "{said}");
    }

    #[test]
    fn the_only_row_that_converged_is_told_from_those_it_looked_clearly_better_than() {
        let mut pipe = cell("pingpong pipe/spin", &[4_000.0, 9_000.0, 6_000.0]);
        pipe.converged = false;
        let said = first_line(report(vec![pipe, cell("pingpong ring/spin", &[200.0; 3])]));
        assert!(said.contains("take **ring/spin**"), "{said}");
        let why = "nothing else that fits converged, but the best of it looked clearly worse: pipe/spin (6.00 µs).";
        assert!(said.ends_with(why), "{said}");
    }
}
