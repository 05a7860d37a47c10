//! Round trips: by size, and by percentile.

use super::{
    super::{
        picture::{Axis, Form, Panel, Picture, Plot, Point, Series, Unit},
        record::{Cell, Report},
        table::{Show, grid},
        text::Grid,
    },
    Block, PANELS, aside,
    curves::panels,
    nothing, of, shown,
};
use crate::{
    case::Scenario,
    recommend::figure,
    stats::percentile::{merge, percentile},
    units,
};

pub(super) fn blocks(report: &Report) -> Vec<Block> {
    if of(report, Scenario::Pingpong).next().is_none() {
        return nothing("round trips");
    }
    let mut blocks = vec![Block::text(
        "One message there, one back, one at a time. A figure is the median over rounds of each round's median. Rows \
         in brackets are floors, to compare with; `#2` is the second copy of a row; `~` did not converge.",
    )];
    blocks.extend(by_size(report).map(Block::Picture));
    blocks.push(Block::folded(
        "99th percentile over all rounds",
        grid(report, Scenario::Pingpong, Show::P99),
    ));
    blocks.extend(spectrum(report).map(Block::Picture));
    blocks.push(Block::folded(
        "Every cell with its interval and percentiles",
        every(of(report, Scenario::Pingpong)),
    ));
    blocks.extend(aside::placements(report, Scenario::Pingpong));
    blocks
}

fn by_size(report: &Report) -> Option<Picture> {
    let cells = shown(report, Scenario::Pingpong);
    let p99 = |cell: &Cell| cell.percentiles.p99.map(|ns| ns as f64);
    let y = Axis::over(
        "round trip",
        Unit::Nanos,
        cells.iter().flat_map(|cell| [Some(cell.value.median), p99(cell)]).flatten(),
    )?;
    let x = Axis::over("message", Unit::Bytes, cells.iter().map(|cell| cell.case.size.0 as f64))?;
    let panels = panels(&cells, &[], x, y, |cell| {
        Some(Point {
            x: cell.case.size.0 as f64,
            y: cell.value.median,
            high: p99(cell),
            open: !cell.converged,
            note: format!(
                "{}: {}, p99 {}",
                cell.id,
                figure(cell),
                p99(cell).map_or_else(|| "not known".to_owned(), units::nanos)
            ),
        })
    });
    Some(Picture {
        id: "latency-by-size",
        title: "Round trip by message size".to_owned(),
        reading: "Lower is better. The line is the median, the band above it reaches to the 99th percentile; hollow points did not converge. All panels \
                  have the same scale: a row is to be compared with those of its own panel, which wait the same way."
            .to_owned(),
        panels,
        table: grid(report, Scenario::Pingpong, Show::Value),
        folded: false,
    })
}

/// 1 / (1 − p) of the percentiles of the picture.
const NINES: [f64; 9] = [2.0, 4.0, 10.0, 40.0, 100.0, 400.0, 1_000.0, 10_000.0, 100_000.0];

/// The percentiles of the smallest messages, where waiting shows most.
fn spectrum(report: &Report) -> Option<Picture> {
    let cells = shown(report, Scenario::Pingpong);
    let size = cells.iter().map(|cell| cell.case.size).min()?;
    let lines: Vec<(&Cell, Vec<(f64, f64)>)> = cells
        .into_iter()
        .filter(|cell| cell.case.size == size)
        .filter_map(|cell| {
            let merged = merge([&cell.histogram]).ok()?;
            let known = NINES
                .iter()
                .filter_map(|nines| Some((*nines, percentile(&merged, 1.0 - 1.0 / nines)? as f64)));
            Some((cell, known.collect::<Vec<_>>())).filter(|(_, known)| !known.is_empty())
        })
        .collect();
    let points = || lines.iter().flat_map(|(_, known)| known.iter().copied());
    let y = Axis::over("round trip", Unit::Nanos, points().map(|(_, ns)| ns))?;
    let x = Axis::over("percentile", Unit::Nines, points().map(|(nines, _)| nines))?;
    let panels = PANELS.iter().filter_map(|(wait, title)| {
        let series: Vec<Series> = lines
            .iter()
            .filter(|(cell, _)| cell.case.row.wait == *wait)
            .map(|(cell, known)| Series {
                name: cell.case.row.transport.clone(),
                transport: cell.case.row.transport.clone(),
                form: if cell.floor { Form::Floor } else { Form::Line },
                points: known
                    .iter()
                    .map(|(nines, ns)| Point {
                        x: *nines,
                        y: *ns,
                        high: None,
                        open: !cell.converged,
                        note: format!("{}: {} {}", cell.id, percent(*nines), units::nanos(*ns)),
                    })
                    .collect(),
            })
            .collect();
        (!series.is_empty()).then(|| Panel::Plot(Plot { title: (*title).to_owned(), x, y, series }))
    });
    let mut table = Grid::new(std::iter::once("cell".to_owned()).chain(NINES.map(percent)));
    for (cell, known) in &lines {
        let at = NINES.map(|nines| {
            let found = known.iter().find(|(of, _)| *of == nines);
            found.map_or_else(|| "–".to_owned(), |(_, ns)| units::nanos(*ns))
        });
        table.row(std::iter::once(cell.id.clone()).chain(at));
    }
    Some(Picture {
        id: "latency-spectrum",
        title: format!("How the round trips of {size} spread"),
        reading: "Lower and flatter is better: to the right stand the rare slow ones. A line ends where fewer than ten \
                  samples lie beyond the percentile."
            .to_owned(),
        panels: panels.collect(),
        table,
        folded: false,
    })
}

/// 100 is `p99`.
pub(crate) fn percent(nines: f64) -> String {
    let text = format!("{:.3}", 100.0 * (1.0 - 1.0 / nines));
    format!("p{}", text.trim_end_matches('0').trim_end_matches('.'))
}

/// Each cell with all that is known of its latencies.
pub(super) fn every<'a>(cells: impl Iterator<Item = &'a Cell>) -> Grid {
    let mut grid = Grid::new([
        "cell",
        "median",
        "95 % interval",
        "p50",
        "p90",
        "p99",
        "p99.9",
        "max",
        "samples",
    ]);
    for cell in cells {
        let p = &cell.percentiles;
        let show =
            |value: Option<u64>| value.map_or_else(|| "–".to_owned(), |ns| units::nanos(ns as f64));
        grid.row([
            cell.id.clone(),
            figure(cell),
            format!("{} – {}", units::nanos(cell.value.low), units::nanos(cell.value.high)),
            show(p.p50),
            show(p.p90),
            show(p.p99),
            show(p.p999),
            show(p.max),
            p.samples.to_string(),
        ]);
    }
    grid
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_have_the_names_people_know() {
        let names = NINES.map(percent);
        assert_eq!(
            names,
            ["p50", "p75", "p90", "p97.5", "p99", "p99.75", "p99.9", "p99.99", "p99.999"]
        );
    }
}
