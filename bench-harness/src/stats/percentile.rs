//! Percentiles of merged histograms, printed only where there are enough samples to mean anything.

use anyhow::{Context, Result};
use hdrhistogram::Histogram;

/// The largest latency a histogram can hold, in nanoseconds: a minute. The watchdog ends a case long before.
pub(crate) const LONGEST_NS: u64 = 60_000_000_000;

/// Values and how often each occurred: how histograms travel between processes and into the report.
pub(crate) type Buckets = Vec<(u64, u64)>;

/// An empty histogram of nanoseconds with three significant digits.
pub(crate) fn histogram() -> Histogram<u64> {
    #[expect(clippy::unwrap_used, reason = "the bounds are constants that the constructor accepts")]
    Histogram::new_with_bounds(1, LONGEST_NS, 3).unwrap()
}

/// The filled buckets of `histogram`, smallest value first.
pub(crate) fn buckets(histogram: &Histogram<u64>) -> Buckets {
    histogram
        .iter_recorded()
        .map(|bucket| (bucket.value_iterated_to(), bucket.count_at_value()))
        .collect()
}

/// The histogram that `buckets` describes.
pub(crate) fn merge<'a>(parts: impl IntoIterator<Item = &'a Buckets>) -> Result<Histogram<u64>> {
    let mut merged = histogram();
    for &(value, count) in parts.into_iter().flatten() {
        merged.record_n(value, count).with_context(|| format!("a latency of {value} ns"))?;
    }
    Ok(merged)
}

/// The `share` quantile (0.99: p99) in nanoseconds; `None` with fewer than 10 / (1 − share) samples.
///
/// With fewer, less than ten samples lie beyond it, and the figure is an accident.
pub(crate) fn percentile(histogram: &Histogram<u64>, share: f64) -> Option<u64> {
    // A little slack, because 10 / (1 − 0.99) is 1000.0000000000009 in binary.
    let needed = 10.0 / (1.0 - share) * (1.0 - 1e-9);
    (histogram.len() as f64 >= needed).then(|| histogram.value_at_quantile(share))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: impl IntoIterator<Item = u64>) -> Histogram<u64> {
        let mut histogram = histogram();
        for value in values {
            histogram.record(value).unwrap();
        }
        histogram
    }

    #[test]
    fn percentiles_of_one_to_a_thousand_are_known() {
        let histogram = of(1..=1000);
        assert_eq!(percentile(&histogram, 0.5), Some(500));
        assert_eq!(percentile(&histogram, 0.9), Some(900));
        assert_eq!(percentile(&histogram, 0.99), Some(990));
    }

    #[test]
    fn a_percentile_without_ten_samples_beyond_it_is_not_given() {
        assert_eq!(percentile(&of(1..=999), 0.99), None);
        assert!(percentile(&of(1..=1000), 0.99).is_some());
        assert_eq!(percentile(&of(1..=9999), 0.999), None);
        assert!(percentile(&of(1..=10_000), 0.999).is_some());
        assert_eq!(percentile(&of(1..=19), 0.5), None);
    }

    #[test]
    fn merging_the_parts_gives_the_whole() {
        let whole = of((1..=1000).chain(5_000..=5_500));
        let parts = [buckets(&of(1..=1000)), buckets(&of(5_000..=5_500))];
        let merged = merge(&parts).unwrap();
        assert_eq!(merged.len(), whole.len());
        assert_eq!(merged.value_at_quantile(0.9), whole.value_at_quantile(0.9));
        assert_eq!(merged.max(), whole.max());
    }
}
