//! `ipc-bench gate RUN`: for CI, on whatever machine it runs.
//!
//! Wrong bytes come first, then exact counts (system calls for a message), which are the same on every machine, then
//! ratios of two cells of one run, which the machine's speed changes little. Times are not looked at. A ratio fails only
//! if its whole interval lies beyond the bound. What cannot be judged is said, and a gate that judged nothing has failed.

mod rules;

use std::{
    fmt, fs,
    io::{Write, stdout},
    path::PathBuf,
};

use anyhow::{Context, Result};
use clap::Args;

use self::rules::{Rule, What};
use crate::{
    Exit,
    report::{
        record::{Cell, Report},
        text::Grid,
    },
    stats::interval,
    summary,
    units::significant,
};

#[derive(Debug, Args)]
pub(crate) struct GateArgs {
    /// The folder of the run, or its report.json.
    run: PathBuf,
    /// A file of bounds; without it, those of this project.
    #[arg(long, value_name = "FILE")]
    rules: Option<PathBuf>,
}

/// The bounds that this project holds itself to; the file says why each is what it is.
const OURS: &str = include_str!("../../gate.rules");

/// What became of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Held,
    Broken,
    /// The run does not tell.
    Open,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Held => "held",
            Self::Broken => "BROKEN",
            Self::Open => "open",
        })
    }
}

/// Prints what became of each rule; ends with 5 for a wrong byte, with 3 for a rule that is broken, with 1 if nothing
/// could be judged.
pub(crate) fn run(args: &GateArgs) -> Result<Exit> {
    let report = Report::read(&args.run)?;
    let rules = match &args.rules {
        None => rules::parse(OURS)?,
        Some(file) => {
            let text = fs::read_to_string(file);
            let text = text.with_context(|| format!("reading {}", file.display()))?;
            rules::parse(&text).with_context(|| file.display().to_string())?
        }
    };
    let mut grid = Grid::new(["", "bound", "found"]);
    let mut outcomes = vec![];
    for rule in in_order(&rules) {
        let (outcome, found) = judge(&report, rule);
        grid.row([outcome.to_string(), format!("{} {}", rule.what, rule.bound), found]);
        outcomes.push(outcome);
    }
    let verified: u64 = report.cells.iter().map(|cell| cell.verified).sum();
    let wrong: Vec<&str> = report.wrong().into_iter().collect();
    let count = |outcome| outcomes.iter().filter(|other| **other == outcome).count();
    let mut out = stdout().lock();
    let bytes =
        if wrong.is_empty() { "none wrong".to_owned() } else { wrong.join(", ") + " WRONG" };
    writeln!(out, "{verified} messages compared byte by byte: {bytes}\n")?;
    writeln!(out, "{}", grid.words())?;
    writeln!(
        out,
        "{} held, {} broken, {} open",
        count(Outcome::Held),
        count(Outcome::Broken),
        count(Outcome::Open)
    )?;
    out.flush()?;
    Ok(exit(!wrong.is_empty(), &outcomes))
}

fn exit(wrong: bool, outcomes: &[Outcome]) -> Exit {
    if wrong {
        Exit::WrongByte
    } else if outcomes.contains(&Outcome::Broken) {
        Exit::Threshold
    } else if outcomes.contains(&Outcome::Held) {
        Exit::Fine
    } else {
        Exit::Failed
    }
}

/// Counts before ratios, and otherwise as they are written.
fn in_order(rules: &[Rule]) -> Vec<&Rule> {
    let mut ordered: Vec<&Rule> = rules.iter().collect();
    ordered.sort_by_key(|rule| matches!(rule.what, What::Ratio(..)));
    ordered
}

fn judge(report: &Report, rule: &Rule) -> (Outcome, String) {
    let find = |id: &str| {
        report.cells.iter().find(|cell| cell.id == id).ok_or_else(|| {
            let skipped = report.skipped.iter().find(|skip| skip.cell == id);
            let why = skipped.map_or("not in this run", |skip| skip.reason.as_str());
            (Outcome::Open, format!("line {}: {id}: {why}", rule.line))
        })
    };
    let judged = match &rule.what {
        What::Calls(id) => find(id).map(|cell| calls(cell, rule)),
        What::Ratio(up, down) => {
            find(up).and_then(|up| find(down).map(|down| ratio(up, down, rule)))
        }
    };
    judged.unwrap_or_else(|open| open)
}

