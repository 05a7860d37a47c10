//! The command that measures given cells again, so that every sentence of a report can be checked by running it.

use crate::{
    pin::Placement,
    report::record::{Cell, Report},
};

/// The arguments for `ipc-bench` that measure `cells` of `report`, in the same rounds, and few others.
pub(crate) fn arguments(report: &Report, cells: &[&Cell]) -> Vec<String> {
    let mut given = vec!["run".to_owned()];
    let mut option = |name: &str, value: String| given.extend([format!("--{name}"), value]);
    option("scenario", list(cells, |cell| cell.case.scenario.tag().to_owned()));
    option("size", list(cells, |cell| cell.case.size.tag()));
    option("transport", list(cells, |cell| cell.case.row.transport.clone()));
    option("wait", list(cells, |cell| cell.case.row.wait.tag().to_owned()));
    match cells.first().map(|cell| cell.case.placement) {
        Some(Placement::OneCpu { cpu }) => option("cpus", cpu.to_string()),
        Some(placement) => {
            if let Some((initiator, responder)) = placement.cpus() {
                option("cpus", format!("{initiator},{responder}"));
            }
        }
        None => {}
    }
    option("buffer", report.run.buffer.tag());
    option("rounds", report.run.rounds.to_string());
    option("seed", report.run.seed.to_string());
    given
}

/// The same as a line for a terminal.
pub(crate) fn command(report: &Report, cells: &[&Cell]) -> String {
    format!("ipc-bench {}", arguments(report, cells).join(" "))
}

/// Each value once, in order of appearance.
fn list(cells: &[&Cell], value: impl Fn(&Cell) -> String) -> String {
    let mut values: Vec<String> = vec![];
    for cell in cells {
        let value = value(cell);
        if !values.contains(&value) {
            values.push(value);
        }
    }
    values.join(",")
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
}
