//! `report.json`: everything a run found out, in one versioned form.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use crate::{
    case::{Case, Scenario, Wait},
    control::{Facts, Usage},
    host::Host,
    pattern::Fault,
    pin::Placement,
    recommend::Advice,
    stats::{interval::Estimate, percentile::Buckets},
    units::Size,
};

/// Goes up when a reader of the last version would misread the new one.
///
/// 2: the scenarios paced, idle-wake and setup; `pace` and an absent `buffer` in a case; several placements in one run;
/// counted system calls.
pub(crate) const SCHEMA: u32 = 2;
/// The oldest version that is still read; what it does not have gets a default.
const OLDEST: u32 = 1;

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
    /// The placement that everything was measured in, as a sentence.
    pub(crate) placement: String,
    /// All placements, the main one first, and those that this machine does not have. Empty in schema 1.
    #[serde(default)]
    pub(crate) placements: Vec<Place>,
    /// The capacity asked of every transport's buffer in the cells that do not leave it its own.
    pub(crate) buffer: Size,
    /// How much of a message is written and compared.
    #[serde(default)]
    pub(crate) payload: Payload,
    pub(crate) complete: bool,
    /// Why not, if not.
    pub(crate) incomplete: Option<String>,
    /// A run of the harness's own tests: no figure in it is a measurement.
    pub(crate) self_test: bool,
}

/// Where both sides ran, or why they could not.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Place {
    /// The word in the names of cells.
    pub(crate) tag: String,
    /// Where the sides were put; `null` if the machine has no such place.
    pub(crate) placement: Option<Placement>,
    /// Where that is, or why there is none.
    pub(crate) what: String,
}

/// How much of each message is written by one side and compared by the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Payload {
    /// Every byte.
    #[default]
    Full,
    /// The first eight bytes; the rest is carried and never looked at.
    Header,
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
    /// The wrong byte that stopped it before it had a figure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) fault: Option<Fault>,
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
    /// System calls for one message, counted in a pass of its own that no time was taken of.
    #[serde(default)]
    pub(crate) calls: Option<Calls>,
    /// Why there is no such count, if there is none.
    #[serde(default)]
    pub(crate) no_calls: Option<String>,
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

/// Latencies in nanoseconds over all rounds; a percentile without enough samples is `null`.
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
    /// Of both sides, without the pacer's waiting.
    pub(crate) cpu_ns: f64,
    /// The initiator's and the responder's part of it; 0 in schema 1.
    #[serde(default)]
    pub(crate) initiator_cpu_ns: f64,
    #[serde(default)]
    pub(crate) responder_cpu_ns: f64,
    /// What the pacer spent waiting for the next message to be due: the harness's own, of no transport.
    #[serde(default)]
    pub(crate) pacing_ns: f64,
    pub(crate) voluntary: f64,
    pub(crate) involuntary: f64,
}

/// System calls of each side for one message (in ping-pong: for one round trip), all threads counted.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Calls {
    pub(crate) initiator: f64,
    pub(crate) responder: f64,
    /// The messages counted over.
    pub(crate) messages: u64,
}

impl Report {
    /// Reads a report; `path` is its folder or the file itself.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let file = if path.is_dir() { path.join("report.json") } else { path.to_owned() };
        let text = std::fs::read(&file).with_context(|| format!("reading {}", file.display()))?;
        let probe: BTreeMap<String, serde_json::Value> = serde_json::from_slice(&text)
            .with_context(|| format!("{} is no report", file.display()))?;
        match probe.get("schema").and_then(serde_json::Value::as_u64) {
            Some(schema) if (u64::from(OLDEST)..=u64::from(SCHEMA)).contains(&schema) => {}
            Some(schema) => bail!(
                "{} has schema {schema}, this ipc-bench reads {OLDEST} to {SCHEMA}; use the version that wrote it",
                file.display()
            ),
            None => bail!("{} is no report: it names no schema", file.display()),
        }
        serde_json::from_slice(&text)
            .with_context(|| format!("{} is a damaged report", file.display()))
    }

    /// Whether a cell belongs to the main table: measured in the main placement, with matched buffers. The others show
    /// what another placement or the transport's own buffer changes.
    pub(crate) fn main(&self, cell: &Cell) -> bool {
        let main = self.run.placements.first().and_then(|place| place.placement);
        cell.case.buffer.is_some() && main.is_none_or(|main| main == cell.case.placement)
    }

    /// The cells with these names, in the order of the names.
    pub(crate) fn cells_named(&self, names: &[String]) -> Vec<&Cell> {
        names.iter().filter_map(|name| self.cells.iter().find(|cell| cell.id == *name)).collect()
    }

    /// The cells in which a message arrived wrong, with a figure or without, each once.
    pub(crate) fn wrong(&self) -> BTreeSet<&str> {
        let measured = self.cells.iter().filter(|cell| cell.fault.is_some());
        let stopped = self.skipped.iter().filter(|skip| skip.fault.is_some());
        measured
            .map(|cell| cell.id.as_str())
            .chain(stopped.map(|skip| skip.cell.as_str()))
            .collect()
    }
}

