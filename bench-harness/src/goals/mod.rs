//! `ipc-bench goals`: measures what this project wants to reach, each goal against the rows it is held to.
//!
//! A part of a goal is one interleaved run of just the rows it needs, ours among them, and is kept as one file. The table of
//! all parts is made from the files, so that a part can be measured again without the others.

mod cells;
mod definition;
mod figures;
mod finding;
mod growth;
mod judge;
mod page;

use std::{
    fs,
    io::{Write, stdout},
    path::PathBuf,
    time::SystemTime,
};

use anyhow::{Context, Result, anyhow};

use self::{
    definition::{GOALS, Kind, PARTS, Part},
    finding::{Finding, SCHEMA},
};
use crate::{
    Exit, Usage,
    host::{Host, Ticks},
    interrupt::Interrupt,
    measure, output,
    pin::{self, Placement},
    place::Machine,
    report::record::Payload,
    session::Processes,
};

/// Arguments of the command.
#[derive(Debug, clap::Args)]
pub(crate) struct GoalsArgs {
    /// Goals (P4) or parts of them (P4-64B); all that are measured, if none is named.
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    /// How many interleaved rounds.
    #[arg(long, default_value_t = 9, value_parser = clap::value_parser!(u32).range(1..=1000), value_name = "N")]
    rounds: u32,
    /// The number that decides the order; the one of an earlier run repeats its order.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Where the findings are kept, one file a part, and the page that is made from them.
    #[arg(long, default_value = "results/goals", value_name = "DIR")]
    output: PathBuf,
    /// Measure nothing; print the table of what is kept, and make its page again.
    #[arg(long, conflicts_with = "names")]
    table: bool,
    /// Measure nothing; keep the exact counts in this file, as `cargo test --test exact` writes them.
    #[arg(long, value_name = "FILE", conflicts_with = "names")]
    figures: Option<PathBuf>,
    /// Print the parts, and measure nothing.
    #[arg(long)]
    list: bool,
    /// Run a debug build for the harness's own tests; the findings say that they measure nothing.
    #[arg(long, hide = true)]
    self_test: bool,
}

/// What all parts of a run of this command share.
struct Run<'a> {
    rounds: u32,
    seed: u64,
    self_test: bool,
    started: String,
    machine: String,
    allowed: Vec<usize>,
    interrupt: &'a Interrupt,
}

/// Measures, keeps and prints.
pub(crate) fn run(args: &GoalsArgs) -> Result<Exit> {
    let parts = choose(&args.names)?;
    if args.list {
        let mut out = stdout().lock();
        for part in parts {
            writeln!(out, "{:<16} {}", part.name, part.what)?;
        }
        return Ok(Exit::Fine);
    }
    if args.table {
        return table(args);
    }
    let host = Host::look();
    let started = output::utc(SystemTime::now());
    if let Some(file) = &args.figures {
        let commit = measure::commit().map(str::to_owned);
        for finding in figures::read(file, &figures::stamp(started, commit, say(&host)))? {
            write!(stdout(), "{}", page::screen(&finding))?;
            finding.write(&args.output)?;
        }
        return make_page(args);
    }
    if cfg!(debug_assertions) && !args.self_test {
        return Err(anyhow!(
            "this is a debug build, and its figures would mean nothing; scripts/goals builds another"
        ));
    }
    let interrupt = Interrupt::install()?;
    let run = Run {
        rounds: args.rounds,
        seed: args.seed.unwrap_or_else(measure::seed),
        self_test: args.self_test,
        started,
        machine: say(&host),
        allowed: pin::allowed()?,
        interrupt: &interrupt,
    };
    for part in parts {
        let finding = run.measure(part)?;
        write!(stdout(), "{}", page::screen(&finding))?;
        finding.write(&args.output)?;
    }
    make_page(args)
}

/// The parts that were named, by themselves or as a goal.
fn choose(names: &[String]) -> Result<Vec<&'static Part>> {
    for name in names {
        let known = PARTS.iter().any(|part| part.name == name || part.goal() == name);
        if !known && !GOALS.iter().any(|(goal, _)| goal == name) {
            let goals: Vec<&str> = GOALS.iter().map(|(goal, _)| *goal).collect();
            return Err(Usage(format!(
                "there is no goal `{name}`; there are {}, and --list names their parts",
                goals.join(", ")
            ))
            .into());
        }
        if !known {
            return Err(Usage(format!(
                "{name} is counted, not measured: `cargo test --test exact` holds it, and scripts/goals {name} runs that"
            ))
            .into());
        }
    }
    let wanted = |part: &&Part| {
        names.is_empty() || names.iter().any(|name| part.name == name || part.goal() == name)
    };
    Ok(PARTS.iter().filter(wanted).collect())
}

fn table(args: &GoalsArgs) -> Result<Exit> {
    write!(stdout(), "{}", page::table(&finding::read(&args.output)?).markdown())?;
    make_page(args)
}

fn make_page(args: &GoalsArgs) -> Result<Exit> {
    let path = args.output.join("README.md");
    fs::write(&path, page::page(&finding::read(&args.output)?))
        .with_context(|| format!("writing {}", path.display()))?;
    Ok(Exit::Fine)
}

/// The machine in a few words.
fn say(host: &Host) -> String {
    let cpu = host.cpu.as_deref().unwrap_or("an unknown CPU");
    let kernel = host.kernel.as_deref().unwrap_or("an unknown kernel");
    let kind = if host.hypervisor { "virtual machine" } else { "machine" };
    format!("{kind} with {} CPUs ({cpu}), Linux {kernel}", host.cpus_allowed.len())
}

/// Shares of processor time beyond which others have disturbed a part.
const DISTURBED: f64 = 0.03;

impl<'a> Run<'a> {
    fn measure(&self, part: &Part) -> Result<Finding> {
        let before = Ticks::now();
        let mut finding = match &part.kind {
            Kind::Cells(cells) => cells::measure(part, cells, self),
            Kind::Growth => growth::measure(part, self),
        }
        .with_context(|| format!("measuring {}", part.name))?;
        if let Some(shares) = before.until(Ticks::now()) {
            for (share, who) in
                [(shares.steal, "the hypervisor took"), (shares.others, "other processes used")]
            {
                if share > DISTURBED {
                    let percent = share * 100.0;
                    finding.notes.push(format!("{who} {percent:.0} % of the processor time"));
                }
            }
        }
        if self.self_test {
            finding.notes.push("a self-test: no figure here is a measurement".to_owned());
        }
        Ok(finding)
    }

    /// What a finding of `part` begins with.
    fn finding(&self, part: &Part) -> Finding {
        Finding {
            schema: SCHEMA,
            name: part.name.to_owned(),
            goal: part.goal().to_owned(),
            what: part.what.to_owned(),
            started: self.started.clone(),
            commit: measure::commit().map(str::to_owned),
            machine: self.machine.clone(),
            conditions: String::new(),
            took_s: 0.0,
            notes: vec![],
            lines: vec![],
            rows: vec![],
        }
    }

    fn processes(&self) -> Processes<'a> {
        Processes { interrupt: self.interrupt, watchdog: None, payload: Payload::Full, go: None }
    }

    fn cpus(&self) -> usize {
        self.allowed.len()
    }

    /// Where the two sides run.
    fn placement(&self, one_cpu: bool) -> Result<Placement> {
        let main = Machine::new(&self.allowed).choose();
        let main = main.context("this process may use no CPU at all")?;
        Ok(if one_cpu { Placement::OneCpu { cpu: self.allowed[0] } } else { main })
    }
}
