//! Who works when.
//!
//! Three probes at a time: the base, a twin of the base, and the change. The twin shows how much two runs of the same program
//! differ here and now.
//!
//! * A *step* has each of the three do a slice of one row twice, in an order that reads the same from both ends, such as
//!   base, change, twin, twin, change, base. Whatever grows or shrinks evenly meanwhile cancels out. The three take turns at being outermost.
//! * A *launch* has some steps of every row, then all three are started anew. Where the stack, the heap and the shared memory lie is
//!   drawn when a program starts, and moves its times by some per cent for as long as it runs: no number of steps averages
//!   that out. So the launch is the unit that is counted, with the median over its steps.

use std::{path::PathBuf, time::Duration};

use perf_gate::{
    cpus,
    protocol::{Kind, Slice},
};

use crate::{Result, child::Probe, interval::median};

/// What to measure, and how long.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) base: PathBuf,
    pub(crate) change: PathBuf,
    /// A part of the names of the rows.
    pub(crate) filter: String,
    /// These rows and no others.
    pub(crate) only: Option<Vec<String>>,
    pub(crate) launches: u32,
    pub(crate) slice: Duration,
    pub(crate) limit: f64,
    pub(crate) pair_limit: f64,
}

/// What came of one row.
#[derive(Clone, Debug)]
pub(crate) struct Measured {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) launches: Vec<Launch>,
}

/// One row in one launch: medians over the steps.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Launch {
    /// Nanoseconds of an operation of the base.
    pub(crate) base: f64,
    /// How much longer the change took.
    pub(crate) change: f64,
    /// How much longer the base itself took, as its own twin.
    pub(crate) twin: f64,
}

/// Orders in which each of the three is outermost, in the middle and innermost once.
const ORDERS: [[usize; 3]; 3] = [[BASE, CHANGE, TWIN], [CHANGE, TWIN, BASE], [TWIN, BASE, CHANGE]];
const BASE: usize = 0;
const CHANGE: usize = 1;
const TWIN: usize = 2;

/// Of each slice, the part before the clock is started: the other probes had the caches meanwhile.
const UNMEASURED: u64 = 4;

impl Plan {
    /// The same for the rows that look slower, twice as thorough.
    pub(crate) fn again(&self, suspects: Vec<String>) -> Self {
        Self { only: Some(suspects), launches: 2 * self.launches, ..self.clone() }
    }

    /// How much slower a row may be.
    pub(crate) fn limit(&self, kind: Kind) -> f64 {
        match kind {
            Kind::Alone => self.limit,
            Kind::Pair => self.pair_limit,
        }
    }

    fn includes(&self, row: &str) -> bool {
        row.contains(&self.filter)
            && self.only.as_ref().is_none_or(|only| only.iter().any(|name| name == row))
    }
}

/// Measures every row that both builds have.
pub(crate) fn measure(plan: &Plan) -> Result<Vec<Measured>> {
    let cpus = cpus()?;
    let (mut base, rows) = Probe::start(&plan.base, cpus)?;
    let (_, changed) = Probe::start(&plan.change, cpus)?;
    for row in rows.iter().filter(|row| !changed.contains(row)) {
        eprintln!("not compared, because the change has no such row: {}", row.0);
    }
    let mut measured = Vec::new();
    for (name, kind) in rows.into_iter().filter(|row| changed.contains(row)) {
        if !plan.includes(&name) {
            continue;
        }
        if kind == Kind::Pair && cpus.0 == cpus.1 {
            eprintln!("not compared, because it takes two CPUs: {name}");
            continue;
        }
        let operations = operations(&mut base, &name, plan.slice)?;
        let slice =
            Slice { row: name.clone(), unmeasured: operations / UNMEASURED, measured: operations };
        measured.push((slice, Measured { name, kind, launches: Vec::new() }));
    }
    drop(base);
    if measured.is_empty() {
        return Err("there is no row to compare; without --rows, all are".into());
    }
    for number in 1..=plan.launches {
        eprintln!("launch {number} of {}", plan.launches);
        let start = |program| Probe::start(program, cpus).map(|(probe, _)| probe);
        let mut probes = [start(&plan.base)?, start(&plan.change)?, start(&plan.base)?];
        for (slice, row) in &mut measured {
            row.launches.push(launch(&mut probes, slice)?);
        }
    }
    Ok(measured.into_iter().map(|(_, row)| row).collect())
}

/// A home CPU and another one, the same if there is only one. The first CPU is where most machines take their interrupts, so
/// it is not the home.
fn cpus() -> Result<(usize, usize)> {
    let allowed = cpus::allowed()?;
    match allowed[..] {
        [] => Err("this process may use no CPU at all".into()),
        [.., other, home] => Ok((home, other)),
        [only] => Ok((only, only)),
    }
}

/// How many operations fill a slice: the same number for all three, whatever the machine does later.
fn operations(probe: &mut Probe, row: &str, slice: Duration) -> Result<u64> {
    let target = slice.as_nanos() as f64;
    let mut operations = 1;
    loop {
        let order = Slice { row: row.to_owned(), unmeasured: operations, measured: operations };
        let took = probe.work(&order)?;
        // Overshooting a little is fine; starting from a few operations, which are all cold, would be wrong.
        if took >= target / 2.0 {
            return Ok(((operations as f64 * target / took) as u64).max(1));
        }
        operations *= 2;
    }
}

fn launch(probes: &mut [Probe; 3], slice: &Slice) -> Result<Launch> {
    // The row is made, and its memory touched.
    for probe in &mut *probes {
        probe.work(slice)?;
    }
    let (mut base, mut change, mut twin) = (Vec::new(), Vec::new(), Vec::new());
    for order in ORDERS {
        let mut took = [0.0; 3];
        for who in order.into_iter().chain(order.into_iter().rev()) {
            took[who] += probes[who].work(slice)?;
        }
        base.push(took[BASE] / (2 * slice.measured) as f64);
        change.push(took[CHANGE] / took[BASE]);
        twin.push(took[TWIN] / took[BASE]);
    }
    let middle = |values: &[f64]| median(values).ok_or("a launch without steps");
    Ok(Launch { base: middle(&base)?, change: middle(&change)?, twin: middle(&twin)? })
}
