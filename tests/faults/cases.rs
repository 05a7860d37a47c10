//! Operations and what they have to bear, and what became of them.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    fs::File,
    path::Path,
};

use crate::{
    adversity::Adversity,
    operation::Operation,
    operations::OPERATIONS,
    report::Report,
    runner::{Verdict, run_all},
    scene::Scene,
};

/// An operation, and what it has to bear.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) operation: &'static Operation,
    pub(crate) adversity: Adversity,
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}", self.operation.name, self.adversity)
    }
}

/// The operation of this name.
pub(crate) fn operation(name: &str) -> &'static Operation {
    OPERATIONS.iter().find(|operation| operation.name == name).unwrap()
}

/// What each operation calls when nothing goes wrong, and how often.
pub(crate) fn counts(
    operations: impl IntoIterator<Item = &'static Operation>,
) -> Vec<(&'static Operation, BTreeMap<usize, u32>)> {
    let cases =
        operations.into_iter().map(|operation| Case { operation, adversity: Adversity::none() });
    let done = all_fine(run(cases));
    done.into_iter().map(|(case, verdict)| (case.operation, verdict.counts)).collect()
}

/// Runs the cases, and gives each with its verdict.
pub(crate) fn run(cases: impl IntoIterator<Item = Case>) -> Vec<(Case, Verdict)> {
    run_all(cases, play)
}

fn play(case: &Case, lines: File, dir: &Path) {
    Scene::play(lines, dir, &case.adversity, case.operation.work);
}

/// Fails for whatever must not be.
pub(crate) fn all_fine(done: Vec<(Case, Verdict)>) -> Vec<(Case, Verdict)> {
    let failures: Vec<_> = done
        .iter()
        .filter(|(_, verdict)| !verdict.wrong.is_empty())
        .map(|(case, verdict)| format!("{case}: {}", verdict.wrong.join("; ")))
        .collect();
    assert!(failures.is_empty(), "{} of {}:\n{}", failures.len(), done.len(), failures.join("\n"));
    done
}

/// Says what became of the cases that count.
pub(crate) fn tell(report: &mut Report, done: &[(Case, Verdict)]) {
    let mut outcomes: BTreeMap<&str, u64> = BTreeMap::new();
    for (_, verdict) in done {
        *outcomes.entry(verdict.outcome()).or_default() += 1;
    }
    let operations: BTreeSet<_> = done.iter().map(|(case, _)| case.operation.name).collect();
    println!("{outcomes:?}");
    let fine = outcomes.remove("fine").unwrap_or(0);
    report.field("operations", operations.len());
    report.field("succeeded", fine);
    report.field("typed_errors", outcomes.values().sum::<u64>());
    report.field("failures", 0);
}
