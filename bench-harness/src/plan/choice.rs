//! Which cells a run has: what the user named, and else what the preset has time for.

use std::{collections::BTreeMap, time::Duration};

use super::Skipped;
use crate::{
    case::{Case, Pace, Row, Scenario, Wait},
    pin::Placement,
    preset::Preset,
    transport::{self, Topology, Transport},
    units::{Buffer, Size},
};

/// The paced and the idle-wake scenario are about waking up, not about copying.
const SMALL: Size = Size(64);
/// Setting up is over with the first byte.
const FIRST_BYTE: Size = Size(1);
/// What other placements and buffers are looked at with: small messages there and back, bulk one way.
const BULK: Size = Size(64 << 10);

/// What the user asked for. An empty list leaves the choice to the preset.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    pub(crate) preset: Preset,
    pub(crate) transports: Vec<&'static Transport>,
    /// Whether `transports` are all there are, of which the preset takes those it has time for.
    pub(crate) short: bool,
    pub(crate) scenarios: Vec<Scenario>,
    pub(crate) sizes: Vec<Size>,
    pub(crate) rates: Vec<u32>,
    pub(crate) gaps: Vec<u64>,
    pub(crate) waits: Vec<Wait>,
    /// The main one first.
    pub(crate) placements: Vec<Placement>,
    /// The matched one first.
    pub(crate) buffers: Vec<Buffer>,
    /// Whether every row is to run in all of `placements` and with all of `buffers`.
    pub(crate) crossed: bool,
    /// How many CPUs this process may use.
    pub(crate) cpus: usize,
    pub(crate) rounds: u32,
    pub(crate) budget: Duration,
    /// The longest a sample may take, however much time there is.
    pub(crate) longest: Duration,
    /// Whether system calls are counted.
    pub(crate) counted: bool,
    /// Transports that cannot run here, and why.
    pub(crate) missing: BTreeMap<&'static str, String>,
    pub(crate) seed: u64,
}

impl Config {
    /// All cells, and those that cannot be, with the reason.
    pub(super) fn cases(&self) -> (Vec<Case>, Vec<Skipped>) {
        let (mut cases, mut skipped) = (Vec::new(), Vec::new());
        for (place, &placement) in self.placements.iter().enumerate() {
            for (own, &buffer) in self.buffers.iter().enumerate() {
                let aside = place > 0 || own > 0;
                // One axis at a time, unless it is asked for: both at once answer no question of their own.
                if place > 0 && own > 0 && !self.crossed {
                    continue;
                }
                for (scenario, pace, size) in self.points() {
                    if aside && !self.crossed && !worth(scenario, size, own > 0) {
                        continue;
                    }
                    for row in self.rows(scenario, size, aside) {
                        let case = Case { scenario, size, row, placement, buffer, pace };
                        match self.why_not(&case) {
                            Some(reason) => skipped.push(Skipped { cell: case.id(), reason }),
                            None => cases.push(case),
                        }
                    }
                }
            }
        }
        (cases, skipped)
    }

