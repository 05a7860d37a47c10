//! `ipc-bench compare A B`: what changed between two runs, and what may as well be noise.
//!
//! Rounds of different runs are no pairs, and the machine may have changed between the runs, so more is asked here than of
//! two rows of one run: the whole interval of the ratio has to lie beyond the threshold, times the A/A floor of both runs,
//! times what the machine's own floors differ by from one run to the other. The A/A floor is taken so strictly that comparing
//! two equal runs, with all their cells, finds a difference once in a hundred times at most.

use std::{
    fmt,
    io::{Write, stdout},
    path::PathBuf,
};

use anyhow::{Result, bail};
use clap::Args;

use crate::{
    Exit,
    recommend::{self, Advice, LEVEL, Verdict, WORTH},
    report::{
        content,
        record::{Cell, Floor, Report},
        text::Grid,
    },
    stats::{
        interval::{self, Estimate},
        median,
    },
    summary, units,
};

#[derive(Debug, Args)]
pub(crate) struct CompareArgs {
    /// The folder of the older run, or its report.json.
    a: PathBuf,
    /// The folder of the newer run, or its report.json.
    b: PathBuf,
    /// End with 3 if a cell is clearly worse in B by more than this, such as 10%.
    #[arg(long, value_parser = units::percentage, value_name = "SHARE")]
    fail_above: Option<f64>,
}

/// What became of a cell from A to B.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    Better,
    Worse,
    /// Within the noise of the two runs.
    Unclear,
    /// Too few rounds, or rounds that disagree, in one of the runs.
    Open,
    /// Bytes were wrong in one of the runs.
    Wrong,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Better => "better",
            Self::Worse => "WORSE",
            Self::Unclear => "no clear difference",
            Self::Open => "did not converge",
            Self::Wrong => "A BYTE WAS WRONG",
        })
    }
}

/// A cell that both runs have.
struct Pair<'a> {
    a: &'a Cell,
    b: &'a Cell,
    /// How many times better B is; below 1 it is worse.
    ratio: Estimate,
    /// What the whole interval, or that of the inverse, has to reach to count.
    needed: f64,
    change: Change,
}

/// Reads both reports, prints what changed, and holds it against the threshold.
pub(crate) fn run(args: &CompareArgs) -> Result<Exit> {
    let (a, b) = (Report::read(&args.a)?, Report::read(&args.b)?);
    let pairs = pairs(&a, &b, 1.0 + args.fail_above.unwrap_or(WORTH - 1.0));
    if pairs.is_empty() {
        bail!(
            "the two runs have no cell in common; measure B with the arguments of A: {}",
            a.run.arguments.join(" ")
        );
    }
    let mut out = stdout().lock();
    write!(out, "{}", screen(&a, &b, &pairs))?;
    out.flush()?;
    // What has no figure is in no pair.
    let unmeasured = |report: &Report| report.skipped.iter().any(|skip| skip.fault.is_some());
    Ok(exit(&pairs, unmeasured(&a) || unmeasured(&b), args.fail_above.is_some()))
}

