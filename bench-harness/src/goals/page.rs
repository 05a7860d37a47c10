//! The findings as people read them: one table of all claims, and behind it every row of every run.

use super::finding::{Finding, Kind};
use crate::{report::text::Grid, stats::interval::Estimate};

/// The table of all claims.
pub(super) fn table(findings: &[Finding]) -> Grid {
    let mut grid = Grid::new(["goal", "what", "ours", "against", "ratio (95 %)", "wanted", ""]);
    for finding in findings {
        for line in &finding.lines {
            grid.row([
                finding.goal.clone(),
                line.what.clone(),
                line.ours.clone(),
                line.against.clone(),
                line.ratio.map_or_else(|| "–".to_owned(), ratio),
                line.bound.clone(),
                line.verdict.text().to_owned(),
            ]);
        }
    }
    grid
}

/// The page: the table, and each part with its conditions and rows.
pub(super) fn page(findings: &[Finding]) -> String {
    let mut text = String::from(
        "# The goals, measured\n\n\
         Made by `scripts/goals`, which measures a part again (`scripts/goals P4-64B`), a goal (`scripts/goals P4`), or all of them, \
         writes one JSON file a part beside this page, and then this page. A file is replaced by the next run of its part; the \
         older ones are in the history of the repository.\n\n\
         A ratio is ours to the other, taken within each round; its figure is the median over rounds, with the 95 % bootstrap \
         interval over rounds. *met* and *not met* mean that the whole interval lies on one side of what is wanted, *not clear* \
         that it does not.\n\n",
    );
    text += &table(findings).markdown();
    for finding in findings {
        text += &format!("\n## {}: {}\n\n{}\n", finding.name, finding.what, conditions(finding));
        for note in &finding.notes {
            text += &format!("* ⚠ {note}\n");
        }
        let rows = rows(finding);
        if !rows.is_empty() {
            text += &format!("\n{}", rows.markdown());
        }
    }
    text
}

/// What is printed when a part is done.
pub(super) fn screen(finding: &Finding) -> String {
    let mut text = format!("{}: {}\n{}\n", finding.name, finding.what, conditions(finding));
    for note in &finding.notes {
        text += &format!("! {note}\n");
    }
    let rows = rows(finding);
    if !rows.is_empty() {
        text += &format!("\n{}", rows.words());
    }
    text + &format!("\n{}\n", table(std::slice::from_ref(finding)).words())
}

fn conditions(finding: &Finding) -> String {
    let commit = finding.commit.as_deref().unwrap_or("unknown");
    format!("{}. {}, commit {commit}, {}.", finding.conditions, finding.machine, finding.started)
}

/// Every row with its ratio to ours, the best first.
fn rows(finding: &Finding) -> Grid {
    let mut grid = Grid::new(["row", "whose", "median", "× ours (95 %)"]);
    for row in &finding.rows {
        let whose = match row.kind {
            Kind::Ours => "this project",
            Kind::Kernel => "kernel",
            Kind::Peer => "peer",
            Kind::Floor => "floor",
        };
        let ratio = row.ratio.map_or_else(|| "–".to_owned(), ratio);
        grid.row([row.row.clone(), whose.to_owned(), row.figure.clone(), ratio]);
    }
    grid
}

fn ratio(estimate: Estimate) -> String {
    let Estimate { median, low, high } = estimate;
    format!("{} ({}–{})", three(median), three(low), three(high))
}

/// Three digits, or two behind the point.
fn three(value: f64) -> String {
    match value {
        ..0.1 => format!("{value:.3}"),
        ..10.0 => format!("{value:.2}"),
        ..100.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{
            figures,
            finding::{Line, Row},
            judge::Verdict,
        },
        *,
    };

    #[test]
    fn a_page_has_every_claim_every_row_and_every_note() {
        let estimate = Estimate { median: 1.17, low: 1.15, high: 1.19 };
        let finding = Finding {
            name: "P1".to_owned(),
            goal: "P1".to_owned(),
            notes: vec!["the machine was busy".to_owned()],
            lines: vec![Line {
                what: "round trip".to_owned(),
                ours: "141 ns".to_owned(),
                against: "flag/spin 120 ns".to_owned(),
                ratio: Some(estimate),
                bound: "≤ 1.2".to_owned(),
                verdict: Verdict::Met,
            }],
            rows: vec![Row {
                row: "rtrb/spin".to_owned(),
                kind: Kind::Peer,
                figure: "150 ns".to_owned(),
                value: Some(estimate),
                rounds: vec![Some(150.0)],
                ratio: Some(estimate),
            }],
            ..figures::stamp("then".to_owned(), None, "here".to_owned())
        };
        let page = page(&[finding]);
        for part in
            ["1.17 (1.15–1.19)", "flag/spin 120 ns", "met", "rtrb/spin", "the machine was busy"]
        {
            assert!(page.contains(part), "{part} in {page}");
        }
    }

    #[test]
    fn ratios_have_digits_that_mean_something() {
        for (value, text) in [(0.0456, "0.046"), (1.166, "1.17"), (12.34, "12.3"), (123.4, "123")] {
            assert_eq!(three(value), text);
        }
    }
}
