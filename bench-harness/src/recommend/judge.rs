//! Whether one row is better than another, or the difference may as well be noise.
//!
//! Three things are asked of a difference, and all must hold: the 95 % interval of its ratio is without 1, so it was seen
//! in (nearly) every round; it exceeds what two *equal* rows of the same run differ by; and it exceeds that by a tenth, so
//! it is worth something. The rows ran in the same rounds, so the ratio is taken within each round, and a machine that
//! changes its speed between rounds changes no ratio.

use crate::{
    case::Wait,
    report::record::{Cell, Noise},
    stats::{
        interval::{self, Estimate},
        median_exceeds,
    },
    summary,
};

/// A difference below this is not worth a more complex transport, however certain it is.
pub(crate) const WORTH: f64 = 1.10;

/// How often the median of two equal rows may exceed the floor by accident.
///
/// Simulated with rounds of which up to a fifth are disturbed by a factor of up to four, the whole rule then finds a
/// difference between equal rows less than once in a hundred runs; see the tests of this module.
pub(crate) const LEVEL: f64 = 0.01;

/// How two cells compare.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Comparison {
    /// How many times better the first is; below 1 it is worse.
    pub(crate) ratio: Estimate,
    /// Whether the first is clearly better.
    pub(crate) clear: bool,
}

/// Compares two cells of one block, round by round.
pub(crate) fn compare(a: &Cell, b: &Cell, noise: &[Noise]) -> Comparison {
    let (of_a, of_b) = a.paired(b);
    let (up, down) = if a.case.scenario.more_is_better() { (&of_a, &of_b) } else { (&of_b, &of_a) };
    let nothing = Estimate { median: 1.0, low: 0.0, high: f64::MAX };
    let ratio = interval::ratio(up, down, 1).unwrap_or(nothing);
    let enough = up.len() >= summary::FEWEST_ROUNDS;
    let needed = WORTH * floor(&[a, b], noise, up.len(), LEVEL);
    Comparison { ratio, clear: enough && ratio.low > 1.0 && ratio.median >= needed }
}

