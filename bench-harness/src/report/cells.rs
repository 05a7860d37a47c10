//! `cells.csv`: one line a cell, for a spreadsheet or a plot.

use std::io::Write;

use anyhow::Result;
use serde::Serialize;

use super::record::Report;
use crate::case::Scenario;

#[derive(Serialize)]
struct Line<'a> {
    cell: &'a str,
    scenario: &'a str,
    size: usize,
    transport: &'a str,
    wait: &'a str,
    replica: u8,
    placement: &'a str,
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
    voluntary_switches_per_message: f64,
    involuntary_switches_per_message: f64,
}

/// Writes all cells of `report`.
pub(crate) fn write(report: &Report, to: impl Write) -> Result<()> {
    let mut csv = csv::Writer::from_writer(to);
    for cell in &report.cells {
        let case = &cell.case;
        csv.serialize(Line {
            cell: &cell.id,
            scenario: case.scenario.tag(),
            size: case.size.0,
            transport: &case.row.transport,
            wait: case.row.wait.tag(),
            replica: case.row.replica,
            placement: case.placement.tag(),
            floor: cell.floor,
            unit: match case.scenario {
                Scenario::Pingpong => "ns",
                Scenario::Stream => "bytes/s",
            },
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
            voluntary_switches_per_message: cell.per_message.voluntary,
            involuntary_switches_per_message: cell.per_message.involuntary,
        })?;
    }
    csv.flush()?;
    Ok(())
}
