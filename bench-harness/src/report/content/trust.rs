//! How far to trust the run: what disturbed it, how much equal rows differed, whether the machine changed.

use super::{
    super::{
        picture::{Axis, Panel, Picture, Strip, Strips, Unit},
        record::{Cell, Report},
        table,
        text::Grid,
    },
    Block, mark,
};
use crate::{case::Scenario, units};

pub(super) fn blocks(report: &Report) -> Vec<Block> {
    let mut blocks = vec![Block::text(table::trust(report))];
    if !report.warnings.is_empty() {
        blocks.push(Block::Warnings(report.warnings.clone()));
    }
    if !report.noise.is_empty() {
        blocks.push(Block::folded(
            "One row under two names: every difference is noise",
            noise(report),
        ));
    }
    if !report.floors.is_empty() {
        blocks.push(Block::table("The machine itself, beside the rounds", floors(report)));
    }
    blocks.extend(rounds(report).map(Block::Picture));
    blocks
}

fn noise(report: &Report) -> Grid {
    let mut grid = Grid::new(["equal rows", "seeming ratio", "95 % interval", "worst round"]);
    for noise in &report.noise {
        grid.row([
            noise.cell.clone(),
            units::significant(noise.ratio.median),
            format!(
                "{} – {}",
                units::significant(noise.ratio.low),
                units::significant(noise.ratio.high)
            ),
            units::significant(noise.factors.iter().copied().fold(1.0, f64::max)),
        ]);
    }
    grid
}

fn floors(report: &Report) -> Grid {
    let mut grid = Grid::new(["floor", "start", "middle", "end"]);
    let mut seen: Vec<&str> = Vec::new();
    for floor in &report.floors {
        if seen.contains(&floor.cell.as_str()) {
            continue;
        }
        seen.push(&floor.cell);
        let at = |when: &str| {
            let same = |other: &&super::super::record::Floor| {
                other.cell == floor.cell && other.when == when
            };
            report
                .floors
                .iter()
                .find(same)
                .map_or_else(|| "–".to_owned(), |found| found.scenario.figure(found.value))
        };
        grid.row([floor.cell.clone(), at("start"), at("middle"), at("end")]);
    }
    grid
}

/// The rounds of the blocks that the advice rests on.
fn rounds(report: &Report) -> Option<Picture> {
    let asked: Vec<&str> = report
        .advice
        .iter()
        .filter_map(|advice| advice.cells.first())
        .map(String::as_str)
        .collect();
    let mut blocks: Vec<_> = report
        .cells
        .iter()
        .filter(|cell| asked.contains(&cell.id.as_str()))
        .map(|cell| cell.case.block())
        .collect();
    blocks.sort_unstable();
    blocks.dedup();
    let most = report.cells.iter().map(|cell| cell.rounds.len()).max().unwrap_or(0);
    let head = ["cell".to_owned(), "median".to_owned()];
    let mut grid = Grid::new(head.into_iter().chain((1..=most).map(|n| format!("round {n}"))));
    let mut panels = Vec::new();
    for block in blocks {
        let (scenario, pace, size, ..) = block;
        let cells: Vec<&Cell> = report
            .cells
            .iter()
            .filter(|cell| cell.case.block() == block && cell.fault.is_none())
            .collect();
        let values = |cell: &Cell| {
            cell.rounds.iter().flatten().map(|round| round.value).collect::<Vec<f64>>()
        };
        let (name, title, unit) = match scenario {
            Scenario::Stream => ("Stream", "rate", Unit::Rate),
            Scenario::Pingpong => ("Ping-pong", "round trip", Unit::Nanos),
            Scenario::IdleWake => ("After a silence", "round trip", Unit::Nanos),
            Scenario::Paced => ("Paced", "due until arrived", Unit::Nanos),
            Scenario::Setup => ("Set-up", "until the first answer", Unit::Nanos),
        };
        let show = |value| scenario.figure(value);
        let all: Vec<f64> = cells.iter().flat_map(|cell| values(cell)).collect();
        let Some(axis) = Axis::over(title, unit, all) else { continue };
        let mut rows = vec![];
        for row in table::rows(&cells) {
            let Some(cell) = cells.iter().find(|cell| cell.case.row == *row) else { continue };
            let rounds = cell.rounds.iter().map(|round| {
                round.as_ref().map_or_else(|| "–".to_owned(), |round| show(round.value))
            });
            let middle = format!("{}{}", mark(cell), show(cell.value.median));
            grid.row([cell.id.clone(), middle].into_iter().chain(rounds));
            rows.push(Strip {
                name: row.to_string(),
                transport: row.transport.clone(),
                values: values(cell),
                median: cell.value.median,
                low: cell.value.low,
                high: cell.value.high,
                open: !cell.converged,
            });
        }
        let pace = pace.map_or_else(String::new, |pace| format!(" of {}", table::words(pace)));
        panels.push(Panel::Strips(Strips { title: format!("{name}{pace}, {size}"), axis, rows }));
    }
    (!panels.is_empty()).then(|| Picture {
        id: "rounds",
        title: "Round by round".to_owned(),
        reading: "Each dot is one round, the bar is the median with its 95 % interval. A row whose dots lie far apart, \
                  drawn hollow, decides nothing; rows marked #2 are second copies of the row of that name, so the \
                  distance between the two is noise."
            .to_owned(),
        panels,
        table: grid,
        folded: true,
    })
}
