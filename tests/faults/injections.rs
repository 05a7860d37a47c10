//! The nth call of each system call fails, in each way it can, under every operation.

use std::collections::BTreeMap;

use crate::{
    adversity::Adversity,
    calls::CALLS,
    cases::{Case, all_fine, counts, run, tell},
    common::Random,
    injector::Injection,
    operations::{OPERATIONS, Operation},
    report::{Report, scaled},
    runner::Verdict,
    turn::alone,
};

/// Calls of one kind that are tried in one operation at most, evenly spread over those there are.
const PLACES: u32 = 6;
/// Cases of a CI run.
const CASES: u64 = 1200;

/// One fault of an operation.
type Fault = (&'static Operation, Injection);

/// Each call of each operation, failing once in each of its ways; and all of them from the first on, or from the middle.
fn every_fault(counts: &[(&'static Operation, BTreeMap<usize, u32>)]) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (operation, counts) in counts {
        for (&call, &count) in counts {
            if !operation.makes(CALLS[call].name) {
                continue;
            }
            let places: Vec<u32> =
                (0..count.min(PLACES)).map(|at| 1 + at * count / count.min(PLACES)).collect();
            for &errno in CALLS[call].errors {
                let mut fault = |nth, forever| {
                    faults.push((*operation, Injection { call, nth, errno, forever }))
                };
                places.iter().for_each(|&nth| fault(nth, false));
                if goes_on_for_ever(call, errno) {
                    let mut from = vec![places[0], places[places.len() / 2]];
                    from.dedup();
                    if CALLS[call].name == "futex" && operation.needs_threads() {
                        // A thread that sleeps already has no tie that could break in the place of a wake.
                        from.truncate(1);
                    }
                    from.iter().for_each(|&nth| fault(nth, true));
                }
            }
        }
    }
    faults
}

/// Whether a call can fail so from now on: nobody is interrupted for ever, and nobody is told for ever to try again of what
/// `poll` says that it is ready.
fn goes_on_for_ever(call: usize, errno: i32) -> bool {
    let waited_for = ["sendmsg", "recvmsg", "recvfrom", "accept4"].contains(&CALLS[call].name);
    let again = [libc::EAGAIN, libc::ECONNABORTED].contains(&errno);
    errno != libc::EINTR && !(waited_for && again)
}

/// A part of `all`, in which everything that is there often is represented, and the same each time.
fn sample(mut all: Vec<Fault>, wanted: usize) -> Vec<Fault> {
    let mut random = Random::new(8);
    for at in (1..all.len()).rev() {
        all.swap(at, random.below(at + 1));
    }
    // Whatever call of whatever operation there is comes first, once; then the rest.
    let mut seen = std::collections::BTreeSet::new();
    let (mut first, rest): (Vec<_>, Vec<_>) =
        all.into_iter().partition(|(operation, fault)| seen.insert((operation.name, fault.call)));
    first.extend(rest);
    first.truncate(wanted);
    first
}

/// Counts those that were struck, and says what became of them.
fn report(id: &'static str, done: Vec<(Case, Verdict)>, least: u64) {
    let mut report = Report::new(id, "cases in which system calls failed");
    let (struck, missed): (Vec<_>, Vec<_>) =
        done.into_iter().partition(|(_, verdict)| verdict.hits != 0);
    tell(&mut report, &struck);
    report.field("calls", struck.iter().map(|(_, verdict)| u64::from(verdict.hits)).sum::<u64>());
    report.field("not_reached", missed.len());
    report.done(struck.len() as u64, least);
}

#[test]
fn a_call_that_fails_gives_a_typed_error_or_none_and_leaves_nothing() {
    let _turn = alone();
    let all = every_fault(&counts(OPERATIONS));
    println!("{} faults in all", all.len());
    let cases = sample(all, scaled(CASES) as usize)
        .into_iter()
        .map(|(operation, fault)| Case { operation, adversity: Adversity::Faults(vec![fault]) });
    report("T8 injections", all_fine(run(cases)), 500);
}
