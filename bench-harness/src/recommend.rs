//! Which transport to take for which job, from the cells of a run alone.
//!
//! What a job must have (another machine, a stranger on the other side) decides who may stand; then the metric decides.
//! A contender is better only if its ratio to the other has an interval without 1, exceeds what two equal rows of this
//! very run differ by, and is at least a tenth. Otherwise there is no clear difference, and the simpler one is advised.

use serde::{Deserialize, Serialize};

use crate::{
    case::{Scenario, Wait},
    report::record::{Cell, Noise, Report},
    stats::interval::{self, Estimate},
    transport::{self, Topology, Transport},
    units::{self, Size},
};

/// A difference below this is not worth a more complex transport, however certain it is.
const WORTH: f64 = 1.10;

/// A kind of job.
struct Profile {
    name: &'static str,
    scenario: Scenario,
    size: Size,
    /// Who may stand.
    fit: fn(&Transport, Wait) -> bool,
}

const SMALL: Size = Size(64);
const BULK: Size = Size(65_536);

static PROFILES: &[Profile] = &[
    Profile {
        name: "lowest latency, cores to burn",
        scenario: Scenario::Pingpong,
        size: SMALL,
        fit: |_, _| true,
    },
    Profile {
        name: "lowest latency, no cores to burn",
        scenario: Scenario::Pingpong,
        size: SMALL,
        fit: |_, wait| wait == Wait::Block,
    },
    Profile {
        name: "bulk data",
        scenario: Scenario::Stream,
        size: BULK,
        fit: |_, wait| wait != Wait::Spin,
    },
    Profile {
        name: "many small messages",
        scenario: Scenario::Stream,
        size: SMALL,
        fit: |_, wait| wait != Wait::Spin,
    },
    Profile {
        name: "polled with other descriptors",
        scenario: Scenario::Pingpong,
        size: SMALL,
        fit: |transport, wait| transport.pollable && wait == Wait::Block,
    },
    Profile {
        name: "peer not trusted",
        scenario: Scenario::Pingpong,
        size: SMALL,
        fit: |transport, wait| transport.untrusted && wait == Wait::Block,
    },
    Profile {
        name: "may move to another machine",
        scenario: Scenario::Pingpong,
        size: SMALL,
        fit: |transport, wait| transport.remote && wait == Wait::Block,
    },
];

/// What to take for one kind of job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Advice {
    pub(crate) profile: String,
    pub(crate) scenario: Scenario,
    pub(crate) size: Size,
    pub(crate) verdict: Verdict,
    /// The cells the advice rests on, the advised one first.
    pub(crate) cells: Vec<String>,
    /// The advice as a sentence with its figures.
    pub(crate) text: String,
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
    /// Nothing fit was measured well enough.
    None,
}

/// How two cells compare.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Comparison {
    /// How many times better the first is; below 1 it is worse.
    pub(crate) ratio: Estimate,
    /// Whether the first is clearly better.
    pub(crate) clear: bool,
}

/// Advice for every kind of job that the run measured.
pub(crate) fn advise(report: &Report) -> Vec<Advice> {
    let profiles = PROFILES.iter().filter(|profile| {
        report
            .cells
            .iter()
            .any(|cell| cell.case.scenario == profile.scenario && cell.case.size == profile.size)
    });
    profiles
        .map(|profile| advise_one(report, profile))
        .collect()
}

