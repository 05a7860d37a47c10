//! Runs a suite that must pass: prints its table, counts its cases, and fails with the table.

use ringpipe::{ReadEnd, WriteEnd, conformance::Suite};

#[path = "../common/report.rs"]
mod counted;

pub(crate) fn conforms<R: ReadEnd + 'static, W: WriteEnd + 'static>(suite: Suite<R, W>) {
    let counted = counted::Report::new("T12", "cases of the conformance suite");
    let report = suite.run();
    println!("{report}");
    if let Err(table) = report.verdict() {
        panic!("{table}");
    }
    counted.done(report.ran() as u64, 1);
}