fn exit(pairs: &[Pair<'_>], wrong: bool, strict: bool) -> Exit {
    // A floor is the machine's, so what became of it is no fault of a transport.
    let any = |change| pairs.iter().any(|pair| pair.change == change && !pair.a.floor);
    if wrong || any(Change::Wrong) {
        Exit::WrongByte
    } else if strict && any(Change::Worse) {
        Exit::Threshold
    } else {
        Exit::Fine
    }
}

/// Every cell that both runs have, in the order of A.
fn pairs<'a>(a: &'a Report, b: &'a Report, least: f64) -> Vec<Pair<'a>> {
    let both: Vec<(&Cell, &Cell)> = a
        .cells
        .iter()
        .filter_map(|cell| Some((cell, b.cells.iter().find(|other| other.id == cell.id)?)))
        .collect();
    // So many chances to be wrong share what is allowed to go wrong by accident.
    let level = LEVEL / both.len().max(1) as f64;
    both.iter().map(|(old, new)| pair(a, b, old, new, least, level)).collect()
}

fn pair<'a>(
    a: &Report,
    b: &Report,
    old: &'a Cell,
    new: &'a Cell,
    least: f64,
    level: f64,
) -> Pair<'a> {
    let values = |cell: &Cell| -> Vec<f64> {
        cell.rounds.iter().flatten().map(|round| round.value).collect()
    };
    let (of_a, of_b) = (values(old), values(new));
    let (up, down) =
        if old.case.scenario.more_is_better() { (&of_b, &of_a) } else { (&of_a, &of_b) };
    let nothing = Estimate { median: 1.0, low: 0.0, high: f64::MAX };
    let ratio = interval::unpaired_ratio(up, down, 1).unwrap_or(nothing);
    let floor = [(a, of_a.len()), (b, of_b.len())]
        .map(|(run, rounds)| recommend::floor(&[old], &run.noise, rounds, level))
        .into_iter()
        .fold(1.0, f64::max);
    let needed = least * floor * machine(a, b, old);
    let change = if old.fault.is_some() || new.fault.is_some() {
        Change::Wrong
    } else if !old.converged
        || !new.converged
        || of_a.len().min(of_b.len()) < summary::FEWEST_ROUNDS
    {
        Change::Open
    } else if ratio.low >= needed {
        Change::Better
    } else if ratio.high <= 1.0 / needed {
        Change::Worse
    } else {
        Change::Unclear
    };
    Pair { a: old, b: new, ratio, needed, change }
}

/// By what factor the machine itself differed between the runs: by the floors that ran in the rounds of the cell's block,
/// and by those that were looked at beside the rounds (of the cell's scenario, or all for a scenario without any).
fn machine(a: &Report, b: &Report, cell: &Cell) -> f64 {
    let within = |run: &Report| -> Vec<Floor> {
        let floors =
            run.cells.iter().filter(|other| other.floor && other.case.block() == cell.case.block());
        let values = floors.flat_map(|floor| {
            floor.rounds.iter().flatten().map(|round| (floor.id.clone(), round.value))
        });
        let scenario = cell.case.scenario;
        let floor = |(cell, value)| Floor { cell, scenario, when: String::new(), value };
        values.map(floor).collect()
    };
    let beside = |run: &Report| -> Vec<Floor> {
        let same = |floor: &&Floor| floor.scenario == cell.case.scenario;
        let any = run.floors.iter().any(|floor| same(&floor));
        run.floors.iter().filter(|floor| !any || same(floor)).cloned().collect()
    };
    let factors = [changes(&within(a), &within(b)), changes(&beside(a), &beside(b))].concat();
    factors.into_iter().map(|(_, factor)| factor).fold(1.0, f64::max)
}