fn advise_one(report: &Report, profile: &Profile) -> Advice {
    let mut fit: Vec<(&Cell, &Transport)> = report
        .cells
        .iter()
        .filter(|cell| cell.case.scenario == profile.scenario && cell.case.size == profile.size)
        .filter(|cell| cell.case.row.replica == 0 && cell.fault.is_none())
        .filter_map(|cell| Some((cell, transport::find(&cell.case.row.transport)?)))
        .filter(|(cell, transport)| {
            !transport.floor
                && !transport.hidden
                && transport.topology == Topology::Processes
                && (profile.fit)(transport, cell.case.row.wait)
        })
        .collect();
    let unsettled = fit.len();
    fit.retain(|(cell, _)| cell.converged);
    let unsettled = unsettled - fit.len();
    // Simplest first, and of the same transport the one that leaves the CPU alone.
    fit.sort_by_key(|(cell, transport)| (transport.complexity, cell.case.row.wait));
    let best = fit
        .iter()
        .copied()
        .reduce(|a, b| if better(b.0, a.0) { b } else { a });
    let Some((best, _)) = best else {
        return Advice {
            profile: profile.name.to_owned(),
            scenario: profile.scenario,
            size: profile.size,
            verdict: Verdict::None,
            cells: vec![],
            text: format!("no answer: {unsettled} rows fit, and none of them settled"),
        };
    };
    let chosen = fit
        .iter()
        .map(|(cell, _)| *cell)
        .find(|cell| cell.id == best.id || !compare(best, cell, &report.noise).clear)
        .unwrap_or(best);
    let mut rivals: Vec<&Cell> = fit
        .iter()
        .map(|(cell, _)| *cell)
        .filter(|cell| cell.case.row.transport != chosen.case.row.transport)
        .collect();
    rivals.sort_by(|a, b| {
        if better(a, b) {
            std::cmp::Ordering::Less
        } else {
            std::cmp::Ordering::Greater
        }
    });
    let rival = if chosen.id == best.id {
        rivals.first().copied()
    } else {
        Some(best)
    };
    let (verdict, text) = sentence(chosen, best, rival, &report.noise);
    Advice {
        profile: profile.name.to_owned(),
        scenario: profile.scenario,
        size: profile.size,
        verdict,
        cells: std::iter::once(chosen)
            .chain(rival)
            .map(|cell| cell.id.clone())
            .collect(),
        text,
    }
}

fn sentence(
    chosen: &Cell,
    best: &Cell,
    rival: Option<&Cell>,
    noise: &[Noise],
) -> (Verdict, String) {
    let row = &chosen.case.row;
    let figure = figure(chosen);
    let Some(rival) = rival else {
        return (Verdict::Only, format!("{row}: {figure}; nothing else fits"));
    };
    let other = format!("{} ({})", rival.case.row, self::figure(rival));
    if chosen.id != best.id {
        return (
            Verdict::Simpler,
            format!("{row}: {figure}; no clear difference to {other}: take the simpler"),
        );
    }
    let ratio = compare(chosen, rival, noise).ratio;
    let text = format!(
        "{row}: {figure}, {}× better than {other}, 95 % {}–{}",
        units::significant(ratio.median),
        units::significant(ratio.low),
        units::significant(ratio.high)
    );
    (Verdict::Best, text)
}

/// The value of a cell as people read it.
pub(crate) fn figure(cell: &Cell) -> String {
    match cell.case.scenario {
        Scenario::Pingpong => units::nanos(cell.value.median),
        Scenario::Stream => units::rate(cell.value.median),
    }
}

fn better(a: &Cell, b: &Cell) -> bool {
    if a.case.scenario.more_is_better() {
        a.value.median > b.value.median
    } else {
        a.value.median < b.value.median
    }
}

/// Compares two cells of one block, round by round.
pub(crate) fn compare(a: &Cell, b: &Cell, noise: &[Noise]) -> Comparison {
    let (of_a, of_b) = a.paired(b);
    let (up, down) = if a.case.scenario.more_is_better() {
        (&of_a, &of_b)
    } else {
        (&of_b, &of_a)
    };
    let nothing = Estimate {
        median: 1.0,
        low: 0.0,
        high: f64::INFINITY,
    };
    let ratio = interval::ratio(up, down, 1).unwrap_or(nothing);
    let floor = noise_between(a, b, noise).max(WORTH);
    Comparison {
        ratio,
        clear: ratio.low > 1.0 && ratio.median >= floor,
    }
}

/// By what factor equal rows differed where these two were measured.
///
/// The pair of the same way of waiting counts for each of them; without one, every pair of the block does.
fn noise_between(a: &Cell, b: &Cell, noise: &[Noise]) -> f64 {
    let sleeps = |text: &str| text.ends_with("/block");
    let block = format!("{}/{}/", a.case.scenario, a.case.size.tag());
    let here: Vec<&Noise> = noise
        .iter()
        .filter(|noise| noise.cell.starts_with(&block))
        .collect();
    let classes = [
        a.case.row.wait == Wait::Block,
        b.case.row.wait == Wait::Block,
    ];
    let same: Vec<&Noise> = here
        .iter()
        .copied()
        .filter(|noise| classes.contains(&sleeps(&noise.cell)))
        .collect();
    let counted = if same.is_empty() { here } else { same };
    counted
        .iter()
        .map(|noise| noise.ratio.median.ln().abs().exp())
        .fold(1.0, f64::max)
}
