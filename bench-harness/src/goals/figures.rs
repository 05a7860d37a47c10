//! Exact counts that tests have made: lines of JSON, one a figure, become findings like any other.

use std::{fs, path::Path};

use anyhow::{Context, Result};
use serde::Deserialize;

use super::{
    definition::GOALS,
    finding::{Finding, Line, SCHEMA},
    judge::Verdict,
};

/// A line of the file.
#[derive(Debug, Deserialize)]
struct Figure {
    goal: String,
    what: String,
    value: u64,
    at_most: u64,
}

/// The findings in the file at `path`, one for each goal; `stamp` is what they have in common.
pub(super) fn read(path: &Path, stamp: &Finding) -> Result<Vec<Finding>> {
    let text = fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    let mut findings: Vec<Finding> = Vec::new();
    for line in text.lines() {
        let figure: Figure = serde_json::from_str(line)
            .with_context(|| format!("{}: no figure: {line}", path.display()))?;
        let name = format!("{}-exact", figure.goal);
        if !findings.iter().any(|finding| finding.name == name) {
            let goal = GOALS.iter().find(|(name, _)| *name == figure.goal);
            let (goal, what) =
                goal.with_context(|| format!("no goal is called {}", figure.goal))?;
            findings.push(Finding {
                name: name.clone(),
                goal: (*goal).to_owned(),
                what: (*what).to_owned(),
                ..stamp.clone()
            });
        }
        let Some(finding) = findings.iter_mut().find(|finding| finding.name == name) else {
            continue;
        };
        finding.lines.push(Line {
            what: figure.what,
            ours: grouped(figure.value),
            against: "counted".to_owned(),
            ratio: None,
            bound: format!("≤ {}", grouped(figure.at_most)),
            verdict: if figure.value <= figure.at_most { Verdict::Met } else { Verdict::NotMet },
        });
    }
    for finding in &mut findings {
        // Tests run side by side, so their figures come in any order.
        finding.lines.sort_by(|a, b| a.what.cmp(&b.what));
    }
    Ok(findings)
}

/// What findings of exact counts begin with.
pub(super) fn stamp(started: String, commit: Option<String>, machine: String) -> Finding {
    Finding {
        schema: SCHEMA,
        name: String::new(),
        goal: String::new(),
        what: String::new(),
        started,
        commit,
        machine,
        conditions: "counted by tests (`cargo test --test exact`), which hold them".to_owned(),
        took_s: 0.0,
        notes: vec![],
        lines: vec![],
        rows: vec![],
    }
}

/// With a comma between thousands.
fn grouped(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_of_a_goal_become_one_finding_with_a_verdict_each() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("figures");
        let lines = [
            r#"{"goal":"P9","what":"b","value":3,"at_most":2}"#,
            r#"{"goal":"P7","what":"c","value":0,"at_most":0}"#,
            r#"{"goal":"P9","what":"a","value":0,"at_most":0}"#,
        ];
        fs::write(&path, lines.join("\n")).unwrap();
        let stamp = stamp("then".to_owned(), None, "here".to_owned());
        let findings = read(&path, &stamp).unwrap();
        assert_eq!(findings.len(), 2);
        assert_eq!((findings[0].name.as_str(), findings[0].lines.len()), ("P9-exact", 2));
        let verdicts: Vec<_> =
            findings[0].lines.iter().map(|line| (line.what.as_str(), line.verdict)).collect();
        assert_eq!(verdicts, [("a", Verdict::Met), ("b", Verdict::NotMet)]);
        fs::write(&path, r#"{"goal":"P99","what":"b","value":3,"at_most":2}"#).unwrap();
        assert!(read(&path, &stamp).is_err());
    }

    #[test]
    fn thousands_are_grouped() {
        for (value, text) in [(0, "0"), (999, "999"), (12_288, "12,288"), (1_000_000, "1,000,000")]
        {
            assert_eq!(grouped(value), text);
        }
    }
}
