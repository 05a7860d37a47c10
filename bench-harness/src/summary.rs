//! From the samples of a run to its record: statistics over rounds, marks, noise, warnings.

use anyhow::Result;

use crate::{
    case::Pace,
    plan::{self, Plan},
    report::record::{
        Cell, Floor, Noise, Omitted, Payload, PerMessage, Percentiles, Report, Round,
    },
    run::{Early, Outcome},
    sample::{Sample, Stop},
    stats::{
        interval,
        percentile::{buckets, merge, percentile},
        relative_deviation,
    },
    transport,
};

/// A row whose rounds lie further from their median than this, in the median, did not converge.
const WIDEST: f64 = 0.10;
/// With fewer rounds there is no interval worth the name, and nobody wins.
pub(crate) const FEWEST_ROUNDS: usize = 3;
/// A floor that moved by more than this during the run means that the machine changed.
const DRIFT: f64 = 1.25;
/// Shares of processor time beyond which others have disturbed the run.
const STEAL: f64 = 0.01;
const OTHERS: f64 = 0.05;
/// More than this share of samples that were taken unsettled is no accident of single ones.
const UNSETTLED: f64 = 0.25;
/// A row that carries less than this share of the messages that were due is behind for good, not for a moment.
const KEPT_UP: f64 = 0.9;

/// The cells of a run, in the order of the plan.
pub(crate) fn cells(plan: &Plan, outcome: &Outcome) -> Result<Vec<Cell>> {
    let mut cells = Vec::new();
    for (number, (case, samples)) in plan.cases.iter().zip(&outcome.samples).enumerate() {
        let calls = outcome.calls.get(&number);
        let taken: Vec<&Sample> = samples.iter().flatten().collect();
        let values: Vec<f64> = taken.iter().map(|sample| sample.value).collect();
        let Some(value) = interval::estimate(&values, plan.seed) else {
            continue;
        };
        let histogram = merge(taken.iter().map(|sample| &sample.latencies))?;
        let messages: u64 = taken.iter().map(|sample| sample.messages).sum();
        cells.push(Cell {
            id: case.id(),
            case: case.clone(),
            floor: transport::find(&case.row.transport).is_some_and(|transport| transport.floor),
            value,
            rounds: samples.iter().map(|sample| sample.as_ref().map(round)).collect(),
            // A stream has no latencies, so all of them are absent there.
            percentiles: Percentiles {
                p50: percentile(&histogram, 0.5),
                p90: percentile(&histogram, 0.9),
                p99: percentile(&histogram, 0.99),
                p999: percentile(&histogram, 0.999),
                max: (!histogram.is_empty()).then(|| histogram.max()),
                samples: histogram.len(),
            },
            converged: values.len() >= FEWEST_ROUNDS
                && relative_deviation(&values).is_some_and(|deviation| deviation <= WIDEST),
            per_message: per_message(&taken, messages),
            calls: calls.and_then(|calls| calls.as_ref().ok()).copied(),
            no_calls: match calls {
                Some(calls) => calls.as_ref().err().cloned(),
                None => Some(plan::uncounted(case).unwrap_or("not counted in this run").to_owned()),
            },
            messages,
            verified: taken.iter().map(|sample| sample.verified).sum(),
            fault: (taken.iter().find_map(|sample| sample.fault.clone()))
                .or_else(|| outcome.faults.get(&number).cloned()),
            facts: taken.first().map(|sample| sample.facts.clone()).unwrap_or_default(),
            histogram: buckets(&histogram),
        });
    }
    Ok(cells)
}

fn round(sample: &Sample) -> Round {
    Round {
        value: sample.value,
        messages: sample.messages,
        elapsed_ns: sample.elapsed_ns,
        settled: sample.settled,
        initiator: sample.initiator,
        responder: sample.responder,
    }
}

