//! The table that people read, and the numbers behind it.

use std::fmt::Write;

use crate::{
    interval::{CONFIDENCE, Interval},
    measure::Measured,
    verdict::{Judged, Verdict},
};

const COLUMNS: [&str; 7] = ["row", "base", "ratio", "interval", "noise", "limit", "verdict"];

/// The table with a sentence below it, and whether something got slower.
pub(crate) fn render(rows: &[Judged]) -> (String, bool) {
    let mut lines = vec![COLUMNS.map(str::to_owned)];
    lines.extend(rows.iter().map(cells));
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max();
    let widths: [usize; 7] = std::array::from_fn(|column| width(column).unwrap_or(0));
    let mut text = String::new();
    for line in &lines {
        let mut padded = String::new();
        for (at, (cell, width)) in line.iter().zip(widths).enumerate() {
            // Words to the left, numbers to the right.
            let words = at == 0 || at == COLUMNS.len() - 1;
            padded +=
                &if words { format!("{cell:<width$}  ") } else { format!("{cell:>width$}  ") };
        }
        text += padded.trim_end();
        text.push('\n');
    }
    let slower: Vec<&Judged> = rows.iter().filter(|row| row.verdict == Verdict::Slower).collect();
    let percent = CONFIDENCE * 100.0;
    text += &format!(
        "\nRatio: how many times as long the change takes; the interval holds it with {percent} %.\n\
         Noise: how far the base strays from itself, in the same rounds.\n"
    );
    if slower.is_empty() {
        text += &format!("Nothing of {} rows got slower beyond its limit.", rows.len());
    }
    for row in &slower {
        let sure = row.again.unwrap_or(row.ratio);
        text += &format!(
            "SLOWER: {} by {} (between {} and {}), measured twice.\n",
            row.name,
            more(row.ratio.median),
            more(row.ratio.low.min(sure.low)),
            more(row.ratio.high.max(sure.high)),
        );
    }
    (text.trim_end().to_owned(), !slower.is_empty())
}

fn cells(row: &Judged) -> [String; 7] {
    let (slower, all) = row.slower_in;
    let verdict = match row.verdict {
        Verdict::Slower => format!("SLOWER in {slower} of {all} launches{}", again(row)),
        Verdict::NotConfirmed => format!("not confirmed{}", again(row)),
        Verdict::Unclear => "unclear: the limit is within the interval".to_owned(),
        Verdict::Same => "same".to_owned(),
        Verdict::Little => "slower, by less than the limit".to_owned(),
        Verdict::Faster => "faster".to_owned(),
    };
    [
        row.name.clone(),
        format!("{:.1} ns", row.base),
        format!("{:.3}", row.ratio.median),
        range(row.ratio),
        format!("{:.1} %", row.noise * 100.0),
        format!("{:.2}", row.limit),
        verdict,
    ]
}

fn again(row: &Judged) -> String {
    row.again
        .map_or_else(String::new, |again| format!(", then {:.3} ({})", again.median, range(again)))
}

fn range(interval: Interval) -> String {
    format!("{:.3}–{:.3}", interval.low, interval.high)
}

fn more(ratio: f64) -> String {
    format!("{:.1} %", (ratio - 1.0) * 100.0)
}

/// Every ratio of every launch, for those who want to look at them in another way.
pub(crate) fn launches(first: &[Measured], second: &[Measured]) -> String {
    let mut text = String::from("run,row,kind,launch,base_nanos,change_ratio,twin_ratio\n");
    for (run, rows) in [(1, first), (2, second)] {
        for row in rows {
            for (number, launch) in row.launches.iter().enumerate() {
                // A String takes everything that is written to it.
                let _ = writeln!(
                    text,
                    "{run},{},{},{},{:.3},{:.5},{:.5}",
                    row.name,
                    row.kind,
                    number + 1,
                    launch.base,
                    launch.change,
                    launch.twin
                );
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use perf_gate::protocol::Kind;

    use super::*;
    use crate::{measure::Launch, verdict::judge};

    fn judged(name: &str, change: f64) -> Judged {
        let launch = Launch { base: 8.04, change, twin: 1.001 };
        judge(&Measured { name: name.into(), kind: Kind::Alone, launches: vec![launch; 15] }, 1.05)
    }

    #[test]
    fn the_table_says_what_got_slower_by_how_much_and_how_sure() {
        let mut slow = judged("ring/copy/64", 1.1);
        slow.confirm(judged("ring/copy/64", 1.09));
        let (text, slower) = render(&[slow, judged("ring/message/64", 1.0)]);
        assert!(slower);
        for part in [
            "ring/copy/64     8.0 ns  1.100  1.100–1.100  0.1 %   1.05  SLOWER in 15 of 15 launches, then 1.090",
            "ring/message/64  8.0 ns  1.000  1.000–1.000  0.1 %   1.05  same",
            "SLOWER: ring/copy/64 by 10.0 % (between 9.0 % and 10.0 %), measured twice.",
        ] {
            assert!(text.contains(part), "{text}");
        }
    }

    #[test]
    fn where_nothing_got_slower_it_says_so() {
        let (text, slower) = render(&[judged("ring/copy/64", 0.8)]);
        assert!(
            !slower && text.ends_with("Nothing of 1 rows got slower beyond its limit."),
            "{text}"
        );
    }

    #[test]
    fn every_launch_is_a_line() {
        let row = Measured {
            name: "a".into(),
            kind: Kind::Pair,
            launches: vec![Launch { base: 1.0, change: 1.5, twin: 0.5 }; 2],
        };
        let text = launches(&[row], &[]);
        assert_eq!(text.lines().nth(2), Some("1,a,pair,2,1.000,1.50000,0.50000"));
    }
}
