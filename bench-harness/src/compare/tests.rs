use super::*;
use crate::{
    case::Scenario,
    report::record::tests::{cell, report},
    stats::rng::Rng,
};

const NINE: [f64; 9] = [1.0, 1.01, 0.99, 1.0, 1.02, 0.98, 1.0, 1.01, 0.99];

/// A run whose only cell has this value in nine rounds.
fn run(name: &str, value: f64) -> Report {
    report(vec![cell(name, &NINE.map(|share| share * value))])
}

fn change(a: &Report, b: &Report, least: f64) -> Change {
    pairs(a, b, least)[0].change
}

#[test]
fn a_change_counts_from_the_threshold_on_and_in_the_direction_that_is_better() {
    let time = |value| run("pingpong pipe/block", value);
    assert_eq!(change(&time(100.0), &time(130.0), 1.1), Change::Worse);
    assert_eq!(change(&time(130.0), &time(100.0), 1.1), Change::Better);
    assert_eq!(change(&time(100.0), &time(105.0), 1.1), Change::Unclear);
    assert_eq!(change(&time(100.0), &time(130.0), 1.5), Change::Unclear);
    let rate = |value| run("stream pipe/block", value);
    assert_eq!(change(&rate(100.0), &rate(130.0), 1.1), Change::Better);
}

#[test]
fn a_change_that_the_machine_shows_as_well_is_none() {
    let (mut a, mut b) = (run("pingpong pipe/block", 100.0), run("pingpong pipe/block", 130.0));
    let floor = |value| Floor {
        cell: "pingpong/64B/futex/block".to_owned(),
        scenario: Scenario::Pingpong,
        when: "start".to_owned(),
        value,
    };
    (a.floors, b.floors) = (vec![floor(50.0)], vec![floor(60.0)]);
    assert_eq!(change(&a, &b, 1.1), Change::Unclear);
    assert!(warnings(&a, &b).iter().any(|line| line.contains("1.20×")), "{:?}", warnings(&a, &b));
    b.floors = vec![floor(50.0)];
    assert_eq!(change(&a, &b, 1.1), Change::Worse);
    // A floor within the rounds of the block counts as much as one beside them.
    for (run, value) in [(&mut a, 50.0), (&mut b, 60.0)] {
        run.cells.push(cell("pingpong futex/block", &NINE.map(|share| share * value)));
    }
    assert_eq!(change(&a, &b, 1.1), Change::Unclear);
}

#[test]
fn only_a_threshold_that_was_named_ends_with_3_and_a_wrong_byte_always_with_5() {
    let (a, b) = (run("pingpong pipe/block", 100.0), run("pingpong pipe/block", 130.0));
    let worse = pairs(&a, &b, 1.1);
    assert_eq!(
        (exit(&worse, false, false), exit(&worse, false, true)),
        (Exit::Fine, Exit::Threshold)
    );
    assert_eq!(exit(&pairs(&b, &a, 1.1), false, true), Exit::Fine);
    let floor = (run("pingpong flag/spin", 100.0), run("pingpong flag/spin", 200.0));
    assert_eq!(exit(&pairs(&floor.0, &floor.1, 1.1), false, true), Exit::Fine);
    let mut wrong = b.clone();
    wrong.cells[0].fault =
        Some(crate::pattern::Fault { message: 0, offset: 0, expected: 1, found: 2 });
    assert_eq!(exit(&pairs(&a, &wrong, 1.1), false, false), Exit::WrongByte);
    assert_eq!(exit(&pairs(&b, &a, 1.1), true, false), Exit::WrongByte);
}

#[test]
fn rows_that_did_not_converge_are_not_judged() {
    let (a, mut b) = (run("pingpong pipe/block", 100.0), run("pingpong pipe/block", 300.0));
    b.cells[0].converged = false;
    assert_eq!(change(&a, &b, 1.1), Change::Open);
    b.cells[0].converged = true;
    b.cells[0].rounds.truncate(2);
    assert_eq!(change(&a, &b, 1.1), Change::Open);
}

#[test]
fn what_differs_between_the_machines_is_said_first() {
    let (a, mut b) = (run("pingpong pipe/block", 1.0), run("pingpong pipe/block", 1.0));
    assert_eq!(warnings(&a, &b), [""; 0]);
    b.host.kernel = Some("another".to_owned());
    b.run.self_test = true;
    b.run.incomplete = Some("interrupted".to_owned());
    let said = warnings(&a, &b).join("\n");
    for part in ["kernel", "self-test", "B is incomplete: interrupted"] {
        assert!(said.contains(part), "{said}");
    }
}

#[test]
fn advice_that_changed_says_whether_that_is_noise() {
    let pipe = || cell("pingpong pipe/spin", &NINE.map(|share| share * 1_000.0));
    let ring = |value| cell("pingpong ring/spin", &NINE.map(|share| share * value));
    let of = |value| recommend::advise(&report(vec![pipe(), ring(value)]));
    let said = advice(&of(500.0), &of(500.0));
    assert!(said.len() == 1 && said[0].starts_with("the same advice for"), "{said:?}");
    let said = advice(&of(500.0), &of(950.0)).join("\n");
    assert!(said.contains("within the noise") && said.contains("no clear difference"), "{said}");
    let said = advice(&of(500.0), &of(5_000.0)).join("\n");
    assert!(said.contains("differs clearly"), "{said}");
}

/// Two runs of equal rows, each in two blocks with a floor and a pair, on a machine that changes between two regimes.
fn equal_runs(rounds: usize, rng: &mut Rng) -> [Report; 2] {
    [(); 2].map(|()| {
        let mut run = report(vec![]);
        for size in [64, 65_536] {
            let regimes = recommend::simulated::regimes(rounds, rng);
            for name in ["pipe/spin", "unix/spin", "ring/spin", "flag/spin"] {
                let name = format!("pingpong {name}");
                let mut cell = recommend::simulated::cell(&name, &regimes, 1.0, 0.03, rng);
                cell.case.size = units::Size(size);
                cell.id = cell.case.id();
                run.cells.push(cell);
            }
            run.noise.push(recommend::simulated::noise(&regimes, 0.03, rng));
        }
        run
    })
}

#[test]
fn a_hundred_comparisons_of_equal_runs_find_no_difference() {
    let mut rng = Rng::new(17);
    for rounds in [3, 9] {
        let mut looked_at = 0;
        for _ in 0..100 {
            let [a, b] = equal_runs(rounds, &mut rng);
            for pair in pairs(&a, &b, WORTH).iter().filter(|pair| !pair.a.floor) {
                looked_at += 1;
                assert!(
                    !matches!(pair.change, Change::Better | Change::Worse),
                    "{rounds} rounds, {}: {:?}, needed {}",
                    pair.a.id,
                    pair.ratio,
                    pair.needed
                );
            }
        }
        eprintln!("{looked_at} pairs of equal cells compared over {rounds} rounds");
        assert_eq!(looked_at, 100 * 6);
    }
}
