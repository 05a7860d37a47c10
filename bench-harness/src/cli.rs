//! The command line.

use std::{path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use crate::{
    case::{Scenario, Wait},
    compare::CompareArgs,
    doctor::DoctorArgs,
    export::ExportArgs,
    gate::GateArgs,
    peer::Sides,
    recommend::RecommendArgs,
    report::ReportArgs,
    units::{Size, duration, message_size},
};

/// Measures every way two local processes can talk, and says which to take.
#[derive(Debug, Parser)]
#[command(name = "ipc-bench", version, arg_required_else_help = true, after_help = EXIT_CODES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXIT_CODES: &str = "Exit codes: 0 fine, 1 failed, 2 usage, 3 a threshold was exceeded, \
                          4 done but not trustworthy (with --strict), 5 a byte was wrong, \
                          130 interrupted, with a partial report.";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Measure, print the answer, keep the report.
    Run(Box<RunArgs>),
    /// List the transports, and what each of them can do.
    List,
    /// Say what on this machine will spoil a measurement, and how to mend it; change nothing.
    Doctor(DoctorArgs),
    /// Render the report of an earlier run again.
    Report(ReportArgs),
    /// Say which transport to take, from the report of an earlier run.
    Recommend(RecommendArgs),
    /// Say what changed from one run to another, and what may as well be noise.
    Compare(CompareArgs),
    /// Hold a run against bounds that do not depend on the machine: for CI.
    Gate(GateArgs),
    /// Write the figures of a run in a form for other programs.
    Export(ExportArgs),
    /// Print the completions of these commands for a shell.
    Completions { shell: Shell },
    /// Play one side of a case; `run` starts this by itself.
    #[command(hide = true)]
    Peer {
        sides: Sides,
        /// The process to die with.
        coordinator: i32,
    },
}

/// How thorough a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Preset {
    /// 3 rounds, at most 90 s.
    Quick,
    /// 9 rounds, at most 6 minutes.
    Standard,
    /// 15 rounds and more sizes, at most 20 minutes.
    Full,
}

impl Preset {
    pub(crate) fn tag(self) -> &'static str {
        match self {
            Self::Quick => "quick",
            Self::Standard => "standard",
            Self::Full => "full",
        }
    }

    pub(crate) fn rounds(self) -> u32 {
        match self {
            Self::Quick => 3,
            Self::Standard => 9,
            Self::Full => 15,
        }
    }

    /// Below the promised limit by what starting and writing the report may take.
    pub(crate) fn budget(self) -> Duration {
        Duration::from_secs(match self {
            Self::Quick => 80,
            Self::Standard => 350,
            Self::Full => 1180,
        })
    }

    pub(crate) fn sizes(self) -> Vec<Size> {
        let sizes: &[usize] = match self {
            Self::Quick => &[64, 1 << 10, 4 << 10, 64 << 10],
            Self::Standard => &[64, 1 << 10, 4 << 10, 64 << 10, 1 << 20],
            Self::Full => &[16, 64, 1 << 10, 4 << 10, 64 << 10, 1 << 20, 16 << 20],
        };
        sizes.iter().copied().map(Size).collect()
    }
}

#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// How thorough.
    #[arg(long, value_enum, default_value = "quick")]
    pub(crate) preset: Preset,
    /// Only these transports (floors included); several with commas.
    #[arg(long, value_delimiter = ',', value_name = "NAME")]
    pub(crate) transport: Vec<String>,
    /// Only these scenarios: pingpong, stream.
    #[arg(long, value_delimiter = ',', value_name = "NAME")]
    pub(crate) scenario: Vec<Scenario>,
    /// Only these message sizes, such as 64B,4KiB.
    #[arg(long, value_delimiter = ',', value_parser = message_size, value_name = "SIZE")]
    pub(crate) size: Vec<Size>,
    /// Only these ways of waiting: block, adaptive, spin.
    #[arg(long, value_delimiter = ',', value_name = "NAME")]
    pub(crate) wait: Vec<Wait>,
    /// The CPUs of the two sides, such as 0,1; a single one puts both on it.
    #[arg(long, value_delimiter = ',', value_name = "CPU")]
    pub(crate) cpus: Vec<usize>,
    /// The number that decides the order; the one of an earlier report repeats its order.
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
    /// How many rounds, instead of the preset's.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) rounds: Option<u32>,
    /// How long the run may take, such as 60s.
    #[arg(long, value_parser = duration, value_name = "TIME")]
    pub(crate) time_budget: Option<Duration>,
    /// The capacity asked of every transport's buffer.
    #[arg(long, default_value = "1MiB", value_name = "SIZE")]
    pub(crate) buffer: Size,
    /// Where the folder of this run is made; `-` keeps nothing on disk.
    #[arg(long, default_value = "results", value_name = "DIR")]
    pub(crate) output: PathBuf,
    /// Print the report as JSON instead of tables.
    #[arg(long)]
    pub(crate) json: bool,
    /// Exit with 4 if something makes the figures untrustworthy.
    #[arg(long)]
    pub(crate) strict: bool,
    /// Print the cells and an estimate of the time, and measure nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Take a transport for hung after this long.
    #[arg(long, value_parser = duration, value_name = "TIME")]
    pub(crate) watchdog: Option<Duration>,
    /// Run a debug build for the harness's own tests; the report says that it measures nothing.
    #[arg(long, hide = true)]
    pub(crate) self_test: bool,
}
