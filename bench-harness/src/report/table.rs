//! The tables, and the first screen that a run ends with.

use super::{
    record::{Cell, Report},
    text::Grid,
};
use crate::{
    case::{Row, Scenario},
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
    let main = report.cells.iter().filter(|cell| report.main(cell));
    let cells: Vec<&Cell> = main.filter(|cell| cell.case.scenario == scenario).collect();
    let sizes = sizes(&cells);
    let mut grid =
        Grid::new(std::iter::once("row".to_owned()).chain(sizes.iter().map(Size::to_string)));
    for row in rows(&cells) {
        let at = |size: &Size| {
            let cell = cells.iter().find(|cell| cell.case.row == *row && cell.case.size == *size);
            cell.map_or_else(|| "–".to_owned(), |cell| show.of(cell))
        };
        grid.row(std::iter::once(name(row, &cells)).chain(sizes.iter().map(at)));
    }
    grid
}

fn sizes(cells: &[&Cell]) -> Vec<Size> {
    let mut sizes: Vec<Size> = cells.iter().map(|cell| cell.case.size).collect();
    sizes.sort_unstable();
    sizes.dedup();
    sizes
}

/// The rows in the order of the plan, each once.
fn rows<'a>(cells: &[&'a Cell]) -> Vec<&'a Row> {
    let mut rows: Vec<&Row> = Vec::new();
    for cell in cells {
        if !rows.contains(&&cell.case.row) {
            rows.push(&cell.case.row);
        }
    }
    rows
}

/// A floor stands in brackets, because nobody can choose it.
fn name(row: &Row, cells: &[&Cell]) -> String {
    let floor = cells.iter().any(|cell| cell.case.row == *row && cell.floor);
    if floor { format!("({row})") } else { row.to_string() }
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
            Self::P99 => {
                cell.percentiles.p99.map_or_else(|| "–".to_owned(), |p99| units::nanos(p99 as f64))
            }
            Self::Cpu => units::nanos(cell.per_message.cpu_ns),
        };
        if text == "–" { text } else { format!("{mark}{text}") }
    }
}

/// The table of the first screen: the values, and beside them what they cost at the smallest and the largest size.
fn summary(report: &Report, scenario: Scenario) -> Grid {
    let cells: Vec<&Cell> = report
        .cells
        .iter()
        .filter(|cell| cell.case.scenario == scenario && cell.case.row.replica == 0)
        .filter(|cell| report.main(cell))
        .collect();
    let sizes = sizes(&cells);
    let ends = [sizes.first(), sizes.last().filter(|_| sizes.len() > 1)];
    let ends: Vec<Size> = ends.into_iter().flatten().copied().collect();
    let mut head = vec!["row".to_owned()];
    head.extend(sizes.iter().map(Size::to_string));
    if scenario == Scenario::Pingpong {
        head.extend(ends.iter().map(|size| format!("p99 {size}")));
    }
    head.extend(ends.iter().map(|size| format!("CPU {size}")));
    let mut grid = Grid::new(head);
    for row in rows(&cells) {
        let at = |size: &Size, show: Show| {
            let cell = cells.iter().find(|cell| cell.case.row == *row && cell.case.size == *size);
            cell.map_or_else(|| "–".to_owned(), |cell| show.of(cell))
        };
        let mut line = vec![name(row, &cells)];
        line.extend(sizes.iter().map(|size| at(size, Show::Value)));
        if scenario == Scenario::Pingpong {
            line.extend(ends.iter().map(|size| at(size, Show::P99)));
        }
        line.extend(ends.iter().map(|size| at(size, Show::Cpu)));
        grid.row(line);
    }
    grid
}

/// The first screen: what was measured, how far to trust it, and what to take.
pub(crate) fn screen(report: &Report, folder: Option<&str>) -> String {
    let mut text = String::new();
    for (title, scenario) in [
        ("Round trip: median, 99th percentile, CPU time of both sides", Scenario::Pingpong),
        (
            "Stream: rate verified at the receiver, CPU time of both sides for one message",
            Scenario::Stream,
        ),
    ] {
        let grid = summary(report, scenario);
        if !grid.is_empty() {
            text += &format!("{title}\n{}\n", grid.plain());
        }
    }
    text += "(in brackets: floors, to compare with; ~ did not converge)\n\n";
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
        text += &format!("\nreport: {folder}/report.html (the same as text: REPORT.md)\n");
    }
    text
}

/// How the run was made and how much equal rows differed, in two lines.
pub(crate) fn trust(report: &Report) -> String {
    let verified: u64 = report.cells.iter().map(|cell| cell.verified).sum();
    let wrong = report.cells.iter().filter(|cell| cell.fault.is_some()).count();
    let off = report.noise.iter().map(|noise| noise.ratio.median.max(1.0 / noise.ratio.median));
    let typical = crate::stats::median(&off.collect::<Vec<_>>());
    let factors = report.noise.iter().flat_map(|noise| noise.factors.iter().copied());
    let worst = factors.fold(1.0, f64::max);
    let noise = typical.map_or_else(
        || "no A/A pair ran".to_owned(),
        |typical| {
            format!(
                "equal rows differed by {:.1} %, in the worst round by {:.0} %",
                (typical - 1.0) * 100.0,
                (worst - 1.0) * 100.0
            )
        },
    );
    format!(
        "{} rounds interleaved, seed {}, {:.0} s, {}; {noise}.\n{verified} messages compared byte by byte, {}.",
        report.run.rounds,
        report.run.seed,
        report.run.took_s,
        report.run.placement,
        if wrong == 0 { "none wrong".to_owned() } else { format!("WRONG in {wrong} rows") }
    )
}
