//! Which transport to take for which job, from the cells of a run alone.
//!
//! What a job must have (another machine, a stranger on the other side) decides who may stand; then the metric decides.
//! A contender is better only if its ratio to the other, taken within each round, has an interval without 1, and exceeds
//! by a tenth what two equal rows of this very run differ by. Otherwise there is no clear difference, and the simpler
//! one is advised.

use serde::{Deserialize, Serialize};

use crate::{
    case::{Scenario, Wait},
    report::record::{Cell, Noise, Report},
    stats::{
        interval::{self, Estimate},
        quantile,
    },
    summary,
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
    /// The same, and a message costs no more processor time than with the thriftiest transport that sleeps at once.
    Frugal,
}

const SMALL: Size = Size(64);
const BULK: Size = Size(65_536);

const LATENCY: Profile = Profile {
    name: "",
    scenario: Scenario::Pingpong,
    size: SMALL,
    able: |_| true,
    thrift: Thrift::Frugal,
};

static PROFILES: &[Profile] = &[
    Profile { name: "lowest latency, cores to burn", thrift: Thrift::Cores, ..LATENCY },
    Profile { name: "lowest latency, no cores to burn", ..LATENCY },
    Profile {
        name: "bulk data",
        scenario: Scenario::Stream,
        size: BULK,
        able: |_| true,
        thrift: Thrift::Sleeps,
    },
    Profile {
        name: "many small messages",
        scenario: Scenario::Stream,
        size: SMALL,
        able: |_| true,
        thrift: Thrift::Sleeps,
    },
    Profile {
        name: "polled with other descriptors",
        able: |transport| transport.pollable,
        ..LATENCY
    },
    Profile { name: "peer not trusted", able: |transport| transport.untrusted, ..LATENCY },
    Profile { name: "may move to another machine", able: |transport| transport.remote, ..LATENCY },
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
    /// What was measured does not tell.
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
    profiles.map(|profile| advise_one(report, profile)).collect()
}

fn advise_one(report: &Report, profile: &Profile) -> Advice {
    let mut fit = candidates(report, profile);
    // Simplest first, and of the same transport the one that leaves the CPU alone.
    fit.sort_by_key(|(cell, transport)| (transport.complexity, cell.case.row.wait));
    let fit: Vec<&Cell> = fit.into_iter().map(|(cell, _)| cell).collect();
    let (firm, open): (Vec<&Cell>, Vec<&Cell>) = fit.into_iter().partition(|cell| cell.converged);
    let advice = |verdict, cells: Vec<&Cell>, text| Advice {
        profile: profile.name.to_owned(),
        scenario: profile.scenario,
        size: profile.size,
        verdict,
        cells: cells.into_iter().map(|cell| cell.id.clone()).collect(),
        text,
    };
    let Some(best) = best_of(&firm) else {
        let text = match open.len() {
            0 => "no answer: nothing that fits was measured".to_owned(),
            count => format!("no answer: none of the {count} rows that fit converged"),
        };
        return advice(Verdict::None, open, text);
    };
    let alike = |cell: &&&Cell| cell.id == best.id || !compare(best, cell, &report.noise).clear;
    let chosen = firm.iter().find(alike).copied().unwrap_or(best);
    let others: Vec<&Cell> = firm
        .iter()
        .copied()
        .filter(|cell| cell.case.row.transport != chosen.case.row.transport)
        .collect();
    let rival = if chosen.id == best.id { best_of(&others) } else { Some(best) };
    // It cannot win, but an answer that hides it would mislead.
    if let Some(promising) =
        best_of(&open).filter(|cell| compare(cell, chosen, &report.noise).clear)
    {
        let text = format!(
            "no firm answer: {} looked better ({}) than {} ({}) but did not converge; repeat on a quieter machine \
             or with more rounds",
            promising.case.row,
            figure(promising),
            chosen.case.row,
            figure(chosen)
        );
        return advice(Verdict::None, vec![promising, chosen], text);
    }
    let (verdict, text) = sentence(chosen, rival, open.len(), &report.noise);
    advice(verdict, std::iter::once(chosen).chain(rival).collect(), text)
}

