use std::rc::Rc;

use super::*;
use crate::{case::Scenario, clock::tests::FakeClock, plan::tests::config};

/// Takes as long as it is told to, plus ten milliseconds, and answers by a rule.
struct Mock<F> {
    clock: Rc<FakeClock>,
    ran: Vec<String>,
    slots: Vec<(String, Duration)>,
    rule: F,
}

impl<F: FnMut(&Case) -> Result<Sample, Stop>> Executor for Mock<F> {
    fn sample(&mut self, case: &Case, _key: u64, effort: Effort) -> Result<Sample, Stop> {
        let slot = effort.warmup + effort.measure;
        self.clock.advance(slot + Duration::from_millis(10));
        self.slots.push((case.id(), slot));
        self.ran.push(case.id());
        (self.rule)(case)
    }

    fn calls(&mut self, case: &Case, _key: u64, effort: Effort) -> Result<Calls, Stop> {
        self.clock.advance(effort.warmup + effort.measure + Duration::from_millis(10));
        self.ran.push(format!("calls of {}", case.id()));
        (self.rule)(case).map(|_| Calls { initiator: 2.0, responder: 2.0, messages: 10 })
    }

    fn interrupted(&mut self) -> bool {
        false
    }
}

#[derive(Default)]
struct Notes(Vec<String>);

impl Observer for Notes {
    fn next(&mut self, _: usize, _: usize, _: Duration, _: &str) {}
    fn note(&mut self, text: &str) {
        self.0.push(text.to_owned());
    }
}

fn carry_out(
    plan: &Plan,
    rule: impl FnMut(&Case) -> Result<Sample, Stop>,
) -> (Outcome, Vec<String>, Vec<String>) {
    let (outcome, mock, notes) = observe(plan, rule);
    (outcome, mock.ran, notes)
}

fn observe<F: FnMut(&Case) -> Result<Sample, Stop>>(
    plan: &Plan,
    rule: F,
) -> (Outcome, Mock<F>, Vec<String>) {
    let clock = Rc::new(FakeClock::default());
    let mut mock = Mock { clock: Rc::clone(&clock), ran: vec![], slots: vec![], rule };
    let mut notes = Notes::default();
    let outcome = run(plan, &mut mock, &*clock, &mut notes);
    (outcome, mock, notes.0)
}

fn good(value: f64) -> Result<Sample, Stop> {
    Ok(Sample { value, ..Sample::default() })
}

#[test]
fn the_budget_is_used_and_kept() {
    let plan = Plan::new(&config(&["pipe", "unix", "tcp"], 9));
    let (outcome, ran, _) = carry_out(&plan, |_| good(1.0));
    assert_eq!(ran.len(), plan.steps.len());
    assert_eq!(outcome.early, None);
    assert!(outcome.took <= plan.budget, "{:?}", outcome.took);
    assert!(outcome.took >= plan.budget * 9 / 10, "{:?}", outcome.took);
}

#[test]
fn a_budget_that_runs_out_ends_the_run_in_time_with_what_there_is() {
    let mut config = config(&["pipe", "unix", "tcp"], 9);
    config.budget = Duration::from_secs(2);
    let plan = Plan::new(&config);
    let (outcome, ran, _) = carry_out(&plan, |_| good(1.0));
    assert_eq!(outcome.early, Some(Early::OutOfTime));
    assert!(outcome.took <= plan.budget);
    assert!(ran.len() > 10 && ran.len() < plan.steps.len());
}

#[test]
fn a_slow_pace_gets_more_time_and_counting_a_little_of_its_own_within_the_budget() {
    let mut config = config(&["pipe", "unix", "flag"], 3);
    config.scenarios = vec![Scenario::Pingpong, Scenario::Paced, Scenario::IdleWake];
    config.counted = true;
    let plan = Plan::new(&config);
    let (outcome, mock, _) = observe(&plan, |_| good(1.0));
    assert_eq!(mock.ran.len(), plan.steps.len());
    assert!(outcome.took <= plan.budget && outcome.took >= plan.budget * 9 / 10);
    let slot = |id: &str| mock.slots.iter().find(|(ran, _)| ran == id).unwrap().1.as_secs_f64();
    let usual = slot("pingpong/64B/pipe/block");
    for (id, times) in [
        ("paced@1k/64B/pipe/block", 5.0),
        ("paced@10k/64B/pipe/block", 1.0),
        ("idle-wake@1ms/64B/pipe/block", 2.0),
        ("idle-wake@10ms/64B/pipe/block", 3.0),
    ] {
        let ratio = slot(id) / usual;
        // The rest of the budget is divided anew before each sample.
        assert!((ratio / times - 1.0).abs() < 0.1, "{id}: {ratio} instead of {times}");
    }
    let counts = mock.ran.iter().filter(|ran| ran.starts_with("calls of")).count();
    let counted = plan.cases.iter().filter(|case| case.row.replica == 0).count();
    assert_eq!((counts, outcome.calls.len()), (counted, counted));
}

