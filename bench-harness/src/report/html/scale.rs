//! From a figure to a place on a logarithmic axis, and the figures that stand beside the axis.

use super::super::picture::{Axis, Unit};
use crate::{
    report::content::percent,
    units::{self, Size},
};

/// An axis laid from one place to another.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scale {
    axis: Axis,
    from: f64,
    to: f64,
}

impl Scale {
    pub(super) fn new(axis: Axis, from: f64, to: f64) -> Self {
        Self { axis, from, to }
    }

    /// Where `value` stands; beyond the axis, at its end.
    pub(super) fn place(&self, value: f64) -> f64 {
        let Axis { low, high, .. } = self.axis;
        let share = (value.clamp(low, high) / low).ln() / (high / low).ln();
        self.from + share * (self.to - self.from)
    }

    /// Round figures on the axis with their words, at most about eight; `used` are the values that points have.
    pub(super) fn ticks(&self, used: &[f64]) -> Vec<(f64, String)> {
        let Axis { low, high, unit, .. } = self.axis;
        let within = |value: &f64| *value >= low * 0.999 && *value <= high * 1.001;
        let values: Vec<f64> = match unit {
            Unit::Bytes | Unit::Gap | Unit::Messages => {
                let mut values = used.to_vec();
                values.sort_by(f64::total_cmp);
                values.dedup();
                values
            }
            Unit::Nines => [2.0, 10.0, 100.0, 1e3, 1e4, 1e5].into_iter().filter(within).collect(),
            Unit::Nanos | Unit::Rate => round_values(low, high),
        };
        values.into_iter().map(|value| (value, words(unit, value))).collect()
    }
}

/// Powers of ten; with 2 and 5 times them where there are few, every other one where there are many.
fn round_values(low: f64, high: f64) -> Vec<f64> {
    let (first, last) = (low.log10().floor() as i32, high.log10().ceil() as i32);
    let decades = (high / low).log10();
    let steps: &[f64] = if decades <= 2.01 { &[1.0, 2.0, 5.0] } else { &[1.0] };
    let stride = if decades > 8.0 { 2 } else { 1 };
    (first..=last)
        .step_by(stride)
        .flat_map(|power| steps.iter().map(move |step| step * 10_f64.powi(power)))
        .filter(|value| *value >= low * 0.999 && *value <= high * 1.001)
        .collect()
}

fn words(unit: Unit, value: f64) -> String {
    match unit {
        Unit::Nanos | Unit::Gap => units::plain(&units::nanos(value)),
        Unit::Rate => units::plain(&units::rate(value)),
        Unit::Messages => format!("{}/s", units::count(value as u32)),
        Unit::Bytes => Size(value as usize).to_string(),
        Unit::Nines => percent(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn axis(unit: Unit, low: f64, high: f64) -> Axis {
        Axis { title: "t", unit, low, high }
    }

    #[test]
    fn equal_ratios_have_equal_distances() {
        let scale = Scale::new(axis(Unit::Nanos, 100.0, 1e6), 0.0, 400.0);
        for (value, place) in [(100.0, 0.0), (1e3, 100.0), (1e4, 200.0), (1e6, 400.0), (1.0, 0.0)] {
            assert!((scale.place(value) - place).abs() < 1e-9, "{value}");
        }
    }

    #[test]
    fn ticks_are_round_and_neither_few_nor_many() {
        let words = |axis: Axis, used: &[f64]| -> Vec<String> {
            Scale::new(axis, 0.0, 1.0).ticks(used).into_iter().map(|(_, word)| word).collect()
        };
        assert_eq!(
            words(axis(Unit::Nanos, 100.0, 1e5), &[]),
            ["100 ns", "1 µs", "10 µs", "100 µs"]
        );
        assert_eq!(
            words(axis(Unit::Rate, 1e9, 2e10), &[]),
            ["1 GB/s", "2 GB/s", "5 GB/s", "10 GB/s", "20 GB/s"]
        );
        assert_eq!(words(axis(Unit::Bytes, 50.0, 9e4), &[65536.0, 64.0, 64.0]), ["64 B", "64 KiB"]);
        assert_eq!(words(axis(Unit::Nines, 1.8, 1100.0), &[]), ["p50", "p90", "p99", "p99.9"]);
        for power in 0..12 {
            let count = words(axis(Unit::Nanos, 1.0, 10_f64.powi(power) * 2.0), &[]).len();
            assert!((2..=9).contains(&count), "{power}: {count}");
        }
    }
}
