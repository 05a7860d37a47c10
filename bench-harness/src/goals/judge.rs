//! Whether a claim holds: the ratio is taken within each round, and its interval must lie on one side of the bound.

use serde::{Deserialize, Serialize};

use super::definition::Bound;
use crate::stats::interval::{self, Estimate};

/// What came of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Verdict {
    Met,
    NotMet,
    /// The bound lies within the interval.
    NotClear,
    /// One of the rows has no rounds.
    NotMeasured,
}

impl Verdict {
    /// As people read it.
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::Met => "met",
            Self::NotMet => "**not met**",
            Self::NotClear => "not clear",
            Self::NotMeasured => "not measured",
        }
    }
}

/// A row's values, one a round.
pub(super) type Rounds = [Option<f64>];

/// The ratio of `ours` to `theirs` over the rounds that both have.
pub(super) fn ratio(ours: &Rounds, theirs: &Rounds, seed: u64) -> Option<Estimate> {
    let (a, b): (Vec<f64>, Vec<f64>) =
        ours.iter().zip(theirs).filter_map(|(a, b)| Some(((*a)?, (*b)?))).unzip();
    interval::ratio(&a, &b, seed)
}

/// Whether `ratio` keeps `bound`.
pub(super) fn judge(ratio: Option<Estimate>, bound: Bound) -> Verdict {
    let Some(ratio) = ratio else { return Verdict::NotMeasured };
    let (inside, outside) = match bound {
        Bound::AtMost(limit) => (ratio.high <= limit, ratio.low > limit),
        Bound::AtLeast(limit) => (ratio.low >= limit, ratio.high < limit),
    };
    match (inside, outside) {
        (true, _) => Verdict::Met,
        (_, true) => Verdict::NotMet,
        _ => Verdict::NotClear,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_is_kept_missed_or_in_doubt() {
        let ratio = |low, high| Some(Estimate { median: f64::midpoint(low, high), low, high });
        for (ratio, bound, verdict) in [
            (ratio(1.0, 1.1), Bound::AtMost(1.2), Verdict::Met),
            (ratio(1.3, 1.4), Bound::AtMost(1.2), Verdict::NotMet),
            (ratio(1.1, 1.3), Bound::AtMost(1.2), Verdict::NotClear),
            (ratio(5.0, 6.0), Bound::AtLeast(5.0), Verdict::Met),
            (ratio(4.0, 4.9), Bound::AtLeast(5.0), Verdict::NotMet),
            (None, Bound::AtLeast(5.0), Verdict::NotMeasured),
        ] {
            assert_eq!(judge(ratio, bound), verdict, "{ratio:?} {bound:?}");
        }
    }

    #[test]
    fn a_round_that_one_of_the_two_lacks_is_left_out() {
        let ours = [Some(2.0), None, Some(4.0)];
        let theirs = [Some(1.0), Some(1.0), Some(2.0)];
        let ratio = ratio(&ours, &theirs, 1).unwrap();
        assert_eq!((ratio.low, ratio.high), (2.0, 2.0));
    }
}
