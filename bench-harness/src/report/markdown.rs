//! `REPORT.md`: the whole report for people, from the answer down to how to repeat it.

use super::{
    record::{Cell, Report},
    table::{Show, grid, trust},
    text::Grid,
};
use crate::{
    case::Scenario,
    recommend::{self, figure},
    transport, units,
};

/// Renders `report`.
pub(crate) fn render(report: &Report) -> String {
    let mut sections = vec![
        ("What to take", answer(report)),
        ("How far to trust this run", trust_section(report)),
        ("Latency", latency(report)),
        ("Throughput", throughput(report)),
        ("Processor time", cpu(report)),
        ("Where the ring loses", losses(report)),
        ("What is not measured", not_measured(report)),
        ("Method and known bias", method(report)),
        ("Machine", machine(report)),
        ("How to repeat it", repeat(report)),
    ];
    sections.retain(|(_, text)| !text.is_empty());
    let mut text = format!(
        "# Which way two local processes should talk: {}\n\n{} · ipc-bench {} · {}\n",
        report.host.cpu.as_deref().unwrap_or("unknown CPU"),
        report.run.started,
        report.build.version,
        report
            .build
            .commit
            .as_deref()
            .map_or_else(|| "commit unknown".to_owned(), |commit| format!("commit {commit}")),
    );
    for (number, (title, body)) in sections.iter().enumerate() {
        text += &format!("\n## {}. {title}\n\n{}\n", number + 1, body.trim_end());
    }
    text
}

fn answer(report: &Report) -> String {
    let mut text = String::new();
    for line in &report.advice {
        let cells: Vec<String> = line.cells.iter().map(|cell| format!("`{cell}`")).collect();
        let cells =
            if cells.is_empty() { String::new() } else { format!(" ({})", cells.join(", ")) };
        text += &format!("* **{}**: {}{cells}\n", line.profile, line.text);
    }
    if text.is_empty() {
        text += "Nothing that was measured answers a question.\n";
    }
    text += "\nA transport is called better only if its ratio to the other, taken within each round, has a 95 % \
             interval without 1 (with three rounds: better in each of them), and exceeds by a tenth what two equal \
             rows of this run differ by. Otherwise the simpler one is advised: pipe, FIFO, Unix socket, TCP, RPC, \
             ring, in this order.\n";
    text
}

fn trust_section(report: &Report) -> String {
    let mut text = trust(report) + "\n";
    for warning in &report.warnings {
        text += &format!("\n* ⚠ {warning}");
    }
    if !report.warnings.is_empty() {
        text += "\n";
    }
    if !report.noise.is_empty() {
        let mut grid = Grid::new(["equal rows", "seeming ratio", "95 % interval", "worst round"]);
        for noise in &report.noise {
            grid.row([
                noise.cell.clone(),
                units::significant(noise.ratio.median),
                interval(noise.ratio.low, noise.ratio.high),
                units::significant(noise.factors.iter().copied().fold(1.0, f64::max)),
            ]);
        }
        text += &format!(
            "\nOne row under two names, so that every difference is noise:\n\n{}",
            grid.markdown()
        );
    }
    if !report.floors.is_empty() {
        let mut grid = Grid::new(["floor", "start", "middle", "end"]);
        let mut seen: Vec<&str> = Vec::new();
        for floor in &report.floors {
            if seen.contains(&floor.cell.as_str()) {
                continue;
            }
            seen.push(&floor.cell);
            let at = |when: &str| {
                let found = report
                    .floors
                    .iter()
                    .find(|other| other.cell == floor.cell && other.when == when);
                found.map_or_else(
                    || "–".to_owned(),
                    |found| match found.scenario {
                        Scenario::Pingpong => units::nanos(found.value),
                        Scenario::Stream => units::rate(found.value),
                    },
                )
            };
            grid.row([floor.cell.clone(), at("start"), at("middle"), at("end")]);
        }
        text += &format!("\nThe machine itself, beside the rounds:\n\n{}", grid.markdown());
    }
    text
}

