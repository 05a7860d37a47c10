//! The rules of a gate, one a line.
//!
//! ```text
//! # comment
//! calls stream/64B/ring/block <= 0.5
//! ratio pingpong/64B/ring/spin pingpong/64B/pipe/spin <= 1
//! ```
//!
//! `calls` bounds the system calls of both sides for one message; `ratio` the value of the first cell divided by that of
//! the second, taken within each round of one run. There is no rule for a time, on purpose.

use std::fmt;

use anyhow::{Context, Result, bail};

/// One line.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Rule {
    pub(super) line: usize,
    pub(super) what: What,
    pub(super) bound: Bound,
}

/// What is bounded; cells by their names.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum What {
    Calls(String),
    Ratio(String, String),
}

/// The values that pass.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Bound {
    AtMost(f64),
    AtLeast(f64),
}

impl Bound {
    /// Whether no value from `low` to `high` passes.
    pub(super) fn excludes(self, low: f64, high: f64) -> bool {
        match self {
            Self::AtMost(most) => low > most,
            Self::AtLeast(least) => high < least,
        }
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtMost(most) => write!(f, "<= {most}"),
            Self::AtLeast(least) => write!(f, ">= {least}"),
        }
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Calls(cell) => write!(f, "calls {cell}"),
            Self::Ratio(up, down) => write!(f, "ratio {up} {down}"),
        }
    }
}

/// Parses the text of a file.
pub(super) fn parse(text: &str) -> Result<Vec<Rule>> {
    let mut rules = vec![];
    for (number, line) in text.lines().enumerate() {
        // A `#` within a word belongs to the name of a second copy.
        let words: Vec<&str> =
            line.split_whitespace().take_while(|word| !word.starts_with('#')).collect();
        if !words.is_empty() {
            let line = number + 1;
            let (what, bound) =
                rule(&words).with_context(|| format!("line {line} of the rules"))?;
            rules.push(Rule { line, what, bound });
        }
    }
    if rules.is_empty() {
        bail!("there is no rule in it; a gate without rules would let everything pass");
    }
    Ok(rules)
}

fn rule(words: &[&str]) -> Result<(What, Bound)> {
    let (what, bound) = match words {
        ["calls", cell, bound @ ..] => (What::Calls((*cell).to_owned()), bound),
        ["ratio", up, down, bound @ ..] => {
            (What::Ratio((*up).to_owned(), (*down).to_owned()), bound)
        }
        _ => bail!("write `calls CELL <= N` or `ratio CELL CELL <= N`, not `{}`", words.join(" ")),
    };
    let [sign, number] = bound else {
        bail!("`{what}` needs a bound, such as <= 0.5");
    };
    let number: f64 = number
        .parse()
        .ok()
        .filter(|number: &f64| number.is_finite())
        .with_context(|| format!("`{number}` is no number"))?;
    match *sign {
        "<=" => Ok((what, Bound::AtMost(number))),
        ">=" => Ok((what, Bound::AtLeast(number))),
        other => bail!("`{other}` is no bound; write <= or >="),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_reads_back_as_it_was_written() {
        let text = "# first\n\ncalls a <= 0.5\nratio a b >= 2 # why\n";
        let rules = parse(text).unwrap();
        let again: Vec<String> = rules
            .iter()
            .map(|rule| format!("{}: {} {}", rule.line, rule.what, rule.bound))
            .collect();
        assert_eq!(again, ["3: calls a <= 0.5", "4: ratio a b >= 2"]);
    }

    #[test]
    fn a_line_that_is_no_rule_is_refused_with_its_number_and_what_would_be_one() {
        for (text, help) in [
            ("nanoseconds a <= 5", "write `calls CELL <= N`"),
            ("calls a", "needs a bound"),
            ("calls a < 5", "write <= or >="),
            ("ratio a b <= many", "no number"),
            ("calls a <= NaN", "no number"),
            ("# nothing", "no rule"),
        ] {
            let error = format!("{:#}", parse(text).unwrap_err());
            assert!(error.contains(help), "{text}: {error}");
        }
        assert!(format!("{:#}", parse("calls a <= 1\noops").unwrap_err()).contains("line 2"));
    }

    #[test]
    fn a_bound_excludes_only_what_lies_wholly_beyond_it() {
        assert!(Bound::AtMost(1.0).excludes(1.1, 1.2));
        assert!(!Bound::AtMost(1.0).excludes(0.9, 1.2));
        assert!(Bound::AtLeast(1.0).excludes(0.5, 0.9));
        assert!(!Bound::AtLeast(1.0).excludes(0.5, 1.0));
    }
}
