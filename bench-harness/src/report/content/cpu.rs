//! What a message costs in processor time, and the picture to choose by: latency against that cost.

use super::{
    super::{
        picture::{Axis, Form, Panel, Picture, Plot, Point, Series, Unit},
        record::{Cell, Report},
        table::{Show, grid},
        text::Grid,
    },
    Block, nothing, of, shown,
};
use crate::{case::Scenario, recommend::figure, units};

pub(super) fn blocks(report: &Report) -> Vec<Block> {
    if report.cells.is_empty() {
        return nothing("anything");
    }
    let mut blocks: Vec<Block> = choice(report).into_iter().map(Block::Picture).collect();
    for (scenario, what) in [
        (Scenario::Pingpong, "User and system time of both sides for one round trip"),
        (Scenario::Stream, "User and system time of both sides for one streamed message"),
    ] {
        let grid = grid(report, scenario, Show::Cpu);
        if !grid.is_empty() {
            blocks.push(Block::folded(what, grid));
        }
    }
    for (scenario, what) in [
        (Scenario::Pingpong, "System calls of both sides for one round trip"),
        (Scenario::Stream, "System calls of both sides for one streamed message"),
    ] {
        let grid = grid(report, scenario, Show::Calls);
        if of(report, scenario).any(|cell| cell.calls.is_some()) {
            blocks.push(Block::folded(what, grid));
        }
    }
    let mut all = Grid::new([
        "cell",
        "CPU",
        "initiator",
        "responder",
        "switches because it waited",
        "switches because it had to",
        "system calls",
    ]);
    for cell in &report.cells {
        let per = &cell.per_message;
        let calls = cell.calls.map(|calls| calls.initiator + calls.responder);
        all.row([
            cell.id.clone(),
            units::nanos(per.cpu_ns),
            units::nanos(per.initiator_cpu_ns),
            units::nanos(per.responder_cpu_ns),
            units::significant(per.voluntary),
            units::significant(per.involuntary),
            calls.map_or_else(|| "–".to_owned(), units::significant),
        ]);
    }
    blocks.push(Block::folded("Every cell: processor time, switches, system calls", all));
    let reasons = uncounted(report);
    if !reasons.is_empty() {
        blocks.push(Block::text(format!("Where system calls are missing: {reasons}.")));
    }
    blocks
}

/// Why some cells have no count of system calls, each reason once.
fn uncounted(report: &Report) -> String {
    let mut reasons: Vec<&str> = vec![];
    for reason in report.cells.iter().filter_map(|cell| cell.no_calls.as_deref()) {
        if !reasons.contains(&reason) {
            reasons.push(reason);
        }
    }
    reasons.join("; ")
}

/// Latency against processor time, a panel for each size.
fn choice(report: &Report) -> Option<Picture> {
    let cells: Vec<&Cell> = shown(report, Scenario::Pingpong)
        .into_iter()
        .filter(|cell| cell.per_message.cpu_ns > 0.0 && !cell.floor)
        .collect();
    let mut sizes: Vec<_> = cells.iter().map(|cell| cell.case.size).collect();
    sizes.sort_unstable();
    sizes.dedup();
    let mut table =
        Grid::new(["cell", "round trip", "CPU time", "nothing is both faster and cheaper"]);
    let panels: Vec<Panel> = sizes
        .iter()
        .filter_map(|size| {
            let here: Vec<&Cell> =
                cells.iter().copied().filter(|cell| cell.case.size == *size).collect();
            // Axes of its own: what a large message costs would crowd the small ones together.
            let x = Axis::over(
                "CPU time of both sides for one round trip",
                Unit::Nanos,
                here.iter().map(|cell| cell.per_message.cpu_ns),
            )?;
            let y =
                Axis::over("round trip", Unit::Nanos, here.iter().map(|cell| cell.value.median))?;
            let mut series: Vec<Series> = here
                .iter()
                .map(|cell| Series {
                    name: cell.case.row.to_string(),
                    transport: cell.case.row.transport.clone(),
                    form: Form::Dots,
                    points: vec![point(cell)],
                })
                .collect();
            let best = undominated(&here);
            for cell in &here {
                let yes = best.iter().any(|other| other.id == cell.id);
                table.row([
                    cell.id.clone(),
                    figure(cell),
                    units::nanos(cell.per_message.cpu_ns),
                    if yes { "yes" } else { "" }.to_owned(),
                ]);
            }
            series.insert(
                0,
                Series {
                    name: String::new(),
                    transport: String::new(),
                    form: Form::Edge,
                    points: stairs(&best, x.high, y.high),
                },
            );
            Some(Panel::Plot(Plot { title: size.to_string(), x, y, series }))
        })
        .collect();
    if panels.is_empty() {
        return None;
    }
    Some(Picture {
        id: "latency-and-cpu",
        title: "Latency against processor time".to_owned(),
        reading: "The picture to choose by: left is cheaper, down is faster, and each size has axes of its own. The \
                  stairs stand on the rows that none other beats in both; what lies above them has no reason of speed \
                  or cost to be taken."
            .to_owned(),
        panels,
        table,
        folded: false,
    })
}

fn point(cell: &Cell) -> Point {
    Point {
        x: cell.per_message.cpu_ns,
        y: cell.value.median,
        high: None,
        open: !cell.converged,
        note: format!(
            "{}: {}, {} of CPU time",
            cell.id,
            figure(cell),
            units::nanos(cell.per_message.cpu_ns)
        ),
    }
}

/// The border of what the cells `best` leave to no other, from the upper end of the picture to its right end.
fn stairs(best: &[&Cell], right: f64, top: f64) -> Vec<Point> {
    let corner = |x, y| Point { x, y, high: None, open: false, note: String::new() };
    let mut level = top;
    let mut points = Vec::new();
    for cell in best {
        let cost = cell.per_message.cpu_ns;
        points.extend([corner(cost, level), corner(cost, cell.value.median)]);
        level = cell.value.median;
    }
    points.push(corner(right, level));
    points
}

/// The cells that no other beats in both latency and cost, cheapest first.
fn undominated<'a>(cells: &[&'a Cell]) -> Vec<&'a Cell> {
    let key = |cell: &Cell| (cell.per_message.cpu_ns, cell.value.median);
    let mut sorted = cells.to_vec();
    sorted.sort_by(|a, b| {
        let ((cost, time), (other_cost, other_time)) = (key(a), key(b));
        cost.total_cmp(&other_cost).then(time.total_cmp(&other_time))
    });
    let mut fastest = f64::INFINITY;
    sorted
        .into_iter()
        .filter(|cell| {
            let better = cell.value.median < fastest;
            fastest = fastest.min(cell.value.median);
            better
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::record::tests::cell;

    #[test]
    fn only_what_another_beats_in_both_is_dominated() {
        let with = |name: &str, time: f64, cost: f64| {
            let mut cell = cell(name, &[time; 3]);
            cell.per_message.cpu_ns = cost;
            cell
        };
        let cells = [
            with("pingpong pipe/block", 50.0, 10.0),
            with("pingpong unix/block", 60.0, 20.0),
            with("pingpong ring/adaptive", 2.0, 15.0),
            with("pingpong ring/spin", 1.0, 100.0),
        ];
        let best = undominated(&cells.iter().collect::<Vec<_>>());
        let names: Vec<String> = best.iter().map(|cell| cell.case.row.to_string()).collect();
        assert_eq!(names, ["pipe/block", "ring/adaptive", "ring/spin"]);
    }
}
