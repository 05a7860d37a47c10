//! How it was measured, and by what the figures are bent.

use super::{
    super::{
        record::{Payload, Report},
        text::Grid,
    },
    Block,
};
use crate::{transport, units};

/// What bends the figures most, and in which direction.
const BIAS: [&str; 9] = [
    "For the ring: the authors of the ring wrote this program, chose what it measures, and tuned the ring on a machine \
     like the one of the committed runs.",
    "For the ring: one call a message on both sides, so a kernel transport whose user gathers small messages in a buffer \
     does better than here.",
    "For the ring: it can poll for a while and then sleep. The rows of the kernel's transports sleep at once or poll for \
     ever; whoever writes such a loop around a socket does better than here.",
    "For polling: nothing else wants the two CPUs. Processor time stands beside each latency for that reason.",
    "For polling: in a virtual machine, waking a CPU that sleeps costs more than on bare metal.",
    "For what sleeps: after a silence and at a steady rate the sender has passed the time on its CPU, so there is one \
     wake-up in the figure; a real pair may have two.",
    "Against whatever is fast: every row pays for writing and comparing each byte, and for reading the clock twice.",
    "Against the ring: where nothing is clearly better, the simpler one is advised, and the ring counts as complex.",
    "Either way: buffers were asked to be equal, and what was granted differs, as the table says.",
];

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
             block (scenario, pace, size, place, buffer) runs once, in an order shuffled with the seed and balanced over \
             the rounds. A sample warms up until three windows agree within 5 %, or a fifth of its time is gone ({}).",
            report.run.placement,
            warm(report),
        )),
        Block::text(
            "The unit of statistics is the round; intervals are 95 % bootstrap intervals over rounds, with few rounds \
             as wide as their range. A percentile is given only with ten samples beyond it. A row whose rounds lie \
             further than a tenth from their median, in the median, did not converge.",
        ),
        Block::text(touched(report)),
    ];
    if !touch.is_empty() {
        blocks.push(Block::table("What the pattern costs, the same for every row", touch));
    }
    blocks.push(Block::text(
        "Known bias, the largest first; `docs/bias.md` has all of it with what is done about it, `docs/method.md` how each \
         figure comes about:",
    ));
    blocks.push(Block::List(BIAS.map(str::to_owned).to_vec()));
    if !facts.is_empty() {
        blocks.push(Block::table("Buffers and options as the system has them", facts));
    }
    if !what.is_empty() {
        blocks.push(Block::table("The rows", what));
    }
    blocks
}

/// How much of each message was looked at.
fn touched(report: &Report) -> String {
    let what = match report.run.payload {
        Payload::Full => {
            "Every byte of every message is written by the sender and compared by the receiver; in ping-pong the \
             responder's share of that is inside the round trip."
        }
        Payload::Header => {
            "Only the first eight bytes of a message are written and compared; the rest is carried and never looked at."
        }
    };
    format!("{what} Reading the clock costs {:.0} ns, not subtracted.", report.clock_ns)
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
