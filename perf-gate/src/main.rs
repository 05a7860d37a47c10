//! `perf-gate`: compares two builds in the same rounds, and says what got slower, by how much, and how sure that is.
//!
//! [`args`] → [`measure`] starts the probes ([`child`]) and has them work in turn → [`interval`] → [`verdict`] →
//! [`table`]. What is slower is measured a second time before it is said.

mod args;
mod child;
mod interval;
mod measure;
mod table;
mod verdict;

use std::{fs, io, path::Path, process::ExitCode};

use clap::Parser;

use crate::{
    args::Args,
    measure::{Measured, measure},
    verdict::{Judged, Verdict, judge},
};

/// What ended the program other than a verdict; the text says what to do about it.
type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// How the program ended, as its exit code says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Exit {
    Fine = 0,
    Failed = 1,
    Slower = 3,
}

fn main() -> ExitCode {
    let exit = run(&Args::parse()).unwrap_or_else(|error| {
        eprintln!("perf-gate: {error}");
        Exit::Failed
    });
    ExitCode::from(exit as u8)
}

fn run(args: &Args) -> Result<Exit> {
    let plan = args.plan();
    let first = measure(&plan)?;
    let mut judged: Vec<Judged> =
        first.iter().map(|row| judge(row, plan.limit(row.kind))).collect();
    let suspects: Vec<String> = judged
        .iter()
        .filter(|row| row.verdict == Verdict::Slower)
        .map(|row| row.name.clone())
        .collect();
    let mut second = Vec::new();
    if !suspects.is_empty() {
        eprintln!("measuring again: {}", suspects.join(", "));
        second = measure(&plan.again(suspects))?;
        for row in &second {
            let again = judge(row, plan.limit(row.kind));
            if let Some(suspect) = judged.iter_mut().find(|suspect| suspect.name == row.name) {
                suspect.confirm(again);
            }
        }
    }
    let (text, slower) = table::render(&judged);
    println!("{text}");
    if let Some(folder) = &args.report {
        keep(folder, &text, &first, &second)?;
    }
    Ok(if slower { Exit::Slower } else { Exit::Fine })
}

/// Writes the table and every single ratio into `folder`.
fn keep(folder: &Path, text: &str, first: &[Measured], second: &[Measured]) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    fs::write(folder.join("perf-gate.txt"), format!("{text}\n"))?;
    fs::write(folder.join("launches.csv"), table::launches(first, second))
}
