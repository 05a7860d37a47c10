//! Where another transport is clearly better than the ring that waits the same way. Computed, never written by hand.

use super::{
    super::{record::Report, text::Grid},
    Block,
};
use crate::{
    recommend::{self, figure},
    transport::{self, Topology},
    units,
};

pub(super) fn blocks(report: &Report) -> Vec<Block> {
    let mut grid =
        Grid::new(["cell", "ring", "better", "its figure", "times better", "95 % interval"]);
    let ring = || {
        report
            .cells
            .iter()
            .filter(|cell| cell.case.row.transport == "ring" && cell.case.row.replica == 0)
    };
    for cell in ring() {
        for other in &report.cells {
            let same = other.case.block() == cell.case.block()
                && other.case.row.wait == cell.case.row.wait
                && other.case.row.replica == 0
                && other.case.row.transport != "ring"
                && !other.floor
                // A pipe between threads does not do a ring's job.
                && transport::find(&other.case.row.transport)
                    .is_some_and(|transport| transport.topology == Topology::Processes);
            if !same || !other.converged || !cell.converged {
                continue;
            }
            let comparison = recommend::compare(other, cell, &report.noise);
            if comparison.clear {
                grid.row([
                    cell.id.clone(),
                    figure(cell),
                    other.case.row.to_string(),
                    figure(other),
                    units::significant(comparison.ratio.median),
                    format!(
                        "{} – {}",
                        units::significant(comparison.ratio.low),
                        units::significant(comparison.ratio.high)
                    ),
                ]);
            }
        }
    }
    let open = ring().filter(|cell| !cell.converged).count();
    let all = ring().count();
    let mut blocks = if all == 0 {
        vec![Block::text("The ring was not measured in this run.")]
    } else if grid.is_empty() {
        vec![Block::text("Against rows that wait the same way: nowhere on this host.")]
    } else {
        vec![Block::table("Rows that are clearly better than the ring and wait the same way", grid)]
    };
    if open > 0 {
        blocks.push(Block::text(format!(
            "{open} of the {all} cells of the ring did not converge, and are compared with nothing here."
        )));
    }
    blocks
}
