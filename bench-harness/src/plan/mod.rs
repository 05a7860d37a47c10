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
pub(crate) mod tests {
    use super::*;
    use crate::{pin::Placement, preset::Preset};

    pub(crate) fn config(transports: &[&str], rounds: u32) -> Config {
        Config {
            preset: Preset::Quick,
            transports: transports.iter().map(|name| transport::find(name).unwrap()).collect(),
            short: false,
            scenarios: vec![Scenario::Pingpong, Scenario::Stream],
            sizes: vec![Size(64), Size(4096)],
            rates: Preset::Quick.rates(),
            gaps: Preset::Quick.gaps(),
            waits: Wait::ALL.to_vec(),
            placements: vec![Placement::TwoCpus { initiator: 0, responder: 1 }],
            buffers: vec![Some(Size(1 << 20))],
            crossed: false,
            cpus: 2,
            rounds,
            budget: Duration::from_secs(60),
            longest: crate::run::LONGEST_SLOT,
            counted: false,
            missing: std::collections::BTreeMap::new(),
            seed: 42,
        }
    }

    #[test]
    fn every_round_runs_every_case_exactly_once() {
        let plan = Plan::new(&config(&["pipe", "unix", "tcp", "flag", "relay"], 5));
        for round in 0..5 {
            let mut ran: Vec<usize> = plan
                .steps
                .iter()
                .filter_map(|step| match step {
                    Step::Sample { round: r, case } if *r == round => Some(*case),
                    _ => None,
                })
                .collect();
            ran.sort_unstable();
            assert_eq!(ran, (0..plan.cases.len()).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_block_is_never_torn_apart() {
        let plan = Plan::new(&config(&["pipe", "unix", "flag"], 3));
        let blocks: Vec<_> = plan
            .steps
            .iter()
            .filter_map(|step| match step {
                Step::Sample { round, case } => Some((*round, plan.cases[*case].block())),
                Step::Check { .. } | Step::Count { .. } => None,
            })
            .collect();
        let changes = blocks.windows(2).filter(|pair| pair[0] != pair[1]).count();
        assert_eq!(changes + 1, 3 * 4);
    }

    #[test]
    fn over_the_rounds_each_row_stands_once_in_each_part_of_its_block() {
        let block: Vec<usize> = (0..9).collect();
        let orders = balanced(&block, 3, &mut Rng::new(1));
        for row in block {
            let mut parts: Vec<usize> = orders
                .iter()
                .map(|order| order.iter().position(|r| *r == row).unwrap() / 3)
                .collect();
            parts.sort_unstable();
            assert_eq!(parts, [0, 1, 2]);
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_order_and_another_seed_another() {
        let mut config = config(&["pipe", "unix", "tcp"], 3);
        let first = Plan::new(&config).steps;
        assert_eq!(Plan::new(&config).steps, first);
        config.seed = 43;
        assert_ne!(Plan::new(&config).steps, first);
    }

    #[test]
    fn floors_are_looked_at_at_the_start_in_the_middle_and_at_the_end() {
        let plan = Plan::new(&config(&["pipe"], 3));
        let when = |step: &Step| match step {
            Step::Check { when, .. } => Some(*when),
            Step::Sample { .. } | Step::Count { .. } => None,
        };
        let seen: Vec<_> = plan.steps.iter().filter_map(when).collect();
        assert_eq!(
            seen,
            ["start", "start", "start", "middle", "middle", "middle", "end", "end", "end"]
        );
        assert_eq!(plan.steps.first().and_then(when), Some("start"));
        assert_eq!(plan.steps.last().and_then(when), Some("end"));
    }

    #[test]
    fn each_scenario_has_an_equal_pair_that_sleeps_and_one_that_polls() {
        let plan = Plan::new(&config(&["pipe", "unix", "flag"], 3));
        let again: Vec<String> =
            plan.cases.iter().filter(|case| case.row.replica == 1).map(Case::id).collect();
        assert!(again.contains(&"pingpong/64B/unix/block#2".to_owned()), "{again:?}");
        assert!(again.contains(&"stream/4KiB/pipe/spin#2".to_owned()), "{again:?}");
        assert_eq!(again.len(), 2 * 2 * 2);
    }

    #[test]
    fn a_short_run_leaves_out_what_the_registry_says_and_nothing_else() {
        let mut config = config(&["unix", "fifo", "rpc-tcp", "flag"], 3);
        config.short = true;
        let rows: BTreeSet<String> =
            Plan::new(&config).cases.iter().map(|case| case.row.to_string()).collect();
        for (row, runs) in [
            ("unix/spin", true),
            ("fifo/block", true),
            ("flag/spin", true),
            ("fifo/spin", false),
            ("rpc-tcp/block", false),
        ] {
            assert_eq!(rows.contains(row), runs, "{row} in {rows:?}");
        }
    }

    fn ids(config: &Config) -> BTreeSet<String> {
        let plan = Plan::new(config);
        let ids: BTreeSet<String> = plan.cases.iter().map(Case::id).collect();
        assert_eq!(ids.len(), plan.cases.len(), "no cell is there twice");
        ids
    }

    #[test]
    fn another_place_and_another_buffer_are_one_axis_at_a_time_unless_both_are_asked_for() {
        let mut config = config(&["pipe", "unix", "flag"], 3);
        (config.preset, config.short) = (Preset::Standard, true);
        config.sizes = vec![];
        config.placements.push(Placement::OneCpu { cpu: 0 });
        config.buffers.push(None);
        let aside: Vec<String> = ids(&config)
            .into_iter()
            .filter(|id| id.contains("one-cpu") || id.contains("own"))
            .collect();
        assert_eq!(
            aside,
            [
                "pingpong/64B/pipe/block/one-cpu",
                "pingpong/64B/unix/block/one-cpu",
                "stream/64KiB/pipe/block/one-cpu",
                "stream/64KiB/pipe/block/own-buffer",
                "stream/64KiB/pipe/spin/own-buffer",
                "stream/64KiB/unix/block/one-cpu",
                "stream/64KiB/unix/block/own-buffer",
                "stream/64KiB/unix/spin/own-buffer",
            ]
        );
        config.crossed = true;
        let all = ids(&config);
        assert!(all.contains("pingpong/4KiB/pipe/block/one-cpu/own-buffer"), "{all:?}");
        assert!(all.contains("stream/1KiB/unix/block#2/one-cpu"), "{all:?}");
    }

    #[test]
    fn every_pace_is_a_block_of_its_own_with_an_equal_pair_that_sleeps() {
        let mut config = config(&["pipe", "unix", "memcpy"], 3);
        config.scenarios = vec![Scenario::Paced, Scenario::IdleWake];
        config.sizes = vec![];
        let all = ids(&config);
        let paces = [
            "paced@1k",
            "paced@10k",
            "idle-wake@10us",
            "idle-wake@100us",
            "idle-wake@1ms",
            "idle-wake@10ms",
        ];
        for pace in paces {
            let of: BTreeSet<String> =
                all.iter().filter_map(|id| Some(id.strip_prefix(pace)?.to_owned())).collect();
            let rows = ["pipe/block", "pipe/spin", "unix/block", "unix/spin", "unix/block#2"];
            assert_eq!(of, rows.iter().map(|row| format!("/64B/{row}")).collect(), "{pace}");
        }
        assert_eq!(all.len(), paces.len() * 5);
    }

    #[test]
    fn setting_up_is_measured_with_one_byte_and_the_headline_alone() {
        let mut config = config(&["pipe", "ring", "memory"], 3);
        config.scenarios = vec![Scenario::Setup];
        let all: Vec<String> = ids(&config).into_iter().collect();
        assert_eq!(all, ["setup/1B/pipe/block", "setup/1B/pipe/block#2", "setup/1B/ring/block"]);
    }

    #[test]
    fn what_a_buffer_buys_is_shown_down_to_one_byte_for_the_two_rows_it_is_about() {
        let mut config = config(&["memory", "memory-bufio", "pipe"], 3);
        config.sizes = vec![];
        let all = ids(&config);
        for size in ["1B", "64B", "4KiB"] {
            for row in ["memory", "memory-bufio"] {
                assert!(all.contains(&format!("stream/{size}/{row}/adaptive")), "{size} {row}");
            }
        }
        assert!(
            !all.contains("stream/1B/pipe/block") && !all.contains("pingpong/1B/memory/adaptive")
        );
        config.sizes = vec![Size(64)];
        assert!(!ids(&config).contains("stream/1B/memory/adaptive"), "who names sizes gets those");
    }

    #[test]
    fn system_calls_are_counted_once_for_each_row_that_makes_any_before_the_last_round() {
        let mut config = config(&["pipe", "unix", "memcpy", "go-rpc"], 3);
        config.counted = true;
        let plan = Plan::new(&config);
        let counted: Vec<(usize, &Case)> = (plan.steps.iter().enumerate())
            .filter_map(|(place, step)| match step {
                Step::Count { case } => Some((place, &plan.cases[*case])),
                _ => None,
            })
            .collect();
        let rows: BTreeSet<String> = counted.iter().map(|(_, case)| case.row.to_string()).collect();
        assert_eq!(
            rows,
            ["pipe/block", "pipe/spin", "unix/block", "unix/spin"].map(str::to_owned).into()
        );
        assert_eq!(counted.len(), 4 * 4);
        let last = |round: u32| {
            let of = |step: &Step| matches!(step, Step::Sample { round: r, .. } if *r == round);
            plan.steps.iter().rposition(of).unwrap()
        };
        assert!(counted.iter().all(|(place, _)| (last(1)..last(2)).contains(place)));
    }

    #[test]
    fn what_is_missing_is_skipped_with_the_reason() {
        let mut config = config(&["pipe", "go-pipe"], 3);
        config.missing.insert("go-pipe", "no Go".to_owned());
        let plan = Plan::new(&config);
        assert!(plan.cases.iter().all(|case| case.row.transport == "pipe"));
        assert_eq!(plan.skipped.len(), 4);
        assert!(
            plan.skipped.iter().all(|skip| skip.cell.contains("go-pipe") && skip.reason == "no Go")
        );
    }

    #[test]
    fn the_default_run_has_every_scenario_and_every_row_it_promises() {
        let mut config = config(&[], 3);
        config.transports = transport::known().iter().filter(|t| !t.hidden).collect();
        (config.scenarios, config.sizes, config.short) = (Scenario::ALL.to_vec(), vec![], true);
        let all = ids(&config);
        for id in [
            "pingpong/64B/ring/adaptive",
            "stream/64KiB/ring-eventfd/block",
            "paced@1k/64B/ring/block",
            "paced@10k/64B/unix/block",
            "idle-wake@10us/64B/futex/block",
            "idle-wake@10ms/64B/tcp/block",
            "setup/1B/ring/block",
            "setup/1B/fifo/block",
            "setup/1B/zeroed/block",
            "stream/1B/memory-bufio/adaptive",
        ] {
            assert!(all.contains(id), "{id}");
        }
        // Three rounds of more cells would leave a sample less than a tenth of a second.
        assert!(all.len() < 220, "{} cells", all.len());
        config.preset = Preset::Full;
        let rows = |all: &BTreeSet<String>| -> BTreeSet<String> {
            all.iter()
                .map(|id| id.split('/').skip(2).take(2).collect::<Vec<_>>().join("/"))
                .collect()
        };
        let every: usize = config.transports.iter().map(|transport| transport.waits.len()).sum();
        let full = rows(&ids(&config)).into_iter().filter(|row| !row.contains('#')).count();
        assert_eq!(full, every, "a full run leaves out no row");
    }

    #[test]
    fn on_one_cpu_spinning_rows_are_skipped_with_the_reason() {
        let mut config = config(&["pipe", "flag", "memcpy"], 3);
        config.placements = vec![Placement::OneCpu { cpu: 0 }];
        config.cpus = 1;
        let plan = Plan::new(&config);
        assert!(
            plan.cases
                .iter()
                .all(|case| case.row.wait == Wait::Block || case.row.transport == "memcpy")
        );
        assert!(
            plan.skipped.iter().any(|skipped| skipped.cell.starts_with("pingpong/64B/pipe/spin"))
        );
        assert!(plan.skipped[0].reason.contains("one CPU"));
    }
}
