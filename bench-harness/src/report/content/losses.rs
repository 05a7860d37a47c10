//! Where something else is clearly better than the ring: in its figure, in processor time, in system calls, in what it
//! can do. Computed, never written by hand.
//!
//! A ring is held against rows that wait the same way. One that looks for a while, which is its default, is held against
//! rows that sleep at once as well: hardly anything else looks for a while, and it would lose to nobody.

use super::{
    super::{
        record::{Cell, Report},
        text::Grid,
    },
    Block,
};
use crate::{
    case::Wait,
    recommend::{self, figure},
    stats::interval::Estimate,
    transport::{self, Topology, Transport},
    units,
};

pub(super) fn blocks(report: &Report) -> Vec<Block> {
    let rings: Vec<&Cell> = report.cells.iter().filter(|cell| is_ring(cell)).collect();
    if rings.is_empty() {
        return vec![Block::text("The ring was not measured in this run.")];
    }
    let mut blocks = vec![];
    let faster = by_figure(report, &rings);
    if faster.is_empty() {
        blocks.push(Block::text(
            "In its figures, against rows that wait the same way or sleep sooner: nowhere on this host.",
        ));
    } else {
        let title =
            "Rows whose figure is clearly better, and which wait the same way or sleep sooner";
        blocks.push(Block::table(title, faster));
    }
    let cheaper = by_cpu(report, &rings);
    if cheaper.is_empty() {
        blocks.push(Block::text("In processor time for a message: nowhere on this host."));
    } else {
        let title = "Rows that take clearly less processor time for a message, and wait the same way or sleep sooner";
        blocks.push(Block::table(title, cheaper));
    }
    let calls = by_calls(report, &rings);
    if !calls.is_empty() {
        blocks.push(Block::folded("Rows that make fewer system calls for a message", calls));
    }
    blocks.push(Block::List(abilities(report)));
    let open = rings.iter().filter(|cell| !cell.converged).count();
    if open > 0 {
        blocks.push(Block::text(format!(
            "{open} of the {} cells of the ring did not converge, and are compared with nothing here.",
            rings.len()
        )));
    }
    blocks
}

/// The ring and its variants, second copies left out.
fn is_ring(cell: &Cell) -> bool {
    let row = &cell.case.row;
    row.replica == 0 && (row.transport == "ring" || row.transport.starts_with("ring-"))
}

/// Each pair of a ring and a row that could stand in its place: of the same block, and bearable wherever that ring is.
fn pairs<'a>(report: &'a Report, rings: &[&'a Cell]) -> Vec<(&'a Cell, &'a Cell)> {
    let firm = |cell: &Cell| cell.converged && cell.fault.is_none();
    let alike =
        |ring: Wait, other: Wait| other == ring || (ring, other) == (Wait::Adaptive, Wait::Block);
    let stands_in = |ring: &Cell, other: &Cell| {
        other.case.block() == ring.case.block()
            && alike(ring.case.row.wait, other.case.row.wait)
            && other.case.row.replica == 0
            && !is_ring(other)
            && !other.floor
            // A pipe between threads does not do a ring's job.
            && transport::find(&other.case.row.transport)
                .is_some_and(|transport| transport.topology == Topology::Processes)
    };
    rings
        .iter()
        .filter(|ring| firm(ring))
        .flat_map(|ring| {
            let others = report.cells.iter().filter(|other| firm(other) && stands_in(ring, other));
            others.map(|other| (*ring, other))
        })
        .collect()
}

fn by_figure(report: &Report, rings: &[&Cell]) -> Grid {
    let mut grid =
        Grid::new(["cell", "its figure", "better", "its figure", "times better", "95 % interval"]);
    for (ring, other) in pairs(report, rings) {
        let comparison = recommend::compare(other, ring, &report.noise);
        if comparison.clear {
            let [times, interval] = ratio(comparison.ratio);
            grid.row([
                ring.id.clone(),
                figure(ring),
                other.case.row.to_string(),
                figure(other),
                times,
                interval,
            ]);
        }
    }
    grid
}

fn by_cpu(report: &Report, rings: &[&Cell]) -> Grid {
    let mut grid =
        Grid::new(["cell", "its CPU", "cheaper", "its CPU", "times less", "95 % interval"]);
    for (ring, other) in pairs(report, rings) {
        if let Some(dearer) = recommend::dearer(ring, other) {
            let [times, interval] = ratio(dearer);
            grid.row([
                ring.id.clone(),
                units::nanos(ring.per_message.cpu_ns),
                other.case.row.to_string(),
                units::nanos(other.per_message.cpu_ns),
                times,
                interval,
            ]);
        }
    }
    grid
}