fn latency(report: &Report) -> String {
    let value = grid(report, Scenario::Pingpong, Show::Value);
    if value.is_empty() {
        return String::new();
    }
    let mut text = format!(
        "Round trip, median over rounds of each round's median. Rows in brackets are floors; `#2` is the second \
         copy of a row; `~` did not converge.\n\n{}\n99th percentile over all rounds:\n\n{}\n",
        value.markdown(),
        grid(report, Scenario::Pingpong, Show::P99).markdown()
    );
    let mut all = Grid::new([
        "cell",
        "median",
        "95 % interval",
        "p50",
        "p90",
        "p99",
        "p99.9",
        "max",
        "samples",
    ]);
    for cell in of(report, Scenario::Pingpong) {
        let p = &cell.percentiles;
        let show =
            |value: Option<u64>| value.map_or_else(|| "–".to_owned(), |ns| units::nanos(ns as f64));
        all.row([
            cell.id.clone(),
            figure(cell),
            format!("{} – {}", units::nanos(cell.value.low), units::nanos(cell.value.high)),
            show(p.p50),
            show(p.p90),
            show(p.p99),
            show(p.p999),
            show(p.max),
            p.samples.to_string(),
        ]);
    }
    text += &details("Every cell with its interval and percentiles", &all);
    text
}

fn throughput(report: &Report) -> String {
    let value = grid(report, Scenario::Stream, Show::Value);
    if value.is_empty() {
        return String::new();
    }
    let mut all = Grid::new(["cell", "rate", "95 % interval", "messages/s", "messages"]);
    for cell in of(report, Scenario::Stream) {
        all.row([
            cell.id.clone(),
            figure(cell),
            format!("{} – {}", units::rate(cell.value.low), units::rate(cell.value.high)),
            format!("{:.0}", cell.value.median / cell.case.size.0 as f64),
            cell.messages.to_string(),
        ]);
    }
    format!(
        "From the first byte sent to the last byte compared at the receiver. One message a call on both sides.\n\n{}\n{}",
        value.markdown(),
        details("Every cell with its interval", &all)
    )
}

fn cpu(report: &Report) -> String {
    let mut text = String::new();
    for (scenario, what) in [
        (Scenario::Pingpong, "User and system time of both sides for one round trip:"),
        (Scenario::Stream, "User and system time of both sides for one streamed message:"),
    ] {
        let grid = grid(report, scenario, Show::Cpu);
        if !grid.is_empty() {
            text += &format!("{what}\n\n{}\n", grid.markdown());
        }
    }
    let mut all =
        Grid::new(["cell", "CPU", "switches because it waited", "switches because it had to"]);
    for cell in &report.cells {
        all.row([
            cell.id.clone(),
            units::nanos(cell.per_message.cpu_ns),
            units::significant(cell.per_message.voluntary),
            units::significant(cell.per_message.involuntary),
        ]);
    }
    text + &details("Context switches per message, both sides", &all)
}

/// Where another transport is clearly better than the ring with the same way of waiting.
fn losses(report: &Report) -> String {
    let mut lines = Vec::new();
    let ring = report
        .cells
        .iter()
        .filter(|cell| cell.case.row.transport == "ring" && cell.case.row.replica == 0);
    let mut any = false;
    for cell in ring {
        any = true;
        for other in &report.cells {
            let same = other.case.scenario == cell.case.scenario
                && other.case.size == cell.case.size
                && other.case.row.wait == cell.case.row.wait
                && other.case.row.replica == 0
                && other.case.row.transport != "ring"
                && !other.floor;
            if same && recommend::compare(other, cell, &report.noise).clear {
                lines.push(format!(
                    "* `{}`: {} against {} of {}",
                    cell.id,
                    figure(cell),
                    figure(other),
                    other.case.row
                ));
            }
        }
    }
    match (any, lines.is_empty()) {
        (false, _) => "The ring was not measured in this run.".to_owned(),
        (true, true) => {
            "Against rows with the same way of waiting: nowhere on this host.".to_owned()
        }
        (true, false) => lines.join("\n"),
    }
}

fn not_measured(report: &Report) -> String {
    let mut text = "Other machines than this one; polling several descriptors at once; message borders (a stream has \
                    none, the harness knows the sizes); many writers or readers; a fixed rate of messages; the first \
                    message after a silence; setting up; peers that crash or lie; containers.\n"
        .to_owned();
    if !report.skipped.is_empty() {
        let mut grid = Grid::new(["cell", "why it has no figure"]);
        for skip in &report.skipped {
            grid.row([skip.cell.clone(), skip.reason.clone()]);
        }
        text += &format!("\n{}", grid.markdown());
    }
    text
}

