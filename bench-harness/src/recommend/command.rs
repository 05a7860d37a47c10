//! `ipc-bench recommend RUN`: the advice for every kind of job, or the least complex transport that meets given numbers.

use std::{
    io::{Write, stdout},
    path::PathBuf,
    time::Duration,
};

use anyhow::Result;
use clap::Args;

use super::{Finding, Limits, advise, least_complex};
use crate::{
    Exit, Usage,
    case::Wait,
    cli,
    progress::say,
    repeat,
    report::{
        record::{Cell, Report},
        text::Grid,
    },
    transport,
    units::{self, Rate, Size},
};

#[derive(Debug, Args)]
pub(crate) struct RecommendArgs {
    /// The folder of the run, or its report.json.
    run: PathBuf,
    /// The size of the messages; without it, the smallest of the run.
    #[arg(long, value_parser = units::message_size, value_name = "SIZE")]
    size: Option<Size>,
    /// The median round trip may take this long, such as 5us.
    #[arg(long, value_parser = units::duration, value_name = "TIME")]
    max_p50: Option<Duration>,
    /// 99 of 100 round trips may take this long, such as 20us.
    #[arg(long, value_parser = units::duration, value_name = "TIME")]
    max_p99: Option<Duration>,
    /// Processor time of both sides for a message (with a latency: for a round trip), such as 1us/msg.
    #[arg(long, value_parser = units::per_message, value_name = "TIME")]
    max_cpu: Option<Duration>,
    /// At least this many bytes a second must arrive, such as 1GB/s.
    #[arg(long, value_parser = units::parse_rate, value_name = "RATE")]
    min_rate: Option<Rate>,
    /// Only rows that wait like this.
    #[arg(long, value_delimiter = ',', value_parser = cli::waits(), value_name = "NAME")]
    wait: Vec<Wait>,
    /// It must be possible to wait for it beside other descriptors.
    #[arg(long)]
    pollable: bool,
    /// The other side is a stranger.
    #[arg(long)]
    untrusted: bool,
    /// The other side may move to another machine one day.
    #[arg(long)]
    remote: bool,
}

/// Prints the advice; ends with 3 if nothing meets the numbers.
pub(crate) fn run(args: &RecommendArgs) -> Result<Exit> {
    let report = Report::read(&args.run)?;
    let limits = Limits {
        size: args.size,
        max_p50: args.max_p50,
        max_p99: args.max_p99,
        max_cpu: args.max_cpu,
        min_rate: args.min_rate,
        wait: args.wait.clone(),
        pollable: args.pollable,
        untrusted: args.untrusted,
        remote: args.remote,
    };
    let (text, exit) = if limits.is_empty() {
        (profiles(&report), Exit::Fine)
    } else {
        let found = least_complex(&report, &limits);
        if found.is_empty() {
            return Err(Usage(format!(
                "no transport of this run can do that; `ipc-bench list` says which can, and what was measured is {}",
                report.run.arguments.join(" ")
            ))
            .into());
        }
        let met = found.iter().any(|found| found.meets);
        (answer(&report, &limits, &found), if met { Exit::Fine } else { Exit::Threshold })
    };
    let mut out = stdout().lock();
    write!(out, "{text}")?;
    out.flush()?;
    let unknown = unknown(&report);
    if !unknown.is_empty() {
        say(&format!(
            "left out, because this build does not know them (--features peers?): {}",
            unknown.join(", ")
        ));
    }
    Ok(exit)
}

/// The transports of the run that this build does not have, each once.
fn unknown(report: &Report) -> Vec<&str> {
    let mut names: Vec<&str> = report
        .cells
        .iter()
        .map(|cell| cell.case.row.transport.as_str())
        .filter(|name| transport::find(name).is_none())
        .collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// The advice for every kind of job, by the rules of this version, each with its cells and how to measure them again.
fn profiles(report: &Report) -> String {
    let mut text = String::new();
    for advice in advise(report) {
        let cells = report.cells_named(&advice.cells);
        text += &format!("{}\n    {}\n", advice.profile, advice.text);
        text += &trace(report, &cells);
    }
    if text.is_empty() {
        text += "nothing that was measured answers a question\n";
    }
    text
}

fn answer(report: &Report, limits: &Limits, found: &[Finding<'_>]) -> String {
    let size =
        limits.size(report).map_or_else(String::new, |size| format!(" with {size} messages"));
    let mut text = match found.iter().position(|found| found.meets) {
        Some(place) => {
            let chosen = &found[place];
            format!(
                "take {}{size}: {}\n{}",
                chosen.row,
                chosen.figures,
                trace(report, &chosen.cells)
            )
        }
        None => {
            format!("none of the {} rows that can do it meets the numbers{size}\n", found.len())
        }
    };
    let mut grid = Grid::new(["simplest first", "", "figures", "cells"]);
    for found in found {
        grid.row([
            found.row.clone(),
            if found.meets { "meets" } else { "misses" }.to_owned(),
            found.figures.clone(),
            ids(&found.cells),
        ]);
    }
    text += &format!("\n{}", grid.words());
    text
}

fn trace(report: &Report, cells: &[&Cell]) -> String {
    if cells.is_empty() {
        return String::new();
    }
    format!("    rests on {}\n    again: {}\n", ids(cells), repeat::command(report, cells))
}

fn ids(cells: &[&Cell]) -> String {
    cells.iter().map(|cell| cell.id.as_str()).collect::<Vec<_>>().join(", ")
}
