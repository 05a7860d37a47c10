//! How it was measured, and by what the figures are bent.

use super::{
    super::{record::Report, text::Grid},
    Block,
};
use crate::{transport, units};

pub(super) fn blocks(report: &Report) -> Vec<Block> {
    let mut touch = Grid::new(["message", "fill", "compare"]);
    for line in &report.touch {
        touch.row([line.size.to_string(), units::nanos(line.fill_ns), units::nanos(line.check_ns)]);
    }
    let mut facts = Grid::new(["transport", "as read back"]);
    let mut seen: Vec<&str> = Vec::new();
    for cell in &report.cells {
        if !cell.facts.is_empty() && !seen.contains(&cell.case.row.transport.as_str()) {
            seen.push(&cell.case.row.transport);
            let list: Vec<String> =
                cell.facts.iter().map(|(name, value)| format!("{name} {value}")).collect();
            facts.row([cell.case.row.transport.clone(), list.join(", ")]);
        }
    }
    let mut what = Grid::new(["row", "what it is"]);
    for transport in transport::known() {
        if report.cells.iter().any(|cell| cell.case.row.transport == transport.name) {
            what.row([transport.name, transport.what]);
        }
    }
    let mut blocks = vec![
        Block::text(format!(
            "Two fresh processes for every sample, {}; the coordinator sleeps meanwhile. In each round every row of a \
             block (scenario and size) runs once, in an order shuffled with the seed and balanced over the rounds. A \
             sample warms up until three windows agree within 5 %, or a fifth of its time is gone ({}).",
            report.run.placement,
            warm(report),
        )),
        Block::text(
            "The unit of statistics is the round; intervals are 95 % bootstrap intervals over rounds, with few rounds \
             as wide as their range. A percentile is given only with ten samples beyond it.",
        ),
        Block::text(format!(
            "Every byte of every message is written by the sender and compared by the receiver; in ping-pong the \
             responder's share of that is inside the round trip. Reading the clock costs {:.0} ns, not subtracted.",
            report.clock_ns
        )),
    ];
    if !touch.is_empty() {
        blocks.push(Block::table("What the pattern costs, the same for every row", touch));
    }
    blocks.push(Block::text("Known bias:"));
    blocks.push(Block::List(
        [
            "One call a message on both sides, so a kernel transport whose user batches small messages in a buffer does \
             better than here.",
            "A call of the RPC rows copies its argument and its result into vectors, as most callers do; a message is \
             its payload, and what the codec adds travels on top.",
            "Throughput needs the two processes' clocks to be one, which `CLOCK_MONOTONIC` is.",
            "Processor time counts what a side spends polling. A side that polls while nothing comes looks expensive in \
             slow company.",
            "Buffers were asked to be equal; what was granted differs, as the table says.",
        ]
        .map(str::to_owned)
        .to_vec(),
    ));
    if !facts.is_empty() {
        blocks.push(Block::table("Buffers and options as the system has them", facts));
    }
    if !what.is_empty() {
        blocks.push(Block::table("The rows", what));
    }
    blocks
}

/// How often the warm-up came to rest before its time was over.
fn warm(report: &Report) -> String {
    let rounds = || report.cells.iter().flat_map(|cell| cell.rounds.iter().flatten());
    format!(
        "{} of {} came to rest",
        rounds().filter(|round| round.settled).count(),
        rounds().count()
    )
}
