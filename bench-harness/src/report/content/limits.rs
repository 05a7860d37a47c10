//! What the run does not tell.

use super::{
    super::{record::Report, text::Grid},
    Block,
};
use crate::{case::Wait, transport};

pub(super) fn blocks(report: &Report) -> Vec<Block> {
    let mut blocks = vec![Block::List(
        [
            "Machines other than this one, and this one under another load.",
            "Polling several descriptors at once. A futex cannot be polled; a socket can.",
            "Message borders: the harness knows the sizes. A stream has none, a call has them.",
            "Many writers or readers on one channel.",
            "A fixed rate of messages, the first message after a silence, and setting up.",
            "Peers that crash or lie. The tests of the library are about those.",
            "Containers and sandboxes, which may forbid shared memory or change what a system call costs.",
        ]
        .map(str::to_owned)
        .to_vec(),
    )];
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