    /// The transports that the run has rows of.
    pub(crate) fn wanted(&self) -> impl Iterator<Item = &'static Transport> {
        let any = |transport: &&Transport| {
            let waits = self.waits.iter().filter(|wait| transport.waits.contains(wait));
            let mut times = waits.flat_map(|wait| self.scenarios.iter().map(move |s| (*s, *wait)));
            times.any(|(scenario, wait)| {
                transport.scenarios.contains(&scenario)
                    && self.time_for(transport, scenario, wait, false)
            })
        };
        self.transports.iter().copied().filter(any)
    }

    /// A case in the main placement, with matched buffers.
    pub(super) fn main_case(&self, scenario: Scenario, size: Size, row: Row) -> Case {
        let (placement, buffer) = (self.placements[0], self.buffers[0]);
        Case { scenario, size, row, placement, buffer, pace: None }
    }

    /// The scenarios, each with its paces and sizes.
    fn points(&self) -> Vec<(Scenario, Option<Pace>, Size)> {
        let mut points = Vec::new();
        for &scenario in &self.scenarios {
            let paces: Vec<Option<Pace>> = match scenario {
                Scenario::Paced => self.rates.iter().map(|rate| Some(Pace::Rate(*rate))).collect(),
                Scenario::IdleWake => self.gaps.iter().map(|gap| Some(Pace::GapNs(*gap))).collect(),
                _ => vec![None],
            };
            for pace in paces {
                points.extend(self.sizes(scenario).into_iter().map(|size| (scenario, pace, size)));
            }
        }
        points
    }

    /// The sizes of a scenario, those that only some rows have included.
    fn sizes(&self, scenario: Scenario) -> Vec<Size> {
        let mut sizes = match scenario {
            Scenario::Setup => vec![FIRST_BYTE],
            _ if !self.sizes.is_empty() => self.sizes.clone(),
            Scenario::Paced | Scenario::IdleWake => vec![SMALL],
            Scenario::Pingpong => self.preset.sizes(),
            Scenario::Stream => {
                let also = self.transports.iter().flat_map(|transport| transport.also);
                self.preset.sizes().into_iter().chain(also.copied()).collect()
            }
        };
        sizes.sort_unstable();
        sizes.dedup();
        sizes
    }

    /// The rows of a scenario at a size, and behind them the second copies of the A/A pairs.
    fn rows(&self, scenario: Scenario, size: Size, aside: bool) -> Vec<Row> {
        let aside = aside && !self.crossed;
        let mut rows = Vec::new();
        for transport in &self.transports {
            let fits = transport.scenarios.contains(&scenario)
                && (self.usual(scenario, size) || transport.also.contains(&size))
                && !(aside && transport.floor);
            for &wait in transport.waits.iter().filter(|_| fits) {
                // A floor has one way of waiting and is there to compare with, whatever was asked for.
                let asked = transport.floor || self.waits.contains(&wait);
                // How it will wait is no matter of setting it up.
                let tells = scenario != Scenario::Setup || transport.waits.first() == Some(&wait);
                if asked && tells && self.time_for(transport, scenario, wait, aside) {
                    rows.push(Row { transport: transport.name.to_owned(), wait, replica: 0 });
                }
            }
        }
        if !aside {
            let sleeps = pair(&rows, |wait| wait == Wait::Block);
            let polls = pair(&rows, |wait| wait != Wait::Block)
                .filter(|_| matches!(scenario, Scenario::Pingpong | Scenario::Stream));
            let again = [sleeps, polls].into_iter().flatten();
            let again: Vec<Row> = again.map(|row| Row { replica: 1, ..row }).collect();
            rows.extend(again);
        }
        rows
    }

    /// Whether a size is one that all rows of the scenario have.
    fn usual(&self, scenario: Scenario, size: Size) -> bool {
        let named = !self.sizes.is_empty() || scenario != Scenario::Stream;
        named || self.preset.sizes().contains(&size)
    }

    /// Whether the preset has time for a row; who names rows wants all of them.
    fn time_for(&self, transport: &Transport, scenario: Scenario, wait: Wait, aside: bool) -> bool {
        let preset = if aside { self.preset.aside() } else { Some(self.preset) };
        preset
            .is_some_and(|preset| !self.short || preset.waits(transport, scenario).contains(&wait))
    }

    /// Why a case cannot run with this configuration.
    pub(super) fn why_not(&self, case: &Case) -> Option<String> {
        let transport = transport::find(&case.row.transport)?;
        if let Some(reason) = self.missing.get(transport.name) {
            return Some(reason.clone());
        }
        let alone = transport.topology == Topology::Solo;
        if case.row.wait == Wait::Spin && !alone && !case.placement.parallel(self.cpus) {
            return Some(
                "both sides share one CPU: one that spins keeps the other from running".to_owned(),
            );
        }
        None
    }
}

/// Whether another placement, or another buffer, changes anything in a scenario at a size that is worth a sample.
fn worth(scenario: Scenario, size: Size, own_buffer: bool) -> bool {
    match scenario {
        // A message that goes there and back never fills a buffer.
        Scenario::Pingpong => !own_buffer && size == SMALL,
        Scenario::Stream => size == BULK,
        _ => false,
    }
}

/// The row that is run twice to see how much two equal rows differ: the ring's default if it is there, else a socket.
///
/// One that sleeps and one that polls, because their noise has different causes.
fn pair(rows: &[Row], class: fn(Wait) -> bool) -> Option<Row> {
    let contenders = || {
        rows.iter().filter(|row| {
            class(row.wait)
                && transport::find(&row.transport)
                    .is_some_and(|t| !t.floor && t.topology == Topology::Processes)
        })
    };
    let preferred = if class(Wait::Block) { "unix" } else { "ring" };
    contenders().find(|row| row.transport == preferred).or_else(|| contenders().next()).cloned()
}
