//! A process that dies behind any instruction of a call, one after the other: the survivor has an exact prefix, with
//! all that was acknowledged in it, and then the death or the last word.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

#[path = "steps/acts.rs"]
mod acts;
#[path = "steps/arena.rs"]
mod arena;
#[path = "common/census.rs"]
mod census;
mod common;
#[path = "common/report.rs"]
mod report;
#[path = "steps/survivor.rs"]
mod survivor;
#[path = "steps/tracee.rs"]
mod tracee;

use std::{collections::BTreeSet, os::unix::net::UnixStream, time::Duration};

use nix::{
    sched::{CpuSet, sched_getcpu, sched_setaffinity},
    unistd::Pid,
};
use ringpipe::{Options, Wait};

use acts::{ACTS, Act};
use census::Census;
use common::watchdog;
use report::{Report, scaled};
use survivor::{Saw, Survivor};
use tracee::{Astray, Route, Tracee, can_stop, mark};

/// Attempts at one state, and at one call.
const ATTEMPTS: usize = 20;
const ROUTES: usize = 5;

fn options() -> Options {
    // One page, and no looking before a sleep: the same instructions every time.
    Options::new().capacity(4096).wait(Wait::Park)
}

/// Ends look where they run, and do not do the same everywhere. The victims and all threads to come inherit it.
fn stay_on_one_cpu() {
    let mut cpus = CpuSet::new();
    cpus.set(sched_getcpu().unwrap()).unwrap();
    sched_setaffinity(Pid::from_raw(0), &cpus).unwrap();
}

/// A victim that is about to do its deed, and its survivor.
fn stage(act: Act) -> (Tracee, Survivor) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let tracee = Tracee::start(move || {
        arena::enter();
        let (reader, writer) = options().connect_on(theirs).unwrap().split();
        mark();
        acts::perform(act, reader, writer);
    });
    let stream = options().accept_on(ours).unwrap();
    tracee.wait_for_mark();
    let survivor = Survivor::prepare(act, stream);
    tracee.go_on();
    tracee.wait_for_mark();
    (tracee, survivor)
}

/// The way that two victims in a row have gone, since one may be held up by something.
fn way_of(act: Act) -> Route {
    let mut last = None;
    loop {
        let (tracee, mut survivor) = stage(act);
        let route = tracee.record(|| survivor.answer());
        tracee.kill();
        survivor.saw();
        match (route, last) {
            (Some(route), Some(last)) if route == last => return route,
            (route, _) => last = route,
        }
    }
}

/// Kills a victim in each state of the act; gives how many there are, and how many instructions of the program.
fn kill_everywhere(act: Act) -> (u64, usize) {
    for _ in 0..ROUTES {
        let route = way_of(act);
        match kill_along(act, &route) {
            Ok(()) => {
                let instructions: BTreeSet<_> = route.addresses().collect();
                return (route.states() as u64, instructions.len());
            }
            // A machine this busy has held up both of those who showed the way.
            Err(astray) => println!("{act:?}: begins anew after {astray:?}"),
        }
    }
    panic!("{act:?} goes another way each time");
}

fn kill_along(act: Act, route: &Route) -> Result<(), Astray> {
    let mut before = None;
    for state in 0..route.states() {
        let saw = kill_at(act, route, state)?;
        act.check(&saw, state == route.states() - 1);
        // What can be seen of a call grows from state to state, and is never taken back.
        assert!(before <= Some(saw.clone()), "{act:?}: {before:?}, then {saw:?} at {state}");
        before = Some(saw);
    }
    Ok(())
}

/// Kills a victim in this state, and gives what its survivor saw.
fn kill_at(act: Act, route: &Route, state: usize) -> Result<Saw, Astray> {
    let mut attempts = 0;
    loop {
        let (tracee, mut survivor) = stage(act);
        let gone = tracee.go(route, state, || survivor.answer());
        tracee.kill();
        let saw = survivor.saw();
        attempts += 1;
        match gone {
            Ok(()) => return Ok(saw),
            Err(astray) if attempts == ATTEMPTS => return Err(astray),
            // It died somewhere else.
            Err(_) => act.check(&saw, false),
        }
    }
}

#[test]
fn behind_whatever_instruction_it_dies_the_survivor_has_an_exact_prefix() {
    if !can_stop() {
        println!("skipped: no process can be traced here, or the processor has no breakpoints");
        return;
    }
    // The long tier also has the calls that sleep, and those that wake a sleeper.
    let all = scaled(1) > 1;
    watchdog(Duration::from_secs(3600), || {
        stay_on_one_cpu();
        let before = Census::take();
        let mut report = Report::new("T5", "deaths, each behind another instruction");
        let mut deaths = 0;
        let mut acts = 0;
        for act in ACTS.iter().copied().filter(|act| all || act.is_fast()) {
            let (states, instructions) = kill_everywhere(act);
            println!("{act:?}: {states} states, {instructions} different instructions");
            deaths += states;
            acts += 1;
        }
        before.assert_unchanged();
        report.field("calls", acts);
        report.done(deaths, 500);
    });
}
