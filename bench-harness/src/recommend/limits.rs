//! The least complex transport that meets somebody's numbers.
//!
//! Where an interval is known, its worse end has to meet the limit, so that a row does not pass by luck. A figure that is
//! not known (too few samples for a percentile, rounds that disagree) meets nothing; the answer says which one it was.

use std::time::Duration;

use crate::{
    case::{Scenario, Wait},
    report::record::{Cell, Report},
    stats::interval,
    transport::{self, Topology, Transport},
    units::{self, Rate, Size},
};

/// What is asked for.
#[derive(Clone, Debug, Default)]
pub(super) struct Limits {
    pub(super) size: Option<Size>,
    pub(super) max_p50: Option<Duration>,
    pub(super) max_p99: Option<Duration>,
    pub(super) max_cpu: Option<Duration>,
    pub(super) min_rate: Option<Rate>,
    /// Only rows that wait in one of these ways; all if empty.
    pub(super) wait: Vec<Wait>,
    pub(super) pollable: bool,
    pub(super) untrusted: bool,
    pub(super) remote: bool,
}

/// One row held against the limits.
#[derive(Debug)]
pub(super) struct Finding<'a> {
    pub(super) row: String,
    /// Whether it meets all of them.
    pub(super) meets: bool,
    /// Each figure that was asked for, with a mark if it does not meet its limit.
    pub(super) figures: String,
    pub(super) cells: Vec<&'a Cell>,
}

impl Limits {
    /// Whether nothing is asked for.
    pub(super) fn is_empty(&self) -> bool {
        let numbers = [self.max_p50, self.max_p99, self.max_cpu].iter().any(Option::is_some);
        let ability = self.pollable || self.untrusted || self.remote;
        let rows = self.size.is_some() || !self.wait.is_empty();
        !(numbers || self.min_rate.is_some() || ability || rows)
    }

    /// The message size: the one that was asked for, or the smallest of the run.
    pub(super) fn size(&self, report: &Report) -> Option<Size> {
        self.size.or_else(|| report.cells.iter().map(|cell| cell.case.size).min())
    }

    /// Round trips are looked at for a latency, streams for a rate; without either, round trips.
    fn scenarios(&self) -> Vec<Scenario> {
        let latency = self.max_p50.is_some() || self.max_p99.is_some();
        let mut scenarios = vec![];
        if latency || self.min_rate.is_none() {
            scenarios.push(Scenario::Pingpong);
        }
        if self.min_rate.is_some() {
            scenarios.push(Scenario::Stream);
        }
        scenarios
    }

    fn able(&self, transport: &Transport) -> bool {
        !transport.floor
            && !transport.hidden
            && transport.topology == Topology::Processes
            && (!self.pollable || transport.pollable)
            && (!self.untrusted || transport.untrusted)
            && (!self.remote || transport.remote)
    }

    /// Holds one cell against the limits of its scenario.
    fn judge(&self, cell: &Cell, meets: &mut bool, figures: &mut Vec<String>) {
        let mut note = |text: String, fits: bool| {
            *meets &= fits;
            figures.push(if fits { text } else { format!("{text} ✗") });
        };
        let ns = |limit: Duration| limit.as_nanos() as f64;
        if cell.fault.is_some() {
            note("a byte was wrong".to_owned(), false);
        }
        if !cell.converged {
            note("did not converge".to_owned(), false);
        }
        if cell.case.scenario.more_is_better() {
            if let Some(Rate(least)) = self.min_rate {
                let (middle, worst) = (cell.value.median, cell.value.low);
                let text = with_worst(
                    units::rate(middle),
                    units::rate(worst),
                    middle >= least && worst < least,
                );
                note(text, worst >= least);
            }
        } else {
            if let Some(most) = self.max_p50 {
                let text = up_to(cell.value.median, cell.value.high, ns(most));
                note(format!("p50 {text}"), cell.value.high <= ns(most));
            }
            if let Some(most) = self.max_p99 {
                let p99 = cell.percentiles.p99.map(|p99| p99 as f64);
                let text = p99.map_or("not known".to_owned(), units::nanos);
                note(format!("p99 {text}"), p99.is_some_and(|p99| p99 <= ns(most)));
            }
        }
        if let Some(most) = self.max_cpu {
            let text = up_to(cell.per_message.cpu_ns, dearest(cell), ns(most));
            note(format!("CPU {text}"), dearest(cell) <= ns(most));
        }
    }
}

/// A time, and the worse end of its interval if only that one misses the limit.
fn up_to(middle: f64, worst: f64, limit: f64) -> String {
    with_worst(units::nanos(middle), units::nanos(worst), middle <= limit && worst > limit)
}

fn with_worst(middle: String, worst: String, decides: bool) -> String {
    if decides { format!("{middle}, in some rounds {worst}") } else { middle }
}

/// The upper end of the interval of the processor time of both sides for one message.
fn dearest(cell: &Cell) -> f64 {
    let rounds: Vec<f64> =
        cell.rounds.iter().flatten().map(|round| round.cpu_ns_per_message()).collect();
    interval::estimate(&rounds, 1).map_or(f64::INFINITY, |estimate| estimate.high)
}

