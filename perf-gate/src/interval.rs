//! How sure a median is, without any belief about how the values are distributed.
//!
//! Whatever the distribution, half of it lies below its median. So the number of values below the true median is that of heads
//! among as many coins, and two of the sorted values can be named between which the median lies with a known probability.
//! Nothing is drawn at random: the same values give the same interval.

/// The probability that an interval holds the true median, at least.
pub(crate) const CONFIDENCE: f64 = 0.99;

/// A median, and between what it lies.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Interval {
    pub(crate) low: f64,
    pub(crate) median: f64,
    pub(crate) high: f64,
}

/// The median of `values` with its interval; `None` for fewer values than it takes (8 for 99 %).
pub(crate) fn interval(values: &[f64]) -> Option<Interval> {
    let sorted = sorted(values);
    let out = left_out(sorted.len())?;
    Some(Interval {
        low: sorted[out],
        median: median(values)?,
        high: sorted[sorted.len() - 1 - out],
    })
}

/// How many of `count` sorted values may be left out at each end.
fn left_out(count: usize) -> Option<usize> {
    let each_side = (1.0 - CONFIDENCE) / 2.0;
    // The probability of exactly k heads, and of at most k.
    let mut exactly = 0.5f64.powi(i32::try_from(count).ok()?);
    let mut at_most = 0.0;
    let mut left_out = None;
    for k in 0..count / 2 {
        at_most += exactly;
        if at_most > each_side {
            break;
        }
        left_out = Some(k);
        exactly *= (count - k) as f64 / (k + 1) as f64;
    }
    left_out
}

/// The middle value, or the mean of the two in the middle; `None` without values.
pub(crate) fn median(values: &[f64]) -> Option<f64> {
    let sorted = sorted(values);
    let half = sorted.len() / 2;
    if sorted.len() % 2 == 1 {
        return Some(sorted[half]);
    }
    half.checked_sub(1).map(|below| f64::midpoint(sorted[below], sorted[half]))
}

fn sorted(values: &[f64]) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn up_to(count: u32) -> Vec<f64> {
        (1..=count).map(f64::from).collect()
    }

    #[test]
    fn the_interval_is_the_one_of_the_tables() {
        // Tables of the sign test, two-sided 1 %: critical values 0, 2, 3 and 7 for these counts.
        for (count, low) in [(8, 1.0), (15, 3.0), (20, 4.0), (30, 8.0)] {
            let interval = interval(&up_to(count)).unwrap();
            assert_eq!((interval.low, interval.high), (low, f64::from(count) + 1.0 - low));
        }
    }

    #[test]
    fn too_few_values_have_none() {
        assert_eq!(interval(&up_to(7)), None);
        assert_eq!(interval(&[]), None);
    }

    #[test]
    fn values_that_went_astray_do_not_widen_it() {
        let mut values = vec![1.0; 13];
        values.extend([50.0, 0.01]);
        let interval = interval(&values).unwrap();
        assert_eq!((interval.low, interval.median, interval.high), (1.0, 1.0, 1.0));
    }

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[2.0, 9.0, 1.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0]), Some(2.5));
    }
}
