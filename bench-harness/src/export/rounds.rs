//! One line for each round of each cell, for whoever wants to do the statistics again.

use std::io::Write;

use anyhow::Result;
use serde::Serialize;

use crate::report::record::Report;

#[derive(Serialize)]
struct Line<'a> {
    cell: &'a str,
    round: usize,
    unit: &'a str,
    value: f64,
    messages: u64,
    elapsed_ns: u64,
    settled: bool,
    initiator_cpu_ns: u64,
    responder_cpu_ns: u64,
    initiator_voluntary_switches: u64,
    responder_voluntary_switches: u64,
    initiator_involuntary_switches: u64,
    responder_involuntary_switches: u64,
}

/// Writes all rounds of `report`; a round that a cell does not have has no line.
pub(super) fn write(report: &Report, to: impl Write) -> Result<()> {
    let mut csv = csv::Writer::from_writer(to);
    for cell in &report.cells {
        for (number, round) in cell.rounds.iter().enumerate() {
            let Some(round) = round else { continue };
            csv.serialize(Line {
                cell: &cell.id,
                round: number + 1,
                unit: if cell.case.scenario.more_is_better() { "bytes/s" } else { "ns" },
                value: round.value,
                messages: round.messages,
                elapsed_ns: round.elapsed_ns,
                settled: round.settled,
                initiator_cpu_ns: round.initiator.cpu_ns,
                responder_cpu_ns: round.responder.cpu_ns,
                initiator_voluntary_switches: round.initiator.voluntary,
                responder_voluntary_switches: round.responder.voluntary,
                initiator_involuntary_switches: round.initiator.involuntary,
                responder_involuntary_switches: round.responder.involuntary,
            })?;
        }
    }
    csv.flush()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::record::tests::{cell, report};

    #[test]
    fn every_round_has_a_line_and_a_missing_one_has_none() {
        let mut cell = cell("pingpong unix/block", &[1.0, 2.0, 3.0]);
        cell.rounds[1] = None;
        let mut text = vec![];
        write(&report(vec![cell]), &mut text).unwrap();
        let text = String::from_utf8(text).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 3);
        assert!(lines[0].starts_with("cell,round,unit,value,"), "{text}");
        assert!(lines[2].starts_with("pingpong/64B/unix/block,3,ns,3.0,1000,"), "{text}");
    }
}
