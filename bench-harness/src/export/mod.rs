//! `ipc-bench export RUN`: the figures of a run for other programs. One exporter a file; each takes the record and a place
//! to write to, and knows nothing else.

pub(crate) mod cells;
mod hgrm;
mod json;
mod rounds;

use std::{
    io::{Write, stdout},
    path::PathBuf,
};

use anyhow::Result;
use clap::{Args, ValueEnum};

use crate::{Exit, Usage, report::record::Report};

#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// The folder of the run, or its report.json.
    run: PathBuf,
    /// In which form.
    #[arg(long, value_enum)]
    format: Format,
    /// Only these cells, such as pingpong/64B/ring/adaptive.
    #[arg(long, value_delimiter = ',', value_name = "ID")]
    cell: Vec<String>,
}

/// A form for programs; those for people are what `report` renders.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// One line a cell, with its interval, percentiles and costs.
    Csv,
    /// One line for each round of each cell: what the statistics are made of.
    Rounds,
    /// The percentiles of one cell in microseconds, as the tools around HdrHistogram read them.
    Hgrm,
    /// The whole record, indented; its schema is published.
    Json,
}

/// Writes a run in the form asked for.
pub(crate) fn run(args: &ExportArgs) -> Result<Exit> {
    let mut report = Report::read(&args.run)?;
    if let Some(unknown) =
        args.cell.iter().find(|id| report.cells.iter().all(|cell| cell.id != **id))
    {
        let known: Vec<&str> = report.cells.iter().map(|cell| cell.id.as_str()).collect();
        let known = known.join("\n  ");
        return Err(Usage(format!("the run has no cell `{unknown}`, but\n  {known}")).into());
    }
    if !args.cell.is_empty() {
        report.cells.retain(|cell| args.cell.contains(&cell.id));
    }
    // Into memory first, so that whoever closes standard output early meets one kind of error.
    let mut text = Vec::new();
    match args.format {
        Format::Csv => cells::write(&report, &mut text)?,
        Format::Rounds => rounds::write(&report, &mut text)?,
        Format::Hgrm => hgrm::write(&report, &mut text)?,
        Format::Json => json::write(&report, &mut text)?,
    }
    let mut out = stdout().lock();
    out.write_all(&text)?;
    out.flush()?;
    Ok(Exit::Fine)
}
