//! `ipc-bench`: measures every way two local processes can talk, and says which to take.
//!
//! The way of a run: [`cli`] → [`measure`] → [`plan`] (which cells, in which order) → [`run`] (rounds within a budget) →
//! [`session`] (two processes for every sample) → [`sample`] (warm-up and windows) → [`peer`] → [`scenario`] over
//! [`transport`]; and back: [`summary`] → [`stats`] → [`recommend`] → [`report`].

mod case;
mod cli;
mod clock;
mod control;
mod goals;
mod host;
mod interrupt;
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

use std::{
    fmt,
    io::{Write, stdout},
    path::Path,
    process::ExitCode,
};

use clap::Parser;

use crate::{
    cli::{Cli, Command, Format},
    report::{cells, html, markdown, record::Report, table, text::Grid},
    transport::Topology,
};

/// How a command ended, as its exit code says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    Fine = 0,
    Failed = 1,
    Usage = 2,
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

/// Prints the registry as a table.
fn list() -> anyhow::Result<Exit> {
    let mut grid = Grid::new([
        "transport",
        "waits",
        "scenarios",
        "between",
        "poll",
        "stranger",
        "remote",
        "what it is",
    ]);
    for transport in transport::known().iter().filter(|transport| !transport.hidden) {
        let yes = |is: bool| if is { "yes" } else { "–" }.to_owned();
        grid.row([
            transport.name.to_owned(),
            transport.waits.iter().map(|wait| wait.tag()).collect::<Vec<_>>().join(","),
            transport.scenarios.iter().map(|scenario| scenario.tag()).collect::<Vec<_>>().join(","),
            match transport.topology {
                Topology::Processes => "processes",
                Topology::Threads => "threads",
                Topology::Solo => "nobody",
            }
            .to_owned(),
            yes(transport.pollable),
            yes(transport.untrusted),
            yes(transport.remote),
            format!("{}{}", if transport.peer { "peer: " } else { "" }, transport.what),
        ]);
    }
    let mut out = stdout().lock();
    write!(out, "{}", grid.words())?;
    out.flush()?;
    Ok(Exit::Fine)
}

/// Renders an earlier run on standard output.
fn render(run: &Path, format: Format) -> anyhow::Result<Exit> {
    let report = Report::read(run)?;
    let mut out = stdout().lock();
    match format {
        Format::Text => write!(out, "{}", table::screen(&report, None))?,
        Format::Markdown => write!(out, "{}", markdown::render(&report))?,
        Format::Html => write!(out, "{}", html::render(&report))?,
        Format::Csv => cells::write(&report, &mut out)?,
    }
    out.flush()?;
    Ok(Exit::Fine)
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Run(args) => measure::run(&args),
        Command::Goals(args) => goals::run(&args),
        Command::List => list(),
        Command::Report { run, format } => render(&run, format),
        Command::Peer { sides, coordinator } => peer::main(sides, coordinator).map(|()| Exit::Fine),
    };
    let exit = result.unwrap_or_else(|error| {
        progress::say(&format!("ipc-bench: {error:#}"));
        if error.is::<Usage>() { Exit::Usage } else { Exit::Failed }
    });
    ExitCode::from(exit as u8)
}
