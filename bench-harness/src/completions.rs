//! `ipc-bench completions SHELL`.

use std::io::{Write, stdout};

use anyhow::Result;
use clap::CommandFactory;
use clap_complete::{Shell, generate};

use crate::{Exit, cli::Cli};

/// Prints the completions of `shell`, to be sourced or put where it looks for them.
pub(crate) fn run(shell: Shell) -> Result<Exit> {
    // `generate` panics where writing fails, so it writes into memory.
    let mut text = Vec::new();
    generate(shell, &mut Cli::command(), "ipc-bench", &mut text);
    let mut out = stdout().lock();
    out.write_all(&text)?;
    out.flush()?;
    Ok(Exit::Fine)
}
