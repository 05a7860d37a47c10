//! The command that measures given cells again, so that every sentence of a report can be checked by running it.

use crate::{
    case::{Pace, Scenario},
    pin::Placement,
    report::record::{Cell, Payload, Report},
    units::Size,
};

/// The arguments for `ipc-bench` that measure `cells` of `report`, in the same rounds, and few others.
pub(crate) fn arguments(report: &Report, cells: &[&Cell]) -> Vec<String> {
    let mut given = vec!["run".to_owned()];
    let mut option = |name: &str, values: Vec<String>| {
        if !values.is_empty() {
            given.extend([format!("--{name}"), values.join(",")]);
        }
    };
    let each = |value: fn(&Cell) -> Option<String>| -> Vec<String> {
        let mut values: Vec<String> = vec![];
        for value in cells.iter().filter_map(|cell| value(cell)) {
            if !values.contains(&value) {
                values.push(value);
            }
        }
        values
    };
    option("scenario", each(|cell| Some(cell.case.scenario.tag().to_owned())));
    option("size", each(size));
    option("rate", each(|cell| rate(cell.case.pace?)));
    option("gap", each(|cell| gap(cell.case.pace?)));
    option("transport", each(|cell| Some(cell.case.row.transport.clone())));
    option("wait", each(|cell| Some(cell.case.row.wait.tag().to_owned())));
    option("cpus", each(|cell| cpus(cell.case.placement)).into_iter().take(1).collect());
    option("placement", each(|cell| place(cell.case.placement)));
    option("buffer", each(|cell| Some(cell.case.buffer.map_or("own".to_owned(), Size::tag))));
    if report.run.payload == Payload::Header {
        option("touch", vec!["header".to_owned()]);
    }
    option("rounds", vec![report.run.rounds.to_string()]);
    option("seed", vec![report.run.seed.to_string()]);
    given
}

/// Setting up is measured with one byte, whatever is asked for.
fn size(cell: &Cell) -> Option<String> {
    (cell.case.scenario != Scenario::Setup).then(|| cell.case.size.tag())
}

fn rate(pace: Pace) -> Option<String> {
    matches!(pace, Pace::Rate(_)).then(|| pace.to_string())
}

fn gap(pace: Pace) -> Option<String> {
    matches!(pace, Pace::GapNs(_)).then(|| pace.to_string())
}

/// The CPUs that put a run into this placement, if naming them does.
fn cpus(placement: Placement) -> Option<String> {
    match placement {
        Placement::TwoCpus { initiator, responder } => Some(format!("{initiator},{responder}")),
        Placement::OneCpu { cpu } => Some(cpu.to_string()),
        _ => None,
    }
}

/// The name of a placement that has to be asked for by name.
fn place(placement: Placement) -> Option<String> {
    cpus(placement).is_none().then(|| placement.tag().to_owned())
}

/// The same as a line for a terminal.
pub(crate) fn command(report: &Report, cells: &[&Cell]) -> String {
    format!("ipc-bench {}", arguments(report, cells).join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::record::tests::{cell, report};

    #[test]
    fn the_command_names_what_the_cells_are_made_of_and_each_value_once() {
        let report = report(vec![
            cell("pingpong pipe/block", &[1.0; 3]),
            cell("pingpong ring/adaptive", &[1.0; 3]),
            cell("pingpong ring/block", &[1.0; 3]),
        ]);
        let cells: Vec<&Cell> = report.cells.iter().collect();
        assert_eq!(
            command(&report, &cells),
            "ipc-bench run --scenario pingpong --size 64B --transport pipe,ring --wait block,adaptive \
             --cpus 0,1 --buffer 1MiB --rounds 3 --seed 7"
        );
    }

    #[test]
    fn a_pace_a_place_and_a_buffer_of_its_own_are_asked_for_by_name() {
        let mut cell = cell("idle-wake ring/block", &[1.0; 3]);
        cell.case.pace = Some(Pace::GapNs(1_000_000));
        cell.case.placement = Placement::Unpinned;
        cell.case.buffer = None;
        let report = report(vec![cell]);
        let command = command(&report, &[&report.cells[0]]);
        for part in ["--gap 1ms", "--placement unpinned", "--buffer own"] {
            assert!(command.contains(part), "{command}");
        }
        assert!(!command.contains("--cpus") && !command.contains("--rate"), "{command}");
    }
}
