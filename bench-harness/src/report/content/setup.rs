//! What it costs to get to the first byte.

use super::{
    super::{record::Report, table::rows, text::Grid},
    Block, mark, nothing, shown,
};
use crate::{case::Scenario, recommend::figure, units};

pub(super) fn blocks(report: &Report) -> Vec<Block> {
    let cells = shown(report, Scenario::Setup);
    if cells.is_empty() {
        return nothing("setting up");
    }
    let mut grid =
        Grid::new(["row", "until the answer", "95 % interval", "p99", "CPU time", "system calls"]);
    for row in rows(&cells) {
        for cell in cells.iter().filter(|cell| cell.case.row == *row) {
            let p99 = cell.percentiles.p99.map(|ns| ns as f64);
            let calls = cell.calls.map(|calls| calls.initiator + calls.responder);
            let unknown = || "–".to_owned();
            grid.row([
                if cell.floor { format!("({row})") } else { row.to_string() },
                format!("{}{}", mark(cell), figure(cell)),
                format!("{} – {}", units::nanos(cell.value.low), units::nanos(cell.value.high)),
                p99.map_or_else(unknown, units::nanos),
                units::nanos(cell.per_message.cpu_ns),
                calls.map_or_else(unknown, units::significant),
            ]);
        }
    }
    vec![
        Block::text(
            "Make it, connect, send one byte, get one byte back; two processes that already run and hold a socket to each \
             other. Processor time and system calls are those of both sides. A transport that is set up once and used \
             for hours need not care; one that is set up for every request must.",
        ),
        Block::table("From nothing to the first answer", grid),
    ]
}
