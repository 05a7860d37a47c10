//! How sure a median over rounds is, and whether two rows differ.
//!
//! The unit is the round, never the single message: messages of one round share the state of the machine, so
//! thousands of them prove nothing about the next round.

use serde::{Deserialize, Deserializer, Serialize};

use super::{median, rng::Rng};

/// Resamplings of a bootstrap; the ends of the interval then move by less than 1 % of its width.
const RESAMPLES: usize = 2_000;

/// A statistic over rounds with its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Estimate {
    pub(crate) median: f64,
    pub(crate) low: f64,
    /// Infinite where the rounds set no bound; JSON knows no infinity and has `null` there.
    #[serde(deserialize_with = "null_is_infinite")]
    pub(crate) high: f64,
}

fn null_is_infinite<'de, D: Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or(f64::INFINITY))
}

impl Estimate {
    /// Half the width of the interval as a share of the median.
    pub(crate) fn relative_half_width(&self) -> f64 {
        if self.median == 0.0 {
            0.0
        } else {
            (self.high - self.low) / (2.0 * self.median)
        }
    }
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
    medians.sort_by(f64::total_cmp);
    let at = |share: f64| medians[((RESAMPLES - 1) as f64 * share).round() as usize];
    Some(Estimate {
        median: middle,
        low: at(0.025),
        high: at(0.975),
    })
}

/// The ratio of two rows, round by round, with a 99 % interval; the rounds are pairs, since each ran both rows.
///
/// The interval is the wider of the bootstrap's and Student's on the logarithms: a bootstrap over three rounds covers
/// 75 %, and Student's interval knows how little three rounds say. The level is higher than that of a single value,
/// because a report compares dozens of pairs and one in twenty would be wrong.
pub(crate) fn ratio(numerators: &[f64], denominators: &[f64], seed: u64) -> Option<Estimate> {
    let logs: Vec<f64> = numerators
        .iter()
        .zip(denominators)
        .filter(|(a, b)| **a > 0.0 && **b > 0.0)
        .map(|(a, b)| (a / b).ln())
        .collect();
    let shift = estimate(&logs.iter().map(|log| log.exp()).collect::<Vec<_>>(), seed)?;
    let count = logs.len() as f64;
    let mean = logs.iter().sum::<f64>() / count;
    let half = if logs.len() < 2 {
        // One round proves nothing about another.
        f64::INFINITY
    } else {
        let variance = logs.iter().map(|log| (log - mean).powi(2)).sum::<f64>() / (count - 1.0);
        student(logs.len() - 1) * (variance / count).sqrt()
    };
    Some(Estimate {
        median: shift.median,
        low: shift.low.min((mean - half).exp()),
        high: shift.high.max((mean + half).exp()),
    })
}

/// The two-sided 99 % quantile of Student's distribution.
fn student(degrees: usize) -> f64 {
    // Any table of the distribution; beyond 30 degrees the normal value is within 7 %.
    const TABLE: [f64; 30] = [
        63.657, 9.925, 5.841, 4.604, 4.032, 3.707, 3.499, 3.355, 3.250, 3.169, 3.106, 3.055, 3.012,
        2.977, 2.947, 2.921, 2.898, 2.878, 2.861, 2.845, 2.831, 2.819, 2.807, 2.797, 2.787, 2.779,
        2.771, 2.763, 2.756, 2.750,
    ];
    TABLE.get(degrees.max(1) - 1).copied().unwrap_or(2.576)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_rounds_have_no_width() {
        let estimate = estimate(&[5.0; 9], 1).unwrap();
        assert_eq!(
            (estimate.low, estimate.median, estimate.high),
            (5.0, 5.0, 5.0)
        );
        assert_eq!(super::estimate(&[], 1), None);
    }

    #[test]
    fn three_rounds_give_their_range() {
        let estimate = estimate(&[3.0, 1.0, 2.0], 1).unwrap();
        assert_eq!(
            (estimate.low, estimate.median, estimate.high),
            (1.0, 2.0, 3.0)
        );
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
        assert!(
            (ratio.low - 2.0).abs() < 1e-9 && (ratio.high - 2.0).abs() < 1e-9,
            "{ratio:?}"
        );
    }

    #[test]
    fn students_interval_is_the_textbook_one() {
        // Logs −1, 0, 1: mean 0, deviation 1, so 9.925 / √3 = 5.7302 to each side.
        let e = std::f64::consts::E;
        let ratio = ratio(&[1.0 / e, 1.0, e], &[1.0; 3], 1).unwrap();
        assert!((ratio.high.ln() - 5.7302).abs() < 1e-3, "{ratio:?}");
        assert!((ratio.low.ln() + 5.7302).abs() < 1e-3, "{ratio:?}");
    }

    #[test]
    fn one_round_proves_nothing() {
        let ratio = ratio(&[10.0], &[1.0], 1).unwrap();
        assert_eq!((ratio.low, ratio.high), (0.0, f64::INFINITY));
        assert_eq!(super::ratio(&[], &[], 1), None);
    }
}
