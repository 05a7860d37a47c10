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
mod tests;
