//! What a report says, section by section, in a form that knows neither Markdown nor HTML.
//!
//! The order is that of the questions a reader has: what to take, whether to believe it, why, and how to check it. A
//! section that this run has nothing for stays and says so, because a gap that is not named reads like a result.

mod answer;
mod aside;
mod cpu;
mod curves;
mod latency;
mod limits;
mod losses;
mod machine;
mod method;
mod rare;
mod setup;
mod throughput;
mod trust;

pub(crate) use latency::percent;

use super::{
    picture::Picture,
    record::{Cell, Report},
    text::Grid,
};
use crate::case::{Scenario, Wait};

/// One numbered part of the report.
#[derive(Debug)]
pub(crate) struct Section {
    /// Unique, fit for an address.
    pub(crate) id: &'static str,
    pub(crate) title: &'static str,
    pub(crate) blocks: Vec<Block>,
}

/// What a section is made of. Its texts may hold `` `code` `` and `**strong**` and no other markup.
#[derive(Debug)]
pub(crate) enum Block {
    Text(String),
    List(Vec<String>),
    /// What a reader must know before trusting the figures.
    Warnings(Vec<String>),
    Table {
        title: String,
        grid: Grid,
    },
    /// A long table, shown on demand.
    Folded {
        title: String,
        grid: Grid,
    },
    Picture(Picture),
    /// Lines for a terminal.
    Commands(Vec<String>),
}

impl Block {
    fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    fn table(title: &str, grid: Grid) -> Self {
        Self::Table { title: title.to_owned(), grid }
    }

    fn folded(title: &str, grid: Grid) -> Self {
        Self::Folded { title: title.to_owned(), grid }
    }
}

/// The whole report.
pub(crate) fn sections(report: &Report) -> Vec<Section> {
    let section = |id, title, blocks| Section { id, title, blocks };
    vec![
        section("answer", "The answer", answer::lines(report)),
        section("trust", "How far to trust this run", trust::blocks(report)),
        section("jobs", "What to take for which job", answer::jobs(report)),
        section("latency", "Latency", latency::blocks(report)),
        section("throughput", "Throughput", throughput::blocks(report)),
        section("cpu", "Processor time", cpu::blocks(report)),
        section("rare", "Rare and paced messages", rare::blocks(report)),
        section("setup", "Setting up", setup::blocks(report)),
        section("losses", "Where the ring loses", losses::blocks(report)),
        section("limits", "What is not measured", limits::blocks(report)),
        section("method", "Method and known bias", method::blocks(report)),
        section("machine", "Machine", machine::machine(report)),
        section("repeat", "How to repeat it", machine::repeat(report)),
    ]
}

/// The title over all sections.
pub(crate) fn title(report: &Report) -> String {
    let cpu = report.host.cpu.as_deref().unwrap_or("unknown CPU");
    format!("Which way two local processes should talk: {cpu}")
}

/// When and with what.
pub(crate) fn subtitle(report: &Report) -> String {
    let commit = report.build.commit.as_deref();
    format!(
        "{} · ipc-bench {} · {}",
        moment(&report.run.started),
        report.build.version,
        commit.map_or_else(|| "commit unknown".to_owned(), |commit| format!("commit {commit}"))
    )
}

/// `20260131T235959Z` as people write it; anything else as it is.
fn moment(text: &str) -> String {
    let digits = |range: std::ops::Range<usize>| {
        text.get(range).filter(|part| part.bytes().all(|byte| byte.is_ascii_digit()))
    };
    match (digits(0..4), digits(4..6), digits(6..8), digits(9..11), digits(11..13)) {
        (Some(year), Some(month), Some(day), Some(hour), Some(minute)) => {
            format!("{year}-{month}-{day} {hour}:{minute} UTC")
        }
        _ => text.to_owned(),
    }
}

/// The cells of a scenario that belong to the main table, second copies included.
fn of(report: &Report, scenario: Scenario) -> impl Iterator<Item = &Cell> {
    report.cells.iter().filter(move |cell| cell.case.scenario == scenario && report.main(cell))
}

/// The cells of a scenario that pictures show: those that ran right, each row once.
fn shown(report: &Report, scenario: Scenario) -> Vec<&Cell> {
    of(report, scenario).filter(|cell| cell.case.row.replica == 0 && cell.fault.is_none()).collect()
}

/// A panel for each way of waiting, so that no picture puts what sleeps beside what spins.
const PANELS: [(Wait, &str); 3] = [
    (Wait::Block, "Sleeping at once (block)"),
    (Wait::Adaptive, "Polling a while, then sleeping (adaptive)"),
    (Wait::Spin, "Polling only (spin)"),
];

/// The sentence for a section without cells.
fn nothing(what: &str) -> Vec<Block> {
    vec![Block::text(format!("No cell of this run measures {what}."))]
}

/// A mark in front of a figure that is not to be trusted.
fn mark(cell: &Cell) -> &'static str {
    if cell.fault.is_some() {
        "✗ "
    } else if cell.converged {
        ""
    } else {
        "~"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_written_as_people_do_and_nonsense_is_left_alone() {
        assert_eq!(moment("20260131T235959Z"), "2026-01-31 23:59 UTC");
        assert_eq!(moment("yesterday, é"), "yesterday, é");
    }
}
