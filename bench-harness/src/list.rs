//! `ipc-bench list`: what can be measured.

use std::io::{Write, stdout};

use anyhow::Result;

use crate::{
    Exit,
    report::text::Grid,
    transport::{self, Topology},
};

/// Prints the registry as a table.
pub(crate) fn run() -> Result<Exit> {
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
