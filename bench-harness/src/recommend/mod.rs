//! Which transport to take for which job, from the cells of a run alone.
//!
//! What a job must have ([`profile`]) decides who may stand; then the metric decides, and only a clear difference counts
//! ([`judge`]). Where there is none, the simpler transport is advised. Every advice names the cells it rests on. Numbers
//! of one's own in place of a profile are answered by [`limits`].

mod command;
mod judge;
mod limits;
mod profile;
#[cfg(test)]
pub(crate) mod simulated;

pub(crate) use command::{RecommendArgs, run};
use judge::Comparison;
pub(crate) use judge::{LEVEL, WORTH, compare, floor};
use limits::{Finding, Limits, least_complex};
pub(crate) use profile::dearer;
use profile::{Profile, candidates};
use serde::{Deserialize, Serialize};

use crate::{
    case::{Pace, Scenario},
    report::{
        record::{Cell, Noise, Report},
        table,
    },
    units::{self, Size},
};

/// What to take for one kind of job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Advice {
    pub(crate) profile: String,
    pub(crate) scenario: Scenario,
    #[serde(default)]
    pub(crate) pace: Option<Pace>,
    pub(crate) size: Size,
    pub(crate) verdict: Verdict,
    /// The cells the advice rests on, the advised one first.
    pub(crate) cells: Vec<String>,
    /// The advice as a sentence with its figures.
    pub(crate) text: String,
}

impl Advice {
    /// Which measurement decided, as people read it.
    pub(crate) fn measured(&self) -> String {
        let pace = self.pace.map_or_else(String::new, |pace| match pace {
            Pace::Rate(_) => format!(" at {}", table::words(pace)),
            Pace::GapNs(_) => format!(" after {}", table::words(pace)),
        });
        format!("{}{pace}, {}", self.scenario, self.size)
    }
}

/// How the advice came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Verdict {
    /// Clearly better than everything simpler.
    Best,
    /// Not clearly worse than the best, and simpler.
    Simpler,
    /// Nothing else stands.
    Only,
    /// What was measured does not tell.
    None,
}

/// Advice for every kind of job that the run measured.
pub(crate) fn advise(report: &Report) -> Vec<Advice> {
    let profiles = profile::ALL
        .iter()
        .filter(|profile| report.cells.iter().any(|cell| profile.asks_for(cell)));
    profiles.map(|profile| advise_one(report, profile)).collect()
}

fn advise_one(report: &Report, profile: &Profile) -> Advice {
    let mut fit = candidates(report, profile);
    // Simplest first, and of the same transport the one that leaves the CPU alone.
    fit.sort_by_key(|(cell, transport)| (transport.complexity, cell.case.row.wait));
    let fit: Vec<&Cell> = fit.into_iter().map(|(cell, _)| cell).collect();
    let (firm, open): (Vec<&Cell>, Vec<&Cell>) = fit.iter().partition(|cell| cell.converged);
    let (verdict, cells, text) = match best_of(&firm) {
        None if open.is_empty() => {
            (Verdict::None, vec![], "no answer: nothing that fits was measured".to_owned())
        }
        None => {
            let text = format!("no answer: none of the {} rows that fit converged", open.len());
            (Verdict::None, open, text)
        }
        Some(best) => {
            let chosen = choose(&firm, best, &report.noise);
            doubt(&fit, chosen, &report.noise)
                .unwrap_or_else(|| reason(&firm, chosen, best, &open, &report.noise))
        }
    };
    Advice {
        profile: profile.name.to_owned(),
        scenario: profile.scenario,
        pace: profile.pace,
        size: profile.size,
        verdict,
        cells: cells.into_iter().map(|cell| cell.id.clone()).collect(),
        text,
    }
}

/// A verdict, the cells it rests on, and both as a sentence.
type Reason<'a> = (Verdict, Vec<&'a Cell>, String);

fn best_of<'a>(cells: &[&'a Cell]) -> Option<&'a Cell> {
    cells.iter().copied().reduce(|a, b| if better(b, a) { b } else { a })
}

/// The rows of `cells` in front of `cell` that are of other transports: all that is simpler.
fn simpler<'a>(cells: &[&'a Cell], cell: &Cell) -> Vec<&'a Cell> {
    let before = cells.iter().copied().take_while(|other| other.id != cell.id);
    before.filter(|other| other.case.row.transport != cell.case.row.transport).collect()
}

/// The simplest row of `firm` (simplest first) that is not clearly worse than `best`.
///
/// A row of the same transport that polls less has to be as good as that against what is simpler, too.
fn choose<'a>(firm: &[&'a Cell], best: &'a Cell, noise: &[Noise]) -> &'a Cell {
    let clear = |a: &Cell, b: &Cell| compare(a, b, noise).clear;
    let alike = firm.iter().copied().filter(|cell| !clear(best, cell));
    let worth_it = |cell: &&Cell| {
        let other = cell.case.row.transport != best.case.row.transport;
        other || best_of(&simpler(firm, cell)).is_none_or(|rival| clear(cell, rival))
    };
    alike.into_iter().find(worth_it).unwrap_or(best)
}

