//! `ipc-bench`: measures every way two local processes can talk, and says which to take.
//!
//! The way of a run: [`cli`] → [`measure`] → [`plan`] (which cells, in which order) → [`run`] (rounds within a budget) →
//! [`session`] (two processes for every sample) → [`sample`] (warm-up and windows) → [`peer`] → [`scenario`] over
//! [`transport`]; and back: [`summary`] → [`stats`] → [`recommend`] → [`report`]. Every other command starts from the
//! record that a run has left: [`report`], [`recommend`], [`compare`], [`gate`], [`export`].

mod case;
mod cli;
mod clock;
mod compare;
mod completions;
mod control;
mod doctor;
mod export;
mod gate;
mod goals;
mod host;
mod interrupt;
mod list;
mod measure;
mod orphan;
mod output;
mod pattern;
mod peer;
mod pin;
mod place;
mod plan;
mod preset;
mod progress;
mod recommend;
mod repeat;
mod report;
mod run;
mod sample;
mod scenario;
mod session;
mod stats;
mod summary;
mod syscalls;
mod transport;
mod units;

use std::{fmt, io, process::ExitCode};

use clap::Parser;

use crate::cli::{Cli, Command};

/// How a command ended, as its exit code says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    Fine = 0,
    Failed = 1,
    Usage = 2,
    Threshold = 3,
    Untrustworthy = 4,
    WrongByte = 5,
    Interrupted = 130,
}

/// The user asked for something that cannot be; the text says what can.
#[derive(Debug)]
pub(crate) struct Usage(pub(crate) String);

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Usage {}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Run(args) => measure::run(&args),
        Command::Goals(args) => goals::run(&args),
        Command::List => list::run(),
        Command::Doctor(args) => doctor::run(&args),
        Command::Report(args) => report::run(&args),
        Command::Recommend(args) => recommend::run(&args),
        Command::Compare(args) => compare::run(&args),
        Command::Gate(args) => gate::run(&args),
        Command::Export(args) => export::run(&args),
        Command::Completions { shell } => completions::run(shell),
        Command::Peer { sides, coordinator } => peer::main(sides, coordinator).map(|()| Exit::Fine),
    };
    let exit = result.unwrap_or_else(|error| {
        // Whoever reads through `head` has seen enough.
        if error.downcast_ref::<io::Error>().is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe)
        {
            return Exit::Fine;
        }
        progress::say(&format!("ipc-bench: {error:#}"));
        if error.is::<Usage>() { Exit::Usage } else { Exit::Failed }
    });
    ExitCode::from(exit as u8)
}
