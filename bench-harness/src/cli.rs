//! The command line.

use std::{path::PathBuf, time::Duration};

use clap::{
    Args, Parser, Subcommand,
    builder::{PossibleValue, PossibleValuesParser, TypedValueParser},
};
use clap_complete::Shell;

use crate::{
    case::{Scenario, Wait},
    compare::CompareArgs,
    doctor::DoctorArgs,
    export::ExportArgs,
    gate::GateArgs,
    goals::GoalsArgs,
    peer::Sides,
    place,
    preset::Preset,
    recommend::RecommendArgs,
    report::{ReportArgs, record::Payload},
    transport::{self, Transport},
    units::{self, Buffer, Size, duration, message_size},
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
    /// Measure what this project wants to reach, against the rows each goal is held to.
    Goals(Box<GoalsArgs>),
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

#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// How thorough.
    #[arg(long, value_enum, default_value = "quick")]
    pub(crate) preset: Preset,
    /// Only these transports (floors included); several with commas.
    #[arg(long, value_delimiter = ',', value_parser = transports(), value_name = "NAME")]
    pub(crate) transport: Vec<String>,
    /// Only these scenarios.
    #[arg(long, value_delimiter = ',', value_parser = scenarios(), value_name = "NAME")]
    pub(crate) scenario: Vec<Scenario>,
    /// Only these message sizes, such as 64B,4KiB. Setting up is measured with one byte all the same.
    #[arg(long, value_delimiter = ',', value_parser = message_size, value_name = "SIZE")]
    pub(crate) size: Vec<Size>,
    /// Only these ways of waiting.
    #[arg(long, value_delimiter = ',', value_parser = waits(), value_name = "NAME")]
    pub(crate) wait: Vec<Wait>,
    /// The rates of the paced scenario in messages a second, such as 1k,10k.
    #[arg(long, value_delimiter = ',', value_parser = units::messages, value_name = "RATE")]
    pub(crate) rate: Vec<u32>,
    /// The silences of the idle-wake scenario, such as 10us,1ms.
    #[arg(long, value_delimiter = ',', value_parser = duration, value_name = "TIME")]
    pub(crate) gap: Vec<Duration>,
    /// Where the two sides run; everything is measured in each of them.
    #[arg(long, value_delimiter = ',', value_enum, value_name = "PLACE")]
    pub(crate) placement: Vec<place::Name>,
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
    /// The capacity asked of every transport's buffer; `own` leaves each the one it has by itself. Both: 1MiB,own.
    #[arg(long, value_delimiter = ',', value_parser = units::buffer, value_name = "SIZE")]
    pub(crate) buffer: Vec<Buffer>,
    /// How much of a message one side writes and the other compares.
    #[arg(long, value_enum, default_value = "full")]
    pub(crate) touch: Payload,
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

/// The names of all transports, so that help and completions have them; those that exist for tests are not shown.
fn transports() -> PossibleValuesParser {
    let value = |known: &'static Transport| PossibleValue::new(known.name).hide(known.hidden);
    PossibleValuesParser::new(transport::known().iter().map(value))
}

fn scenarios() -> impl TypedValueParser<Value = Scenario> {
    let tags = PossibleValuesParser::new(Scenario::ALL.map(Scenario::tag));
    tags.try_map(|tag| tag.parse::<Scenario>())
}

/// The ways of waiting, by their names.
pub(crate) fn waits() -> impl TypedValueParser<Value = Wait> {
    let tags = PossibleValuesParser::new(Wait::ALL.map(Wait::tag));
    tags.try_map(|tag| tag.parse::<Wait>())
}
