//! `ipc-bench run`: from the arguments to the report.

use std::{
    collections::BTreeMap,
    io::{Write, stdout},
    path::{Path, PathBuf},
    time::{Duration, Instant, SystemTime},
};

use anyhow::{Context, Result, anyhow};
use nix::time::{ClockId, clock_gettime};

use crate::{
    Exit, Usage,
    case::{Scenario, Wait},
    cli::RunArgs,
    clock::{self, SystemClock, monotonic_ns},
    host::{self, Host, Ticks},
    interrupt::Interrupt,
    output,
    pattern::{Direction, Pattern},
    pin,
    place::{self, Machine},
    plan::{Config, Plan},
    preset::Preset,
    progress::{Progress, say},
    recommend,
    report::{
        record::{Build, Payload, Place, Report, RunInfo, SCHEMA, Touch},
        table,
    },
    run::{self, Early},
    session::Processes,
    summary,
    transport::{self, Transport},
    units::{Buffer, Size},
};

/// What is asked of every transport's buffer: the most that Linux grants a pipe without a privilege.
pub(crate) const MATCHED: Buffer = Some(Size(1 << 20));

/// Measures and reports.
pub(crate) fn run(args: &RunArgs) -> Result<Exit> {
    let (mut config, places) = configure(args)?;
    let go = in_go(&mut config, args.dry_run);
    let plan = Plan::new(&config);
    if args.dry_run {
        return dry_run(&plan, &places);
    }
    if cfg!(debug_assertions) && !args.self_test {
        return Err(anyhow!(
            "this is a debug build, and its figures would mean nothing; build with `cargo run --release -p bench-harness`"
        ));
    }
    if plan.cases.is_empty() {
        let reasons: Vec<String> =
            plan.skipped.iter().map(|skip| format!("\n  {}: {}", skip.cell, skip.reason)).collect();
        return Err(Usage(format!("nothing is left to measure{}", reasons.concat())).into());
    }
    let needed = run::least_time(&plan);
    if needed > plan.budget && !args.self_test {
        return Err(Usage(format!(
            "{} samples need at least {} s; raise --time-budget, or take fewer with --transport, --size or --rounds",
            plan.steps.len(),
            needed.as_secs() + 1
        ))
        .into());
    }
    let interrupt = Interrupt::install()?;
    let mut host = Host::look();
    let started = output::utc(SystemTime::now());
    let name = format!("{started}_{}_{}", host.slug(), commit().unwrap_or("unknown"));
    let keep = args.output != Path::new("-");
    if keep {
        output::probe(&args.output, &name)?;
    }
    let sizes: Vec<Size> = plan.cases.iter().map(|case| case.size).collect();
    let touch = unique(&sizes).into_iter().map(|size| touch(size, args.touch)).collect();
    let clock_ns = clock::cost_ns();
    let ticks = Ticks::now();
    let mut progress = Progress::new(plan.steps.len());
    let mut processes =
        Processes { interrupt: &interrupt, watchdog: args.watchdog, payload: args.touch, go };
    let outcome = run::run(&plan, &mut processes, &SystemClock::new(), &mut progress);
    progress.finish();
    host.shares = ticks.until(Ticks::now());
    host.load_after = host::load();

    let incomplete = summary::incomplete(&plan, &outcome);
    let cells = summary::cells(&plan, &outcome)?;
    let mut report = Report {
        schema: SCHEMA,
        build: build(),
        run: RunInfo {
            started,
            took_s: outcome.took.as_secs_f64(),
            budget_s: plan.budget.as_secs_f64(),
            preset: args.preset.tag().to_owned(),
            arguments: arguments(args, plan.seed),
            seed: plan.seed,
            rounds: plan.rounds,
            placement: place::say(config.placements[0]),
            placements: places,
            buffer: config.buffers[0].unwrap_or(Size(0)),
            payload: args.touch,
            complete: incomplete.is_none(),
            incomplete,
            self_test: args.self_test || cfg!(debug_assertions),
        },
        host,
        clock_ns,
        touch,
        floors: summary::floors(&plan, &outcome),
        noise: summary::noise(&cells, plan.seed),
        skipped: summary::skipped(&plan, &outcome),
        cells,
        warnings: vec![],
        advice: vec![],
    };
    report.warnings = summary::warnings(&report);
    report.advice = recommend::advise(&report);
    let folder = if keep { Some(output::write(&report, &args.output, &name)?) } else { None };
    show(&report, folder.as_deref(), args.json)?;
    Ok(verdict(&report, outcome.early, args.strict))
}

