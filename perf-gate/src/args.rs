//! The command line.

use std::{path::PathBuf, time::Duration};

use clap::Parser;

use crate::measure::Plan;

/// Compares two builds of a library in the same rounds, and says what got slower, by how much, and how sure that is.
///
/// What the two programs are, and how they are made, stands in docs/perf-ci.md.
#[derive(Debug, Parser)]
#[command(name = "perf-gate", version, after_help = EXIT_CODES)]
pub(crate) struct Args {
    /// The probe with the code to compare with.
    base: PathBuf,
    /// The probe with the changed code.
    change: PathBuf,
    /// Only rows that contain this.
    #[arg(long, default_value = "")]
    rows: String,
    /// How often the probes are started: memory lies elsewhere each time.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(8..=1000))]
    launches: u32,
    /// How long a slice of work takes about.
    #[arg(long, default_value_t = 4, value_name = "MILLISECONDS")]
    slice: u64,
    /// How much slower a row in one thread may be.
    #[arg(long, default_value_t = 5.0, value_name = "PERCENT")]
    limit: f64,
    /// How much slower a row between two CPUs may be.
    #[arg(long, default_value_t = 25.0, value_name = "PERCENT")]
    pair_limit: f64,
    /// Leave the table and the ratios of every launch in this folder.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) report: Option<PathBuf>,
}

const EXIT_CODES: &str =
    "Exit codes: 0 nothing got slower, 1 failed, 2 usage, 3 something got slower.";

impl Args {
    pub(crate) fn plan(&self) -> Plan {
        Plan {
            base: self.base.clone(),
            change: self.change.clone(),
            filter: self.rows.clone(),
            only: None,
            launches: self.launches,
            slice: Duration::from_millis(self.slice),
            limit: 1.0 + self.limit / 100.0,
            pair_limit: 1.0 + self.pair_limit / 100.0,
        }
    }
}
