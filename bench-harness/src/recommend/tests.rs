use super::*;
use crate::{
    report::record::tests::{cell, costing, noisy, report},
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
    let advice = advise(&noisy(cells())).remove(0);
    assert_eq!(advice.cells[0], "pingpong/64B/pipe/block");
    assert!(advice.text.contains("1.25× better here, but it takes 1.54×"), "{}", advice.text);
}

#[test]
fn a_row_that_did_not_converge_wins_nothing_and_hides_nothing() {
    let mut ring = cell("pingpong ring/spin", &[100.0, 900.0, 200.0]);
    ring.converged = false;
    let advice = first(vec![cell("pingpong pipe/spin", &[5_000.0; 3]), ring.clone()]);
    assert_eq!(advice.verdict, Verdict::None);
    assert!(advice.text.contains("ring/spin (200 ns) looked better"), "{}", advice.text);
    let advice = first(vec![cell("pingpong pipe/spin", &[250.0; 3]), ring]);
    assert_eq!((advice.verdict, advice.cells.len()), (Verdict::Only, 1));
    assert!(advice.text.contains("nothing else that fits converged"), "{}", advice.text);
}

#[test]
fn a_simpler_row_that_did_not_converge_is_not_passed_over_in_silence() {
    let mut pipe = cell("pingpong pipe/block", &[45_000.0, 55_000.0, 35_000.0]);
    pipe.converged = false;
    let tcp = || cell("pingpong tcp/block", &[52_000.0, 53_000.0, 54_000.0]);
    let advice = first(vec![pipe.clone(), tcp()]);
    assert_eq!(advice.verdict, Verdict::None);
    assert!(advice.text.contains("pipe/block (45.0 µs) is simpler"), "{}", advice.text);
    for round in pipe.rounds.iter_mut().flatten() {
        round.value *= 10.0;
    }
    let advice = first(vec![pipe, tcp()]);
    assert_eq!(advice.verdict, Verdict::Only);
    assert_eq!(advice.cells, ["pingpong/64B/tcp/block", "pingpong/64B/pipe/block"]);
    assert!(advice.text.contains("looked clearly worse: pipe/block"), "{}", advice.text);
}

#[test]
fn of_one_transport_the_row_that_polls_less_is_taken_if_it_too_beats_what_is_simpler() {
    let rows = |block: f64| {
        vec![
            cell("stream pipe/block", &[100.0; 3]),
            cell("stream ring/block", &[block; 3]),
            cell("stream ring/adaptive", &[300.0, 200.0, 310.0]),
        ]
    };
    let advice = first(rows(280.0));
    assert_eq!(advice.verdict, Verdict::Best);
    let names =
        ["ring/block", "pipe/block", "ring/adaptive"].map(|row| format!("stream/64B/{row}"));
    assert_eq!(advice.cells, names);
    assert!(advice.text.contains("2.80× better"), "{}", advice.text);
    assert!(advice.text.contains("which polls more"), "{}", advice.text);
    let mut rows = rows(205.0);
    rows[1] = cell("stream ring/block", &[290.0, 90.0, 300.0]);
    assert_eq!(first(rows).cells[0], "stream/64B/ring/adaptive");
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
    let of = |name: &str| &advice.iter().find(|advice| advice.profile == name).unwrap().cells[0];
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
    assert!(advice.text.contains("6.43× better than the best of the simpler"), "{}", advice.text);
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
                let noisy = noisy.unwrap_or_else(|| panic!("{factor}: {} / {}", a.text, b.text));
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
        assert_eq!(advice.cells.is_empty(), advice.verdict == Verdict::None, "{}", advice.profile);
        assert_eq!(run.cells_named(&advice.cells).len(), advice.cells.len());
    }
}