fn calls(cell: &Cell, rule: &Rule) -> (Outcome, String) {
    let Some(calls) = cell.calls else {
        let why = cell.no_calls.as_deref().unwrap_or("not counted");
        return (Outcome::Open, why.to_owned());
    };
    let sum = calls.initiator + calls.responder;
    let broken = rule.bound.excludes(sum, sum);
    let found = format!(
        "{} ({} + {}, over {} messages)",
        significant(sum),
        significant(calls.initiator),
        significant(calls.responder),
        calls.messages
    );
    (if broken { Outcome::Broken } else { Outcome::Held }, found)
}

fn ratio(up: &Cell, down: &Cell, rule: &Rule) -> (Outcome, String) {
    let (of_up, of_down) = up.paired(down);
    let estimate = interval::ratio(&of_up, &of_down, 1);
    let Some(ratio) = estimate.filter(|_| of_up.len() >= summary::FEWEST_ROUNDS) else {
        let few = summary::FEWEST_ROUNDS;
        return (Outcome::Open, format!("{} rounds in common; {few} are needed", of_up.len()));
    };
    let found = format!(
        "{}, 95 % {}–{}",
        significant(ratio.median),
        significant(ratio.low),
        significant(ratio.high)
    );
    if rule.bound.excludes(ratio.low, ratio.high) {
        (Outcome::Broken, found)
    } else {
        (Outcome::Held, found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::record::{
        Calls,
        tests::{cell, report},
    };

    fn judged(report: &Report, text: &str) -> (Outcome, String) {
        let rules = rules::parse(text).unwrap();
        judge(report, &rules[0])
    }

    fn run() -> Report {
        let mut pipe = cell("pingpong pipe/block", &[50_000.0, 51_000.0, 52_000.0]);
        pipe.calls = Some(Calls { initiator: 2.0, responder: 2.0, messages: 100 });
        let mut unix = cell("pingpong unix/block", &[50_000.0; 3]);
        unix.no_calls = Some("perf events are forbidden here".to_owned());
        report(vec![pipe, unix, cell("pingpong ring/spin", &[200.0, 900.0, 210.0])])
    }

    #[test]
    fn a_count_is_held_against_its_bound_exactly() {
        let run = run();
        let rule = |bound: &str| judged(&run, &format!("calls pingpong/64B/pipe/block {bound}"));
        assert_eq!(rule("<= 4").0, Outcome::Held);
        assert_eq!(rule("<= 3.99").0, Outcome::Broken);
        assert_eq!(rule(">= 4").0, Outcome::Held);
        assert!(rule("<= 4").1.contains("over 100 messages"));
    }

    #[test]
    fn a_ratio_breaks_its_rule_only_with_its_whole_interval() {
        let run = run();
        let rule = |bound: &str| {
            judged(&run, &format!("ratio pingpong/64B/ring/spin pingpong/64B/pipe/block {bound}")).0
        };
        assert_eq!(rule("<= 0.02"), Outcome::Held);
        assert_eq!(rule("<= 0.004"), Outcome::Held);
        assert_eq!(rule("<= 0.003"), Outcome::Broken);
        assert_eq!(rule(">= 0.02"), Outcome::Broken);
    }

    #[test]
    fn what_the_run_does_not_tell_is_open_with_its_reason() {
        let mut run = run();
        let (outcome, why) = judged(&run, "calls pingpong/64B/unix/block <= 4");
        assert_eq!((outcome, why.as_str()), (Outcome::Open, "perf events are forbidden here"));
        let (outcome, why) = judged(&run, "calls stream/64B/ring/block <= 4");
        assert!(outcome == Outcome::Open && why.contains("not in this run"), "{why}");
        run.cells[0].rounds.truncate(2);
        let two = "ratio pingpong/64B/ring/spin pingpong/64B/pipe/block <= 0.001";
        assert_eq!(judged(&run, two).0, Outcome::Open);
    }

    #[test]
    fn the_worst_outcome_decides_and_nothing_judged_is_a_failure() {
        use Outcome::{Broken, Held, Open};
        assert_eq!(exit(false, &[Held, Open]), Exit::Fine);
        assert_eq!(exit(false, &[Held, Broken, Open]), Exit::Threshold);
        assert_eq!(exit(false, &[Open]), Exit::Failed);
        assert_eq!(exit(true, &[Broken]), Exit::WrongByte);
    }

    #[test]
    fn counts_are_judged_before_ratios() {
        let rules = rules::parse("ratio a b <= 1\ncalls a <= 1").unwrap();
        let lines: Vec<usize> = in_order(&rules).iter().map(|rule| rule.line).collect();
        assert_eq!(lines, [2, 1]);
    }

    #[test]
    fn the_rules_of_this_project_can_be_read() {
        assert!(rules::parse(OURS).unwrap().len() >= 4);
    }
}
