//! Which cells are run, in which order. A pure function of the configuration and the seed.

mod choice;

use std::{collections::BTreeSet, time::Duration};

pub(crate) use choice::Config;

use crate::{
    case::{Block, Case, Row, Scenario, Wait},
    stats::rng::Rng,
    transport::{self, Topology},
    units::Size,
};

/// A cell that is not run, and why.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Skipped {
    pub(crate) cell: String,
    pub(crate) reason: String,
}

/// One thing to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// A sample of the case with this index for this round.
    Sample { round: u32, case: usize },
    /// A pass over the case with this index in which its system calls are counted and no time is taken.
    Count { case: usize },
    /// A look at a floor beside the rounds, to see whether the machine has changed; the index is into `checks`.
    Check { check: usize, when: &'static str },
}

/// Everything a run will do.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) cases: Vec<Case>,
    pub(crate) checks: Vec<Case>,
    pub(crate) skipped: Vec<Skipped>,
    pub(crate) steps: Vec<Step>,
    pub(crate) rounds: u32,
    pub(crate) seed: u64,
    pub(crate) budget: Duration,
    pub(crate) longest: Duration,
}

/// The size at which the floors are checked during the run: that of a small message, or of a bulk copy.
const CHECKS: [(&str, Scenario, Wait, Size); 3] = [
    ("flag", Scenario::Pingpong, Wait::Spin, Size(64)),
    ("futex", Scenario::Pingpong, Wait::Block, Size(64)),
    ("memcpy", Scenario::Stream, Wait::Spin, Size(65_536)),
];

impl Plan {
    pub(crate) fn new(config: &Config) -> Self {
        let (cases, skipped) = config.cases();
        let checks: Vec<Case> = CHECKS
            .iter()
            .map(|&(name, scenario, wait, size)| {
                let row = Row { transport: name.to_owned(), wait, replica: 0 };
                config.main_case(scenario, size, row)
            })
            .filter(|case| config.why_not(case).is_none())
            .collect();
        let Config { rounds, seed, budget, longest, counted, .. } = *config;
        let steps = steps(&cases, checks.len(), counted, rounds, seed);
        Self { cases, checks, skipped, steps, rounds, seed, budget, longest }
    }

    /// Rounds of exactly these cases, with as much time as samples of `slot` need. The floors are among them, so that nothing
    /// has to be looked at beside the rounds.
    pub(crate) fn of(cases: Vec<Case>, rounds: u32, seed: u64, slot: Duration) -> Self {
        let steps = steps(&cases, 0, false, rounds, seed);
        let weights: u32 = cases.iter().map(Case::weight).sum();
        let budget = (slot + SPARE) * weights * rounds + SPARE;
        let (checks, skipped) = (vec![], vec![]);
        Self { cases, checks, skipped, steps, rounds, seed, budget, longest: slot }
    }
}

/// What starting and ending a sample may take.
const SPARE: Duration = Duration::from_millis(200);

/// Why the system calls of a case are not counted.
pub(crate) fn uncounted(case: &Case) -> Option<&'static str> {
    let transport = transport::find(&case.row.transport)?;
    match transport {
        _ if case.row.replica > 0 => Some("counted in the row that it is a copy of"),
        _ if transport.topology == Topology::Solo => {
            Some("one side alone asks nothing of the system")
        }
        _ if transport.go => Some("a program in Go does not count its system calls"),
        _ => None,
    }
}

/// Rounds of blocks of rows. A block is all rows of one scenario and size, which are the ones compared with each other,
/// so they run directly one after the other.
fn steps(cases: &[Case], checks: usize, counted: bool, rounds: u32, seed: u64) -> Vec<Step> {
    let blocks: BTreeSet<Block> = cases.iter().map(Case::block).collect();
    let blocks: Vec<Vec<usize>> = blocks
        .into_iter()
        .map(|key| {
            let members = cases.iter().enumerate().filter(|(_, case)| case.block() == key);
            members.map(|(index, _)| index).collect()
        })
        .collect();
    let mut rng = Rng::new(seed);
    let orders: Vec<Vec<Vec<usize>>> =
        blocks.iter().map(|block| balanced(block, rounds, &mut rng)).collect();
    let mut steps = Vec::new();
    let check = |when| (0..checks).map(move |check| Step::Check { check, when });
    steps.extend(check("start"));
    let count = || {
        let cases = cases.iter().enumerate();
        let cases = cases.filter(|(_, case)| counted && uncounted(case).is_none());
        cases.map(|(case, _)| Step::Count { case })
    };
    for round in 0..rounds {
        // Before the last round, which gives way if it takes longer than was thought.
        if round + 1 == rounds {
            steps.extend(count());
        }
        if round == rounds / 2 && round > 0 {
            steps.extend(check("middle"));
        }
        let mut turn: Vec<usize> = (0..blocks.len()).collect();
        rng.shuffle(&mut turn);
        for block in turn {
            let order = &orders[block][round as usize];
            steps.extend(order.iter().map(|&case| Step::Sample { round, case }));
        }
    }
    steps.extend(check("end"));
    steps
}

/// One order of `block` for each round: shuffled, and such that over the rounds each row stands equally often in each
/// part of the block. A machine that warms up, cools down or is disturbed early in a block thus favours nobody.
fn balanced(block: &[usize], rounds: u32, rng: &mut Rng) -> Vec<Vec<usize>> {
    let mut members = block.to_vec();
    rng.shuffle(&mut members);
    let parts = (rounds as usize).clamp(1, members.len().max(1));
    let share = |part: usize| part * members.len() / parts;
    let groups: Vec<&[usize]> =
        (0..parts).map(|part| &members[share(part)..share(part + 1)]).collect();
    (0..rounds as usize)
        .map(|round| {
            let turned = (0..parts).map(|part| groups[(part + round) % parts]);
            turned
                .flat_map(|group| {
                    let mut group = group.to_vec();
                    rng.shuffle(&mut group);
                    group
                })
                .collect()
        })
        .collect()
}

#[cfg(test)]
pub(crate) mod tests;
