//! The kinds of jobs that people come with: what a transport must be able to do, what may be burnt, and which figure
//! then decides.

use super::WORTH;
use crate::{
    case::{Pace, Scenario, Wait},
    report::record::{Cell, Report},
    stats::interval::{self, Estimate},
    summary::FEWEST_ROUNDS,
    transport::{self, Topology, Transport},
    units::Size,
};

/// A kind of job.
pub(super) struct Profile {
    pub(super) name: &'static str,
    pub(super) scenario: Scenario,
    pub(super) pace: Option<Pace>,
    pub(super) size: Size,
    /// Which transports can do the job at all.
    able: fn(&Transport) -> bool,
    thrift: Thrift,
}

/// What a job may cost while nothing is to be done.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Thrift {
    /// A CPU for each side, always.
    Cores,
    /// A side that has nothing to do sleeps after a while.
    Sleeps,
    /// The same, and a message costs not clearly more processor time than with the thriftiest transport that sleeps at
    /// once.
    Frugal,
}

const SMALL: Size = Size(64);
const BULK: Size = Size(65_536);

const LATENCY: Profile = Profile {
    name: "",
    scenario: Scenario::Pingpong,
    pace: None,
    size: SMALL,
    able: |_| true,
    thrift: Thrift::Frugal,
};

/// All kinds of jobs, in the order of the report.
pub(super) static ALL: &[Profile] = &[
    Profile { name: "lowest latency, cores to burn", thrift: Thrift::Cores, ..LATENCY },
    Profile { name: "lowest latency, no cores to burn", ..LATENCY },
    Profile {
        name: "bulk data",
        scenario: Scenario::Stream,
        size: BULK,
        thrift: Thrift::Sleeps,
        ..LATENCY
    },
    Profile {
        name: "many small messages",
        scenario: Scenario::Stream,
        thrift: Thrift::Sleeps,
        ..LATENCY
    },
    Profile {
        name: "rare wake-ups",
        scenario: Scenario::IdleWake,
        pace: Some(Pace::GapNs(1_000_000)),
        ..LATENCY
    },
    Profile {
        name: "polled with other descriptors",
        able: |transport| transport.pollable,
        ..LATENCY
    },
    Profile { name: "peer not trusted", able: |transport| transport.untrusted, ..LATENCY },
    Profile { name: "may move to another machine", able: |transport| transport.remote, ..LATENCY },
];

impl Profile {
    /// Whether a cell measures what decides for this job.
    pub(super) fn asks_for(&self, cell: &Cell) -> bool {
        let case = &cell.case;
        (case.scenario, case.pace, case.size) == (self.scenario, self.pace, self.size)
    }
}

/// The cells that can do the job of `profile`, whether they converged or not.
pub(super) fn candidates<'a>(
    report: &'a Report,
    profile: &Profile,
) -> Vec<(&'a Cell, &'static Transport)> {
    let able: Vec<(&Cell, &Transport)> = report
        .cells
        .iter()
        .filter(|cell| profile.asks_for(cell) && report.main(cell))
        .filter(|cell| cell.case.row.replica == 0 && cell.fault.is_none())
        .filter_map(|cell| Some((cell, transport::find(&cell.case.row.transport)?)))
        .filter(|(_, transport)| {
            let real = !transport.floor && !transport.hidden;
            real && transport.topology == Topology::Processes && (profile.able)(transport)
        })
        .collect();
    let sleeping = able.iter().map(|(cell, _)| *cell).filter(|c| c.case.row.wait == Wait::Block);
    let thriftiest = sleeping.min_by(|a, b| a.per_message.cpu_ns.total_cmp(&b.per_message.cpu_ns));
    able.into_iter()
        .filter(|(cell, _)| match (profile.thrift, cell.case.row.wait) {
            (Thrift::Cores, _) | (_, Wait::Block) => true,
            (_, Wait::Spin) => false,
            (Thrift::Sleeps, Wait::Adaptive) => true,
            (Thrift::Frugal, Wait::Adaptive) => {
                thriftiest.is_none_or(|least| dearer(cell, least).is_none())
            }
        })
        .collect()
}

/// How many times more processor time a message of `cell` costs than one of `other`, by the rounds that both have; `None`
/// unless it clearly costs more.
pub(crate) fn dearer(cell: &Cell, other: &Cell) -> Option<Estimate> {
    let pairs = cell.rounds.iter().zip(&other.rounds).filter_map(|(a, b)| {
        Some((a.as_ref()?.cpu_ns_per_message(), b.as_ref()?.cpu_ns_per_message()))
    });
    let (of_cell, of_other): (Vec<f64>, Vec<f64>) = pairs.unzip();
    let enough = of_cell.len() >= FEWEST_ROUNDS;
    interval::ratio(&of_cell, &of_other, 1)
        .filter(|ratio| enough && ratio.low > 1.0 && ratio.median >= WORTH)
}
