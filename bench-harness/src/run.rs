//! Carries out a plan within its budget. Knows neither processes nor files: an executor takes the samples, so that
//! order, budget and the handling of every kind of failure are tested with one that is made up.

use std::{collections::BTreeMap, time::Duration};

use crate::{
    case::Case,
    clock::Clock,
    pattern::Fault,
    plan::{Plan, Step},
    report::record::Calls,
    sample::{Effort, Sample, Stop},
    stats::rng::Rng,
};

/// A sample shorter than this is not worth its start.
const SHORTEST_SLOT: Duration = Duration::from_millis(25);
/// Longer samples make a run longer and no row more certain; rounds do.
pub(crate) const LONGEST_SLOT: Duration = Duration::from_millis(1000);
/// What starting and ending two processes costs, until it has been measured.
const FIRST_OVERHEAD: Duration = Duration::from_millis(15);

/// How long a pass that counts system calls lasts.
const COUNTING: Duration = Duration::from_millis(15);

/// Takes samples.
pub(crate) trait Executor {
    /// One sample of `case`; `key` makes its messages unlike those of all others.
    fn sample(&mut self, case: &Case, key: u64, effort: Effort) -> Result<Sample, Stop>;

    /// Counts the system calls of `case` for one message.
    fn calls(&mut self, case: &Case, key: u64, effort: Effort) -> Result<Calls, Stop>;

    /// Whether the user wants the run to end.
    fn interrupted(&mut self) -> bool;
}

/// Hears what is going on.
pub(crate) trait Observer {
    /// `done` of `total` steps are over, `left` of the budget remains, and this is next.
    fn next(&mut self, done: usize, total: usize, left: Duration, what: &str);
    /// Something the user should know now.
    fn note(&mut self, text: &str);
}

/// Why a run ended before its plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Early {
    Interrupted,
    OutOfTime,
}

/// A floor beside the rounds.
#[derive(Clone, Debug)]
pub(crate) struct Check {
    pub(crate) check: usize,
    pub(crate) when: &'static str,
    pub(crate) value: f64,
}

/// What came of a plan.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outcome {
    /// For each case, one sample a round; `None` where there is none.
    pub(crate) samples: Vec<Vec<Option<Sample>>>,
    /// Cases that could not run or broke, and why. They are not tried again.
    pub(crate) stopped: BTreeMap<usize, Stop>,
    pub(crate) checks: Vec<Check>,
    /// Messages that did not arrive as they were sent, of cases whose samples do not hold them.
    pub(crate) faults: BTreeMap<usize, Fault>,
    /// What was counted, or why not; a case that was not reached is not in it.
    pub(crate) calls: BTreeMap<usize, Result<Calls, String>>,
    pub(crate) early: Option<Early>,
    pub(crate) took: Duration,
}

/// The time that a plan needs at the very least.
pub(crate) fn least_time(plan: &Plan) -> Duration {
    let shortest = |step: &Step| fixed(plan, step).unwrap_or(SHORTEST_SLOT) + FIRST_OVERHEAD;
    plan.steps.iter().map(shortest).sum()
}

/// The time that a plan takes if nothing holds it up.
pub(crate) fn estimate(plan: &Plan) -> Duration {
    let longest = |step: &Step| match fixed(plan, step) {
        Some(time) => time + FIRST_OVERHEAD,
        None => plan.longest * case(plan, step).weight() + FIRST_OVERHEAD,
    };
    plan.budget.min(plan.steps.iter().map(longest).sum())
}

/// The time of a step that has a time of its own.
fn fixed(plan: &Plan, step: &Step) -> Option<Duration> {
    let counts = matches!(step, Step::Count { .. });
    counts.then(|| COUNTING * case(plan, step).weight())
}

/// What a step is about.
fn case<'a>(plan: &'a Plan, step: &Step) -> &'a Case {
    match *step {
        Step::Sample { case, .. } | Step::Count { case } => &plan.cases[case],
        Step::Check { check, .. } => &plan.checks[check],
    }
}

