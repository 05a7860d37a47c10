//! The program as its users meet it: arguments in, exit code, tables and files out; and what it leaves behind.

#![expect(clippy::unwrap_used, reason = "a test ends where its expectation fails")]

use std::{
    collections::BTreeSet,
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;

const QUICK: [&str; 7] =
    ["run", "--self-test", "--time-budget", "60s", "--rounds", "1", "--size=64B"];

fn program() -> Command {
    Command::new(assert_cmd::cargo::cargo_bin!("ipc-bench"))
}

fn run(arguments: &[&str]) -> Output {
    program().args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The report of the only run in `folder`.
fn report(folder: &Path) -> Value {
    let runs: Vec<PathBuf> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(runs.len(), 1, "{runs:?}");
    let names: BTreeSet<String> = fs::read_dir(&runs[0])
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let expected = ["REPORT.md", "cells.csv", "report.html", "report.json"].map(str::to_owned);
    assert_eq!(names, BTreeSet::from(expected));
    serde_json::from_slice(&fs::read(runs[0].join("report.json")).unwrap()).unwrap()
}

/// The cells of a run with these arguments, each verified; and what it skipped.
fn verified(arguments: &[&str]) -> (Vec<Value>, String) {
    let folder = tempfile::tempdir().unwrap();
    let output = program()
        .args(["run", "--self-test", "--rounds", "1", "--preset", "full", "--time-budget", "5min"])
        .args(arguments)
        .arg("--output")
        .arg(folder.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("What to take"));
    let report = report(folder.path());
    let cells = report["cells"].as_array().unwrap();
    for cell in cells {
        assert!(cell["verified"].as_u64().unwrap() > 0, "{}", cell["id"]);
        assert!(cell["value"]["median"].as_f64().unwrap() > 0.0, "{}", cell["id"]);
        assert!(cell["fault"].is_null(), "{}", cell["id"]);
    }
    println!("{} cells verified", cells.len());
    (cells.clone(), report["skipped"].to_string())
}

#[test]
fn without_go_its_rows_are_absent_with_the_reason() {
    let output = program()
        .args(QUICK)
        .args(["--transport=go-pipe,go-rpc,pipe", "--scenario=pingpong", "--output=-", "--json"])
        .env("PATH", "/proc/nowhere")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    for row in ["pingpong/64B/go-pipe/adaptive", "pingpong/64B/go-rpc/block"] {
        let skipped = report["skipped"].as_array().unwrap();
        let reason = &skipped.iter().find(|skip| skip["cell"] == row).unwrap()["reason"];
        assert!(reason.as_str().unwrap().contains("Go is not installed"), "{reason}");
    }
}

fn field<'a>(cell: &'a Value, name: &str) -> &'a str {
    cell["case"]["row"][name].as_str().unwrap()
}

#[test]
fn every_row_runs_in_every_scenario_and_every_byte_of_it_is_verified() {
    let (cells, skipped) = verified(&[
        "--size=4KiB",
        "--buffer=64KiB",
        "--rate=10k",
        "--gap=10us",
        "--placement=two-cpus",
    ]);
    let rows: BTreeSet<(&str, &str, &str)> = cells
        .iter()
        .map(|cell| {
            let scenario = cell["case"]["scenario"].as_str().unwrap();
            (scenario, field(cell, "transport"), field(cell, "wait"))
        })
        .collect();
    // Nobody knows what else a list leaves out, so it comes from the program itself.
    let list = text(&run(&["list"]).stdout);
    let mut expected = 0;
    for line in list.lines().skip(1) {
        let words: Vec<&str> = line.split_whitespace().collect();
        for scenario in words[2].split(',') {
            for (place, wait) in words[1].split(',').enumerate() {
                if scenario != "setup" || place == 0 {
                    expected += 1;
                    let row = (scenario, words[0], wait);
                    let absent = words[0].starts_with("go-") && skipped.contains("Go is not");
                    assert!(absent || rows.contains(&row), "{row:?} is missing: {skipped}");
                }
            }
        }
    }
    assert!(expected > 100, "{expected}");
}

