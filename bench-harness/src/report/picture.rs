//! What a picture shows, before anybody draws it: curves and points on logarithmic axes, and strips of single rounds.
//!
//! Every picture carries the table of its figures, so that nothing is told by a drawing alone.

use super::text::Grid;

/// One or more panels that share their axes.
#[derive(Debug)]
pub(crate) struct Picture {
    /// Unique in the report, fit for an address.
    pub(crate) id: &'static str,
    pub(crate) title: String,
    /// How to read it, in a sentence or two.
    pub(crate) reading: String,
    pub(crate) panels: Vec<Panel>,
    pub(crate) table: Grid,
    /// Shown on demand: it is for whoever doubts, not for whoever chooses.
    pub(crate) folded: bool,
}

/// One drawing.
#[derive(Debug)]
pub(crate) enum Panel {
    Plot(Plot),
    Strips(Strips),
}

/// Series over two axes.
#[derive(Debug)]
pub(crate) struct Plot {
    pub(crate) title: String,
    pub(crate) x: Axis,
    pub(crate) y: Axis,
    pub(crate) series: Vec<Series>,
}

/// A logarithmic axis.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Axis {
    pub(crate) title: &'static str,
    pub(crate) unit: Unit,
    pub(crate) low: f64,
    pub(crate) high: f64,
}

/// What the numbers of an axis mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    Nanos,
    /// Bytes a second.
    Rate,
    Bytes,
    /// Nanoseconds of silence.
    Gap,
    /// Messages a second.
    Messages,
    /// 1 / (1 − p) of a percentile: 100 is p99.
    Nines,
}

/// One row of the run in a plot.
#[derive(Debug)]
pub(crate) struct Series {
    /// What stands beside it.
    pub(crate) name: String,
    /// Decides colour and marker.
    pub(crate) transport: String,
    pub(crate) form: Form,
    pub(crate) points: Vec<Point>,
}

/// How a series is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// A line with markers, named at its end, with a band up to the `high` of its points.
    Line,
    /// The same for a floor: thin and grey.
    Floor,
    /// Markers, each named.
    Dots,
    /// A line without markers or a name.
    Edge,
}

/// One figure.
#[derive(Clone, Debug)]
pub(crate) struct Point {
    pub(crate) x: f64,
    pub(crate) y: f64,
    /// The other edge of the band, where there is one.
    pub(crate) high: Option<f64>,
    /// It did not converge, so it is drawn hollow.
    pub(crate) open: bool,
    /// The whole truth about the point, for whoever points at it.
    pub(crate) note: String,
}

/// Single values in lines: one line a row, one dot a round.
#[derive(Debug)]
pub(crate) struct Strips {
    pub(crate) title: String,
    pub(crate) axis: Axis,
    pub(crate) rows: Vec<Strip>,
}

/// The rounds of one row.
#[derive(Debug)]
pub(crate) struct Strip {
    pub(crate) name: String,
    pub(crate) transport: String,
    pub(crate) values: Vec<f64>,
    pub(crate) median: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
    /// It did not converge, so it is drawn hollow.
    pub(crate) open: bool,
}

impl Axis {
    /// An axis that holds all `values` and ends at 1, 2 or 5 times a power of ten. `None` without a positive value.
    pub(crate) fn over(
        title: &'static str,
        unit: Unit,
        values: impl IntoIterator<Item = f64>,
    ) -> Option<Self> {
        let (mut low, mut high) = (f64::INFINITY, 0.0_f64);
        for value in values.into_iter().filter(|value| value.is_finite() && *value > 0.0) {
            low = low.min(value);
            high = high.max(value);
        }
        if high == 0.0 {
            return None;
        }
        if matches!(unit, Unit::Bytes | Unit::Gap | Unit::Messages | Unit::Nines) {
            // These have their own ticks, and a little air beside the first and the last.
            let air = (high / low).max(2.0).powf(0.06);
            return Some(Self { title, unit, low: low / air, high: high * air });
        }
        let (low, mut high) = (round_down(low), round_up(high));
        if high <= low {
            high = round_up(low * 1.01);
        }
        Some(Self { title, unit, low, high })
    }
}

const STEPS: [f64; 3] = [1.0, 2.0, 5.0];

fn round_down(value: f64) -> f64 {
    let decade = 10_f64.powf(value.log10().floor());
    // Rounding may have put a value a hair below the step it is.
    let fits = |step: &f64| step * decade <= value * (1.0 + 1e-9);
    STEPS.iter().copied().filter(|step| fits(step)).fold(1.0, f64::max) * decade
}

fn round_up(value: f64) -> f64 {
    let decade = 10_f64.powf(value.log10().floor());
    let fits = |step: &f64| step * decade >= value * (1.0 - 1e-9);
    STEPS.iter().copied().find(|step| fits(step)).unwrap_or(10.0) * decade
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_ends_at_round_numbers_around_its_values() {
        let axis = Axis::over("t", Unit::Nanos, [230.0, 61_000.0]).unwrap();
        assert!(
            (axis.low - 200.0).abs() < 1e-6 && (axis.high - 100_000.0).abs() < 1e-3,
            "{axis:?}"
        );
        let axis = Axis::over("t", Unit::Nanos, [1000.0, 1000.0]).unwrap();
        assert!((axis.low - 1000.0).abs() < 1e-6 && (axis.high - 2000.0).abs() < 1e-3, "{axis:?}");
        assert_eq!(Axis::over("t", Unit::Rate, [0.0, f64::NAN]), None);
    }
}
