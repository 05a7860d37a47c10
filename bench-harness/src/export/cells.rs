//! `cells.csv`: one line a cell, for a spreadsheet or a plot.

use std::io::Write;

use anyhow::Result;
use serde::Serialize;

use crate::case::Pace;
use crate::report::record::Report;

#[derive(Serialize)]
struct Line<'a> {
    cell: &'a str,
    scenario: &'a str,
    rate: Option<u32>,
    gap_ns: Option<u64>,
    size: usize,
    transport: &'a str,
    wait: &'a str,
    replica: u8,
    placement: &'a str,
    buffer: Option<usize>,
    floor: bool,
    unit: &'a str,
    value: f64,
    low: f64,
    high: f64,
    rounds: usize,
    converged: bool,
    p50_ns: Option<u64>,
    p90_ns: Option<u64>,
    p99_ns: Option<u64>,
    p999_ns: Option<u64>,
    max_ns: Option<u64>,
    messages: u64,
    verified: u64,
    wrong: bool,
    cpu_ns_per_message: f64,
    pacing_ns_per_message: f64,
    voluntary_switches_per_message: f64,
    involuntary_switches_per_message: f64,
    calls_per_message: Option<f64>,
}

/// Writes all cells of `report`.
pub(crate) fn write(report: &Report, to: impl Write) -> Result<()> {
    let mut csv = csv::Writer::from_writer(to);
    for cell in &report.cells {
        let case = &cell.case;
        csv.serialize(Line {
            cell: &cell.id,
            scenario: case.scenario.tag(),
            rate: match case.pace {
                Some(Pace::Rate(rate)) => Some(rate),
                _ => None,
            },
            gap_ns: match case.pace {
                Some(Pace::GapNs(gap)) => Some(gap),
                _ => None,
            },
            size: case.size.0,
            transport: &case.row.transport,
            wait: case.row.wait.tag(),
            replica: case.row.replica,
            placement: case.placement.tag(),
            buffer: case.buffer.map(|buffer| buffer.0),
            floor: cell.floor,
            unit: if case.scenario.more_is_better() { "bytes/s" } else { "ns" },
            value: cell.value.median,
            low: cell.value.low,
            high: cell.value.high,
            rounds: cell.rounds.iter().flatten().count(),
            converged: cell.converged,
            p50_ns: cell.percentiles.p50,
            p90_ns: cell.percentiles.p90,
            p99_ns: cell.percentiles.p99,
            p999_ns: cell.percentiles.p999,
            max_ns: cell.percentiles.max,
            messages: cell.messages,
            verified: cell.verified,
            wrong: cell.fault.is_some(),
            cpu_ns_per_message: cell.per_message.cpu_ns,
            pacing_ns_per_message: cell.per_message.pacing_ns,
            voluntary_switches_per_message: cell.per_message.voluntary,
            involuntary_switches_per_message: cell.per_message.involuntary,
            calls_per_message: cell.calls.map(|calls| calls.initiator + calls.responder),
        })?;
    }
    csv.flush()?;
    Ok(())
}
