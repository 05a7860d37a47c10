//! The tables, and the first screen that a run ends with.

use super::{
    record::{Cell, Report},
    text::Grid,
};
use crate::{
    case::Scenario,
    recommend::figure,
    units::{self, Size},
};

/// What a table shows of a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Show {
    /// The value over rounds.
    Value,
    /// The 99th percentile.
    P99,
    /// Processor time of both sides for one message.
    Cpu,
}

/// A table of one scenario: a line a row, a column a message size.
pub(crate) fn grid(report: &Report, scenario: Scenario, show: Show) -> Grid {
    let cells: Vec<&Cell> = report
        .cells
        .iter()
        .filter(|cell| cell.case.scenario == scenario)
        .collect();
    let mut sizes: Vec<Size> = cells.iter().map(|cell| cell.case.size).collect();
    sizes.sort_unstable();
    sizes.dedup();
    let mut rows = Vec::new();
    for cell in &cells {
        if !rows.contains(&&cell.case.row) {
            rows.push(&cell.case.row);
        }
    }
    let mut grid =
        Grid::new(std::iter::once(String::new()).chain(sizes.iter().map(Size::to_string)));
    for row in rows {
        let of_size = |size: &Size| {
            cells
                .iter()
                .find(|cell| cell.case.row == *row && cell.case.size == *size)
        };
        let shown = sizes
            .iter()
            .map(|size| of_size(size).map_or_else(|| "–".to_owned(), |cell| show.of(cell)));
        let floor = cells.iter().any(|cell| cell.case.row == *row && cell.floor);
        let name = if floor {
            format!("({row})")
        } else {
            row.to_string()
        };
        grid.row(std::iter::once(name).chain(shown.collect::<Vec<_>>()));
    }
    grid
}

impl Show {
    fn of(self, cell: &Cell) -> String {
        let mark = if cell.fault.is_some() {
            "✗ "
        } else if cell.converged {
            ""
        } else {
            "~"
        };
        let text = match self {
            Self::Value => figure(cell),
            Self::P99 => cell
                .percentiles
                .p99
                .map_or_else(|| "–".to_owned(), |p99| units::nanos(p99 as f64)),
            Self::Cpu => units::nanos(cell.per_message.cpu_ns),
        };
        format!("{mark}{text}")
    }
}

/// The first screen: what was measured, how far to trust it, and what to take.
pub(crate) fn screen(report: &Report, folder: Option<&str>) -> String {
    let mut text = String::new();
    for (title, scenario, show) in [
        ("Round trip, median", Scenario::Pingpong, Show::Value),
        ("Round trip, 99th percentile", Scenario::Pingpong, Show::P99),
        (
            "CPU time of both sides for one round trip",
            Scenario::Pingpong,
            Show::Cpu,
        ),
        ("Stream, every byte verified", Scenario::Stream, Show::Value),
        (
            "CPU time of both sides for one streamed message",
            Scenario::Stream,
            Show::Cpu,
        ),
    ] {
        let grid = grid(report, scenario, show);
        if !grid.is_empty() {
            text += &format!("{title}\n{}\n", grid.plain());
        }
    }
    text +=
        "(in brackets: floors, to compare with; ~ did not settle; #2 the same row once more)\n\n";
    text += &format!("{}\n", trust(report));
    for warning in &report.warnings {
        text += &format!("! {warning}\n");
    }
    text += "\nWhat to take\n";
    for line in &report.advice {
        text += &format!(
            "  {} ({}, {}):\n      {}\n",
            line.profile, line.scenario, line.size, line.text
        );
    }
    if report.advice.is_empty() {
        text += "  nothing that was measured answers a question\n";
    }
    if let Some(folder) = folder {
        text += &format!("\nreport: {folder}/REPORT.md\n");
    }
    text
}

/// How the run was made and how much equal rows differed, in two lines.
pub(crate) fn trust(report: &Report) -> String {
    let verified: u64 = report.cells.iter().map(|cell| cell.verified).sum();
    let wrong = report
        .cells
        .iter()
        .filter(|cell| cell.fault.is_some())
        .count();
    let off = report
        .noise
        .iter()
        .map(|noise| (noise.ratio.median.ln().abs().exp() - 1.0) * 100.0);
    let worst = off.clone().fold(0.0, f64::max);
    let typical = crate::stats::median(&off.collect::<Vec<_>>());
    let noise = typical.map_or_else(
        || "no A/A pair ran".to_owned(),
        |typical| format!("equal rows differed by {typical:.1} % (median), {worst:.0} % (worst)"),
    );
    format!(
        "{} rounds interleaved, seed {}, {:.0} s, {}; {noise}.\n{verified} messages compared byte by byte, {}.",
        report.run.rounds,
        report.run.seed,
        report.run.took_s,
        report.run.placement,
        if wrong == 0 {
            "none wrong".to_owned()
        } else {
            format!("WRONG in {wrong} rows")
        }
    )
}
