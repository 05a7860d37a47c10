//! From the arguments of a run to what is asked for: rows, sizes, paces, places, buffers, and the program for the rows in Go.
//!
//! Nothing is measured here, and nothing is left out: what cannot run together is for [`plan`](crate::plan) to say.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use anyhow::{Context, Result};
use nix::time::{ClockId, clock_gettime};

use crate::{
    Usage,
    case::{Scenario, Wait},
    cli::RunArgs,
    clock::monotonic_ns,
    pin,
    place::{self, Machine},
    plan::Config,
    preset::Preset,
    report::record::Place,
    run,
    transport::{self, Transport},
    units::{Buffer, Size},
};

/// What is asked of every transport's buffer: the most that Linux grants a pipe without a privilege.
pub(crate) const MATCHED: Buffer = Some(Size(1 << 20));

/// What `args` ask for, and the places of this machine.
pub(crate) fn configure(args: &RunArgs) -> Result<(Config, Vec<Place>)> {
    let allowed = pin::allowed()?;
    let places = places(args, &allowed)?;
    Ok((
        Config {
            preset: args.preset,
            transports: transports(&args.transport),
            // Who names rows wants all of them.
            short: args.transport.is_empty() && args.wait.is_empty(),
            scenarios: or(&args.scenario, Scenario::ALL.to_vec()),
            sizes: or(&args.size, vec![]),
            rates: or(&args.rate, args.preset.rates()),
            gaps: gaps(args)?,
            waits: or(&args.wait, Wait::ALL.to_vec()),
            placements: places.iter().filter_map(|place| place.placement).collect(),
            buffers: buffers(args),
            crossed: !args.placement.is_empty() || args.buffer.len() > 1,
            cpus: allowed.len(),
            rounds: args.rounds.unwrap_or(args.preset.rounds()),
            budget: args.time_budget.unwrap_or(args.preset.budget()),
            // A self-test wants every path walked, not every figure right.
            longest: if args.self_test { Duration::from_millis(40) } else { run::LONGEST_SLOT },
            counted: true,
            missing: BTreeMap::new(),
            seed: args.seed.unwrap_or_else(seed),
        },
        places,
    ))
}

/// The program that plays the rows in Go, if there are any; where it cannot be had, they are missing.
pub(crate) fn in_go(config: &mut Config, only_look: bool) -> Option<PathBuf> {
    let rows: Vec<&'static str> =
        config.wanted().filter(|transport| transport.go).map(|transport| transport.name).collect();
    if rows.is_empty() {
        return None;
    }
    let built = transport::go::version().and_then(|version| {
        if only_look {
            return Ok(None);
        }
        transport::go::build(&version).map(Some)
    });
    built.unwrap_or_else(|reason| {
        config.missing.extend(rows.into_iter().map(|row| (row, reason.clone())));
        None
    })
}

/// Where the sides run, the main place first, and which places this machine does not have.
fn places(args: &RunArgs, allowed: &[usize]) -> Result<Vec<Place>> {
    let machine = Machine::new(allowed);
    let main = match args.cpus.as_slice() {
        [] => machine.choose().context("this process may use no CPU at all")?,
        cpus => pin::named(cpus, allowed).map_err(|error| Usage(error.to_string()))?,
    };
    let wanted = match args.placement.as_slice() {
        [] if args.preset == Preset::Quick || !args.cpus.is_empty() => vec![],
        [] => place::Name::ALL.to_vec(),
        named => named.to_vec(),
    };
    let places = machine.places(main, &wanted);
    if places.iter().all(|place| place.placement.is_none()) {
        let reasons: Vec<String> = (places.iter())
            .filter(|place| wanted.iter().any(|name| name.tag() == place.tag))
            .map(|place| format!("{}: {}", place.tag, place.what))
            .collect();
        return Err(Usage(reasons.join("; ")).into());
    }
    Ok(places)
}

/// The matched capacity first; a longer run also looks at what each transport has by itself.
fn buffers(args: &RunArgs) -> Vec<Buffer> {
    match args.buffer.as_slice() {
        [] if args.preset == Preset::Quick => vec![MATCHED],
        [] => vec![MATCHED, None],
        named => named.to_vec(),
    }
}

fn gaps(args: &RunArgs) -> Result<Vec<u64>> {
    let gaps = args.gap.iter().map(|gap| match u64::try_from(gap.as_nanos()) {
        Ok(gap @ 1..=1_000_000_000) => Ok(gap),
        _ => Err(Usage(
            "a silence is longer than nothing and at most 1s; the usual ones are 10us to 10ms"
                .to_owned(),
        )),
    });
    Ok(or(&gaps.collect::<Result<Vec<u64>, Usage>>()?, args.preset.gaps()))
}

/// What was named, in order and each once: a cell that was asked for twice is still one cell. Else the usual.
fn or<T: Copy + Ord>(named: &[T], usual: Vec<T>) -> Vec<T> {
    if named.is_empty() { usual } else { unique(named) }
}

/// The values in order, each once: a cell that was asked for twice is still one cell.
pub(crate) fn unique<T: Copy + Ord>(values: &[T]) -> Vec<T> {
    let mut values = values.to_vec();
    values.sort_unstable();
    values.dedup();
    values
}

/// Those that were named, which the command line has looked up, or all but those that exist for tests.
fn transports(names: &[String]) -> Vec<&'static Transport> {
    let wanted = |known: &&Transport| match names {
        [] => !known.hidden,
        names => names.iter().any(|name| name == known.name),
    };
    transport::known().iter().filter(wanted).collect()
}

/// A number for the order, if nobody names one.
pub(crate) fn seed() -> u64 {
    // Short, because people copy it; unpredictable is not asked of it.
    let nanos = clock_gettime(ClockId::CLOCK_REALTIME).map_or(0, |time| time.tv_nsec() as u64);
    crate::pattern::mix(nanos ^ monotonic_ns()) % 1_000_000
}