fn show(report: &Report, folder: Option<&Path>, json: bool) -> Result<()> {
    let mut out = stdout().lock();
    if json {
        serde_json::to_writer(&mut out, report)?;
        writeln!(out)?;
        if let Some(folder) = folder {
            say(&format!("report: {}/report.html", folder.display()));
        }
    } else {
        let folder = folder.map(|folder| folder.display().to_string());
        write!(out, "{}", table::screen(report, folder.as_deref()))?;
    }
    out.flush()?;
    Ok(())
}

/// The worst of what happened decides.
fn verdict(report: &Report, early: Option<Early>, strict: bool) -> Exit {
    if !report.wrong().is_empty() {
        Exit::WrongByte
    } else if early == Some(Early::Interrupted) {
        Exit::Interrupted
    } else if report.cells.is_empty() {
        Exit::Failed
    } else if strict && !report.warnings.is_empty() {
        Exit::Untrustworthy
    } else {
        Exit::Fine
    }
}

fn configure(args: &RunArgs) -> Result<(Config, Vec<Place>)> {
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
fn in_go(config: &mut Config, only_look: bool) -> Option<PathBuf> {
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
fn unique<T: Copy + Ord>(values: &[T]) -> Vec<T> {
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

pub(crate) fn seed() -> u64 {
    // Short, because people copy it; unpredictable is not asked of it.
    let nanos = clock_gettime(ClockId::CLOCK_REALTIME).map_or(0, |time| time.tv_nsec() as u64);
    crate::pattern::mix(nanos ^ monotonic_ns()) % 1_000_000
}

fn dry_run(plan: &Plan, places: &[Place]) -> Result<Exit> {
    let mut out = stdout().lock();
    for case in &plan.cases {
        writeln!(out, "{}", case.id())?;
    }
    for skip in &plan.skipped {
        writeln!(out, "{}: skipped, {}", skip.cell, skip.reason)?;
    }
    for place in places.iter().filter(|place| place.placement.is_none()) {
        writeln!(out, "placement {}: absent, {}", place.tag, place.what)?;
    }
    writeln!(
        out,
        "{} cells, {} rounds, {} samples, about {} s",
        plan.cases.len(),
        plan.rounds,
        plan.steps.len(),
        run::estimate(plan).as_secs()
    )?;
    Ok(Exit::Fine)
}

/// The arguments that repeat this run in this order.
fn arguments(args: &RunArgs, seed: u64) -> Vec<String> {
    let mut given: Vec<String> = std::env::args().skip(1).collect();
    if args.seed.is_none() {
        given.extend(["--seed".to_owned(), seed.to_string()]);
    }
    // Where the report went is no part of the measurement, and may be nobody's business.
    if let Some(place) = given.iter().position(|arg| arg == "--output") {
        given.drain(place..(place + 2).min(given.len()));
    }
    given.retain(|arg| !arg.starts_with("--output="));
    given
}

pub(crate) fn commit() -> Option<&'static str> {
    Some(env!("IPC_BENCH_COMMIT")).filter(|commit| !commit.is_empty())
}

fn build() -> Build {
    Build {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        commit: commit().map(str::to_owned),
        rustc: env!("IPC_BENCH_RUSTC").to_owned(),
        target: env!("IPC_BENCH_TARGET").to_owned(),
        opt_level: env!("IPC_BENCH_OPT_LEVEL").to_owned(),
        debug_assertions: cfg!(debug_assertions),
    }
}

/// What the pattern costs for one message of this size.
fn touch(size: Size, payload: Payload) -> Touch {
    let pattern = Pattern::new(1, payload);
    let mut message = vec![0; size.0];
    let count = ((1 << 20) / size.0 as u64).clamp(8, 2000);
    let best = |work: &mut dyn FnMut(u64)| {
        let deadline = Instant::now() + Duration::from_millis(20);
        let mut best = f64::INFINITY;
        for _ in 0..9 {
            let start = monotonic_ns();
            (0..count).for_each(&mut *work);
            best = best.min((monotonic_ns() - start) as f64 / count as f64);
            if Instant::now() > deadline {
                break;
            }
        }
        best
    };
    let fill_ns = best(&mut |number| {
        pattern.fill(Direction::Request, number, &mut message);
        std::hint::black_box(&mut message);
    });
    pattern.fill(Direction::Request, 0, &mut message);
    let check_ns = best(&mut |_| {
        std::hint::black_box(
            pattern.check(Direction::Request, 0, std::hint::black_box(&message)).is_ok(),
        );
    });
    Touch { size, fill_ns, check_ns }
}