impl Round {
    /// Processor time of both sides for one message.
    pub(crate) fn cpu_ns_per_message(&self) -> f64 {
        (self.initiator.cpu_ns + self.responder.cpu_ns) as f64 / self.messages.max(1) as f64
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
    use crate::{case::Row, stats::median, transport};

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
            buffer: Some(Size(1 << 20)),
            pace: None,
        };
        let cpu_ns = if case.row.wait == Wait::Adaptive { 500 } else { 20_000 };
        let cell = Cell {
            id: case.id(),
            floor: transport::find(transport).unwrap().floor,
            // What a bootstrap gives for three rounds; cheaper, because simulations make thousands of cells.
            value: Estimate {
                median: median(rounds).unwrap(),
                low: rounds.iter().copied().fold(f64::INFINITY, f64::min),
                high: rounds.iter().copied().fold(0.0, f64::max),
            },
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
            per_message: PerMessage::default(),
            calls: None,
            no_calls: None,
            messages: 1000,
            verified: 2000,
            fault: None,
            facts: Facts::new(),
            histogram: vec![],
            case,
        };
        costing(cell, cpu_ns)
    }

    /// The same cell with messages that cost so much processor time in every round.
    pub(crate) fn costing(mut cell: Cell, cpu_ns: u64) -> Cell {
        cell.per_message.cpu_ns = cpu_ns as f64;
        for round in cell.rounds.iter_mut().flatten() {
            round.initiator.cpu_ns = cpu_ns * round.messages;
        }
        cell
    }

    /// A report of these cells in which equal rows that slept differed by up to the half in a round trip.
    pub(crate) fn noisy(cells: Vec<Cell>) -> Report {
        let noise = Noise {
            cell: "pingpong/64B/unix/block".to_owned(),
            scenario: Scenario::Pingpong,
            wait: Wait::Block,
            ratio: Estimate { median: 0.9, low: 0.7, high: 1.0 },
            factors: vec![1.0, 1.1, 1.4],
        };
        Report { noise: vec![noise], ..report(cells) }
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
                placements: vec![],
                buffer: Size(1 << 20),
                payload: Payload::Full,
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
    fn a_report_of_schema_1_is_still_read() {
        let folder = tempfile::tempdir().unwrap();
        let report = report(vec![cell("pingpong unix/block", &[1.0, 2.0, 3.0])]);
        let mut value = serde_json::to_value(&report).unwrap();
        value["schema"] = 1.into();
        let strip = |value: &mut serde_json::Value, names: &[&str]| {
            names.iter().for_each(|name| {
                value.as_object_mut().unwrap().remove(*name).unwrap();
            });
        };
        strip(&mut value["run"], &["placements", "payload"]);
        strip(&mut value["host"], &["unknown"]);
        strip(&mut value["cells"][0], &["calls", "no_calls"]);
        let new = ["initiator_cpu_ns", "responder_cpu_ns", "pacing_ns"];
        strip(&mut value["cells"][0]["per_message"], &new);
        strip(&mut value["cells"][0]["rounds"][0]["initiator"], &["pacing_ns"]);
        std::fs::write(folder.path().join("report.json"), value.to_string()).unwrap();
        let read = Report::read(folder.path()).unwrap();
        assert_eq!(read.schema, 1);
        assert!(read.main(&read.cells[0]));
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
