//! Rounds of a made-up machine, to try the rules on: it changes between two regimes from round to round, varies by 4 %
//! within a regime, and now and then one row of a round is disturbed by a factor of up to four.

use crate::{
    report::record::{Cell, Noise, tests},
    stats::rng::Rng,
    summary,
};

fn uniform(rng: &mut Rng) -> f64 {
    rng.below(1 << 20) as f64 / (1 << 20) as f64
}

/// What the machine makes of a row that takes 200 in its faster regime, round by round.
pub(crate) fn regimes(rounds: usize, rng: &mut Rng) -> Vec<f64> {
    (0..rounds).map(|_| if rng.below(2) == 0 { 200.0 } else { 600.0 }).collect()
}

/// A row that takes `factor` times what the machine makes of it.
pub(crate) fn cell(
    name: &str,
    regimes: &[f64],
    factor: f64,
    disturbed: f64,
    rng: &mut Rng,
) -> Cell {
    let values: Vec<f64> = regimes
        .iter()
        .map(|regime| {
            // The sum of twelve uniform numbers less six is close to the normal distribution.
            let normal = (0..12).map(|_| uniform(rng)).sum::<f64>() - 6.0;
            let hit = if uniform(rng) < disturbed { 1.5 + 2.5 * uniform(rng) } else { 1.0 };
            regime * factor * hit * (normal * 0.04).exp()
        })
        .collect();
    tests::cell(name, &values)
}

/// What an A/A pair on the same machine shows, of rows that spin.
pub(crate) fn noise(regimes: &[f64], disturbed: f64, rng: &mut Rng) -> Noise {
    let [a, b] = [(); 2].map(|()| cell("pingpong unix/spin", regimes, 1.0, disturbed, rng));
    let (of_a, of_b) = a.paired(&b);
    Noise {
        factors: summary::factors(&of_a, &of_b),
        scenario: a.case.scenario,
        wait: a.case.row.wait,
        ratio: a.value,
        cell: a.id,
    }
}