/// Carries out `plan`.
pub(crate) fn run(
    plan: &Plan,
    executor: &mut dyn Executor,
    clock: &dyn Clock,
    observer: &mut dyn Observer,
) -> Outcome {
    let start = clock.now();
    let deadline = start + plan.budget;
    let mut outcome = Outcome {
        samples: plan.cases.iter().map(|_| vec![None; plan.rounds as usize]).collect(),
        ..Outcome::default()
    };
    let mut keys = Rng::new(plan.seed ^ 0x6B65_7973);
    let mut overhead = FIRST_OVERHEAD;
    for (done, step) in plan.steps.iter().enumerate() {
        let key = keys.next();
        if outcome.left_out(step) {
            continue;
        }
        let case = case(plan, step);
        let left = deadline.saturating_sub(clock.now());
        let Some(slot) = slot(left, plan, done, &outcome, overhead) else {
            outcome.early = Some(Early::OutOfTime);
            break;
        };
        observer.next(done, plan.steps.len(), left, &describe(plan, step, case));
        let before = clock.now();
        let effort = Effort::of(slot);
        let result = match *step {
            _ if executor.interrupted() => Err(Stop::Interrupted),
            Step::Sample { round, case: number } => executor
                .sample(case, key, effort)
                .map(|sample| outcome.keep(sample, number, round, &case.id(), observer)),
            Step::Check { check, when } => executor.sample(case, key, effort).map(|sample| {
                outcome.checks.push(Check { check, when, value: sample.value });
            }),
            Step::Count { case: number } => executor.calls(case, key, effort).map(|calls| {
                outcome.calls.insert(number, Ok(calls));
            }),
        };
        let extra = (clock.now() - before).saturating_sub(slot);
        // A moving average: a single hiccup should not shorten all samples that follow.
        overhead = (overhead * 15 + extra) / 16;
        match (result, *step) {
            (Ok(()), _) => {}
            (Err(Stop::Interrupted), _) => {
                outcome.early = Some(Early::Interrupted);
                break;
            }
            (
                Err(Stop::Wrong(fault)),
                Step::Sample { case: number, .. } | Step::Count { case: number },
            ) => {
                outcome.wrong(&fault, number, &case.id(), observer);
                outcome.faults.insert(number, fault);
            }
            (Err(Stop::Unavailable(reason) | Stop::Failed(reason)), Step::Count { case }) => {
                outcome.calls.insert(case, Err(reason));
            }
            (Err(stop), Step::Sample { case: number, .. }) => {
                if let Stop::Unavailable(reason) | Stop::Failed(reason) = &stop {
                    observer.note(&format!("{}: {reason}; left out from here on", case.id()));
                }
                outcome.stopped.insert(number, stop);
            }
            (Err(_), Step::Check { .. }) => {}
        }
    }
    outcome.took = clock.now() - start;
    outcome
}

impl Outcome {
    /// Whether a step is about a case that broke before.
    fn left_out(&self, step: &Step) -> bool {
        matches!(step, Step::Sample { case, .. } | Step::Count { case } if self.stopped.contains_key(case))
    }

    /// Keeps a sample. One with a wrong byte is the last of its case: the evidence.
    fn keep(
        &mut self,
        sample: Sample,
        case: usize,
        round: u32,
        id: &str,
        observer: &mut dyn Observer,
    ) {
        if let Some(fault) = &sample.fault {
            self.wrong(fault, case, id, observer);
        }
        self.samples[case][round as usize] = Some(sample);
    }

    fn wrong(&mut self, fault: &Fault, case: usize, id: &str, observer: &mut dyn Observer) {
        let Fault { message, offset, .. } = fault;
        observer.note(&format!("{id}: message {message} arrived wrong at byte {offset}"));
        self.stopped.insert(case, Stop::Failed("a byte was wrong".to_owned()));
    }
}

/// The time of the next step, so that all that are left fit into what is left; `None` if they cannot.
fn slot(
    left: Duration,
    plan: &Plan,
    done: usize,
    outcome: &Outcome,
    overhead: Duration,
) -> Option<Duration> {
    // One overhead is kept back, so that a hiccup in the last step does not break the promise.
    let mut reserved = overhead;
    let mut shares = 0;
    for step in plan.steps[done..].iter().filter(|step| !outcome.left_out(step)) {
        reserved += overhead + fixed(plan, step).unwrap_or_default();
        shares += if fixed(plan, step).is_some() { 0 } else { case(plan, step).weight() };
    }
    let step = &plan.steps[done];
    let weight = case(plan, step).weight();
    let slot = fixed(plan, step).unwrap_or_else(|| {
        (left.saturating_sub(reserved) / shares.max(1)).min(plan.longest) * weight
    });
    if slot >= SHORTEST_SLOT || fixed(plan, step).is_some() {
        return (left >= slot + overhead).then_some(slot);
    }
    // Late: the samples that still fit are taken at their shortest.
    (left >= SHORTEST_SLOT + overhead).then_some(SHORTEST_SLOT)
}

fn describe(plan: &Plan, step: &Step, case: &Case) -> String {
    match step {
        Step::Sample { round, .. } => format!("round {}/{} {}", round + 1, plan.rounds, case.id()),
        Step::Count { .. } => format!("counting system calls: {}", case.id()),
        Step::Check { when, .. } => format!("floor, {when}: {}", case.id()),
    }
}

#[cfg(test)]
mod tests {
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
}