fn per_message(taken: &[&Sample], messages: u64) -> PerMessage {
    let sum = |of: fn(&Sample) -> u64| {
        taken.iter().map(|sample| of(sample)).sum::<u64>() as f64 / messages.max(1) as f64
    };
    PerMessage {
        cpu_ns: sum(|sample| sample.initiator.cpu_ns + sample.responder.cpu_ns),
        initiator_cpu_ns: sum(|sample| sample.initiator.cpu_ns),
        responder_cpu_ns: sum(|sample| sample.responder.cpu_ns),
        pacing_ns: sum(|sample| sample.initiator.pacing_ns),
        voluntary: sum(|sample| sample.initiator.voluntary + sample.responder.voluntary),
        involuntary: sum(|sample| sample.initiator.involuntary + sample.responder.involuntary),
    }
}

/// The floors that were looked at beside the rounds.
pub(crate) fn floors(plan: &Plan, outcome: &Outcome) -> Vec<Floor> {
    outcome
        .checks
        .iter()
        .map(|check| {
            let case = &plan.checks[check.check];
            Floor {
                cell: case.id(),
                scenario: case.scenario,
                when: check.when.to_owned(),
                value: check.value,
            }
        })
        .collect()
}

/// How much the equal rows of each A/A pair seem to differ.
pub(crate) fn noise(cells: &[Cell], seed: u64) -> Vec<Noise> {
    cells
        .iter()
        .filter(|cell| cell.case.row.replica == 1)
        .filter_map(|again| {
            let mut case = again.case.clone();
            case.row.replica = 0;
            let first = cells.iter().find(|cell| cell.case == case)?;
            let (a, b) = again.paired(first);
            Some(Noise {
                factors: factors(&a, &b),
                cell: first.id.clone(),
                scenario: case.scenario,
                wait: case.row.wait,
                ratio: interval::ratio(&a, &b, seed)?,
            })
        })
        .collect()
}

/// By what factor each pair of values differs; at least 1.
pub(crate) fn factors(a: &[f64], b: &[f64]) -> Vec<f64> {
    a.iter().zip(b).map(|(a, b)| (a / b).max(b / a)).collect()
}

/// Cells without a figure, with the reason.
pub(crate) fn skipped(plan: &Plan, outcome: &Outcome) -> Vec<Omitted> {
    let planned = plan.skipped.iter().map(|skip| Omitted {
        cell: skip.cell.clone(),
        reason: skip.reason.clone(),
        fault: None,
    });
    let stopped = outcome.stopped.iter().filter_map(|(case, stop)| match stop {
        Stop::Unavailable(reason) | Stop::Failed(reason) => Some(Omitted {
            cell: plan.cases[*case].id(),
            reason: reason.clone(),
            fault: outcome.faults.get(case).cloned(),
        }),
        Stop::Wrong(_) | Stop::Interrupted => None,
    });
    planned.chain(stopped).collect()
}

/// Why the run is not the whole plan.
pub(crate) fn incomplete(plan: &Plan, outcome: &Outcome) -> Option<String> {
    let taken = outcome.samples.iter().flatten().flatten().count();
    let planned = plan.cases.len() * plan.rounds as usize;
    let why = match outcome.early? {
        // What was cut off is a look at the floors after the last round, which are shown as missing.
        Early::OutOfTime if taken == planned => return None,
        Early::Interrupted => "interrupted",
        Early::OutOfTime => "the time budget ran out; --time-budget gives it more",
    };
    Some(format!("{why} ({taken} of {planned} samples taken)"))
}

