//! What a run of the suite found, as data and as a table.

use std::{fmt, time::Duration};

/// How one case ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The transport keeps the rule.
    Passed,
    /// It does not; the text says what was seen and what was expected.
    Failed(String),
    /// The rule says nothing about this transport; the text says why.
    NotApplicable(&'static str),
}

/// One case and how it ended.
#[derive(Clone, Debug)]
pub struct Row {
    /// The name to ask for: `close.table.writer_closed`.
    pub id: &'static str,
    /// The rule as a sentence.
    pub says: &'static str,
    /// How it ended.
    pub outcome: Outcome,
    /// How much was tried, where the case counts it.
    pub note: String,
    /// How long it took.
    pub took: Duration,
}

/// What a run of the suite over one transport found.
///
/// Its `Display` is a table with a line for each case and a line of counts at the end.
#[derive(Clone, Debug)]
pub struct Report {
    pub(super) transport: String,
    pub(super) rows: Vec<Row>,
}

impl Report {
    /// The name the transport was given.
    pub fn transport(&self) -> &str {
        &self.transport
    }

    /// Every case, in the order of the suite.
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// How many cases ran, passed or not.
    pub fn ran(&self) -> usize {
        self.rows.len() - self.not_applicable()
    }

    /// How many cases passed.
    pub fn passed(&self) -> usize {
        self.count(|outcome| matches!(outcome, Outcome::Passed))
    }

    /// How many cases do not apply to the transport.
    pub fn not_applicable(&self) -> usize {
        self.count(|outcome| matches!(outcome, Outcome::NotApplicable(_)))
    }

    /// The ids of the cases that failed, in the order of the suite.
    pub fn failed(&self) -> Vec<&'static str> {
        self.rows
            .iter()
            .filter(|row| matches!(row.outcome, Outcome::Failed(_)))
            .map(|row| row.id)
            .collect()
    }

    /// The report again if everything that ran passed.
    ///
    /// # Errors
    /// The whole table as text when a case failed, and when no case ran at all: an empty run shows nothing.
    pub fn verdict(&self) -> Result<&Self, String> {
        if self.ran() == 0 {
            return Err(format!(
                "no case ran over {}: nothing was shown; check the filter and the rules\n{self}",
                self.transport
            ));
        }
        match self.failed().len() {
            0 => Ok(self),
            n => Err(format!("{n} cases failed over {}\n{self}", self.transport)),
        }
    }

    fn count(&self, wanted: impl Fn(&Outcome) -> bool) -> usize {
        self.rows.iter().filter(|row| wanted(&row.outcome)).count()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.rows.iter().map(|row| row.id.len()).max().unwrap_or(0);
        writeln!(f, "conformance of {}", self.transport)?;
        for row in &self.rows {
            let (mark, why) = match &row.outcome {
                Outcome::Passed => ("ok  ", ""),
                Outcome::Failed(why) => ("FAIL", why.as_str()),
                Outcome::NotApplicable(why) => ("n/a ", *why),
            };
            write!(f, "  {mark} {:width$}  {}", row.id, row.says)?;
            if !row.note.is_empty() {
                write!(f, " ({})", row.note)?;
            }
            if !why.is_empty() {
                write!(f, "\n       {:width$}  -> {why}", "")?;
            }
            writeln!(f)?;
        }
        write!(
            f,
            "{}: {} cases ran, {} passed, {} failed, {} not applicable",
            self.transport,
            self.ran(),
            self.passed(),
            self.failed().len(),
            self.not_applicable()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(outcomes: &[Outcome]) -> Report {
        let rows = outcomes.iter().map(|outcome| Row {
            id: "a.case",
            says: "a rule",
            outcome: outcome.clone(),
            note: String::new(),
            took: Duration::ZERO,
        });
        Report { transport: "a transport".into(), rows: rows.collect() }
    }

    #[test]
    fn a_run_without_cases_is_an_error() {
        assert!(report(&[]).verdict().is_err());
        assert!(report(&[Outcome::NotApplicable("no buffer")]).verdict().is_err());
    }

    #[test]
    fn one_failed_case_fails_the_run_and_is_named_with_its_reason() {
        let error =
            report(&[Outcome::Passed, Outcome::Failed("it hung".into())]).verdict().unwrap_err();
        assert!(error.contains("a.case") && error.contains("it hung"), "{error}");
    }

    #[test]
    fn a_run_in_which_all_pass_is_a_pass() {
        assert_eq!(report(&[Outcome::Passed]).verdict().unwrap().passed(), 1);
    }
}
