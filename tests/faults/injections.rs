//! The nth call of each system call fails, in each way it can, under every operation.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    adversity::Adversity,
    calls::CALLS,
    cases::{Case, all_fine, counts, run, tell},
    common::Random,
    injector::Injection,
    operation::Operation,
    operations::OPERATIONS,
    report::{Report, scaled},
    turn::alone,
};

/// Calls of one kind that are tried in one operation at most, evenly spread over those there are.
const PLACES: u32 = 6;
/// Cases of a CI run.
const CASES: u64 = 1000;

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

/// As many of the faults as are wanted, the same each time, with every call of every operation among them.
fn sample(faults: &[Fault], wanted: usize) -> Vec<Fault> {
    let mut all = faults.to_vec();
    let mut random = Random::new(8);
    for at in (1..all.len()).rev() {
        all.swap(at, random.below(at + 1));
    }
    let mut seen = BTreeSet::new();
    let (mut chosen, rest): (Vec<_>, Vec<_>) =
        all.into_iter().partition(|(operation, fault)| seen.insert((operation.name, fault.call)));
    chosen.extend(rest);
    chosen.truncate(wanted);
    chosen
}

/// Two faults of the same operation, `wanted` times.
fn pairs(faults: &[Fault], wanted: usize) -> Vec<Case> {
    let mut random = Random::new(88);
    (0..wanted)
        .map(|_| {
            let (operation, one) = faults[random.below(faults.len())];
            let others: Vec<_> =
                faults.iter().filter(|(other, _)| other.name == operation.name).collect();
            let (_, other) = *others[random.below(others.len())];
            Case { operation, adversity: Adversity::Faults(vec![one, other]) }
        })
        .collect()
}

#[test]
fn a_call_that_fails_gives_a_typed_error_or_none_and_leaves_nothing() {
    let _turn = alone();
    let mut report = Report::new("T8 injections", "cases in which system calls failed");
    let faults = every_fault(&counts(OPERATIONS));
    let wanted = scaled(CASES) as usize;
    let mut cases: Vec<_> = sample(&faults, wanted)
        .into_iter()
        .map(|(operation, fault)| Case { operation, adversity: Adversity::Faults(vec![fault]) })
        .collect();
    // When each has struck alone, two strike together.
    cases.extend(pairs(&faults, wanted - cases.len()));
    let done = all_fine(run(cases));
    let (struck, missed): (Vec<_>, Vec<_>) =
        done.into_iter().partition(|(_, verdict)| verdict.hits != 0);
    tell(&mut report, &struck);
    report.field("faults", faults.len());
    report.field("calls", struck.iter().map(|(_, verdict)| u64::from(verdict.hits)).sum::<u64>());
    report.field("not_reached", missed.len());
    report.done(struck.len() as u64, 500);
}