/// The cells that can do the job of `profile`, whether they converged or not.
fn candidates<'a>(report: &'a Report, profile: &Profile) -> Vec<(&'a Cell, &'static Transport)> {
    let able: Vec<(&Cell, &Transport)> = report
        .cells
        .iter()
        .filter(|cell| cell.case.scenario == profile.scenario && cell.case.size == profile.size)
        .filter(|cell| cell.case.row.replica == 0 && cell.fault.is_none() && report.main(cell))
        .filter_map(|cell| Some((cell, transport::find(&cell.case.row.transport)?)))
        .filter(|(_, transport)| {
            let real = !transport.floor && !transport.hidden;
            real && transport.topology == Topology::Processes && (profile.able)(transport)
        })
        .collect();
    let sleeping = able.iter().filter(|(cell, _)| cell.case.row.wait == Wait::Block);
    let thriftiest =
        sleeping.map(|(cell, _)| cell.per_message.cpu_ns).fold(f64::INFINITY, f64::min);
    able.into_iter()
        .filter(|(cell, _)| match (profile.thrift, cell.case.row.wait) {
            (Thrift::Cores, _) | (_, Wait::Block) => true,
            (_, Wait::Spin) => false,
            (Thrift::Sleeps, Wait::Adaptive) => true,
            (Thrift::Frugal, Wait::Adaptive) => cell.per_message.cpu_ns <= thriftiest,
        })
        .collect()
}

fn best_of<'a>(cells: &[&'a Cell]) -> Option<&'a Cell> {
    cells.iter().copied().reduce(|a, b| if better(b, a) { b } else { a })
}

fn sentence(
    chosen: &Cell,
    rival: Option<&Cell>,
    open: usize,
    noise: &[Noise],
) -> (Verdict, String) {
    let row = &chosen.case.row;
    let figure = figure(chosen);
    let Some(rival) = rival else {
        let others = if open == 0 { "fits" } else { "that fits converged" };
        return (Verdict::Only, format!("{row}: {figure}; nothing else {others}"));
    };
    let other = format!("{} ({})", rival.case.row, self::figure(rival));
    let comparison = compare(chosen, rival, noise);
    // Everything simpler than the chosen one is clearly worse, so a rival that is not is more complex.
    if !comparison.clear {
        let why = if row.transport == rival.case.row.transport {
            "which polls less"
        } else {
            "the simpler"
        };
        return (
            Verdict::Simpler,
            format!("{row}: {figure}, {why}: no clear difference to {other}"),
        );
    }
    let ratio = comparison.ratio;
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
    cell.case.scenario.figure(cell.value.median)
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
    let (up, down) = if a.case.scenario.more_is_better() { (&of_a, &of_b) } else { (&of_b, &of_a) };
    let nothing = Estimate { median: 1.0, low: 0.0, high: f64::MAX };
    let ratio = interval::ratio(up, down, 1).unwrap_or(nothing);
    let needed = WORTH * noise_between(a, b, noise);
    let enough = up.len() >= summary::FEWEST_ROUNDS;
    Comparison { ratio, clear: enough && ratio.low > 1.0 && ratio.median >= needed }
}

