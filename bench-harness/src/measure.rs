//! `ipc-bench run`: from the arguments to the report.

use std::{
    io::{Write, stdout},
    path::Path,
    time::{Duration, Instant, SystemTime},
};

use anyhow::{Result, anyhow};

use crate::{
    Exit, Usage,
    cli::RunArgs,
    clock::{self, SystemClock, monotonic_ns},
    configure::{configure, in_go, unique},
    host::{self, Host, Ticks},
    interrupt::Interrupt,
    output,
    pattern::{Direction, Pattern},
    place,
    plan::Plan,
    progress::{Progress, say},
    recommend,
    report::{
        record::{Build, Payload, Place, Report, RunInfo, SCHEMA, Touch},
        table,
    },
    run::{self, Early},
    session::Processes,
    summary,
    units::Size,
};

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
    let written = keep.then(|| output::write(&report, &args.output, &name)).transpose();
    // A full disk must not take the answer along with the report.
    show(&report, written.as_ref().ok().and_then(Option::as_deref), args.json)?;
    written?;
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