/// Each floor that both runs looked at, with the factor between its medians.
fn changes(a: &[Floor], b: &[Floor]) -> Vec<(String, f64)> {
    let middle = |floors: &[Floor], cell: &str| {
        let values = floors.iter().filter(|floor| floor.cell == cell).map(|floor| floor.value);
        median(&values.collect::<Vec<_>>())
    };
    let mut names: Vec<&str> = a.iter().map(|floor| floor.cell.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    names
        .into_iter()
        .filter_map(|name| {
            let ratio = middle(a, name)? / middle(b, name)?;
            Some((name.to_owned(), ratio.max(1.0 / ratio)))
        })
        .collect()
}

fn screen(a: &Report, b: &Report, pairs: &[Pair<'_>]) -> String {
    let mut text = format!("A  {}\nB  {}\n", name(a), name(b));
    for warning in warnings(a, b) {
        text += &format!("! {warning}\n");
    }
    let mut grid = Grid::new(["cell", "in B", "A", "B", "times better", "95 %", "needed"]);
    for pair in pairs {
        let name = &pair.a.id;
        let show = |value: f64| format!("{}×", units::significant(value));
        grid.row([
            if pair.a.floor { format!("({name})") } else { name.clone() },
            pair.change.to_string(),
            recommend::figure(pair.a),
            recommend::figure(pair.b),
            show(pair.ratio.median),
            format!(
                "{}–{}",
                units::significant(pair.ratio.low),
                units::significant(pair.ratio.high)
            ),
            show(pair.needed),
        ]);
    }
    text += &format!("\n{}\n", grid.labelled());
    let count = |change| pairs.iter().filter(|pair| pair.change == change).count();
    let only = |one: &Report, other: &Report| {
        one.cells.iter().filter(|cell| other.cells.iter().all(|o| o.id != cell.id)).count()
    };
    text += &format!(
        "{} cells in both: {} better, {} worse, {} without a clear difference, {} that did not converge; {} only in A, {} only in B\n",
        pairs.len(),
        count(Change::Better),
        count(Change::Worse),
        count(Change::Unclear),
        count(Change::Open),
        only(a, b),
        only(b, a)
    );
    for line in advice(&recommend::advise(a), &recommend::advise(b)) {
        text += &format!("{line}\n");
    }
    text
}

fn name(report: &Report) -> String {
    let cpu = report.host.cpu.as_deref().unwrap_or("unknown CPU");
    format!("{}, {} rounds, {cpu}", content::subtitle(report), report.run.rounds)
}

/// What a reader must know before believing a difference.
fn warnings(a: &Report, b: &Report) -> Vec<String> {
    let mut warnings = vec![];
    for (run, name) in [(a, "A"), (b, "B")] {
        if run.run.self_test {
            warnings.push(format!(
                "{name} is a self-test of the harness: no figure in it is a measurement"
            ));
        }
        if let Some(why) = &run.run.incomplete {
            warnings.push(format!("{name} is incomplete: {why}"));
        }
    }
    let same = |what: &str, a: &dyn fmt::Debug, b: &dyn fmt::Debug| {
        let (a, b) = (format!("{a:?}"), format!("{b:?}"));
        (a != b).then(|| format!("A and B differ in more than their moment: {what} {a} and {b}"))
    };
    warnings.extend(
        [
            same("CPU", &a.host.cpu, &b.host.cpu),
            same("kernel", &a.host.kernel, &b.host.kernel),
            same("compiler", &a.build.rustc, &b.build.rustc),
            same("placement", &a.run.placement, &b.run.placement),
            same("buffer", &a.run.buffer, &b.run.buffer),
        ]
        .into_iter()
        .flatten(),
    );
    for (floor, factor) in changes(&a.floors, &b.floors) {
        if factor >= WORTH {
            warnings.push(format!(
                "the machine itself changed: {floor} by {}×; a difference has to exceed that as well",
                units::significant(factor)
            ));
        }
    }
    warnings
}

/// Whether both runs advise the same, job by job; where they do not, whether that is more than noise.
fn advice(a: &[Advice], b: &[Advice]) -> Vec<String> {
    let mut same = 0;
    let mut lines = vec![];
    for old in a {
        let Some(new) = b.iter().find(|new| new.profile == old.profile) else { continue };
        if old.cells.first() == new.cells.first() {
            same += 1;
            continue;
        }
        let firm =
            |advice: &Advice| advice.verdict == Verdict::Best || advice.verdict == Verdict::Only;
        let why = if firm(old) && firm(new) { "clearly" } else { "within the noise" };
        lines.push(format!(
            "the advice for {} differs {why}\n  A: {}\n  B: {}",
            old.profile, old.text, new.text
        ));
    }
    lines.insert(0, format!("the same advice for {same} of {} jobs", same + lines.len()));
    lines
}

#[cfg(test)]
mod tests {
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
        assert!(
            warnings(&a, &b).iter().any(|line| line.contains("1.20×")),
            "{:?}",
            warnings(&a, &b)
        );
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
        assert!(
            said.contains("within the noise") && said.contains("no clear difference"),
            "{said}"
        );
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
}
