//! Resources that run out and system calls that fail, one at a time and for good, wherever the ring makes them: a typed
//! error or none, never a panic, a signal or a hang, and nothing left behind.

#[path = "faults/adversity.rs"]
mod adversity;
#[path = "faults/arming.rs"]
mod arming;
#[path = "faults/calls.rs"]
mod calls;
#[path = "faults/cases.rs"]
mod cases;
#[path = "common/census.rs"]
mod census;
#[path = "common/child.rs"]
mod child;
mod common;
#[path = "common/filter.rs"]
mod filter;
#[path = "faults/handing.rs"]
mod handing;
#[path = "faults/injections.rs"]
mod injections;
#[path = "faults/injector.rs"]
mod injector;
#[path = "faults/limits.rs"]
mod limits;
#[path = "faults/operation.rs"]
mod operation;
#[path = "faults/operations.rs"]
mod operations;
#[path = "faults/polling.rs"]
mod polling;
#[path = "faults/regressions.rs"]
mod regressions;
#[path = "common/report.rs"]
mod report;
#[path = "faults/rings.rs"]
mod rings;
#[path = "faults/runner.rs"]
mod runner;
#[path = "faults/sandbox.rs"]
mod sandbox;
#[path = "faults/sandboxes.rs"]
mod sandboxes;
#[path = "faults/scene.rs"]
mod scene;
#[path = "faults/shortages.rs"]
mod shortages;
#[path = "faults/strangers.rs"]
mod strangers;
#[path = "faults/talk.rs"]
mod talk;
#[path = "common/turn.rs"]
mod turn;

use std::{fs::File, os::fd::FromRawFd};

/// Not a test by itself: what a child does to whom an end was handed.
#[test]
fn the_other_process() {
    let Some(role) = child::role() else { return };
    match &*role.iter().map(String::as_str).collect::<Vec<_>>() {
        [role @ ("read" | "write")] => handing::child(role),
        [role @ ("take-reader" | "take-writer"), words @ ..] => {
            let adversity = adversity::Adversity::from_words(words);
            // SAFETY: the standard error, which is a pipe to the parent, belongs to the lines from here on.
            let lines = unsafe { File::from_raw_fd(2) };
            let dir = tempfile::tempdir().unwrap();
            scene::Scene::play(lines, dir.path(), &adversity, |scene| {
                handing::take_up(role, scene)
            });
        }
        role => panic!("unknown role {role:?}"),
    }
    std::process::exit(0);
}