fn method(report: &Report) -> String {
    let mut text = format!(
        "Two fresh processes for every sample, {}; the coordinator sleeps meanwhile. In each round every row of a block \
         (scenario and size) runs once, in an order shuffled with the seed and balanced over the rounds. A sample warms \
         up until three windows agree within 5 %, or a fifth of its time is gone ({}). The unit of statistics is the round; intervals are 95 % bootstrap \
         intervals over rounds, with few rounds as wide as their range. A percentile is given only with ten samples \
         beyond it. Every byte of every message is written by the sender and compared by the receiver; in ping-pong the \
         responder's share of that is inside the round trip. Reading the clock costs {:.0} ns, not subtracted.\n\n",
        report.run.placement,
        warm(report),
        report.clock_ns
    );
    let mut touch = Grid::new(["message", "fill", "compare"]);
    for line in &report.touch {
        touch.row([line.size.to_string(), units::nanos(line.fill_ns), units::nanos(line.check_ns)]);
    }
    text += &format!("Cost of the pattern, the same for every row:\n\n{}\n", touch.markdown());
    text += "Known bias: one call a message on both sides, so a kernel transport whose user batches small messages in a \
             buffer does better than here; throughput needs the two processes' clocks to be one, which \
             `CLOCK_MONOTONIC` is; buffers were asked to be equal, and what was granted differs:\n\n";
    let mut facts = Grid::new(["transport", "as read back"]);
    let mut seen: Vec<&str> = Vec::new();
    for cell in &report.cells {
        if !cell.facts.is_empty() && !seen.contains(&cell.case.row.transport.as_str()) {
            seen.push(&cell.case.row.transport);
            let list: Vec<String> =
                cell.facts.iter().map(|(name, value)| format!("{name} {value}")).collect();
            facts.row([cell.case.row.transport.clone(), list.join(", ")]);
        }
    }
    text += &facts.markdown();
    let mut what = Grid::new(["row", "what it is"]);
    for transport in transport::known() {
        if report.cells.iter().any(|cell| cell.case.row.transport == transport.name) {
            what.row([transport.name, transport.what]);
        }
    }
    text + &format!("\n{}", what.markdown())
}

/// How often the warm-up came to rest before its time was over.
fn warm(report: &Report) -> String {
    let rounds = || report.cells.iter().flat_map(|cell| cell.rounds.iter().flatten());
    format!(
        "{} of {} came to rest",
        rounds().filter(|round| round.settled).count(),
        rounds().count()
    )
}

fn machine(report: &Report) -> String {
    let host = &report.host;
    let mut grid = Grid::new(["what", "value"]);
    let unknown = || "unknown".to_owned();
    let number = |value: Option<u64>| value.map_or_else(unknown, |value| value.to_string());
    let mut row = |what: &str, value: String| grid.row([what.to_owned(), value]);
    row("CPU", host.cpu.clone().unwrap_or_else(unknown));
    row(
        "CPUs online / allowed",
        format!("{} / {}", number(host.cpus_online.map(|n| n as u64)), host.cpus_allowed.len()),
    );
    row("caches of CPU 0", host.caches.join("; "));
    row("hypervisor", if host.hypervisor { "yes" } else { "no" }.to_owned());
    row("SMT", host.smt.clone().unwrap_or_else(unknown));
    row("frequency governor", host.governor.clone().unwrap_or_else(unknown));
    row("memory", host.memory_kib.map_or_else(unknown, |kib| format!("{} MiB", kib >> 10)));
    row("kernel", host.kernel.clone().unwrap_or_else(unknown));
    row("clock source", host.clocksource.clone().unwrap_or_else(unknown));
    row("largest pipe", number(host.pipe_max_size));
    row(
        "largest socket buffers (receive, send)",
        format!("{}, {}", number(host.rmem_max), number(host.wmem_max)),
    );
    let load = |load: Option<f64>| load.map_or_else(unknown, |load| format!("{load:.2}"));
    row("load before / after", format!("{} / {}", load(host.load_before), load(host.load_after)));
    if let Some(shares) = host.shares {
        row("processor time stolen by the hypervisor", format!("{:.2} %", shares.steal * 100.0));
        row("processor time of other processes", format!("{:.1} %", shares.others * 100.0));
    }
    for (name, state) in &host.vulnerabilities {
        row(name, state.clone());
    }
    let build = &report.build;
    row("built by", format!("{}, opt-level {}, {}", build.rustc, build.opt_level, build.target));
    grid.markdown()
}

fn repeat(report: &Report) -> String {
    format!(
        "```\ngit checkout {}\ncargo run --release -p bench-harness -- {}\n```\n",
        report.build.commit.as_deref().unwrap_or("COMMIT").trim_end_matches("-dirty"),
        report.run.arguments.join(" ")
    )
}

fn of(report: &Report, scenario: Scenario) -> impl Iterator<Item = &Cell> {
    report.cells.iter().filter(move |cell| cell.case.scenario == scenario)
}

fn interval(low: f64, high: f64) -> String {
    format!("{} – {}", units::significant(low), units::significant(high))
}

fn details(title: &str, grid: &Grid) -> String {
    format!("<details><summary>{title}</summary>\n\n{}\n</details>\n", grid.markdown())
}