/// What a reader must know before trusting the figures, each with its remedy.
pub(crate) fn warnings(report: &Report) -> Vec<String> {
    let mut warnings = Vec::new();
    if report.run.self_test {
        warnings
            .push("this is a self-test of the harness: no figure here is a measurement".to_owned());
    }
    if report.run.payload == Payload::Header {
        warnings.push(
            "only the first 8 bytes of each message were written and compared: rates of large messages are too high; \
             leave out --touch"
                .to_owned(),
        );
    }
    for cell in report.wrong() {
        warnings.push(format!("{cell}: a message did not arrive as it was sent; do not use it"));
    }
    if let Some(why) = &report.run.incomplete {
        warnings.push(format!("incomplete: {why}"));
    }
    if let Some(shares) = report.host.shares {
        if shares.steal > STEAL {
            warnings.push(format!(
                "the hypervisor took {:.1} % of the processor time; repeat the run at a quieter hour",
                shares.steal * 100.0
            ));
        }
        if shares.others > OTHERS {
            warnings.push(format!(
                "other processes used {:.0} % of the processor time; stop them and repeat the run",
                shares.others * 100.0
            ));
        }
    }
    warnings.extend(drift(&report.floors));
    let open = report.cells.iter().filter(|cell| !cell.converged).count();
    if open > 0 {
        warnings.push(format!(
            "{open} of {} rows did not converge (marked ~, they win nothing); more rounds help: `--preset standard`",
            report.cells.len()
        ));
    }
    warnings.extend(unsettled(report));
    warnings.extend(behind(report));
    if report.host.cpus_allowed.len() < 2 {
        warnings.push(
            "only one CPU may be used: both sides share it, and rows that spin are left out"
                .to_owned(),
        );
    }
    warnings
}

/// Whether more samples than a few were taken before the transport had come to rest.
fn unsettled(report: &Report) -> Option<String> {
    let rounds = || report.cells.iter().flat_map(|cell| cell.rounds.iter().flatten());
    let (all, open) = (rounds().count(), rounds().filter(|round| !round.settled).count());
    (open as f64 > all as f64 * UNSETTLED).then(|| {
        format!(
            "{open} of {all} samples were taken before three windows agreed within 5 %; longer ones help: --time-budget"
        )
    })
}

/// The rows that did not keep up with their rate.
fn behind(report: &Report) -> Option<String> {
    let late: Vec<&str> = report
        .cells
        .iter()
        .filter(|cell| {
            let Some(Pace::Rate(asked)) = cell.case.pace else { return false };
            let rounds = || cell.rounds.iter().flatten();
            let messages: u64 = rounds().map(|round| round.messages).sum();
            let elapsed: u64 = rounds().map(|round| round.elapsed_ns).sum();
            (messages as f64) * 1e9 < f64::from(asked) * KEPT_UP * elapsed as f64
        })
        .map(|cell| cell.id.as_str())
        .collect();
    (!late.is_empty()).then(|| {
        format!(
            "{} did not keep up with the rate: their latencies grow for as long as a sample lasts",
            late.join(", ")
        )
    })
}

