//! How sure a median over rounds is, and whether two rows differ.
//!
//! The unit is the round, never the single message: messages of one round share the state of the machine, so
//! thousands of them prove nothing about the next round.

use serde::{Deserialize, Serialize};

use super::{median, rng::Rng};

/// Resamplings of a bootstrap; the ends of the interval then move by less than 1 % of its width.
const RESAMPLES: usize = 2_000;

/// A statistic over rounds with its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Estimate {
    pub(crate) median: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
}

/// The median of `rounds` with the 95 % percentile-bootstrap interval over rounds. `None` without rounds.
///
/// With three rounds the interval is their range: it cannot be narrower, and says so.
pub(crate) fn estimate(rounds: &[f64], seed: u64) -> Option<Estimate> {
    let middle = median(rounds)?;
    let mut rng = Rng::new(seed);
    let mut draw = vec![0.0; rounds.len()];
    let mut medians: Vec<f64> = (0..RESAMPLES)
        .filter_map(|_| {
            for slot in &mut draw {
                *slot = rounds[rng.below(rounds.len())];
            }
            median(&draw)
        })
        .collect();
    Some(percentiles(middle, &mut medians))
}

/// The ratio of two rows, taken within each round, with its interval over rounds; the rounds are pairs.
pub(crate) fn ratio(numerators: &[f64], denominators: &[f64], seed: u64) -> Option<Estimate> {
    let pairs = numerators.iter().zip(denominators);
    let ratios: Vec<f64> =
        pairs.filter(|(a, b)| **a > 0.0 && **b > 0.0).map(|(a, b)| a / b).collect();
    estimate(&ratios, seed)
}

/// The ratio of the medians of two rows of different runs, whose rounds are no pairs, with its interval over both.
pub(crate) fn unpaired_ratio(
    numerators: &[f64],
    denominators: &[f64],
    seed: u64,
) -> Option<Estimate> {
    let median = median(numerators)? / median(denominators)?;
    let mut rng = Rng::new(seed);
    let mut draw = |rounds: &[f64]| {
        let values: Vec<f64> = rounds.iter().map(|_| rounds[rng.below(rounds.len())]).collect();
        super::median(&values)
    };
    let mut ratios: Vec<f64> =
        (0..RESAMPLES).filter_map(|_| Some(draw(numerators)? / draw(denominators)?)).collect();
    Some(percentiles(median, &mut ratios))
}

/// The middle 95 % of resampled statistics around the one of the sample.
fn percentiles(median: f64, resampled: &mut [f64]) -> Estimate {
    resampled.sort_by(f64::total_cmp);
    let at = |share: f64| resampled[((resampled.len() - 1) as f64 * share).round() as usize];
    Estimate { median, low: at(0.025), high: at(0.975) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_rounds_have_no_width() {
        let estimate = estimate(&[5.0; 9], 1).unwrap();
        assert_eq!((estimate.low, estimate.median, estimate.high), (5.0, 5.0, 5.0));
        assert_eq!(super::estimate(&[], 1), None);
    }

    #[test]
    fn three_rounds_give_their_range() {
        let estimate = estimate(&[3.0, 1.0, 2.0], 1).unwrap();
        assert_eq!((estimate.low, estimate.median, estimate.high), (1.0, 2.0, 3.0));
    }

    #[test]
    fn the_interval_of_many_rounds_is_narrower_than_their_range_and_holds_the_median() {
        let rounds: Vec<f64> = (1..=101).map(f64::from).collect();
        let estimate = estimate(&rounds, 7).unwrap();
        // The exact 95 % interval of a median of 101 ordered values is their 41st to 61st.
        assert!((estimate.low - 41.0).abs() <= 2.0, "{estimate:?}");
        assert!((estimate.high - 61.0).abs() <= 2.0, "{estimate:?}");
        assert_eq!(estimate.median, 51.0);
    }

    #[test]
    fn the_same_seed_gives_the_same_interval() {
        let rounds = [1.0, 4.0, 2.0, 8.0, 5.0, 7.0];
        assert_eq!(estimate(&rounds, 3), estimate(&rounds, 3));
    }

    #[test]
    fn a_ratio_is_taken_within_each_round() {
        // The machine is three times slower in the second round; the ratio does not notice.
        let ratio = ratio(&[2.0, 6.0, 2.0], &[1.0, 3.0, 1.0], 1).unwrap();
        assert!((ratio.low - 2.0).abs() < 1e-9 && (ratio.high - 2.0).abs() < 1e-9, "{ratio:?}");
    }

    #[test]
    fn a_ratio_of_two_runs_knows_the_spread_of_both() {
        let ratio = unpaired_ratio(&[2.0, 2.2, 1.8], &[1.0, 1.0, 1.0], 1).unwrap();
        assert_eq!((ratio.median, ratio.low, ratio.high), (2.0, 1.8, 2.2));
        let ratio = unpaired_ratio(&[2.0, 4.0, 3.0], &[1.0, 2.0, 1.5], 1).unwrap();
        assert!(ratio.low <= 1.01 && ratio.high >= 3.99, "{ratio:?}");
        assert_eq!(unpaired_ratio(&[1.0], &[], 1), None);
    }
}
