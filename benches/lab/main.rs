//! The ring beside its floors and beside variants of itself, in rounds of one run.
//!
//! A machine that changes its speed from minute to minute allows no other comparison: every round runs every
//! contender for a few milliseconds, and what is printed is the median of each, and the median over the rounds of its ratio to the
//! first one, the floor. Two threads of this process, pinned to the first two CPUs that it may use; `ipc-bench` has the same
//! floors between processes.
//!
//! ```text
//! cargo bench --bench lab                       everything: a minute
//! cargo bench --bench lab -- stream             or call, trip, one-cpu, setup, rpc
//! cargo bench --bench lab -- stream 64 4096     these sizes
//! cargo bench --bench lab -- trip --rounds 31
//! ```
//!
//! Without `--bench`, as `cargo test --benches` runs it, every contender passes a few messages and nothing is printed
//! that could be taken for a measurement.

#![expect(clippy::incompatible_msrv, reason = "benches are built with a current compiler")]

mod bare;
mod contenders;
mod memory;
mod pattern;
mod pin;
mod rounds;
mod rpc;
mod setup;

use std::time::Duration;

use rounds::{Plan, call, one_cpu, stream, trip};

const SIZES: [usize; 4] = [64, 1 << 10, 4 << 10, 64 << 10];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let measuring = arguments.iter().any(|argument| argument == "--bench");
    let Some(cpus) = pin::pair() else {
        println!("one CPU: two threads that look without sleeping would stand in each other's way");
        return;
    };
    let mut plan = Plan {
        cpus,
        rounds: if measuring { 15 } else { 1 },
        sample: if measuring { Duration::from_millis(12) } else { Duration::ZERO },
    };
    let (mut what, mut sizes) = (Vec::new(), Vec::new());
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        match argument.as_str() {
            "--rounds" => {
                let number = rest.next().and_then(|number| number.parse().ok());
                plan.rounds = number.expect("--rounds takes a number");
            }
            option if option.starts_with("--") => {}
            number if number.parse::<usize>().is_ok() => {
                sizes.push(number.parse().expect("a size in bytes"));
            }
            name => what.push(name.to_owned()),
        }
    }
    if sizes.is_empty() {
        sizes = SIZES.to_vec();
    }
    let wanted = |name: &str| what.is_empty() || what.iter().any(|wanted| wanted == name);
    if wanted("call") {
        call(&plan);
    }
    if wanted("trip") {
        trip(&plan);
    }
    if wanted("stream") {
        for &size in &sizes {
            stream(&plan, size);
        }
    }
    if wanted("one-cpu") {
        one_cpu(&plan);
    }
    if wanted("setup") {
        setup::run(&plan);
    }
    if wanted("rpc") {
        rpc::run(&plan);
    }
}
