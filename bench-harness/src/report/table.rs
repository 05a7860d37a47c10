//! The tables, and the first screen that a run ends with.

use super::{
    record::{Cell, Report},
    text::Grid,
};
use crate::{
    case::{Pace, Row, Scenario},
    recommend::figure,
    transport,
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
    /// System calls of both sides for one message.
    Calls,
}

/// How the messages of a column come, and what it shows of them.
#[derive(Clone, Debug)]
pub(crate) struct Column {
    head: String,
    scenario: Scenario,
    pace: Option<Pace>,
    size: Size,
    show: Show,
}

impl Column {
    fn cell<'a>(&self, cells: &[&'a Cell], row: &Row) -> Option<&'a Cell> {
        cells.iter().copied().find(|cell| {
            let case = &cell.case;
            let here = (case.scenario, case.pace, case.size);
            case.row == *row && here == (self.scenario, self.pace, self.size)
        })
    }

    /// With other words above it.
    fn titled(mut self, words: &str) -> Self {
        self.head = format!("{words} {}", self.head).trim_end().to_owned();
        self
    }
}

/// A column for each pace and size of a scenario.
pub(crate) fn columns(report: &Report, scenario: Scenario, show: Show) -> Vec<Column> {
    let cells = report.cells.iter().filter(|cell| cell.case.scenario == scenario);
    let mut points: Vec<(Option<Pace>, Size)> = cells
        .filter(|cell| report.main(cell))
        .map(|cell| (cell.case.pace, cell.case.size))
        .collect();
    points.sort_unstable();
    points.dedup();
    let several = points.iter().any(|(_, size)| *size != points[0].1);
    let head = |pace: Option<Pace>, size: Size| match pace {
        Some(pace) if several => format!("{}, {size}", words(pace)),
        Some(pace) => words(pace),
        None => size.to_string(),
    };
    let column = |(pace, size)| Column { head: head(pace, size), scenario, pace, size, show };
    points.into_iter().map(column).collect()
}

/// A pace as people read it.
pub(crate) fn words(pace: Pace) -> String {
    match pace {
        Pace::Rate(_) => format!("{pace}/s"),
        Pace::GapNs(gap) => units::plain(&units::nanos(gap as f64)),
    }
}

/// A line for each row that has a cell in any of the columns; second copies if they are wanted.
pub(crate) fn sheet(report: &Report, columns: &[Column], copies: bool) -> Grid {
    let cells: Vec<&Cell> = report
        .cells
        .iter()
        .filter(|cell| report.main(cell) && (copies || cell.case.row.replica == 0))
        .collect();
    let heads = columns.iter().map(|column| column.head.clone());
    let mut grid = Grid::new(std::iter::once("row".to_owned()).chain(heads));
    for row in rows(&cells) {
        let found: Vec<_> =
            columns.iter().map(|column| (column, column.cell(&cells, row))).collect();
        let Some(any) = found.iter().find_map(|(_, cell)| *cell) else { continue };
        let at = found
            .iter()
            .map(|(column, cell)| cell.map_or_else(|| "–".to_owned(), |cell| column.show.of(cell)));
        grid.row(std::iter::once(name(row, any.floor)).chain(at));
    }
    grid
}

/// A table of one scenario: a line a row, a column for each pace and size.
pub(crate) fn grid(report: &Report, scenario: Scenario, show: Show) -> Grid {
    sheet(report, &columns(report, scenario, show), true)
}

/// The rows in the order of the registry, each once.
pub(crate) fn rows<'a>(cells: &[&'a Cell]) -> Vec<&'a Row> {
    let mut rows: Vec<&Row> = Vec::new();
    for cell in cells {
        if !rows.contains(&&cell.case.row) {
            rows.push(&cell.case.row);
        }
    }
    let place = |row: &Row| {
        let known = transport::known().iter().position(|known| known.name == row.transport);
        // What this build does not know stands behind the rest, in the order of the run.
        known.unwrap_or(usize::MAX)
    };
    rows.sort_by_key(|row| (row.replica, place(row)));
    rows
}

/// A floor stands in brackets, because nobody can choose it.
fn name(row: &Row, floor: bool) -> String {
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
            Self::Calls => cell.calls.map_or_else(
                || "–".to_owned(),
                |calls| units::significant(calls.initiator + calls.responder),
            ),
        };
        if text == "–" { text } else { format!("{mark}{text}") }
    }
}

/// The table of the first screen: the values, and beside them what they cost at the smallest and the largest size.
fn summary(report: &Report, scenario: Scenario) -> Grid {
    let of = |show| -> Vec<Column> {
        let all = columns(report, scenario, show);
        let lines = sheet(report, &all, false);
        // A size that only a few rows have stands in the report.
        let usual = |place: &usize| {
            let having = lines
                .body()
                .iter()
                .filter(|line| line.get(place + 1).is_some_and(|cell| cell != "–"));
            having.count() * 2 >= lines.body().len()
        };
        let kept = (0..all.len()).filter(usual).map(|place| all[place].clone());
        kept.collect()
    };
    let ends = |show, words: &str| -> Vec<Column> {
        let all = of(show);
        let last = all.len().saturating_sub(1);
        let end = all.into_iter().enumerate().filter(|(place, _)| [0, last].contains(place));
        end.map(|(_, column)| column.titled(words)).collect()
    };
    let mut columns = of(Show::Value);
    if scenario == Scenario::Pingpong {
        columns.extend(ends(Show::P99, "p99"));
    }
    columns.extend(ends(Show::Cpu, "CPU"));
    sheet(report, &columns, false)
}

/// What happens now and then: after a silence, at a steady pace, before the first message.
fn occasions(report: &Report) -> Grid {
    let titled = |scenario, show, words: &str| -> Vec<Column> {
        let all = columns(report, scenario, show).into_iter();
        all.map(|column| column.titled(words)).collect()
    };
    let wake = titled(Scenario::IdleWake, Show::Value, "after");
    let paced = titled(Scenario::Paced, Show::Value, "at");
    let mut setup = columns(report, Scenario::Setup, Show::Value);
    setup.iter_mut().for_each(|column| "set-up".clone_into(&mut column.head));
    sheet(report, &[wake, paced, setup].concat(), false)
}

/// The first screen: what was measured, how far to trust it, and what to take.
pub(crate) fn screen(report: &Report, folder: Option<&str>) -> String {
    let mut text = String::new();
    for (title, grid) in [
        (
            "Round trip: median, 99th percentile, CPU time of both sides",
            summary(report, Scenario::Pingpong),
        ),
        (
            "Stream: rate verified at the receiver, CPU time of both sides for one message",
            summary(report, Scenario::Stream),
        ),
        (
            "Now and then: round trip after a silence, one way at a steady rate, set-up to the first answer",
            occasions(report),
        ),
    ] {
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
        text += &format!("  {} ({}):\n      {}\n", line.profile, line.measured(), line.text);
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
    let wrong = report.wrong().len();
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