#[test]
fn every_row_runs_in_every_placement_and_never_spins_on_one_cpu() {
    let (cells, skipped) = verified(&[
        "--size=7B",
        "--scenario=pingpong,stream",
        "--placement=two-cpus,one-cpu,unpinned",
    ]);
    let of = |tag: &str| -> BTreeSet<(&str, &str)> {
        let placed = cells.iter().filter(|cell| !cell["case"]["placement"][tag].is_null());
        placed.map(|cell| (field(cell, "transport"), field(cell, "wait"))).collect()
    };
    let (two, one) = (of("two-cpus"), of("one-cpu"));
    let sleeping: BTreeSet<_> = two.iter().copied().filter(|(_, wait)| *wait != "spin").collect();
    assert!(sleeping.len() > 15, "{sleeping:?}");
    // The copy has no other side that it could keep from running.
    let alone = ("memcpy", "spin");
    assert_eq!(one.iter().copied().filter(|row| *row != alone).collect::<BTreeSet<_>>(), sleeping);
    assert!(skipped.contains("ring/spin/one-cpu") && skipped.contains("one CPU"), "{skipped}");
    let anywhere = cells.iter().filter(|cell| cell["case"]["placement"] == "unpinned").count();
    assert_eq!(
        anywhere,
        cells.iter().filter(|c| !c["case"]["placement"]["two-cpus"].is_null()).count()
    );
}

#[test]
fn system_calls_are_counted_on_both_sides_and_a_side_that_polls_makes_none() {
    let (cells, _) = verified(&[
        "--size=64B",
        "--scenario=pingpong",
        "--transport=pipe,flag,ring,rpc-unix,memory",
    ]);
    let calls = |name: &str| {
        let cell = cells.iter().find(|cell| cell["id"] == format!("pingpong/64B/{name}")).unwrap();
        let side = |side: &str| cell["calls"][side].as_f64().unwrap_or_else(|| panic!("{cell}"));
        (side("initiator"), side("responder"))
    };
    // One write and one read for each message and side; a partial one now and then costs one more.
    let (initiator, responder) = calls("pipe/block");
    assert!(
        (2.0..2.5).contains(&initiator) && (2.0..2.5).contains(&responder),
        "{:?}",
        calls("pipe/block")
    );
    assert_eq!(calls("flag/spin"), (0.0, 0.0));
    // It gives way where its last word from the other side came from its own CPU, as before both are where they belong.
    assert!(calls("ring/spin").0 < 0.5 && calls("ring/spin").1 < 0.5, "{:?}", calls("ring/spin"));
    // The server reads in a thread of its own, which counts.
    assert!(calls("rpc-unix/block").1 >= 2.0);
    let memory = cells.iter().find(|cell| field(cell, "transport") == "memory").unwrap();
    assert!(memory["calls"]["initiator"].is_f64(), "{memory}");
}

#[test]
fn the_transports_own_buffers_are_an_axis_and_are_read_back() {
    let (cells, _) = verified(&[
        "--size=4KiB",
        "--scenario=stream",
        "--transport=pipe,unix,ring",
        "--wait=block",
        "--buffer=256KiB,own",
    ]);
    let facts = |id: &str| {
        let cell = cells.iter().find(|cell| cell["id"] == format!("stream/4KiB/{id}")).unwrap();
        cell["facts"].clone()
    };
    assert_eq!(facts("pipe/block")["capacity"], "262144");
    assert_eq!(facts("ring/block")["capacity"], "262144");
    assert_eq!(facts("pipe/block/own-buffer")["capacity"], "65536");
    assert_eq!(facts("ring/block/own-buffer")["capacity"], "1048576");
    assert!(facts("unix/block/own-buffer")["send buffer"].is_string());
}

#[test]
fn a_header_alone_is_touched_only_on_request_and_the_report_says_so() {
    let output = program()
        .args(QUICK)
        .args(["--transport=pipe", "--touch=header", "--output=-", "--json"])
        .output()
        .unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["run"]["payload"], "header");
    assert!(report["warnings"].to_string().contains("first 8 bytes"), "{}", report["warnings"]);
}

