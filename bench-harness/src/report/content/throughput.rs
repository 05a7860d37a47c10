//! Streams: bytes a second that were verified at the receiver.

use super::{
    super::{
        picture::{Axis, Picture, Point, Unit},
        record::{Cell, Report},
        table::{Show, grid},
        text::Grid,
    },
    Block, aside,
    curves::panels,
    nothing, of, shown,
};
use crate::{case::Scenario, recommend::figure, units};

pub(super) fn blocks(report: &Report) -> Vec<Block> {
    if of(report, Scenario::Stream).next().is_none() {
        return nothing("streams");
    }
    let mut blocks = vec![Block::text(
        "From the first byte sent to the last byte compared at the receiver. One message a call on both sides.",
    )];
    blocks.extend(by_size(report).map(Block::Picture));
    let mut all = Grid::new(["cell", "rate", "95 % interval", "messages/s", "messages"]);
    for cell in of(report, Scenario::Stream) {
        all.row([
            cell.id.clone(),
            figure(cell),
            format!("{} – {}", units::rate(cell.value.low), units::rate(cell.value.high)),
            format!("{:.0}", cell.value.median / cell.case.size.0 as f64),
            cell.messages.to_string(),
        ]);
    }
    blocks.push(Block::folded("Every cell with its interval", all));
    blocks.extend(aside::placements(report, Scenario::Stream));
    blocks.extend(aside::buffers(report));
    blocks
}

fn by_size(report: &Report) -> Option<Picture> {
    let cells = shown(report, Scenario::Stream);
    let y = Axis::over("rate", Unit::Rate, cells.iter().map(|cell| cell.value.median))?;
    let x = Axis::over("message", Unit::Bytes, cells.iter().map(|cell| cell.case.size.0 as f64))?;
    let (floors, real): (Vec<&Cell>, Vec<&Cell>) = cells.into_iter().partition(|cell| cell.floor);
    let panels = panels(&real, &floors, x, y, |cell| {
        Some(Point {
            x: cell.case.size.0 as f64,
            y: cell.value.median,
            high: None,
            open: !cell.converged,
            note: format!("{}: {}", cell.id, figure(cell)),
        })
    });
    Some(Picture {
        id: "throughput-by-size",
        title: "Throughput by message size".to_owned(),
        reading: "Higher is better. Hollow points did not converge. The grey lines are floors to compare with: one copy by one thread \
                  (memcpy), and copying in and out by two processes that hardly meet (relay), which needs both CPUs \
                  undisturbed."
            .to_owned(),
        panels,
        table: grid(report, Scenario::Stream, Show::Value),
        folded: false,
    })
}