fn by_calls(report: &Report, rings: &[&Cell]) -> Grid {
    let mut grid = Grid::new(["cell", "its calls", "fewer", "its calls"]);
    let calls = |cell: &Cell| cell.calls.map(|calls| calls.initiator + calls.responder);
    for (ring, other) in pairs(report, rings) {
        let (Some(of_ring), Some(of_other)) = (calls(ring), calls(other)) else { continue };
        // A count over a few hundred messages is exact but for the last ones.
        if of_ring > of_other * recommend::WORTH {
            grid.row([
                ring.id.clone(),
                units::significant(of_ring),
                other.case.row.to_string(),
                units::significant(of_other),
            ]);
        }
    }
    grid
}

fn ratio(ratio: Estimate) -> [String; 2] {
    let [low, high] = [ratio.low, ratio.high].map(units::significant);
    [units::significant(ratio.median), format!("{low} – {high}")]
}

/// What each ring of the run cannot do and others can.
fn abilities(report: &Report) -> Vec<String> {
    let measured = |known: &&Transport| {
        report.cells.iter().any(|cell| is_ring(cell) && cell.case.row.transport == known.name)
    };
    transport::known()
        .iter()
        .filter(measured)
        .map(|known| {
            let lacks = [
                (!known.pollable).then_some("be waited for beside other descriptors"),
                (!known.untrusted).then_some("be shared with a stranger"),
                (!known.remote).then_some("move to another machine"),
            ];
            let lacks: Vec<&str> = lacks.into_iter().flatten().collect();
            format!("`{}` cannot {}.", known.name, lacks.join(", nor "))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::record::{
        Calls,
        tests::{cell, costing, report},
    };

    fn text(report: &Report) -> String {
        format!("{:?}", blocks(report))
    }

    #[test]
    fn a_row_that_is_clearly_better_is_named_and_one_that_waits_otherwise_is_not() {
        let run = report(vec![
            cell("pingpong ring/block", &[50_000.0; 3]),
            cell("pingpong unix/block", &[30_000.0; 3]),
            cell("pingpong tcp/block", &[49_000.0; 3]),
            cell("pingpong pipe/spin", &[900.0; 3]),
            cell("pingpong futex/block", &[10_000.0; 3]),
        ]);
        let text = text(&run);
        assert!(text.contains("unix/block") && text.contains("1.67"), "{text}");
        for row in ["tcp/block", "pipe/spin", "futex/block"] {
            assert!(!text.contains(row), "{row}: {text}");
        }
        assert!(text.contains("cannot be waited for beside other descriptors"), "{text}");
    }

    #[test]
    fn a_ring_that_looks_for_a_while_loses_to_what_sleeps_at_once_too() {
        let ring = costing(cell("stream ring/adaptive", &[2e9; 3]), 9_000);
        let unix = costing(cell("stream unix/block", &[3e9; 3]), 4_000);
        let pipe = costing(cell("stream pipe/spin", &[4e9; 3]), 4_000);
        let text = text(&report(vec![ring, unix, pipe]));
        assert!(text.contains("figure is clearly better") && text.contains("1.50"), "{text}");
        assert!(text.contains("less processor time") && text.contains("2.25"), "{text}");
        assert!(!text.contains("pipe/spin"), "{text}");
    }

    #[test]
    fn where_the_ring_loses_nothing_it_says_so_and_where_it_did_not_run_as_well() {
        let run = report(vec![
            cell("pingpong ring/block", &[50.0; 3]),
            cell("pingpong unix/block", &[60.0; 3]),
        ]);
        assert!(text(&run).contains("nowhere on this host"));
        assert!(text(&report(vec![])).contains("not measured"));
    }

    #[test]
    fn more_processor_time_and_more_system_calls_are_losses_too() {
        let mut ring = costing(cell("pingpong ring/block", &[50.0; 3]), 30_000);
        let mut pipe = costing(cell("pingpong pipe/block", &[50.0; 3]), 20_000);
        ring.calls = Some(Calls { initiator: 3.0, responder: 3.0, messages: 100 });
        pipe.calls = Some(Calls { initiator: 2.0, responder: 2.0, messages: 100 });
        let text = text(&report(vec![ring, pipe]));
        assert!(text.contains("less processor time") && text.contains("1.50"), "{text}");
        assert!(text.contains("fewer system calls"), "{text}");
    }
}