/// Every row that can do the job, the least complex first; the first one that meets the limits is the answer.
pub(super) fn least_complex<'a>(report: &'a Report, limits: &Limits) -> Vec<Finding<'a>> {
    let Some(size) = limits.size(report) else { return vec![] };
    let scenarios = limits.scenarios();
    let mut rows: Vec<(u8, Wait, &Transport)> = Vec::new();
    for cell in &report.cells {
        let row = &cell.case.row;
        let Some(transport) = transport::find(&row.transport).filter(|found| limits.able(found))
        else {
            continue;
        };
        let wanted = limits.wait.is_empty() || limits.wait.contains(&row.wait);
        let known =
            rows.iter().any(|(_, wait, other)| (*wait, other.name) == (row.wait, transport.name));
        if wanted && !known && row.replica == 0 {
            rows.push((transport.complexity, row.wait, transport));
        }
    }
    rows.sort_by_key(|(complexity, wait, _)| (*complexity, *wait));
    rows.into_iter()
        .map(|(_, wait, transport)| {
            let mut finding = Finding {
                row: format!("{}/{wait}", transport.name),
                meets: true,
                figures: String::new(),
                cells: vec![],
            };
            let mut figures = vec![];
            for scenario in &scenarios {
                let cell = report.cells.iter().find(|cell| {
                    let case = &cell.case;
                    report.main(cell)
                        && case.scenario == *scenario
                        && case.size == size
                        && case.row.replica == 0
                        && (case.row.transport.as_str(), case.row.wait) == (transport.name, wait)
                });
                if let Some(cell) = cell {
                    finding.cells.push(cell);
                    limits.judge(cell, &mut finding.meets, &mut figures);
                } else {
                    finding.meets = false;
                    figures.push(format!("no {scenario} of {size} in this run ✗"));
                }
            }
            finding.figures = figures.join(", ");
            finding
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::record::tests::{cell, costing, report};

    /// A cell whose messages cost this much, with this 99th percentile.
    fn with(name: &str, value: f64, p99: Option<u64>, cpu_ns: u64) -> Cell {
        let mut cell = costing(cell(name, &[value; 3]), cpu_ns);
        cell.percentiles.p99 = p99;
        cell
    }

    fn run() -> Report {
        report(vec![
            with("pingpong ring/spin", 200.0, Some(300), 400),
            with("pingpong ring/adaptive", 210.0, Some(320), 400),
            with("pingpong tcp/block", 60_000.0, Some(90_000), 45_000),
            with("pingpong pipe/block", 45_000.0, Some(60_000), 30_000),
            with("pingpong pipe/spin", 900.0, Some(1_200), 2_000),
            with("pingpong flag/spin", 120.0, Some(150), 250),
            with("stream pipe/block", 2e8, None, 500),
            with("stream ring/adaptive", 5e9, None, 25),
        ])
    }

    fn answer(limits: &Limits) -> Option<String> {
        let run = run();
        least_complex(&run, limits).into_iter().find(|found| found.meets).map(|found| found.row)
    }

    const US: Duration = Duration::from_micros(1);

    #[test]
    fn the_least_complex_row_that_meets_the_numbers_is_taken_and_not_the_fastest() {
        let p99 = |limit| Limits { max_p99: Some(limit), ..Limits::default() };
        assert_eq!(answer(&p99(100 * US)).as_deref(), Some("pipe/block"));
        assert_eq!(answer(&p99(20 * US)).as_deref(), Some("pipe/spin"));
        assert_eq!(answer(&p99(US)).as_deref(), Some("ring/adaptive"));
        assert_eq!(answer(&p99(US / 10)), None);
    }

    #[test]
    fn every_number_must_be_met_at_once() {
        let both = Limits { max_p99: Some(20 * US), max_cpu: Some(US), ..Limits::default() };
        assert_eq!(answer(&both).as_deref(), Some("ring/adaptive"));
        let rate = Limits { min_rate: Some(Rate(1e9)), ..Limits::default() };
        assert_eq!(answer(&rate).as_deref(), Some("ring/adaptive"));
        let spin =
            Limits { wait: vec![Wait::Spin], min_rate: Some(Rate(1.0)), ..Limits::default() };
        assert_eq!(answer(&spin), None);
    }

    #[test]
    fn what_the_transport_must_be_able_to_do_comes_first() {
        let remote = Limits { remote: true, max_p99: Some(US), ..Limits::default() };
        assert_eq!(answer(&remote), None);
        let remote = Limits { remote: true, ..Limits::default() };
        assert_eq!(answer(&remote).as_deref(), Some("tcp/block"));
    }

    #[test]
    fn a_figure_that_is_not_known_meets_nothing_and_says_so() {
        let mut run = run();
        for cell in &mut run.cells {
            cell.percentiles.p99 = None;
        }
        let limits = Limits { max_p99: Some(1_000 * US), ..Limits::default() };
        let found = least_complex(&run, &limits);
        assert!(found.iter().all(|found| !found.meets && found.figures == "p99 not known ✗"));
        assert_eq!(found.len(), 5);
        run.cells[3].converged = false;
        let found = least_complex(&run, &Limits { max_p50: Some(1_000 * US), ..Limits::default() });
        assert!(found[0].figures.contains("did not converge ✗"), "{}", found[0].figures);
    }

    #[test]
    fn the_worse_end_of_an_interval_has_to_meet_the_limit() {
        let run = report(vec![cell("pingpong pipe/spin", &[900.0, 950.0, 1_100.0])]);
        let found = |limit| {
            let limits = Limits { max_p50: Some(limit), ..Limits::default() };
            least_complex(&run, &limits).iter().any(|found| found.meets)
        };
        assert!(!found(US));
        assert!(found(Duration::from_nanos(1_100)));
    }

    #[test]
    fn a_size_that_was_not_measured_is_named_as_missing() {
        let run = run();
        let limits = Limits { size: Some(Size(4096)), ..Limits::default() };
        let found = least_complex(&run, &limits);
        assert!(!found.is_empty());
        assert!(found.iter().all(|found| !found.meets && found.figures.contains("4 KiB")));
    }
}
