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

/// The rounds of the blocks that most of the advice rests on.
fn rounds(report: &Report) -> Option<Picture> {
    let mut blocks: Vec<_> =
        report.advice.iter().map(|advice| (advice.scenario, advice.size)).collect();
    blocks.sort_unstable();
    blocks.dedup();
    let most = report.cells.iter().map(|cell| cell.rounds.len()).max().unwrap_or(0);
    let head = ["cell".to_owned(), "median".to_owned()];
    let mut grid = Grid::new(head.into_iter().chain((1..=most).map(|n| format!("round {n}"))));
    let mut panels = Vec::new();
    for (scenario, size) in blocks {
        let cells: Vec<&Cell> = report
            .cells
            .iter()
            .filter(|cell| cell.case.scenario == scenario && cell.case.size == size)
            .filter(|cell| cell.fault.is_none() && report.main(cell))
            .collect();
        let values = |cell: &Cell| {
            cell.rounds.iter().flatten().map(|round| round.value).collect::<Vec<f64>>()
        };
        let (title, unit) = match scenario {
            Scenario::Stream => ("rate", Unit::Rate),
            Scenario::Pingpong | Scenario::IdleWake => ("round trip", Unit::Nanos),
            Scenario::Paced => ("from due to arrived", Unit::Nanos),
            Scenario::Setup => ("until the first answer", Unit::Nanos),
        };
        let show = |value| scenario.figure(value);
        let all: Vec<f64> = cells.iter().flat_map(|cell| values(cell)).collect();
        let Some(axis) = Axis::over(title, unit, all) else { continue };
        for cell in &cells {
            let rounds = cell.rounds.iter().map(|round| {
                round.as_ref().map_or_else(|| "–".to_owned(), |round| show(round.value))
            });
            let middle = format!("{}{}", mark(cell), show(cell.value.median));
            grid.row([cell.id.clone(), middle].into_iter().chain(rounds));
        }
        let rows = cells.iter().map(|cell| Strip {
            name: cell.case.row.to_string(),
            transport: cell.case.row.transport.clone(),
            values: values(cell),
            median: cell.value.median,
            low: cell.value.low,
            high: cell.value.high,
            open: !cell.converged,
        });
        let title =
            format!("{}, {size}", if scenario.more_is_better() { "Stream" } else { "Ping-pong" });
        panels.push(Panel::Strips(Strips { title, axis, rows: rows.collect() }));
    }
    (!panels.is_empty()).then(|| Picture {
        id: "rounds",
        title: "Round by round".to_owned(),
        reading: "Each dot is one round, the bar is the median with its 95 % interval. A row whose dots lie far apart, \
                  drawn hollow, decides nothing; rows marked #2 are second copies of the row above of that name, so \
                  the distance between the two is noise."
            .to_owned(),
        panels,
        table: grid,
    })
}
