//! The percentile distribution of one cell in the text form of HdrHistogram's own tools, which plotters read.
//!
//! The columns are the value in microseconds, the percentile as a share, how many samples lie at or below it, and
//! 1 / (1 − percentile), which such plots have on their axis.

use std::io::Write;

use anyhow::Result;

use crate::{Usage, report::record::Report, stats::percentile::merge};

/// Lines for each halving of the distance to 100 %, as HdrHistogram's tools have by default.
const TICKS_PER_HALF: u32 = 5;

/// Writes the only cell of `report` that has latencies.
///
/// # Errors
/// A file of this form holds one distribution: with none or several the user has to name the cell.
pub(super) fn write(report: &Report, mut to: impl Write) -> Result<()> {
    let having: Vec<_> = report.cells.iter().filter(|cell| !cell.histogram.is_empty()).collect();
    let [cell] = having[..] else {
        let known: Vec<&str> = having.iter().map(|cell| cell.id.as_str()).collect();
        let known = if known.is_empty() { "none here".to_owned() } else { known.join("\n  ") };
        let what =
            "this form holds the latencies of one cell; name it with --cell. Those that have any:";
        return Err(Usage(format!("{what}\n  {known}")).into());
    };
    let histogram = merge([&cell.histogram])?;
    let micros = |ns: f64| ns / 1e3;
    writeln!(
        to,
        "{:>12} {:>14} {:>10} {:>14}\n",
        "Value", "Percentile", "TotalCount", "1/(1-Percentile)"
    )?;
    let mut below = 0;
    for step in histogram.iter_quantiles(TICKS_PER_HALF) {
        below += step.count_since_last_iteration();
        let (value, share) = (micros(step.value_iterated_to() as f64), step.quantile_iterated_to());
        write!(to, "{value:>12.3} {share:>14.12} {below:>10}")?;
        if share < 1.0 {
            write!(to, " {:>14.2}", 1.0 / (1.0 - share))?;
        }
        writeln!(to)?;
    }
    writeln!(
        to,
        "#[Mean    = {:>12.3}, StdDeviation   = {:>12.3}]",
        micros(histogram.mean()),
        micros(histogram.stdev())
    )?;
    writeln!(
        to,
        "#[Max     = {:>12.3}, Total count    = {:>12}]",
        micros(histogram.max() as f64),
        histogram.len()
    )?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::record::tests::{cell, report};

    #[test]
    fn a_known_distribution_has_known_lines() {
        let mut cell = cell("pingpong unix/block", &[1.0; 3]);
        cell.histogram = (1..=1000).map(|n| (n * 1000, 1)).collect();
        let mut text = vec![];
        write(&report(vec![cell]), &mut text).unwrap();
        let text = String::from_utf8(text).unwrap();
        let lines: Vec<Vec<&str>> =
            text.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(lines[0], ["Value", "Percentile", "TotalCount", "1/(1-Percentile)"]);
        let half = lines.iter().find(|line| line.get(1) == Some(&"0.500000000000")).unwrap();
        assert_eq!((half[2], half[3]), ("500", "2.00"));
        // Three significant digits: the top of the bucket is named.
        assert!((half[0].parse::<f64>().unwrap() - 500.0).abs() < 0.5, "{half:?}");
        let last =
            lines.iter().rev().find(|line| line.first().is_some_and(|w| !w.starts_with('#')));
        assert_eq!(last.unwrap()[1..], ["1.000000000000", "1000"]);
        assert!(text.contains("Total count    =         1000]"), "{text}");
    }

    #[test]
    fn several_distributions_are_a_question_and_not_a_mixture() {
        let mut cells =
            [cell("pingpong unix/block", &[1.0; 3]), cell("pingpong pipe/block", &[1.0; 3])];
        for cell in &mut cells {
            cell.histogram = vec![(1, 1)];
        }
        let error = write(&report(cells.to_vec()), vec![]).unwrap_err();
        assert!(error.is::<Usage>() && error.to_string().contains("pingpong/64B/pipe/block"));
    }
}
