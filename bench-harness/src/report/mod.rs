//! What a run leaves behind. Everything here is made from the [`record`](record::Report) alone, so that an old
//! `report.json` can be rendered again; nothing here knows how a run is carried out.

pub(crate) mod content;
pub(crate) mod html;
pub(crate) mod markdown;
mod picture;
pub(crate) mod record;
pub(crate) mod table;
pub(crate) mod text;

use std::{
    io::{Write, stdout},
    path::PathBuf,
};

use anyhow::Result;
use clap::{Args, ValueEnum};

use crate::Exit;

#[derive(Debug, Args)]
pub(crate) struct ReportArgs {
    /// The folder of the run, or its report.json.
    run: PathBuf,
    /// In which form.
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

/// A form for people; those for programs are what `export` writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// The first screen of the run.
    Text,
    /// The whole report.
    Markdown,
    /// The same with pictures, as one page for a browser.
    Html,
}

/// Renders an earlier run on standard output.
pub(crate) fn run(args: &ReportArgs) -> Result<Exit> {
    let report = record::Report::read(&args.run)?;
    let text = match args.format {
        Format::Text => table::screen(&report, None),
        Format::Markdown => markdown::render(&report),
        Format::Html => html::render(&report),
    };
    let mut out = stdout().lock();
    write!(out, "{text}")?;
    out.flush()?;
    Ok(Exit::Fine)
}
