//! The machine, and how to do it all again.

use super::{
    super::{record::Report, text::Grid},
    Block,
};
use crate::repeat;

pub(super) fn machine(report: &Report) -> Vec<Block> {
    let host = &report.host;
    let mut grid = Grid::new(["what", "value"]);
    let or_why = |value: Option<String>, field: &str| {
        value.unwrap_or_else(|| match host.unknown.get(field) {
            Some(reason) => format!("unknown ({reason})"),
            None => "unknown".to_owned(),
        })
    };
    let number = |value: Option<u64>, field| or_why(value.map(|value| value.to_string()), field);
    let mut row = |what: &str, value: String| grid.row([what.to_owned(), value]);
    row("CPU", or_why(host.cpu.clone(), "cpu"));
    row(
        "CPUs online / allowed",
        format!(
            "{} / {}",
            number(host.cpus_online.map(|n| n as u64), "cpus_online"),
            host.cpus_allowed.len()
        ),
    );
    row("caches of CPU 0", host.caches.join("; "));
    row("hypervisor", if host.hypervisor { "yes" } else { "no" }.to_owned());
    row("SMT", or_why(host.smt.clone(), "smt"));
    row("frequency governor", or_why(host.governor.clone(), "governor"));
    row("memory", or_why(host.memory_kib.map(|kib| format!("{} MiB", kib >> 10)), "memory_kib"));
    row("kernel", or_why(host.kernel.clone(), "kernel"));
    row("clock source", or_why(host.clocksource.clone(), "clocksource"));
    row("largest pipe", number(host.pipe_max_size, "pipe_max_size"));
    row(
        "largest socket buffers (receive, send)",
        format!("{}, {}", number(host.rmem_max, "rmem_max"), number(host.wmem_max, "wmem_max")),
    );
    for (name, value) in &host.limits {
        row(name, value.clone());
    }
    let load = |load: Option<f64>| or_why(load.map(|load| format!("{load:.2}")), "load");
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
    vec![Block::table("As far as it tells", grid)]
}

pub(super) fn repeat(report: &Report) -> Vec<Block> {
    let commit = report.build.commit.as_deref().unwrap_or("COMMIT");
    let mut blocks = vec![Block::Commands(vec![
        format!("git checkout {}", commit.trim_end_matches("-dirty")),
        "cargo build --release -p bench-harness".to_owned(),
        format!("target/release/ipc-bench {}", report.run.arguments.join(" ")),
    ])];
    if commit.ends_with("-dirty") {
        blocks.push(Block::text("The sources had changes that no commit holds."));
    }
    let mut advice = Grid::new(["job", "measures again what its advice rests on"]);
    for line in report.advice.iter().filter(|line| !line.cells.is_empty()) {
        let command = repeat::command(report, &report.cells_named(&line.cells));
        advice.row([line.profile.clone(), format!("`{command}`")]);
    }
    if !advice.is_empty() {
        blocks.push(Block::table("Each advice", advice));
    }
    let mut cells = Grid::new(["cell", "measures it again"]);
    for cell in &report.cells {
        cells.row([cell.id.clone(), format!("`{}`", repeat::command(report, &[cell]))]);
    }
    if !cells.is_empty() {
        blocks.push(Block::folded("Each cell", cells));
    }
    blocks
}
