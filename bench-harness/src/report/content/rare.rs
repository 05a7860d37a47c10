//! Messages that come now and then: what waking up costs after a silence, and how late messages arrive at a steady rate.

use super::{
    super::{
        picture::{Axis, Picture, Point, Unit},
        record::{Cell, Report},
        table::{Show, grid},
    },
    Block,
    curves::panels,
    latency::every,
    nothing, of, shown,
};
use crate::{
    case::{Pace, Scenario},
    recommend::figure,
    units,
};

pub(super) fn blocks(report: &Report) -> Vec<Block> {
    let has = |scenario| of(report, scenario).next().is_some();
    let mut blocks = vec![];
    if has(Scenario::IdleWake) {
        blocks.push(Block::text(
            "After a silence: nothing is sent for a while, which the sender passes on its CPU, then one message goes there \
             and one comes back. What sleeps must be woken; what spins must not, and has burnt a CPU all the while.",
        ));
        blocks.extend(by_gap(report).map(Block::Picture));
        let cpu = grid(report, Scenario::IdleWake, Show::Cpu);
        blocks.push(Block::folded("Processor time of both sides for one such round trip", cpu));
        let all = every(of(report, Scenario::IdleWake));
        blocks.push(Block::folded("Every cell after a silence", all));
        blocks.extend(too_few(report).map(Block::text));
    } else {
        blocks.extend(nothing("a silence before a message"));
    }
    if has(Scenario::Paced) {
        blocks.push(Block::text(
            "At a steady rate, one way: messages are due at fixed times, whether or not the other side keeps up, and the \
             latency counts from the moment a message was due. A transport that stalls is charged for every message \
             that had to wait meanwhile. The sender's waiting for the next due time is not counted as its processor time.",
        ));
        blocks.extend(by_rate(report).map(Block::Picture));
        let p99 = grid(report, Scenario::Paced, Show::P99);
        blocks.push(Block::folded("99th percentile at each rate", p99));
        let cpu = grid(report, Scenario::Paced, Show::Cpu);
        blocks.push(Block::folded("Processor time of both sides for one message", cpu));
        let all = every(of(report, Scenario::Paced));
        blocks.push(Block::folded("Every cell at a steady rate", all));
    } else {
        blocks.extend(nothing("a steady rate"));
    }
    blocks
}

/// Why no 90th percentile stands where silences are long: a round trip that waits 10 ms is rare in a short run.
fn too_few(report: &Report) -> Option<String> {
    let without = of(report, Scenario::IdleWake).filter(|cell| cell.percentiles.p90.is_none());
    let counts: Vec<u64> = without.map(|cell| cell.percentiles.samples).collect();
    let (least, most) = (counts.iter().min()?, counts.iter().max()?);
    Some(format!(
        "{} of these cells have no 90th percentile: all rounds together hold {least} to {most} round trips of each, and one \
         that is not an accident needs 100 (the 99th: 1000). A longer silence needs a longer run: --time-budget, --rounds.",
        counts.len()
    ))
}

fn by_gap(report: &Report) -> Option<Picture> {
    let cells = shown(report, Scenario::IdleWake);
    let gap = |cell: &Cell| match cell.case.pace {
        Some(Pace::GapNs(gap)) => Some(gap as f64),
        _ => None,
    };
    let x =
        Axis::over("silence before the message", Unit::Gap, cells.iter().filter_map(|c| gap(c)))?;
    let y = Axis::over("round trip", Unit::Nanos, cells.iter().map(|cell| cell.value.median))?;
    let panels = panels(&cells, &[], x, y, |cell| {
        Some(Point {
            x: gap(cell)?,
            y: cell.value.median,
            high: None,
            open: !cell.converged,
            note: format!("{}: {}", cell.id, figure(cell)),
        })
    });
    Some(Picture {
        id: "wake-by-gap",
        title: "The first round trip after a silence".to_owned(),
        reading: "Lower is better. Where a line rises, a side has gone to sleep; how far it rises is what being woken costs."
            .to_owned(),
        panels,
        table: grid(report, Scenario::IdleWake, Show::Value),
        folded: false,
    })
}

fn by_rate(report: &Report) -> Option<Picture> {
    let cells = shown(report, Scenario::Paced);
    let rate = |cell: &Cell| match cell.case.pace {
        Some(Pace::Rate(rate)) => Some(f64::from(rate)),
        _ => None,
    };
    // A rate with too few messages for a 99th percentile still has a median.
    let tail = |cell: &Cell| cell.percentiles.p99.map(|p99| p99 as f64);
    let x = Axis::over("messages a second", Unit::Messages, cells.iter().filter_map(|c| rate(c)))?;
    let values = cells.iter().flat_map(|cell| [Some(cell.value.median), tail(cell)]).flatten();
    let y = Axis::over("due until arrived", Unit::Nanos, values)?;
    let panels = panels(&cells, &[], x, y, |cell| {
        Some(Point {
            x: rate(cell)?,
            y: cell.value.median,
            high: tail(cell),
            open: !cell.converged,
            note: format!(
                "{}: {}, p99 {}",
                cell.id,
                figure(cell),
                tail(cell).map_or_else(|| "not known".to_owned(), units::nanos)
            ),
        })
    });
    Some(Picture {
        id: "latency-by-rate",
        title: "How late messages arrive at a steady rate".to_owned(),
        reading: "Lower is better. The line is the median, the band above it reaches to the 99th percentile where there \
                  are enough messages for one. Where the band lifts off, the row no longer keeps up: that is its knee."
            .to_owned(),
        panels,
        table: grid(report, Scenario::Paced, Show::Value),
        folded: false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::record::tests::{cell, report};

    fn after(gap_ns: u64, samples: u64, p90: Option<u64>) -> Cell {
        let mut cell = cell("idle-wake pipe/block", &[60_000.0; 3]);
        cell.case.pace = Some(Pace::GapNs(gap_ns));
        cell.id = cell.case.id();
        cell.percentiles.samples = samples;
        cell.percentiles.p90 = p90;
        cell
    }

    #[test]
    fn a_silence_too_long_for_a_90th_percentile_is_explained() {
        let run = report(vec![
            after(10_000, 5_000, Some(70_000)),
            after(1_000_000, 90, None),
            after(10_000_000, 21, None),
        ]);
        let said = too_few(&run).unwrap();
        assert!(said.starts_with("2 of these cells"), "{said}");
        assert!(said.contains("21 to 90 round trips") && said.contains("--time-budget"), "{said}");
        let shown = blocks(&run);
        assert!(shown.iter().any(|block| matches!(block, Block::Text(text) if *text == said)));
    }

    #[test]
    fn where_every_silence_has_its_90th_percentile_nothing_is_explained() {
        assert_eq!(too_few(&report(vec![after(10_000, 5_000, Some(70_000))])), None);
    }
}