#[test]
fn a_wrong_byte_ends_with_5_and_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let output = program()
        .args(["run", "--self-test", "--rounds", "1", "--time-budget", "60s", "--size", "64KiB"])
        .args(["--transport", "corrupt,pipe", "--wait", "block", "--output"])
        .arg(folder.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(5), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("corrupt/block: message"), "{}", text(&output.stderr));
    let report = report(folder.path());
    // A cell whose first message was wrong has no figure, and is named all the same.
    let faulty: Vec<&str> = [("cells", "id"), ("skipped", "cell")]
        .iter()
        .flat_map(|(list, name)| {
            report[list].as_array().unwrap().iter().map(move |cell| (cell, name))
        })
        .filter(|(cell, _)| !cell["fault"].is_null())
        .map(|(cell, name)| cell[name].as_str().unwrap())
        .collect();
    assert!(!faulty.is_empty());
    assert!(faulty.iter().all(|cell| cell.contains("/corrupt/")), "{faulty:?}");
}

#[test]
fn a_transport_that_hangs_is_left_out_and_the_others_are_measured() {
    let folder = tempfile::tempdir().unwrap();
    let output = program()
        // Enough for the others after the watchdog has had its time.
        .args(["run", "--self-test", "--time-budget", "60s", "--rounds", "1", "--size=64B"])
        .args(["--transport", "stuck,pipe", "--wait", "block", "--scenario", "stream"])
        .args(["--watchdog", "3s", "--output"])
        .arg(folder.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    let report = report(folder.path());
    let skipped = report["skipped"].to_string();
    assert!(
        skipped.contains("stream/64B/stuck/block") && skipped.contains("did not answer"),
        "{skipped}"
    );
    assert!(report["cells"].to_string().contains("stream/64B/pipe/block"));
}

#[test]
fn a_fifo_without_permission_is_a_skipped_row_with_its_reason() {
    let output = program()
        .args(QUICK)
        .args(["--transport", "fifo,pipe", "--scenario", "pingpong", "--output", "-", "--json"])
        .env("TMPDIR", "/proc/nowhere")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let skipped = report["skipped"].to_string();
    assert!(skipped.contains("fifo/block") && skipped.contains("/proc/nowhere"), "{skipped}");
    assert!(report["cells"].to_string().contains("pipe/block"));
}

#[test]
fn bad_usage_ends_with_2_and_says_what_would_work() {
    for (arguments, help) in [
        (&["run", "--transport", "carrier-pigeon"][..], "pipe, fifo"),
        (&["run", "--size", "64KB"], "write 64B, 4KiB or 1MiB"),
        (&["run", "--size", "0B"], "smallest size is 1B"),
        (&["run", "--scenario", "race"], "pingpong, stream"),
        (&["run", "--wait", "sleep"], "block, adaptive, spin"),
        (&["run", "--cpus", "0,4095"], "not among those"),
        (&["run", "--cpus", "0,0,0"], "one or two CPUs"),
        (&["run", "--rounds", "0"], "1..=1000"),
        (&["run", "--buffer", "0B"], "at least one byte"),
        (&["run", "--rate", "1M"], "1k or 10k"),
        (&["run", "--gap", "2s"], "at most 1s"),
        (&["run", "--placement", "moon"], "smt-sibling"),
        (&["run", "--touch", "none"], "header"),
        (&["run", "--time-budget", "fast"], "60s"),
        (&["run", "--preset", "huge"], "quick"),
        (&["jump"], "Usage"),
        (&[], "Usage"),
    ] {
        let output = run(arguments);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
        assert!(said.contains(help), "{arguments:?}: {said}");
    }
}

#[test]
fn an_output_that_cannot_be_written_fails_before_anything_is_measured() {
    let output = program().args(QUICK).args(["--output", "/proc/nowhere"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stderr);
    assert!(said.contains("--output") && !said.contains('%'), "{said}");
}

#[test]
fn a_disk_that_fills_up_does_not_take_the_answer_along() {
    let folder = tempfile::tempdir().unwrap();
    // A limit on the size of files refuses to write on as a full disk does, and needs no disk to fill. 512 bytes or
    // 1 KiB, by the shell; a report has more.
    let output = Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 1; exec \"$0\" \"$@\""])
        .arg(assert_cmd::cargo::cargo_bin!("ipc-bench"))
        .args(QUICK)
        .args(["--transport=pipe", "--scenario=pingpong", "--output"])
        .arg(folder.path())
        .output()
        .unwrap();
    let (screen, errors) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert!(screen.contains("What to take") && screen.contains("pipe/block"), "{screen}");
    for part in ["is not whole", "--output DIR", "File too large"] {
        assert!(errors.contains(part), "{part}: {errors}");
    }
    let kept = fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(kept, 1, "what was written stays");
}

