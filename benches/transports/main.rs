//! The ring and the in-memory pipe beside the kernel's pipe and Unix socket, in the same groups, so that ratios can be taken
//! within one run.
//!
//! ```text
//! cargo bench                                     everything, with reports under target/criterion
//! cargo bench -- --quick two_threads              one group, in seconds
//! cargo bench -- --save-baseline before           and later --baseline before, or critcmp before after
//! ```
//! What crosses from one end to another is checked; a bench of garbled bytes fails. `docs/performance.md` says how to read the
//! figures, `docs/perf-ci.md` why none of them decides whether a change is slower.

#![expect(clippy::incompatible_msrv, reason = "benches are built with a current compiler")]

#[path = "../common/mod.rs"]
mod common;
mod contenders;
mod in_place;
mod messages;
mod one_thread;
mod pattern;
mod peer;
mod processes;
mod round_trip;
mod set_up;
mod stream;
mod wake;

use common::settings;

fn main() {
    if peer::play() {
        return;
    }
    let mut criterion = settings();
    one_thread::group(&mut criterion);
    in_place::group(&mut criterion);
    messages::group(&mut criterion);
    round_trip::group(&mut criterion);
    wake::group(&mut criterion);
    stream::group(&mut criterion);
    processes::groups(&mut criterion);
    set_up::group(&mut criterion);
    criterion.final_summary();
}
