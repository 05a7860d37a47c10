//! `report.json`: everything a run found out, in one versioned form.

use std::{collections::BTreeMap, path::Path};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use crate::{
    case::{Case, Scenario, Wait},
    control::{Facts, Usage},
    host::Host,
    pattern::Fault,
    recommend::Advice,
    stats::{interval::Estimate, percentile::Buckets},
    units::Size,
};

/// Goes up when a reader of the last version would misread the new one.
pub(crate) const SCHEMA: u32 = 1;

/// A whole run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Report {
    pub(crate) schema: u32,
    pub(crate) build: Build,
    pub(crate) run: RunInfo,
    pub(crate) host: Host,
    /// What reading the clock costs, in nanoseconds. Two readings lie around each latency; it is not subtracted.
    pub(crate) clock_ns: f64,
    pub(crate) touch: Vec<Touch>,
    pub(crate) floors: Vec<Floor>,
    pub(crate) noise: Vec<Noise>,
    pub(crate) cells: Vec<Cell>,
    pub(crate) skipped: Vec<Omitted>,
    pub(crate) warnings: Vec<String>,
    pub(crate) advice: Vec<Advice>,
}

/// What was measured with.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Build {
    pub(crate) version: String,
    /// `null` where the sources were not in a git repository.
    pub(crate) commit: Option<String>,
    pub(crate) rustc: String,
    pub(crate) target: String,
    pub(crate) opt_level: String,
    pub(crate) debug_assertions: bool,
}

/// How it was measured.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct RunInfo {
    /// The moment of the start, as `20260131T235959Z`.
    pub(crate) started: String,
    pub(crate) took_s: f64,
    pub(crate) budget_s: f64,
    pub(crate) preset: String,
    /// The arguments that repeat this run, the seed included.
    pub(crate) arguments: Vec<String>,
    pub(crate) seed: u64,
    pub(crate) rounds: u32,
    pub(crate) placement: String,
    pub(crate) buffer: Size,
    pub(crate) complete: bool,
    /// Why not, if not.
    pub(crate) incomplete: Option<String>,
    /// A run of the harness's own tests: no figure in it is a measurement.
    pub(crate) self_test: bool,
}

/// What filling and comparing one message costs with the harness's pattern; the same for every row.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Touch {
    pub(crate) size: Size,
    pub(crate) fill_ns: f64,
    pub(crate) check_ns: f64,
}

/// A floor beside the rounds.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Floor {
    pub(crate) cell: String,
    pub(crate) scenario: Scenario,
    pub(crate) when: String,
    pub(crate) value: f64,
}

/// Two equal rows, and how much they seem to differ.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Noise {
    pub(crate) cell: String,
    pub(crate) scenario: Scenario,
    pub(crate) wait: Wait,
    pub(crate) ratio: Estimate,
    /// By what factor they differed, in each round; at least 1.
    pub(crate) factors: Vec<f64>,
}

/// A cell that was not measured, and why.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Omitted {
    pub(crate) cell: String,
    pub(crate) reason: String,
}

/// One cell.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Cell {
    pub(crate) id: String,
    pub(crate) case: Case,
    /// A floor cannot be chosen.
    pub(crate) floor: bool,
    /// Nanoseconds of a round trip or bytes a second, over rounds.
    pub(crate) value: Estimate,
    /// One entry a round; `null` where the round has none.
    pub(crate) rounds: Vec<Option<Round>>,
    pub(crate) percentiles: Percentiles,
    /// Whether the rounds agree well enough for the row to win anything.
    pub(crate) converged: bool,
    pub(crate) per_message: PerMessage,
    pub(crate) messages: u64,
    /// Messages compared byte by byte, warm-up included.
    pub(crate) verified: u64,
    pub(crate) fault: Option<Fault>,
    pub(crate) facts: Facts,
    pub(crate) histogram: Buckets,
}

/// What one row did in one round.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Round {
    pub(crate) value: f64,
    pub(crate) messages: u64,
    pub(crate) elapsed_ns: u64,
    pub(crate) settled: bool,
    pub(crate) initiator: Usage,
    pub(crate) responder: Usage,
}

/// Round trips in nanoseconds over all rounds; a percentile without enough samples is `null`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Percentiles {
    pub(crate) p50: Option<u64>,
    pub(crate) p90: Option<u64>,
    pub(crate) p99: Option<u64>,
    pub(crate) p999: Option<u64>,
    pub(crate) max: Option<u64>,
    pub(crate) samples: u64,
}

/// What both sides together used for one message (in ping-pong: for one round trip).
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct PerMessage {
    pub(crate) cpu_ns: f64,
    pub(crate) voluntary: f64,
    pub(crate) involuntary: f64,
}

