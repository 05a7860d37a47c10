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

/// The smallest of `values` that at least `share` of them do not exceed. `None` without values.
pub(crate) fn quantile(values: &[f64], share: f64) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied()
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
    fn a_quantile_is_one_of_the_values() {
        let values: Vec<f64> = (1..=20).rev().map(f64::from).collect();
        assert_eq!(quantile(&values, 0.95), Some(19.0));
        assert_eq!(quantile(&values, 1.0), Some(20.0));
        assert_eq!(quantile(&[3.0, 1.0, 2.0], 0.95), Some(3.0));
        assert_eq!(quantile(&[], 0.5), None);
    }

    #[test]
    fn windows_agree_only_within_the_share() {
        assert!(agree(&[100.0, 105.0, 102.0], 0.05));
        assert!(!agree(&[100.0, 105.1, 102.0], 0.05));
        assert!(!agree(&[], 0.05));
        assert!(!agree(&[0.0, 0.0], 0.05));
    }
}
