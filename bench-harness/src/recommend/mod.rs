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
pub(crate) use judge::{LEVEL, WORTH, compare, floor};
use limits::{Finding, Limits, least_complex};
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
    let (firm, open): (Vec<&Cell>, Vec<&Cell>) = fit.into_iter().partition(|cell| cell.converged);
    let advice = |verdict, cells: Vec<&Cell>, text| Advice {
        profile: profile.name.to_owned(),
        scenario: profile.scenario,
        pace: profile.pace,
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
    let alike = |cell: &&Cell| cell.id == best.id || !compare(best, cell, &report.noise).clear;
    let place = firm.iter().position(alike).unwrap_or(0);
    let chosen = firm[place];
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
    let (verdict, rival, text) = reason(&firm, place, best, open.len(), &report.noise);
    advice(verdict, std::iter::once(chosen).chain(rival).collect(), text)
}

fn best_of<'a>(cells: &[&'a Cell]) -> Option<&'a Cell> {
    cells.iter().copied().reduce(|a, b| if better(b, a) { b } else { a })
}

/// Why the row at `place` of `firm` (simplest first) is advised, the row it was held against, and both as a sentence.
fn reason<'a>(
    firm: &[&'a Cell],
    place: usize,
    best: &'a Cell,
    open: usize,
    noise: &[Noise],
) -> (Verdict, Option<&'a Cell>, String) {
    let chosen = firm[place];
    let row = &chosen.case.row;
    let figure = figure(chosen);
    let others = |cells: &[&'a Cell]| -> Vec<&'a Cell> {
        cells.iter().copied().filter(|cell| cell.case.row.transport != row.transport).collect()
    };
    // What it has to be better than, to be worth its complexity; where nothing is simpler, whatever else there is.
    let simpler = best_of(&others(&firm[..place]));
    let rival = if chosen.id == best.id { simpler } else { Some(best) };
    let Some(rival) = rival.or_else(|| best_of(&others(firm))) else {
        let others = if open == 0 { "fits" } else { "that fits converged" };
        return (Verdict::Only, None, format!("{row}: {figure}; nothing else {others}"));
    };
    let other = format!("{} ({})", rival.case.row, self::figure(rival));
    let comparison = compare(chosen, rival, noise);
    if !comparison.clear {
        let why = if row.transport == rival.case.row.transport {
            "which polls less"
        } else {
            "the simpler"
        };
        let text = format!("{row}: {figure}, {why}: no clear difference to {other}");
        return (Verdict::Simpler, Some(rival), text);
    }
    let ratio = comparison.ratio;
    let text = format!(
        "{row}: {figure}, {}× better than {}{other}, 95 % {}–{}",
        units::significant(ratio.median),
        if simpler.is_some() { "the best of the simpler, " } else { "" },
        units::significant(ratio.low),
        units::significant(ratio.high)
    );
    (Verdict::Best, Some(rival), text)
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
mod tests {
    use super::*;
    use crate::{
        case::Wait,
        report::record::tests::{cell, costing, report},
        stats::{interval::Estimate, rng::Rng},
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
        assert!(
            advice.text.contains("× better than the best of the simpler, pipe/block"),
            "{}",
            advice.text
        );
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
        let adaptive = costing(cell("pingpong ring/adaptive", &[200.0; 3]), 90_000);
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
    fn a_winner_is_held_against_the_best_of_what_is_simpler() {
        let advice = first(vec![
            cell("pingpong pipe/spin", &[900.0; 3]),
            cell("pingpong unix/spin", &[3_000.0; 3]),
            cell("pingpong ring/spin", &[140.0; 3]),
            cell("pingpong rpc-ring/spin", &[400.0; 3]),
        ]);
        assert_eq!(advice.cells, ["pingpong/64B/ring/spin", "pingpong/64B/pipe/spin"]);
        assert!(
            advice.text.contains("6.43× better than the best of the simpler"),
            "{}",
            advice.text
        );
    }

    #[test]
    fn rare_wake_ups_are_decided_by_the_round_trip_after_a_silence() {
        let mut cells = vec![
            cell("idle-wake pipe/block", &[60_000.0; 3]),
            cell("idle-wake ring/block", &[50_000.0; 3]),
            cell("idle-wake ring/block", &[1.0; 3]),
        ];
        for (cell, gap) in cells.iter_mut().zip([1_000_000, 1_000_000, 10_000]) {
            cell.case.pace = Some(Pace::GapNs(gap));
            cell.id = cell.case.id();
        }
        let advice = first(cells);
        assert_eq!(advice.profile, "rare wake-ups");
        assert_eq!(advice.cells[0], "idle-wake@1ms/64B/ring/block");
    }

    /// A run of three transports on a made-up machine; `factor` is how much slower the simplest one is than the ring.
    fn simulated_run(factor: f64, rounds: usize, disturbed: f64, rng: &mut Rng) -> Report {
        let regimes = simulated::regimes(rounds, rng);
        let mut cells: Vec<Cell> = [
            ("pingpong pipe/spin", factor),
            ("pingpong unix/spin", factor * 1.05),
            ("pingpong ring/spin", 1.0),
        ]
        .iter()
        .map(|(name, factor)| simulated::cell(name, &regimes, *factor, disturbed, rng))
        .collect();
        for cell in &mut cells {
            // As a run would judge its own rounds; those of the made-up machine come from two regimes.
            cell.converged = true;
        }
        let mut run = report(cells);
        run.noise = (0..4).map(|_| simulated::noise(&regimes, disturbed, rng)).collect();
        run
    }

    #[test]
    fn two_runs_in_a_row_advise_the_same_or_one_says_that_the_difference_is_within_the_noise() {
        let mut rng = Rng::new(3);
        let (mut same, mut within) = (0, 0);
        for factor in [0.8, 0.95, 1.0, 1.05, 1.1, 1.2, 1.5, 3.0] {
            for rounds in [3, 9] {
                for _ in 0..30 {
                    let [a, b] = [(); 2].map(|()| {
                        let run = simulated_run(factor, rounds, 0.05, &mut rng);
                        advise(&run).remove(0)
                    });
                    if a.cells[0] == b.cells[0] {
                        same += 1;
                        continue;
                    }
                    let noisy = [&a, &b].into_iter().find(|advice| advice.verdict != Verdict::Best);
                    let noisy =
                        noisy.unwrap_or_else(|| panic!("{factor}: {} / {}", a.text, b.text));
                    assert!(noisy.text.contains("no clear difference"), "{}", noisy.text);
                    within += 1;
                }
            }
        }
        eprintln!("{same} pairs of runs advised the same, {within} differed within the noise");
        assert_eq!(same + within, 8 * 2 * 30);
        assert!(within > 0, "the rule was never put to the test");
    }

    #[test]
    fn every_cell_that_an_advice_names_is_in_the_report() {
        let run = simulated_run(3.0, 9, 0.0, &mut Rng::new(1));
        let advice = advise(&run);
        assert!(!advice.is_empty());
        for advice in advice {
            assert_eq!(
                advice.cells.is_empty(),
                advice.verdict == Verdict::None,
                "{}",
                advice.profile
            );
            assert_eq!(run.cells_named(&advice.cells).len(), advice.cells.len());
        }
    }
}
