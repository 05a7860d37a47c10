//! What a row's ratios mean.

use perf_gate::protocol::Kind;

use crate::{
    interval::{Interval, interval, median},
    measure::Measured,
};

/// A row, judged.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Judged {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    /// Nanoseconds of an operation of the base.
    pub(crate) base: f64,
    /// How many times as long the change takes.
    pub(crate) ratio: Interval,
    /// How far the ratio of the base to itself strayed from 1: the end of its interval that is farther away.
    pub(crate) noise: f64,
    /// The ratio that is still allowed: what was asked for, or the noise if that is more.
    pub(crate) limit: f64,
    /// Launches in which the change took longer, and all launches.
    pub(crate) slower_in: (usize, usize),
    pub(crate) verdict: Verdict,
    /// What the second measurement gave, if there was one.
    pub(crate) again: Option<Interval>,
}

/// What is said of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The whole interval is above the limit.
    Slower,
    /// It was at first, and not when it was measured again.
    NotConfirmed,
    /// The limit lies within the interval: it may be slower by more, or not.
    Unclear,
    /// The whole interval is below the limit, and includes 1, or is within the noise of it.
    Same,
    /// The same, but it does not include 1: slower by less than the limit.
    Little,
    /// The whole interval is below 1, by more than the noise.
    Faster,
}

/// Judges what was measured; `allowed` is the ratio that may be.
pub(crate) fn judge(row: &Measured, allowed: f64) -> Judged {
    let column = |value: fn(&crate::measure::Launch) -> f64| -> Vec<f64> {
        row.launches.iter().map(value).collect()
    };
    let change = column(|launch| launch.change);
    // The command line asks for as many launches as an interval takes.
    let unknown = Interval { low: 0.0, median: f64::NAN, high: f64::INFINITY };
    let ratio = interval(&change).unwrap_or(unknown);
    let twin = interval(&column(|launch| launch.twin)).unwrap_or(unknown);
    let noise = (1.0 - twin.low).max(twin.high - 1.0);
    let limit = allowed.max(1.0 + noise);
    let verdict = if ratio.low > limit {
        Verdict::Slower
    } else if ratio.high > limit {
        Verdict::Unclear
    } else if ratio.low > 1.0 + noise {
        Verdict::Little
    } else if ratio.high < 1.0 - noise {
        Verdict::Faster
    } else {
        Verdict::Same
    };
    Judged {
        name: row.name.clone(),
        kind: row.kind,
        base: median(&column(|launch| launch.base)).unwrap_or(f64::NAN),
        ratio,
        noise,
        limit,
        slower_in: (change.iter().filter(|ratio| **ratio > 1.0).count(), change.len()),
        verdict,
        again: None,
    }
}

impl Judged {
    /// Takes a second measurement into account.
    pub(crate) fn confirm(&mut self, again: Self) {
        self.again = Some(again.ratio);
        if again.verdict != Verdict::Slower {
            self.verdict = Verdict::NotConfirmed;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::Launch;

    /// A row whose change took `change` times as long in each launch, and whose twin strayed by `noise` to both sides.
    fn row(change: &[f64], noise: f64) -> Measured {
        let launches = change
            .iter()
            .enumerate()
            .map(|(at, &change)| {
                let twin = if at % 2 == 0 { 1.0 + noise } else { 1.0 - noise };
                Launch { base: 10.0, change, twin }
            })
            .collect();
        Measured { name: "row".into(), kind: Kind::Alone, launches }
    }

    fn around(middle: f64, spread: f64) -> Vec<f64> {
        (-7..=7).map(|i| middle + spread * f64::from(i) / 7.0).collect()
    }

    #[test]
    fn every_verdict_has_its_case() {
        let cases = [
            (around(1.10, 0.02), 0.005, Verdict::Slower),
            (around(1.05, 0.02), 0.005, Verdict::Unclear),
            (around(1.03, 0.01), 0.005, Verdict::Little),
            (around(1.00, 0.01), 0.005, Verdict::Same),
            (around(0.90, 0.02), 0.005, Verdict::Faster),
        ];
        for (change, noise, verdict) in cases {
            assert_eq!(judge(&row(&change, noise), 1.05).verdict, verdict);
        }
    }

    #[test]
    fn a_machine_that_strays_by_more_than_the_limit_raises_it() {
        let judged = judge(&row(&around(1.10, 0.02), 0.20), 1.05);
        assert_eq!(judged.verdict, Verdict::Same);
        assert!((judged.limit - 1.20).abs() < 1e-9, "{judged:?}");
    }

    #[test]
    fn a_few_launches_that_went_astray_prove_nothing() {
        let mut change = vec![1.0; 12];
        change.extend([3.0, 3.0, 3.0]);
        assert_ne!(judge(&row(&change, 0.0), 1.05).verdict, Verdict::Slower);
    }

    #[test]
    fn what_is_slower_once_is_not_yet_slower() {
        let mut judged = judge(&row(&around(1.10, 0.02), 0.0), 1.05);
        judged.confirm(judge(&row(&around(1.10, 0.02), 0.0), 1.05));
        assert_eq!(judged.verdict, Verdict::Slower);
        judged.confirm(judge(&row(&around(1.00, 0.02), 0.0), 1.05));
        assert_eq!(judged.verdict, Verdict::NotConfirmed);
    }
}
