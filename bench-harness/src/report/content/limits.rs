//! What the run does not tell.

use super::{
    super::{
        record::{Payload, Report},
        text::Grid,
    },
    Block,
};
use crate::{
    case::{Scenario, Wait},
    transport,
};

/// What no run of this program measures.
const NEVER: [&str; 8] = [
    "Machines other than this one, and this one under another load.",
    "Many descriptors polled at once. Which transport can be polled stands in the recommendation.",
    "Message borders: the harness knows the sizes. A stream has none, a call and a packet have them.",
    "Many writers or readers on one channel.",
    "Peers that crash or are killed in the middle. The tests of the library are about those.",
    "Peers that lie. What is said of strangers above is a property of each design, not a measurement.",
    "Other machines. What may move there is measured here, over the loopback or a local carrier.",
    "Containers and sandboxes, which may forbid shared memory or change what a system call costs.",
];

pub(super) fn blocks(report: &Report) -> Vec<Block> {
    let mut lines = NEVER.map(str::to_owned).to_vec();
    let missing: Vec<&str> = Scenario::ALL
        .iter()
        .filter(|scenario| report.cells.iter().all(|cell| cell.case.scenario != **scenario))
        .map(|scenario| scenario.tag())
        .collect();
    if !missing.is_empty() {
        lines.push(format!("In this run: {}.", missing.join(", ")));
    }
    if report.run.payload == Payload::Header {
        lines.push(
            "In this run: the payload. Only the first eight bytes of a message were touched."
                .to_owned(),
        );
    }
    let absent = report.run.placements.iter().filter(|place| place.placement.is_none());
    lines.extend(absent.map(|place| format!("The placement {}: {}.", place.tag, place.what)));
    let mut blocks = vec![Block::List(lines)];
    let mut rows = Grid::new(["transport", "ways of waiting not in this run", "what it is"]);
    for known in transport::known().iter().filter(|known| !known.hidden) {
        let missing: Vec<&str> = known
            .waits
            .iter()
            .filter(|wait| !ran(report, known.name, **wait))
            .map(|wait| wait.tag())
            .collect();
        if !missing.is_empty() {
            rows.row([known.name.to_owned(), missing.join(", "), known.what.to_owned()]);
        }
    }
    if !rows.is_empty() {
        blocks.push(Block::table("Rows this ipc-bench knows and this run does not have", rows));
    }
    if !report.skipped.is_empty() {
        let mut grid = Grid::new(["cell", "why it has no figure"]);
        for skip in &report.skipped {
            grid.row([skip.cell.clone(), skip.reason.clone()]);
        }
        blocks.push(Block::table("Cells that were to run and did not", grid));
    }
    blocks
}

fn ran(report: &Report, transport: &str, wait: Wait) -> bool {
    let row = |cell: &super::super::record::Cell| {
        cell.case.row.transport == transport && cell.case.row.wait == wait
    };
    report.cells.iter().any(row)
}
