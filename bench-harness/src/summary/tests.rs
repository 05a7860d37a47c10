use super::*;
use crate::{
    case::Scenario,
    control::Usage,
    host::Shares,
    plan::{Plan, tests::config},
    report::record::{
        Calls,
        tests::{cell, report},
    },
};

fn sample(value: f64) -> Option<Sample> {
    let latencies = vec![(value as u64, 5_000)];
    Some(Sample { value, messages: 5_000, verified: 10_000, latencies, ..Sample::default() })
}

fn outcome(plan: &Plan, values: [f64; 3]) -> Outcome {
    Outcome {
        samples: plan.cases.iter().map(|_| values.map(sample).to_vec()).collect(),
        ..Outcome::default()
    }
}

#[test]
fn the_value_of_a_cell_is_the_median_over_its_rounds_and_its_percentiles_are_over_all_samples() {
    let plan = Plan::new(&config(&["pipe"], 3));
    let cells = cells(&plan, &outcome(&plan, [300.0, 100.0, 200.0])).unwrap();
    assert_eq!(cells.len(), plan.cases.len());
    let cell = &cells[0];
    assert_eq!((cell.value.median, cell.value.low, cell.value.high), (200.0, 100.0, 300.0));
    assert_eq!(cell.percentiles.samples, 15_000);
    assert_eq!(cell.percentiles.p999, Some(300));
    assert_eq!(cell.verified, 30_000);
}

#[test]
fn counted_calls_stand_in_their_cell_and_their_absence_has_a_reason() {
    let plan = Plan::new(&config(&["pipe", "unix", "memcpy"], 3));
    let mut outcome = outcome(&plan, [100.0; 3]);
    let number = |id: &str| plan.cases.iter().position(|case| case.id() == id).unwrap();
    let calls = Calls { initiator: 2.0, responder: 3.0, messages: 10 };
    outcome.calls.insert(number("pingpong/64B/pipe/block"), Ok(calls));
    outcome.calls.insert(number("pingpong/64B/pipe/spin"), Err("no filter".to_owned()));
    let fault = crate::pattern::Fault { message: 0, offset: 0, expected: 1, found: 2 };
    outcome.faults.insert(number("stream/64B/unix/spin"), fault.clone());
    let cells = cells(&plan, &outcome).unwrap();
    let cell = |id: &str| cells.iter().find(|cell| cell.id == id).unwrap();
    assert_eq!(cell("pingpong/64B/pipe/block").calls, Some(calls));
    assert_eq!(cell("pingpong/64B/pipe/spin").no_calls.as_deref(), Some("no filter"));
    for (id, reason) in [
        ("pingpong/64B/unix/block", "not counted in this run"),
        ("pingpong/64B/unix/block#2", "copy"),
        ("stream/64B/memcpy/spin", "one side"),
    ] {
        assert!(cell(id).no_calls.as_ref().unwrap().contains(reason), "{id}");
        assert_eq!(cell(id).calls, None);
    }
    assert_eq!(cell("stream/64B/unix/spin").fault, Some(fault));
}

#[test]
fn a_wrong_byte_before_the_first_sample_is_not_lost_with_the_cell() {
    let plan = Plan::new(&config(&["pipe", "unix"], 3));
    let wrong = plan.cases.iter().position(|case| case.id() == "stream/64B/unix/spin").unwrap();
    let mut outcome = outcome(&plan, [100.0; 3]);
    outcome.samples[wrong].fill(None);
    let fault = crate::pattern::Fault { message: 0, offset: 0, expected: 1, found: 2 };
    outcome.faults.insert(wrong, fault.clone());
    outcome.stopped.insert(wrong, Stop::Failed("a byte was wrong".to_owned()));
    let mut report = report(cells(&plan, &outcome).unwrap());
    assert!(report.wrong().is_empty());
    report.skipped = skipped(&plan, &outcome);
    assert_eq!(report.wrong().into_iter().collect::<Vec<_>>(), ["stream/64B/unix/spin"]);
    assert!(
        warnings(&report).iter().any(|text| text.starts_with("stream/64B/unix/spin: a message"))
    );
}