/// By what factor equal rows differed in all but the worst twentieth of the rounds, in the scenario of these two.
///
/// The pairs of the same way of waiting count, of every size: one pair alone has too few rounds to show how large an
/// accident can be. Without such a pair, every pair of the scenario does.
fn noise_between(a: &Cell, b: &Cell, noise: &[Noise]) -> f64 {
    let here: Vec<&Noise> =
        noise.iter().filter(|noise| noise.scenario == a.case.scenario).collect();
    let classes = [a.case.row.wait == Wait::Block, b.case.row.wait == Wait::Block];
    let same: Vec<&Noise> = here
        .iter()
        .copied()
        .filter(|noise| classes.contains(&(noise.wait == Wait::Block)))
        .collect();
    let counted = if same.is_empty() { here } else { same };
    let factors: Vec<f64> =
        counted.iter().flat_map(|noise| noise.factors.iter().copied()).collect();
    quantile(&factors, 0.95).unwrap_or(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        report::record::tests::{cell, report},
        stats::rng::Rng,
    };

    fn first(cells: Vec<Cell>) -> Advice {
        advise(&report(cells)).remove(0)
    }

    #[test]
    fn a_clear_winner_is_named_with_its_ratio_and_the_cells_it_rests_on() {
        let advice = first(vec![
            cell("pingpong pipe/block", &[50_000.0, 51_000.0, 52_000.0]),
            cell("pingpong ring/spin", &[200.0, 210.0, 190.0]),
        ]);
        assert_eq!(advice.verdict, Verdict::Best);
        assert_eq!(advice.cells, ["pingpong/64B/ring/spin", "pingpong/64B/pipe/block"]);
        assert!(advice.text.contains("× better than pipe/block"), "{}", advice.text);
    }

    #[test]
    fn without_a_clear_difference_the_simpler_one_is_advised() {
        let advice = first(vec![
            cell("pingpong ring/block", &[30_000.0, 31_000.0, 30_500.0]),
            cell("pingpong pipe/block", &[31_000.0, 31_500.0, 30_000.0]),
        ]);
        assert_eq!(advice.verdict, Verdict::Simpler);
        assert_eq!(advice.cells[0], "pingpong/64B/pipe/block");
        assert!(advice.text.contains("the simpler"), "{}", advice.text);
    }

    #[test]
    fn the_best_is_not_called_better_than_a_more_complex_one_that_comes_close() {
        let advice = first(vec![
            cell("pingpong pipe/block", &[100.0, 100.0, 100.0]),
            cell("pingpong ring/block", &[105.0, 105.0, 105.0]),
        ]);
        assert_eq!(advice.verdict, Verdict::Simpler);
        assert_eq!(advice.cells[0], "pingpong/64B/pipe/block");
        assert!(advice.text.contains("no clear difference to ring/block"), "{}", advice.text);
    }

    #[test]
    fn with_fewer_than_three_rounds_nothing_is_clear() {
        let (fast, slow) =
            (cell("pingpong ring/spin", &[1.0, 1.0]), cell("pingpong pipe/spin", &[9.0, 9.0]));
        assert!(!compare(&fast, &slow, &[]).clear);
    }

    #[test]
    fn a_certain_difference_below_a_tenth_is_not_worth_complexity() {
        let advice = first(vec![
            cell("pingpong ring/block", &[100.0, 100.0, 100.0]),
            cell("pingpong pipe/block", &[109.0, 109.0, 109.0]),
        ]);
        assert_eq!(advice.cells[0], "pingpong/64B/pipe/block");
    }

    #[test]
    fn a_difference_that_equal_rows_show_as_well_is_none() {
        let cells = || {
            vec![
                cell("pingpong ring/block", &[100.0, 100.0, 100.0]),
                cell("pingpong pipe/block", &[125.0, 125.0, 125.0]),
            ]
        };
        assert_eq!(first(cells()).cells[0], "pingpong/64B/ring/block");
        let mut noisy = report(cells());
        noisy.noise = vec![Noise {
            cell: "pingpong/64B/unix/block".to_owned(),
            scenario: Scenario::Pingpong,
            wait: Wait::Block,
            ratio: Estimate { median: 0.9, low: 0.7, high: 1.0 },
            factors: vec![1.0, 1.1, 1.4],
        }];
        assert_eq!(advise(&noisy)[0].cells[0], "pingpong/64B/pipe/block");
    }

    #[test]
    fn a_row_that_did_not_converge_wins_nothing_and_hides_nothing() {
        let mut ring = cell("pingpong ring/spin", &[100.0, 900.0, 200.0]);
        ring.converged = false;
        let advice = first(vec![cell("pingpong pipe/spin", &[5_000.0; 3]), ring.clone()]);
        assert_eq!(advice.verdict, Verdict::None);
        assert!(advice.text.contains("ring/spin looked better"), "{}", advice.text);
        let advice = first(vec![cell("pingpong pipe/spin", &[250.0; 3]), ring]);
        assert_eq!((advice.verdict, advice.cells.len()), (Verdict::Only, 1));
        assert!(advice.text.contains("nothing else that fits converged"), "{}", advice.text);
    }

    #[test]
    fn nothing_converged_is_said_instead_of_guessed() {
        let mut pipe = cell("pingpong pipe/spin", &[5_000.0; 3]);
        pipe.converged = false;
        let advice = first(vec![pipe]);
        assert_eq!(advice.verdict, Verdict::None);
        assert!(advice.text.contains("none of the 1 rows"), "{}", advice.text);
    }

    #[test]
    fn floors_wrong_bytes_and_second_copies_are_never_advised() {
        let mut wrong = cell("pingpong fifo/spin", &[1.0; 3]);
        wrong.fault = Some(crate::pattern::Fault { message: 0, offset: 0, expected: 1, found: 2 });
        let advice = first(vec![
            cell("pingpong flag/spin", &[1.0; 3]),
            cell("pingpong unix/spin#2", &[1.0; 3]),
            wrong,
            cell("pingpong unix/spin", &[5_000.0; 3]),
        ]);
        assert_eq!(advice.cells, ["pingpong/64B/unix/spin"]);
        assert_eq!(advice.verdict, Verdict::Only);
    }

    #[test]
    fn what_a_job_must_have_decides_before_the_figures() {
        let cells = vec![
            cell("pingpong pipe/block", &[30_000.0; 3]),
            cell("pingpong ring/adaptive", &[200.0; 3]),
            cell("pingpong ring/spin", &[190.0; 3]),
            cell("pingpong tcp/block", &[50_000.0; 3]),
        ];
        let advice = advise(&report(cells));
        let of =
            |name: &str| &advice.iter().find(|advice| advice.profile == name).unwrap().cells[0];
        assert_eq!(of("may move to another machine"), "pingpong/64B/tcp/block");
        assert_eq!(of("polled with other descriptors"), "pingpong/64B/pipe/block");
        assert_eq!(of("lowest latency, no cores to burn"), "pingpong/64B/ring/adaptive");
    }

    #[test]
    fn a_row_that_polls_for_a_while_is_frugal_only_if_its_messages_cost_less() {
        let mut adaptive = cell("pingpong ring/adaptive", &[200.0; 3]);
        adaptive.per_message.cpu_ns = 90_000.0;
        let advice = advise(&report(vec![cell("pingpong pipe/block", &[30_000.0; 3]), adaptive]));
        let frugal = advice.iter().find(|advice| advice.profile.contains("no cores")).unwrap();
        assert_eq!(frugal.cells, ["pingpong/64B/pipe/block"]);
    }

    #[test]
    fn for_a_stream_more_is_better() {
        let advice = first(vec![
            cell("stream pipe/block", &[2e8; 3]),
            cell("stream ring/block", &[3e9, 3.1e9, 2.9e9]),
        ]);
        assert_eq!(advice.cells[0], "stream/64B/ring/block");
        assert_eq!(advice.verdict, Verdict::Best);
    }

    #[test]
    fn an_equal_pair_is_never_declared_different_in_a_hundred_simulated_runs() {
        let mut rng = Rng::new(11);
        // Sum of twelve uniform numbers less six: close to the normal distribution.
        let mut normal =
            || (0..12).map(|_| rng.below(1 << 20) as f64 / (1 << 20) as f64).sum::<f64>() - 6.0;
        for rounds in [3, 9] {
            for run in 0..100 {
                // The machine changes between two regimes; within a round each row varies by 4 %.
                let regimes: Vec<f64> = (0..rounds)
                    .map(|round| if (round + run) % 2 == 0 { 200.0 } else { 600.0 })
                    .collect();
                let mut sample = |name: &str| {
                    let values: Vec<f64> =
                        regimes.iter().map(|regime| regime * (normal() * 0.04).exp()).collect();
                    cell(name, &values)
                };
                let (a, b) = (sample("pingpong ring/spin"), sample("pingpong pipe/spin"));
                // A pair for each of the four sizes of a run.
                let noise: Vec<Noise> = (0..4)
                    .flat_map(|_| {
                        let pair = [sample("pingpong unix/spin"), sample("pingpong unix/spin#2")];
                        crate::summary::noise(&pair, 1)
                    })
                    .collect();
                assert_eq!(noise.len(), 4);
                assert!(
                    !compare(&a, &b, &noise).clear && !compare(&b, &a, &noise).clear,
                    "run {run} of {rounds} rounds: {:?}, {noise:?}",
                    compare(&a, &b, &noise)
                );
            }
        }
    }
}
