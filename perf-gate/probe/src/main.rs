//! The rows by which `perf-gate` compares two builds of ringpipe.
//!
//! It is built from the tree that is measured, against that tree's library, and with the rows of the changed tree: so it uses
//! what has been public for long.

mod alone;
mod message;
mod pair;
mod rpc;

use std::process::ExitCode;

use perf_gate::Probe;

fn main() -> ExitCode {
    let mut probe = Probe::new();
    alone::rows(&mut probe);
    rpc::codecs(&mut probe);
    pair::rows(&mut probe);
    rpc::calls(&mut probe);
    probe.serve()
}