#[test]
fn what_a_count_refuses_is_kept_and_a_wrong_byte_in_it_is_a_fault() {
    let mut config = config(&["pipe", "unix"], 1);
    config.counted = true;
    let plan = Plan::new(&config);
    let number = |id: &str| plan.cases.iter().position(|case| case.id() == id).unwrap();
    let (refused, wrong) = ("pingpong/64B/pipe/block", "stream/64B/unix/spin");
    let fault = Fault { message: 3, offset: 9, expected: 1, found: 2 };
    // Of one round, the counts are the first thing that happens.
    let (mut counts, steps) = (plan.checks.len(), plan.steps.len());
    let (outcome, ran, notes) = carry_out(&plan, |case| {
        counts += 1;
        match case.id() {
            id if counts < steps / 2 && id == refused => {
                Err(Stop::Unavailable("no filter".to_owned()))
            }
            id if counts < steps / 2 && id == wrong => Err(Stop::Wrong(fault.clone())),
            _ => good(1.0),
        }
    });
    assert_eq!(outcome.calls[&number(refused)], Err("no filter".to_owned()));
    assert!(ran.iter().any(|id| id == refused), "it is measured all the same");
    assert_eq!(outcome.faults[&number(wrong)], fault);
    assert!(!ran.iter().any(|id| id == wrong), "it is not measured any more");
    assert!(notes.iter().any(|note| note.contains(wrong) && note.contains("byte 9")));
}

#[test]
fn a_transport_that_cannot_run_is_asked_once_and_the_others_go_on() {
    let plan = Plan::new(&config(&["pipe", "fifo"], 3));
    let (outcome, ran, notes) = carry_out(&plan, |case| {
        if case.row.transport == "fifo" {
            Err(Stop::Unavailable("no permission".to_owned()))
        } else {
            good(1.0)
        }
    });
    let cell = "pingpong/64B/fifo/block";
    assert_eq!(ran.iter().filter(|id| *id == cell).count(), 1);
    assert_eq!(ran.iter().filter(|id| *id == "pingpong/64B/pipe/block").count(), 3);
    assert!(notes.iter().any(|note| note.contains(cell) && note.contains("no permission")));
    assert!(outcome.early.is_none());
}

#[test]
fn an_interrupt_keeps_what_was_measured() {
    let plan = Plan::new(&config(&["pipe"], 3));
    let mut left = 10;
    let (outcome, ran, _) = carry_out(&plan, |_| {
        left -= 1;
        if left == 0 { Err(Stop::Interrupted) } else { good(1.0) }
    });
    assert_eq!((outcome.early, ran.len()), (Some(Early::Interrupted), 10));
    let kept = outcome.samples.iter().flatten().flatten().count() + outcome.checks.len();
    assert_eq!(kept, 9);
}

#[test]
fn a_row_with_a_wrong_byte_is_kept_as_evidence_and_not_run_again() {
    let plan = Plan::new(&config(&["pipe", "unix"], 3));
    let wrong = "stream/64B/unix/spin";
    let (outcome, ran, notes) = carry_out(&plan, |case| {
        let fault = (case.id() == wrong).then_some(crate::pattern::Fault {
            message: 3,
            offset: 9,
            expected: 1,
            found: 2,
        });
        Ok(Sample { value: 1.0, fault, ..Sample::default() })
    });
    assert_eq!(ran.iter().filter(|id| *id == wrong).count(), 1);
    assert!(notes.iter().any(|note| note.contains(wrong) && note.contains("byte 9")));
    let case = plan.cases.iter().position(|case| case.id() == wrong).unwrap();
    assert!(outcome.samples[case].iter().flatten().any(|sample| sample.fault.is_some()));
}