/// The A/A floor: the factor by which the median over `rounds` of two equal rows differs by accident, in all but
/// [`LEVEL`] of the cases.
///
/// The pairs of the same scenario and way of waiting count, of every size: one pair alone has too few rounds to show how
/// large an accident can be. Without such a pair, every pair of the scenario does; without one there, every pair.
pub(crate) fn floor(cells: &[&Cell], noise: &[Noise], rounds: usize, level: f64) -> f64 {
    let scenario = |noise: &&Noise| cells.iter().any(|cell| cell.case.scenario == noise.scenario);
    let sleeps = |wait: Wait| wait == Wait::Block;
    let wait =
        |noise: &&Noise| cells.iter().any(|cell| sleeps(cell.case.row.wait) == sleeps(noise.wait));
    let all: Vec<&Noise> = noise.iter().collect();
    let here: Vec<&Noise> = all.iter().copied().filter(scenario).collect();
    let same: Vec<&Noise> = here.iter().copied().filter(wait).collect();
    let counted = [same, here, all].into_iter().find(|pairs| !pairs.is_empty()).unwrap_or_default();
    let mut factors: Vec<f64> =
        counted.iter().flat_map(|noise| noise.factors.iter().copied()).collect();
    factors.push(1.0);
    factors.sort_by(f64::total_cmp);
    // Which of two equal rows is the slower one is a matter of chance: half of the factors lie on each side.
    let accident = |factor: f64| {
        let beyond = factors.iter().filter(|other| **other > factor).count();
        let share = beyond as f64 / (2 * (factors.len() - 1)).max(1) as f64;
        2.0 * median_exceeds(share, rounds)
    };
    factors.iter().copied().find(|factor| accident(*factor) <= level).unwrap_or(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        case::Scenario, recommend::simulated, report::record::tests::cell, stats::rng::Rng,
    };

    fn noise(wait: Wait, factors: &[f64]) -> Noise {
        Noise {
            cell: "pingpong/64B/unix/block".to_owned(),
            scenario: Scenario::Pingpong,
            wait,
            ratio: Estimate { median: 1.0, low: 1.0, high: 1.0 },
            factors: factors.to_vec(),
        }
    }

    #[test]
    fn with_fewer_than_three_rounds_nothing_is_clear() {
        let (fast, slow) =
            (cell("pingpong ring/spin", &[1.0, 1.0]), cell("pingpong pipe/spin", &[9.0, 9.0]));
        assert!(!compare(&fast, &slow, &[]).clear);
    }

    #[test]
    fn the_floor_is_that_of_the_same_way_of_waiting_if_there_is_one() {
        let block = cell("pingpong pipe/block", &[1.0; 3]);
        let noise = [noise(Wait::Block, &[1.2; 3]), noise(Wait::Adaptive, &[1.5; 3])];
        assert_eq!(floor(&[&block], &noise, 3, LEVEL), 1.2);
        let spin = cell("pingpong pipe/spin", &[1.0; 3]);
        assert_eq!(floor(&[&spin], &noise[..1], 3, LEVEL), 1.2);
        assert_eq!(floor(&[&spin, &block], &noise, 3, LEVEL), 1.5);
        assert_eq!(floor(&[&cell("stream pipe/spin", &[1.0; 3])], &noise, 3, LEVEL), 1.5);
    }

    #[test]
    fn one_disturbed_round_moves_the_floor_of_three_rounds_and_not_that_of_nine() {
        let spin = cell("pingpong pipe/spin", &[1.0; 3]);
        let mut factors = vec![1.05; 35];
        factors.push(4.7);
        let nine = [noise(Wait::Spin, &factors)];
        assert_eq!(floor(&[&spin], &nine, 9, LEVEL), 1.05);
        let three = [noise(Wait::Spin, &factors[30..])];
        assert_eq!(floor(&[&spin], &three, 3, LEVEL), 4.7);
    }

    /// In how many of `runs` the rule calls two rows different, in either direction, of which the second takes `factor` times
    /// as long as the first.
    fn called_different(rounds: usize, disturbed: f64, factor: f64, runs: usize) -> usize {
        let mut rng = Rng::new(11);
        (0..runs)
            .filter(|_| {
                let regimes = simulated::regimes(rounds, &mut rng);
                let mut sample =
                    |name, factor| simulated::cell(name, &regimes, factor, disturbed, &mut rng);
                let (a, b) =
                    (sample("pingpong ring/spin", 1.0), sample("pingpong pipe/spin", factor));
                // A pair for each of the four sizes of a run.
                let noise = [(); 4].map(|()| simulated::noise(&regimes, disturbed, &mut rng));
                compare(&a, &b, &noise).clear || compare(&b, &a, &noise).clear
            })
            .count()
    }

    #[test]
    fn an_equal_pair_is_never_declared_different_in_a_hundred_simulated_runs() {
        for rounds in [3, 9, 15] {
            for disturbed in [0.0, 0.03] {
                assert_eq!(
                    called_different(rounds, disturbed, 1.0, 100),
                    0,
                    "{rounds} {disturbed}"
                );
            }
        }
    }

    #[test]
    fn on_a_disturbed_machine_equal_pairs_are_declared_different_no_more_often_than_stated() {
        for (rounds, disturbed) in [(3, 0.2), (9, 0.1)] {
            let found = called_different(rounds, disturbed, 1.0, 400);
            assert!(found as f64 <= LEVEL * 400.0, "{found}: {rounds} {disturbed}");
        }
    }

    #[test]
    fn a_true_difference_of_two_is_found_although_one_round_in_ten_is_disturbed() {
        let found = called_different(9, 0.1, 2.0, 100);
        assert!(found >= 80, "{found} of 100");
    }

    #[test]
    #[ignore = "prints the table of docs/method.md; takes half a minute"]
    fn how_often_the_rule_errs_and_how_often_it_finds() {
        for (disturbed, rounds) in
            [(0.0, 3), (0.03, 3), (0.03, 9), (0.1, 3), (0.1, 9), (0.2, 3), (0.2, 9)]
        {
            let share = |factor, runs| {
                100.0 * called_different(rounds, disturbed, factor, runs) as f64 / runs as f64
            };
            eprintln!(
                "| {:.0} % | {rounds} | {:.1} % | {:.0} % | {:.0} % |",
                disturbed * 100.0,
                share(1.0, 2_000),
                share(2.0, 1_000),
                share(3.0, 1_000)
            );
        }
    }
}
