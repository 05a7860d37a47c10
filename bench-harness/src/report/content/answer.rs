//! The answer in a few lines, and the advice for every kind of job with what it rests on.

use super::{
    super::{record::Report, text::Grid},
    Block,
};
use crate::recommend::{Advice, Verdict, figure};

/// The jobs that most readers come with, by the names of their profiles.
const FIRST: [&str; 4] = [
    "lowest latency, cores to burn",
    "lowest latency, no cores to burn",
    "bulk data",
    "many small messages",
];

/// The answer: one line for each of the common jobs, and one on how far to believe them.
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
    vec![Block::List(lines)]
}

fn line(report: &Report, advice: &Advice) -> String {
    let chosen =
        advice.cells.first().and_then(|id| report.cells.iter().find(|cell| cell.id == *id));
    let job = capital(&advice.profile);
    match (advice.verdict, chosen) {
        (Verdict::None, _) | (_, None) => format!("{job}: {}.", advice.text),
        (verdict, Some(cell)) => {
            let why = match verdict {
                Verdict::Best => "clearly better than everything simpler",
                Verdict::Simpler => "nothing is clearly better, and this is the simplest",
                // What else fits may have been measured without coming to rest; the advice says which.
                Verdict::Only | Verdict::None => {
                    advice.text.rsplit_once("; ").map_or("nothing else fits", |(_, why)| why)
                }
            };
            format!(
                "{job}: **{}**, {} {} with {} messages ({why}).",
                cell.case.row,
                figure(cell),
                if cell.case.scenario.more_is_better() { "streamed" } else { "for a round trip" },
                cell.case.size
            )
        }
    }
}

fn trust(report: &Report) -> String {
    let count = report.warnings.len();
    if report.run.self_test {
        "Trust: **none**. This is a self-test of the harness; no figure here is a measurement."
            .to_owned()
    } else if report.corrupt() {
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
    blocks.push(Block::text(
        "What a job must have decides who may stand; then the figures decide. A transport is called better only if its \
         ratio to the other, taken within each round, has a 95 % interval without 1 (with three rounds: better in each \
         of them), and exceeds by a tenth what two equal rows of this run differ by. Otherwise the simpler one is \
         advised: pipe, FIFO, Unix socket, TCP, RPC over a socket, ring, RPC over a ring, in this order.",
    ));
    blocks
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
