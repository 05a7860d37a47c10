//! A peer never outlives its coordinator, however that one ends.

use std::{io, process};

use anyhow::{Context, Result};
use nix::{
    sys::{prctl, signal::Signal},
    unistd::{Pid, getppid},
};

/// Asks the kernel to kill this process when `parent` dies, and ends it at once if that has happened already.
pub(crate) fn die_with(parent: Pid) -> Result<()> {
    prctl::set_pdeathsig(Signal::SIGKILL).context("asking to die with the coordinator")?;
    if getppid() != parent {
        process::exit(1);
    }
    Ok(())
}

/// Runs `work` to its end even if the coordinator dies meanwhile; this process follows it directly afterwards.
///
/// For the moments in which something outside this process exists that nobody else would remove.
pub(crate) fn finish_even_alone<T>(work: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    let parent = getppid();
    prctl::set_pdeathsig(None)?;
    let result = work();
    prctl::set_pdeathsig(Signal::SIGKILL)?;
    if getppid() != parent {
        process::exit(1);
    }
    result
}
