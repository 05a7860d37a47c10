//! Pure functions over numbers: no clock, no file, no process. Each has tests with known answers.

pub(crate) mod interval;
pub(crate) mod percentile;
pub(crate) mod rng;

/// The middle value; the mean of the two middle ones for an even count. `None` without values.
pub(crate) fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        n if n.is_multiple_of(2) => Some(f64::midpoint(sorted[middle - 1], sorted[middle])),
        _ => Some(sorted[middle]),
    }
}

/// The median distance from the median, as a share of the median: one value that went astray among three does not
/// move it. `None` without values.
pub(crate) fn relative_deviation(values: &[f64]) -> Option<f64> {
    let middle = median(values)?;
    let distances: Vec<f64> = values.iter().map(|value| (value - middle).abs()).collect();
    Some(median(&distances)? / middle.abs())
}

/// How likely the median of `count` independent values lies beyond a limit that each exceeds with probability `share`.
///
/// At least half of the values then do (for an even count, one of the two middle ones does: an upper bound).
pub(crate) fn median_exceeds(share: f64, count: usize) -> f64 {
    let exactly = |hits: usize| {
        let ways: f64 = (0..hits).map(|i| (count - i) as f64 / (i + 1) as f64).product();
        ways * share.powf(hits as f64) * (1.0 - share).powf((count - hits) as f64)
    };
    (count.div_ceil(2)..=count).map(exactly).sum()
}

/// Whether all values lie within `share` of the smallest (0.05: within 5 %).
pub(crate) fn agree(values: &[f64], share: f64) -> bool {
    let low = values.iter().copied().fold(f64::INFINITY, f64::min);
    let high = values.iter().copied().fold(0.0, f64::max);
    !values.is_empty() && low > 0.0 && high <= low * (1.0 + share)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_value() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0]), Some(3.0));
        assert_eq!(median(&[9.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
    }

    #[test]
    fn the_deviation_does_not_see_one_value_that_went_astray() {
        assert_eq!(relative_deviation(&[100.0, 900.0, 110.0]), Some(10.0 / 110.0));
        assert_eq!(relative_deviation(&[100.0, 900.0, 500.0]), Some(0.8));
        assert_eq!(relative_deviation(&[]), None);
    }

    #[test]
    fn the_chance_of_a_median_is_that_of_the_binomial_distribution() {
        assert!((median_exceeds(0.5, 1) - 0.5).abs() < 1e-12);
        // Three of three, or two of three in three ways: 0.1³ + 3 · 0.1² · 0.9.
        assert!((median_exceeds(0.1, 3) - 0.028).abs() < 1e-12);
        assert!((median_exceeds(0.5, 9) - 0.5).abs() < 1e-12);
        assert_eq!((median_exceeds(0.0, 9), median_exceeds(1.0, 9)), (0.0, 1.0));
    }

    #[test]
    fn windows_agree_only_within_the_share() {
        assert!(agree(&[100.0, 105.0, 102.0], 0.05));
        assert!(!agree(&[100.0, 105.1, 102.0], 0.05));
        assert!(!agree(&[], 0.05));
        assert!(!agree(&[0.0, 0.0], 0.05));
    }
}