impl Report {
    /// Reads a report; `path` is its folder or the file itself.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let file = if path.is_dir() { path.join("report.json") } else { path.to_owned() };
        let text = std::fs::read(&file).with_context(|| format!("reading {}", file.display()))?;
        let probe: BTreeMap<String, serde_json::Value> = serde_json::from_slice(&text)
            .with_context(|| format!("{} is no report", file.display()))?;
        match probe.get("schema").and_then(serde_json::Value::as_u64) {
            Some(schema) if schema == u64::from(SCHEMA) => {}
            Some(schema) => bail!(
                "{} has schema {schema}, this ipc-bench reads {SCHEMA}; use the version that wrote it",
                file.display()
            ),
            None => bail!("{} is no report: it names no schema", file.display()),
        }
        serde_json::from_slice(&text)
            .with_context(|| format!("{} is a damaged report", file.display()))
    }

    /// Whether any message arrived wrong.
    pub(crate) fn corrupt(&self) -> bool {
        self.cells.iter().any(|cell| cell.fault.is_some())
    }
}

impl Cell {
    /// The values of the rounds that both cells have, in pairs.
    pub(crate) fn paired(&self, other: &Self) -> (Vec<f64>, Vec<f64>) {
        self.rounds
            .iter()
            .zip(&other.rounds)
            .filter_map(|(a, b)| Some((a.as_ref()?.value, b.as_ref()?.value)))
            .unzip()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::{case::Row, pin::Placement, stats::interval, transport};

    /// A cell of 64-byte messages with these values, one a round, written as `pingpong unix/block`.
    pub(crate) fn cell(name: &str, rounds: &[f64]) -> Cell {
        let (scenario, row) = name.split_once(' ').unwrap();
        let (row, replica) = row.strip_suffix("#2").map_or((row, 0), |row| (row, 1));
        let (transport, wait) = row.split_once('/').unwrap();
        let case = Case {
            scenario: scenario.parse().unwrap(),
            size: Size(64),
            row: Row { transport: transport.to_owned(), wait: wait.parse().unwrap(), replica },
            placement: Placement::TwoCpus { initiator: 0, responder: 1 },
            buffer: Size(1 << 20),
        };
        let per_message = PerMessage {
            cpu_ns: if case.row.wait == Wait::Adaptive { 500.0 } else { 20_000.0 },
            ..PerMessage::default()
        };
        Cell {
            id: case.id(),
            floor: transport::find(transport).unwrap().floor,
            value: interval::estimate(rounds, 1).unwrap(),
            rounds: rounds
                .iter()
                .map(|value| {
                    Some(Round {
                        value: *value,
                        messages: 1000,
                        elapsed_ns: 1_000_000,
                        settled: true,
                        initiator: Usage::default(),
                        responder: Usage::default(),
                    })
                })
                .collect(),
            percentiles: Percentiles::default(),
            converged: true,
            per_message,
            messages: 1000,
            verified: 2000,
            fault: None,
            facts: Facts::new(),
            histogram: vec![],
            case,
        }
    }

    /// A complete report of these cells on a machine that nothing disturbed.
    pub(crate) fn report(cells: Vec<Cell>) -> Report {
        Report {
            schema: SCHEMA,
            build: Build {
                version: "0.1.0".to_owned(),
                commit: Some("0123456789".to_owned()),
                rustc: "rustc".to_owned(),
                target: "target".to_owned(),
                opt_level: "3".to_owned(),
                debug_assertions: false,
            },
            run: RunInfo {
                started: "20260131T235959Z".to_owned(),
                took_s: 80.0,
                budget_s: 80.0,
                preset: "quick".to_owned(),
                arguments: vec!["run".to_owned(), "--seed".to_owned(), "7".to_owned()],
                seed: 7,
                rounds: 3,
                placement: "two CPUs".to_owned(),
                buffer: Size(1 << 20),
                complete: true,
                incomplete: None,
                self_test: false,
            },
            host: Host { cpus_allowed: vec![0, 1], ..Host::look() },
            clock_ns: 25.0,
            touch: vec![],
            floors: vec![],
            noise: vec![],
            cells,
            skipped: vec![],
            warnings: vec![],
            advice: vec![],
        }
    }

    #[test]
    fn a_report_reads_back_as_it_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let report = report(vec![cell("pingpong unix/block", &[1.0, 2.0, 3.0])]);
        let text = serde_json::to_string(&report).unwrap();
        std::fs::write(folder.path().join("report.json"), &text).unwrap();
        let read = Report::read(folder.path()).unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), text);
    }

    #[test]
    fn a_report_of_another_schema_or_no_report_at_all_is_refused_with_the_reason() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("report.json");
        for (text, reason) in
            [("{\"schema\":99}", "schema 99"), ("{}", "names no schema"), ("hello", "no report")]
        {
            std::fs::write(&file, text).unwrap();
            let error = format!("{:#}", Report::read(&file).unwrap_err());
            assert!(error.contains(reason), "{error}");
        }
    }
}