#[test]
fn a_dry_run_lists_the_cells_and_measures_nothing() {
    let output = run(&["run", "--dry-run", "--transport", "pipe", "--size", "64B"]);
    assert!(output.status.success());
    let said = text(&output.stdout);
    assert!(
        said.contains("pingpong/64B/pipe/block\n") && said.contains("stream/64B/pipe/spin\n"),
        "{said}"
    );
    assert!(said.contains("samples, about"), "{said}");
}

#[test]
fn the_list_names_every_transport_that_a_run_takes_and_no_self_test() {
    let output = run(&["list"]);
    assert!(output.status.success());
    let said = text(&output.stdout);
    let names: Vec<&str> = said.lines().skip(1).filter_map(|line| line.split(' ').next()).collect();
    assert!(names.contains(&"ring") && names.contains(&"memcpy"), "{said}");
    assert!(!said.contains("self-test"), "{said}");
    let dry = run(&["run", "--dry-run", "--transport", &names.join(",")]);
    assert!(dry.status.success(), "{}", text(&dry.stderr));
}

#[test]
fn the_json_on_standard_output_is_the_whole_report_and_only_that() {
    let output = program()
        .args(QUICK)
        .args(["--transport", "pipe", "--output", "-", "--json"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["schema"], 2);
    assert_eq!(report["run"]["self_test"], true);
    assert!(report["warnings"][0].as_str().unwrap().contains("self-test"));
    let arguments = report["run"]["arguments"].to_string();
    assert!(arguments.contains("--seed") && !arguments.contains("--output"), "{arguments}");
}

#[test]
fn with_strict_an_untrustworthy_run_ends_with_4() {
    let output = program()
        .args(QUICK)
        .args(["--transport", "pipe", "--output", "-", "--strict"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(4), "{}", text(&output.stderr));
}

#[test]
fn an_earlier_report_is_rendered_again_in_every_form() {
    let folder = tempfile::tempdir().unwrap();
    let output = program()
        .args(QUICK)
        .args(["--transport", "pipe", "--output"])
        .arg(folder.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    let made = fs::read_dir(folder.path()).unwrap().next().unwrap().unwrap().path();
    let rendered = |command: &str, format: &str| {
        let output = program().arg(command).arg(&made).args(["--format", format]).output().unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
        text(&output.stdout)
    };
    let kept = |file: &str| fs::read_to_string(made.join(file)).unwrap();
    assert_eq!(rendered("report", "markdown"), kept("REPORT.md"));
    assert_eq!(rendered("report", "html"), kept("report.html"));
    assert_eq!(rendered("export", "csv"), kept("cells.csv"));
    assert!(text(&output.stdout).starts_with(&rendered("report", "text")));
    assert_eq!(run(&["report", "/proc/nowhere"]).status.code(), Some(1));
}

#[test]
fn on_one_cpu_the_run_works_and_says_what_it_left_out() {
    let output = program()
        .args(QUICK)
        .args(["--cpus", "0", "--transport", "pipe,flag,futex", "--scenario", "pingpong"])
        .args(["--output", "-", "--json"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(report["skipped"].to_string().contains("one CPU"));
    assert!(report["cells"].to_string().contains("pingpong/64B/pipe/block/one-cpu"));
}

#[test]
fn a_peer_started_by_hand_explains_itself() {
    let output = program().args(["peer", "initiator", "1"]).stdin(Stdio::null()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("ipc-bench run"), "{}", text(&output.stderr));
}

/// A long run whose FIFOs are made in a folder of their own.
struct Running {
    child: Child,
    temporary: tempfile::TempDir,
    results: tempfile::TempDir,
}

impl Running {
    fn start(transports: &str, scenarios: &str) -> Self {
        let temporary = tempfile::tempdir().unwrap();
        let results = tempfile::tempdir().unwrap();
        let child = program()
            .args([
                "run",
                "--self-test",
                "--rounds",
                "100",
                "--time-budget",
                "60s",
                "--size",
                "64B",
            ])
            .args(["--transport", transports, "--scenario", scenarios, "--output"])
            .arg(results.path())
            .env("TMPDIR", temporary.path())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Self { child, temporary, results }
    }

    /// Until the first line of progress, that is, until the first sample begins.
    fn wait_for_first_sample(&mut self) {
        let mut line = String::new();
        BufReader::new(self.child.stderr.take().unwrap()).read_line(&mut line).unwrap();
        assert!(line.contains('%'), "{line}");
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().cast_signed()), signal).unwrap();
    }

    /// Fails if a peer of this run, or a file that it made, outlives it for long.
    fn assert_nothing_is_left(&self) {
        let parent = self.child.id().to_string();
        let started = Instant::now();
        // The kernel kills the peers at once; that they are gone is seen when they are reaped by somebody else.
        while !peers(&parent).is_empty() {
            assert!(
                started.elapsed() < Duration::from_secs(20),
                "peers are left: {:?}",
                peers(&parent)
            );
            thread::yield_now();
        }
        let left: Vec<_> = fs::read_dir(self.temporary.path()).unwrap().collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

/// The living processes whose command line names `coordinator` as theirs.
fn peers(coordinator: &str) -> Vec<String> {
    let alive = |path: &Path| {
        let state = fs::read_to_string(path.join("stat")).ok()?;
        let state = state.rsplit_once(") ")?.1.chars().next()?;
        let line = fs::read(path.join("cmdline")).ok()?;
        let words: Vec<String> = line.split(|byte| *byte == 0).map(text).collect();
        let ours = words.get(1).is_some_and(|word| word == "peer")
            && words.get(3).is_some_and(|word| word == coordinator);
        (ours && state != 'Z').then(|| words.join(" "))
    };
    fs::read_dir("/proc").unwrap().filter_map(|entry| alive(&entry.ok()?.path())).collect()
}

#[test]
fn an_interrupted_run_leaves_a_partial_report_and_ends_with_130() {
    for (signal, transports, scenarios) in [
        (Signal::SIGINT, "pipe,fifo,ring", "pingpong,stream"),
        (Signal::SIGTERM, "fifo,ring-portable,mqueue", "setup"),
        (Signal::SIGHUP, "unix,ring-eventfd", "paced,idle-wake"),
    ] {
        let mut running = Running::start(transports, scenarios);
        running.wait_for_first_sample();
        running.signal(signal);
        assert_eq!(running.child.wait().unwrap().code(), Some(130));
        running.assert_nothing_is_left();
        let report = report(running.results.path());
        assert_eq!(report["run"]["complete"], false);
        assert!(report["warnings"].to_string().contains("interrupted"));
    }
}

#[test]
fn a_run_that_is_killed_at_any_moment_leaves_no_process_and_no_file() {
    // Spread over the first samples, FIFOs being made and removed all the time.
    for delay in (0..40).map(|step| Duration::from_millis(step * 7)) {
        let scenarios = if delay.as_millis().is_multiple_of(2) { "pingpong" } else { "setup" };
        let mut running = Running::start("fifo,ring,ring-portable", scenarios);
        running.wait_for_first_sample();
        // Not for an order of events: any moment will do, and each delay gives another.
        thread::sleep(delay);
        running.signal(Signal::SIGKILL);
        running.child.wait().unwrap();
        running.assert_nothing_is_left();
        assert_eq!(fs::read_dir(running.results.path()).unwrap().count(), 0);
    }
}

#[test]
#[cfg(debug_assertions)]
fn a_debug_build_refuses_to_measure() {
    let output = run(&["run", "--output", "-"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("--release"), "{}", text(&output.stderr));
}