/// A row that did not converge wins nothing, but an answer that hides it would mislead: one that looks clearly better than
/// the chosen one, or that is simpler and does not look clearly worse.
fn doubt<'a>(fit: &[&'a Cell], chosen: &'a Cell, noise: &[Noise]) -> Option<Reason<'a>> {
    let open = |cells: Vec<&'a Cell>| -> Vec<&'a Cell> {
        cells.into_iter().filter(|cell| !cell.converged).collect()
    };
    let clear = |a: &Cell, b: &Cell| compare(a, b, noise).clear;
    let promising = best_of(&open(fit.to_vec())).filter(|cell| clear(cell, chosen));
    let modest = open(simpler(fit, chosen)).into_iter().find(|cell| !clear(chosen, cell));
    let (cell, but) = match (promising, modest) {
        (Some(cell), _) => (cell, "looked better than"),
        (None, Some(cell)) => (cell, "is simpler and looked not clearly worse than"),
        (None, None) => return None,
    };
    let text = format!(
        "no firm answer: {} {but} {}, but did not converge; repeat on a quieter machine or with more rounds",
        said(cell),
        said(chosen)
    );
    Some((Verdict::None, vec![cell, chosen], text))
}

/// Why `chosen` is advised.
fn reason<'a>(
    firm: &[&'a Cell],
    chosen: &'a Cell,
    best: &'a Cell,
    open: &[&'a Cell],
    noise: &[Noise],
) -> Reason<'a> {
    let row = &chosen.case.row;
    let start = format!("{row}: {}", figure(chosen));
    if best.case.row.transport != row.transport {
        let text = format!(
            "{start}, the simpler: no clear difference to {}{}",
            said(best),
            behind(unclear(best, chosen, noise))
        );
        return (Verdict::Simpler, vec![chosen, best], text);
    }
    let (mut cells, mut end) = (vec![chosen], String::new());
    if best.id != chosen.id {
        cells.push(best);
        end = format!("; no clear difference to {}, which polls more", said(best));
    }
    // What it has to be better than, to be worth its complexity; where nothing is simpler, whatever else there is.
    let below = best_of(&simpler(firm, chosen));
    let above = || {
        let others = firm.iter().copied().filter(|cell| cell.case.row.transport != row.transport);
        best_of(&others.collect::<Vec<_>>())
    };
    let Some(rival) = below.or_else(above) else {
        let (others, rival) = alone(chosen, open, noise);
        cells.extend(rival);
        return (Verdict::Only, cells, format!("{start}{end}; {others}"));
    };
    cells.insert(1, rival);
    let Comparison { ratio, clear, .. } = compare(chosen, rival, noise);
    if !clear {
        let text = format!(
            "{start}, the simpler: no clear difference to {}{}{end}",
            said(rival),
            behind(unclear(rival, chosen, noise))
        );
        return (Verdict::Simpler, cells, text);
    }
    let text = format!(
        "{start}, {}× better than {}{}, 95 % {}–{}{end}",
        units::significant(ratio.median),
        if below.is_some() { "the best of the simpler, " } else { "" },
        said(rival),
        units::significant(ratio.low),
        units::significant(ratio.high)
    );
    (Verdict::Best, cells, text)
}

/// What is said of the other transports where no row of theirs converged, and the best of them if it is worth a word.
fn alone<'a>(chosen: &Cell, open: &[&'a Cell], noise: &[Noise]) -> (String, Option<&'a Cell>) {
    let others = open.iter().copied();
    let others = others.filter(|cell| cell.case.row.transport != chosen.case.row.transport);
    let Some(rival) = best_of(&others.collect::<Vec<_>>()) else {
        return ("nothing else fits".to_owned(), None);
    };
    let nothing = "nothing else that fits converged";
    if compare(chosen, rival, noise).clear {
        let text = format!("{nothing}, but the best of it looked clearly worse: {}", said(rival));
        return (text, Some(rival));
    }
    (nothing.to_owned(), None)
}

/// A reason as the end of a sentence.
fn behind(why: Option<String>) -> String {
    why.map_or_else(String::new, |why| format!("; {why}"))
}

/// Why a difference in favour of `better` does not count, where it is large enough that a reader would ask.
pub(crate) fn unclear(better: &Cell, chosen: &Cell, noise: &[Noise]) -> Option<String> {
    let Comparison { ratio, needed, .. } = compare(better, chosen, noise);
    let show = units::significant;
    if ratio.median < WORTH {
        return None;
    }
    let why = if ratio.low <= 1.0 {
        format!(
            "{}× better here, but 95 % {}–{}",
            show(ratio.median),
            show(ratio.low),
            show(ratio.high)
        )
    } else if ratio.median < needed {
        format!(
            "{}× better here, but it takes {}×, a tenth more than equal rows differ by",
            show(ratio.median),
            show(needed)
        )
    } else {
        "too few rounds to tell".to_owned()
    };
    Some(why)
}

/// A row with its figure.
fn said(cell: &Cell) -> String {
    format!("{} ({})", cell.case.row, figure(cell))
}

/// The value of a cell as people read it.
pub(crate) fn figure(cell: &Cell) -> String {
    cell.case.scenario.figure(cell.value.median)
}

fn better(a: &Cell, b: &Cell) -> bool {
    if a.case.scenario.more_is_better() {
        a.value.median > b.value.median
    } else {
        a.value.median < b.value.median
    }
}

#[cfg(test)]
mod tests;