/// The floors that moved, one warning each.
fn drift(floors: &[Floor]) -> Vec<String> {
    let mut names: Vec<&str> = floors.iter().map(|floor| floor.cell.as_str()).collect();
    names.dedup();
    names.sort_unstable();
    names.dedup();
    names
        .into_iter()
        .filter_map(|name| {
            let of: Vec<&Floor> = floors.iter().filter(|floor| floor.cell == name).collect();
            let low = of.iter().map(|floor| floor.value).fold(f64::INFINITY, f64::min);
            let high = of.iter().map(|floor| floor.value).fold(0.0, f64::max);
            let show = |value| of[0].scenario.figure(value);
            (high > low * DRIFT).then(|| {
                format!(
                    "the machine changed during the run: {name} went from {} to {}; trust ratios, not figures",
                    show(low),
                    show(high)
                )
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        case::Scenario,
        control::Usage,
        host::Shares,
        plan::{Plan, tests::config},
        report::record::{
            Calls,
            tests::{cell, report},
        },
    };

    fn sample(value: f64) -> Option<Sample> {
        let latencies = vec![(value as u64, 5_000)];
        Some(Sample { value, messages: 5_000, verified: 10_000, latencies, ..Sample::default() })
    }

    fn outcome(plan: &Plan, values: [f64; 3]) -> Outcome {
        Outcome {
            samples: plan.cases.iter().map(|_| values.map(sample).to_vec()).collect(),
            ..Outcome::default()
        }
    }

    #[test]
    fn the_value_of_a_cell_is_the_median_over_its_rounds_and_its_percentiles_are_over_all_samples()
    {
        let plan = Plan::new(&config(&["pipe"], 3));
        let cells = cells(&plan, &outcome(&plan, [300.0, 100.0, 200.0])).unwrap();
        assert_eq!(cells.len(), plan.cases.len());
        let cell = &cells[0];
        assert_eq!((cell.value.median, cell.value.low, cell.value.high), (200.0, 100.0, 300.0));
        assert_eq!(cell.percentiles.samples, 15_000);
        assert_eq!(cell.percentiles.p999, Some(300));
        assert_eq!(cell.verified, 30_000);
    }

    #[test]
    fn counted_calls_stand_in_their_cell_and_their_absence_has_a_reason() {
        let plan = Plan::new(&config(&["pipe", "unix", "memcpy"], 3));
        let mut outcome = outcome(&plan, [100.0; 3]);
        let number = |id: &str| plan.cases.iter().position(|case| case.id() == id).unwrap();
        let calls = Calls { initiator: 2.0, responder: 3.0, messages: 10 };
        outcome.calls.insert(number("pingpong/64B/pipe/block"), Ok(calls));
        outcome.calls.insert(number("pingpong/64B/pipe/spin"), Err("no filter".to_owned()));
        let fault = crate::pattern::Fault { message: 0, offset: 0, expected: 1, found: 2 };
        outcome.faults.insert(number("stream/64B/unix/spin"), fault.clone());
        let cells = cells(&plan, &outcome).unwrap();
        let cell = |id: &str| cells.iter().find(|cell| cell.id == id).unwrap();
        assert_eq!(cell("pingpong/64B/pipe/block").calls, Some(calls));
        assert_eq!(cell("pingpong/64B/pipe/spin").no_calls.as_deref(), Some("no filter"));
        for (id, reason) in [
            ("pingpong/64B/unix/block", "not counted in this run"),
            ("pingpong/64B/unix/block#2", "copy"),
            ("stream/64B/memcpy/spin", "one side"),
        ] {
            assert!(cell(id).no_calls.as_ref().unwrap().contains(reason), "{id}");
            assert_eq!(cell(id).calls, None);
        }
        assert_eq!(cell("stream/64B/unix/spin").fault, Some(fault));
    }

    #[test]
    fn a_wrong_byte_before_the_first_sample_is_not_lost_with_the_cell() {
        let plan = Plan::new(&config(&["pipe", "unix"], 3));
        let wrong = plan.cases.iter().position(|case| case.id() == "stream/64B/unix/spin").unwrap();
        let mut outcome = outcome(&plan, [100.0; 3]);
        outcome.samples[wrong].fill(None);
        let fault = crate::pattern::Fault { message: 0, offset: 0, expected: 1, found: 2 };
        outcome.faults.insert(wrong, fault.clone());
        outcome.stopped.insert(wrong, Stop::Failed("a byte was wrong".to_owned()));
        let mut report = report(cells(&plan, &outcome).unwrap());
        assert!(report.wrong().is_empty());
        report.skipped = skipped(&plan, &outcome);
        assert_eq!(report.wrong().into_iter().collect::<Vec<_>>(), ["stream/64B/unix/spin"]);
        assert!(
            warnings(&report)
                .iter()
                .any(|text| text.starts_with("stream/64B/unix/spin: a message"))
        );
    }

    #[test]
    fn the_pacers_time_stands_apart_from_that_of_both_sides() {
        let plan = Plan::new(&config(&["pipe"], 3));
        let mut outcome = outcome(&plan, [100.0; 3]);
        for sample in outcome.samples.iter_mut().flatten().flatten() {
            sample.initiator =
                Usage { cpu_ns: 5_000 * 30, pacing_ns: 5_000 * 900, ..Usage::default() };
            sample.responder = Usage { cpu_ns: 5_000 * 12, ..Usage::default() };
        }
        let per_message = cells(&plan, &outcome).unwrap()[0].per_message;
        assert_eq!((per_message.initiator_cpu_ns, per_message.responder_cpu_ns), (30.0, 12.0));
        assert_eq!((per_message.cpu_ns, per_message.pacing_ns), (42.0, 900.0));
    }

    #[test]
    fn rounds_that_disagree_and_rounds_that_are_missing_do_not_converge() {
        let plan = Plan::new(&config(&["pipe"], 3));
        let converged = |outcome: &Outcome| cells(&plan, outcome).unwrap()[0].converged;
        assert!(converged(&outcome(&plan, [100.0, 110.0, 120.0])));
        assert!(converged(&outcome(&plan, [100.0, 110.0, 900.0])));
        assert!(!converged(&outcome(&plan, [100.0, 200.0, 300.0])));
        let mut short = outcome(&plan, [100.0, 110.0, 120.0]);
        short.samples[0][2] = None;
        assert!(!converged(&short));
    }

    #[test]
    fn a_quiet_complete_run_has_nothing_to_warn_of() {
        let report = report(vec![cell("pingpong unix/block", &[1.0, 1.0, 1.0])]);
        assert_eq!(warnings(&report), [""; 0]);
    }

    #[test]
    fn each_disturbance_has_its_warning() {
        let base = || report(vec![cell("pingpong unix/block", &[1.0, 1.0, 1.0])]);
        let warned = |change: &dyn Fn(&mut Report)| {
            let mut report = base();
            change(&mut report);
            warnings(&report).join("\n")
        };
        let shares = |steal, others| Some(Shares { steal, others });
        assert!(warned(&|r| r.host.shares = shares(0.02, 0.0)).contains("hypervisor took 2.0 %"));
        assert!(
            warned(&|r| r.host.shares = shares(0.0, 0.2)).contains("other processes used 20 %")
        );
        assert!(warned(&|r| r.run.self_test = true).contains("self-test"));
        assert!(
            warned(&|r| r.run.incomplete = Some("interrupted".to_owned())).contains("incomplete")
        );
        assert!(warned(&|r| r.run.payload = Payload::Header).contains("first 8 bytes"));
        assert!(warned(&|r| r.host.cpus_allowed = vec![0]).contains("only one CPU"));
        let each_round = |r: &mut Report, change: &dyn Fn(&mut Round)| {
            r.cells[0].rounds.iter_mut().flatten().for_each(change);
        };
        assert!(
            warned(&|r| each_round(r, &|round| round.settled = false))
                .contains("3 of 3 samples were taken before")
        );
        // A thousand messages a millisecond, where two thousand were due.
        let slow = warned(&|r| r.cells[0].case.pace = Some(Pace::Rate(2_000_000)));
        assert!(slow.contains("did not keep up"), "{slow}");
        assert_eq!(warned(&|r| r.cells[0].case.pace = Some(Pace::Rate(1_000_000))), "");
        assert!(warned(&|r| r.cells[0].converged = false).contains("1 of 1 rows did not converge"));
        let fault = crate::pattern::Fault { message: 0, offset: 0, expected: 1, found: 2 };
        assert!(warned(&|r| r.cells[0].fault = Some(fault.clone())).contains("do not use it"));
    }

    #[test]
    fn a_floor_that_moves_during_the_run_is_reported_with_both_figures() {
        let floor = |when: &str, value| Floor {
            cell: "pingpong/64B/flag/spin".to_owned(),
            scenario: Scenario::Pingpong,
            when: when.to_owned(),
            value,
        };
        assert!(drift(&[floor("start", 200.0), floor("end", 240.0)]).is_empty());
        let moved = drift(&[floor("start", 200.0), floor("middle", 600.0), floor("end", 210.0)]);
        assert_eq!(moved.len(), 1);
        assert!(moved[0].contains("200 ns") && moved[0].contains("600 ns"), "{moved:?}");
    }
}