#[test]
fn the_pacers_time_stands_apart_from_that_of_both_sides() {
    let plan = Plan::new(&config(&["pipe"], 3));
    let mut outcome = outcome(&plan, [100.0; 3]);
    for sample in outcome.samples.iter_mut().flatten().flatten() {
        sample.initiator = Usage { cpu_ns: 5_000 * 30, pacing_ns: 5_000 * 900, ..Usage::default() };
        sample.responder = Usage { cpu_ns: 5_000 * 12, ..Usage::default() };
    }
    let per_message = cells(&plan, &outcome).unwrap()[0].per_message;
    assert_eq!((per_message.initiator_cpu_ns, per_message.responder_cpu_ns), (30.0, 12.0));
    assert_eq!((per_message.cpu_ns, per_message.pacing_ns), (42.0, 900.0));
}

#[test]
fn rounds_that_disagree_and_rounds_that_are_missing_do_not_converge() {
    let plan = Plan::new(&config(&["pipe"], 3));
    let converged = |outcome: &Outcome| cells(&plan, outcome).unwrap()[0].converged;
    assert!(converged(&outcome(&plan, [100.0, 110.0, 120.0])));
    assert!(converged(&outcome(&plan, [100.0, 110.0, 900.0])));
    assert!(!converged(&outcome(&plan, [100.0, 200.0, 300.0])));
    let mut short = outcome(&plan, [100.0, 110.0, 120.0]);
    short.samples[0][2] = None;
    assert!(!converged(&short));
}

#[test]
fn a_quiet_complete_run_has_nothing_to_warn_of() {
    let report = report(vec![cell("pingpong unix/block", &[1.0, 1.0, 1.0])]);
    assert_eq!(warnings(&report), [""; 0]);
}

#[test]
fn each_disturbance_has_its_warning() {
    let base = || report(vec![cell("pingpong unix/block", &[1.0, 1.0, 1.0])]);
    let warned = |change: &dyn Fn(&mut Report)| {
        let mut report = base();
        change(&mut report);
        warnings(&report).join("\n")
    };
    let shares = |steal, others| Some(Shares { steal, others });
    assert!(warned(&|r| r.host.shares = shares(0.02, 0.0)).contains("hypervisor took 2.0 %"));
    assert!(warned(&|r| r.host.shares = shares(0.0, 0.2)).contains("other processes used 20 %"));
    assert!(warned(&|r| r.run.self_test = true).contains("self-test"));
    assert!(warned(&|r| r.run.incomplete = Some("interrupted".to_owned())).contains("incomplete"));
    assert!(warned(&|r| r.run.payload = Payload::Header).contains("first 8 bytes"));
    assert!(warned(&|r| r.host.cpus_allowed = vec![0]).contains("only one CPU"));
    let each_round = |r: &mut Report, change: &dyn Fn(&mut Round)| {
        r.cells[0].rounds.iter_mut().flatten().for_each(change);
    };
    assert!(
        warned(&|r| each_round(r, &|round| round.settled = false))
            .contains("3 of 3 samples were taken before")
    );
    // A thousand messages a millisecond, where two thousand were due.
    let slow = warned(&|r| r.cells[0].case.pace = Some(Pace::Rate(2_000_000)));
    assert!(slow.contains("did not keep up"), "{slow}");
    assert_eq!(warned(&|r| r.cells[0].case.pace = Some(Pace::Rate(1_000_000))), "");
    assert!(warned(&|r| r.cells[0].converged = false).contains("1 of 1 rows did not converge"));
    let fault = crate::pattern::Fault { message: 0, offset: 0, expected: 1, found: 2 };
    assert!(warned(&|r| r.cells[0].fault = Some(fault.clone())).contains("do not use it"));
}

#[test]
fn a_floor_that_moves_during_the_run_is_reported_with_both_figures() {
    let floor = |when: &str, value| Floor {
        cell: "pingpong/64B/flag/spin".to_owned(),
        scenario: Scenario::Pingpong,
        when: when.to_owned(),
        value,
    };
    assert!(drift(&[floor("start", 200.0), floor("end", 240.0)]).is_empty());
    let moved = drift(&[floor("start", 200.0), floor("middle", 600.0), floor("end", 210.0)]);
    assert_eq!(moved.len(), 1);
    assert!(moved[0].contains("200 ns") && moved[0].contains("600 ns"), "{moved:?}");
}
