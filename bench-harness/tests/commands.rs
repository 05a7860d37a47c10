//! The commands that start from a finished run, on a committed one: what they print where, and how they end.

#![expect(clippy::unwrap_used, reason = "a test ends where its expectation fails")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde_json::{Value, json};

fn results(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../results").join(name)
}

/// Two committed runs of one machine, minutes apart, of version 1.
fn first() -> PathBuf {
    results("20261121T214023Z_amd-epyc-2cpu_fce6e52db0")
}

fn second() -> PathBuf {
    results("20261121T214239Z_amd-epyc-2cpu_d2bb21003d")
}

fn program(arguments: &[&str]) -> Output {
    Command::new(assert_cmd::cargo::cargo_bin!("ipc-bench")).args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Runs `command` over `run`; gives its exit code and what it wrote on standard output. Nothing may stand on standard error
/// where it succeeded.
fn over(run: &Path, arguments: &[&str]) -> (i32, String) {
    let (command, rest) = arguments.split_first().unwrap();
    let run = run.to_str().unwrap();
    let output = program(&[&[*command, run], rest].concat());
    let code = output.status.code().unwrap();
    assert!(code == 1 || code == 2 || output.stderr.is_empty(), "{}", text(&output.stderr));
    let said = if code == 1 || code == 2 { &output.stderr } else { &output.stdout };
    (code, text(said))
}

/// A copy of a committed report with a change.
fn changed(folder: &Path, change: impl FnOnce(&mut Value)) -> PathBuf {
    let mut report: Value =
        serde_json::from_slice(&fs::read(first().join("report.json")).unwrap()).unwrap();
    change(&mut report);
    let path = folder.join("report.json");
    fs::write(&path, report.to_string()).unwrap();
    path
}

fn cell<'a>(report: &'a mut Value, id: &str) -> &'a mut Value {
    report["cells"].as_array_mut().unwrap().iter_mut().find(|cell| cell["id"] == id).unwrap()
}

#[test]
fn the_advice_names_the_cells_it_rests_on_and_the_command_that_measures_them_again() {
    let (code, said) = over(&first(), &["recommend"]);
    assert_eq!(code, 0);
    for job in ["lowest latency, cores to burn", "bulk data", "may move to another machine"] {
        assert!(said.contains(job), "{said}");
    }
    let jobs = said.lines().filter(|line| !line.starts_with(' ')).count();
    let count =
        |start: &str| said.lines().filter(|line| line.trim_start().starts_with(start)).count();
    assert_eq!((jobs, jobs), (count("rests on "), count("again: ipc-bench run ")), "{said}");
    // Every command is one that this program takes, and it measures the cells it is given for.
    let lines: Vec<&str> = said.lines().map(str::trim).collect();
    for pair in lines.windows(2).filter(|pair| pair[0].starts_with("rests on ")) {
        let cells = pair[0].strip_prefix("rests on ").unwrap().split(", ");
        let command = pair[1].strip_prefix("again: ipc-bench ").unwrap();
        let mut arguments: Vec<&str> = command.split(' ').collect();
        arguments.push("--dry-run");
        let output = program(&arguments);
        assert!(output.status.success(), "{command}: {}", text(&output.stderr));
        let planned = text(&output.stdout);
        for cell in cells {
            assert!(planned.lines().any(|line| line == cell), "{cell} is not in {command}");
        }
    }
}

#[test]
fn numbers_are_answered_with_the_least_complex_row_or_with_3() {
    let run = first();
    let (code, said) =
        over(&run, &["recommend", "--max-p99", "20us", "--max-cpu", "10us/msg", "--size", "4KiB"]);
    assert_eq!(code, 0, "{said}");
    assert!(said.starts_with("take pipe/spin with 4 KiB messages: p99 "), "{said}");
    assert!(said.contains("pipe/block") && said.contains('✗'), "{said}");
    assert!(said.contains("rests on pingpong/4KiB/pipe/spin"), "{said}");
    let (code, said) = over(&run, &["recommend", "--max-p99", "1ns"]);
    assert_eq!(code, 3);
    assert!(said.starts_with("none of the "), "{said}");
    let (code, said) = over(&run, &["recommend", "--min-rate", "1GB/s", "--remote"]);
    assert_eq!(code, 3, "{said}");
    let (code, said) = over(&run, &["recommend", "--min-rate", "1GB/s", "--size", "64KiB"]);
    assert!(code == 0 && said.starts_with("take pipe/block"), "{said}");
    let (code, said) = over(&run, &["recommend", "--max-p99", "20"]);
    assert!(code == 2 && said.contains("20us"), "{said}");
    let (code, said) = over(&run, &["recommend", "--min-rate", "1GB"]);
    assert!(code == 2 && said.contains("500MB/s"), "{said}");
}

#[test]
fn rows_that_this_build_does_not_know_are_left_out_and_named() {
    let folder = tempfile::tempdir().unwrap();
    let strange = changed(folder.path(), |report| {
        let cell = cell(report, "pingpong/64B/ring/spin");
        cell["case"]["row"]["transport"] = json!("pigeon");
        cell["id"] = json!("pingpong/64B/pigeon/spin");
    });
    let output = program(&["recommend", strange.to_str().unwrap()]);
    assert!(output.status.success());
    assert!(text(&output.stderr).contains("pigeon") && !text(&output.stdout).contains("pigeon"));
    // Everything else still shows them.
    let (_, said) = over(&strange, &["report", "--format", "markdown"]);
    assert!(said.contains("pigeon/spin"), "{said}");
}

#[test]
fn a_run_compared_with_itself_has_no_difference() {
    let run = first();
    let (code, said) = over(&run, &["compare", run.to_str().unwrap(), "--fail-above", "1%"]);
    assert_eq!(code, 0, "{said}");
    assert!(
        said.contains("0 better, 0 worse") && said.contains("the same advice for 7 of 7 jobs"),
        "{said}"
    );
}

#[test]
fn two_official_runs_in_a_row_agree_or_say_that_the_difference_is_noise() {
    let (code, said) =
        over(&first(), &["compare", second().to_str().unwrap(), "--fail-above", "10%"]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("the machine itself changed: "), "{said}");
    assert!(!said.contains("differs clearly"), "{said}");
}

#[test]
fn a_row_that_became_clearly_worse_ends_a_comparison_with_3() {
    let folder = tempfile::tempdir().unwrap();
    let id = "stream/64KiB/pipe/block";
    let worse = changed(folder.path(), |report| {
        for round in cell(report, id)["rounds"].as_array_mut().unwrap() {
            round["value"] = json!(round["value"].as_f64().unwrap() / 3.0);
        }
    });
    let (code, said) = over(&first(), &["compare", worse.to_str().unwrap(), "--fail-above", "10%"]);
    let line = said.lines().find(|line| line.starts_with(id)).unwrap();
    assert!(code == 3 && line.contains("WORSE"), "{line}");
    let (code, _) = over(&first(), &["compare", worse.to_str().unwrap()]);
    assert_eq!(code, 0, "without a threshold a comparison only tells");
    let (code, _) = over(&first(), &["compare", worse.to_str().unwrap(), "--fail-above", "400%"]);
    assert_eq!(code, 0);
    let (code, said) = over(&first(), &["compare", worse.to_str().unwrap(), "--fail-above", "0.1"]);
    assert!(code == 2 && said.contains("10%"), "{said}");
}

#[test]
fn runs_without_a_common_cell_cannot_be_compared() {
    let folder = tempfile::tempdir().unwrap();
    let empty = changed(folder.path(), |report| report["cells"] = json!([]));
    let (code, said) = over(&first(), &["compare", empty.to_str().unwrap()]);
    assert!(code == 1 && said.contains("no cell in common"), "{said}");
}

#[test]
fn a_gate_ends_with_3_if_a_rule_is_broken_and_with_1_if_it_judged_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let rules = folder.path().join("rules");
    let gate = |run: &Path, text: &str| {
        fs::write(&rules, text).unwrap();
        over(run, &["gate", "--rules", rules.to_str().unwrap()])
    };
    let ratio = "ratio pingpong/64B/ring/spin pingpong/64B/pipe/spin";
    let (code, said) = gate(&first(), &format!("{ratio} <= 1"));
    assert!(code == 0 && said.contains("held") && said.contains("none wrong"), "{said}");
    let (code, said) = gate(&first(), &format!("{ratio} <= 0.01\n{ratio} <= 1"));
    assert!(code == 3 && said.contains("BROKEN") && said.contains("1 held, 1 broken"), "{said}");
    // Version 1 counted no system calls.
    let (code, said) = gate(&first(), "calls pingpong/64B/pipe/block <= 4");
    assert!(code == 1 || said.contains("1 open"), "{said}");
    let (code, said) = gate(&first(), "nanoseconds pingpong/64B/pipe/block <= 4");
    assert!(code == 1 && said.contains("line 1"), "{said}");

    let copy = tempfile::tempdir().unwrap();
    let counted = changed(copy.path(), |report| {
        cell(report, "pingpong/64B/pipe/block")["calls"] =
            json!({ "initiator": 2.0, "responder": 2.5, "messages": 100 });
        report["schema"] = json!(2);
    });
    let (code, said) = gate(&counted, "calls pingpong/64B/pipe/block <= 4");
    assert!(code == 3 && said.contains("4.50"), "{said}");
    let (code, _) = gate(&counted, "calls pingpong/64B/pipe/block <= 4.5");
    assert_eq!(code, 0);
}

#[test]
fn a_wrong_byte_ends_a_gate_and_a_comparison_with_5() {
    let folder = tempfile::tempdir().unwrap();
    let wrong = changed(folder.path(), |report| {
        cell(report, "stream/64B/unix/block")["fault"] =
            json!({ "message": 3, "offset": 1, "expected": 7, "found": 8 });
    });
    let (code, said) = over(&wrong, &["gate"]);
    assert!(code == 5 && said.contains("stream/64B/unix/block WRONG"), "{said}");
    let (code, said) = over(&first(), &["compare", wrong.to_str().unwrap()]);
    assert!(code == 5 && said.contains("A BYTE WAS WRONG"), "{said}");
}

#[test]
fn every_exporter_writes_what_its_readers_expect() {
    let run = first();
    let (_, csv) = over(&run, &["export", "--format", "csv"]);
    assert_eq!(
        csv,
        fs::read_to_string(run.join("cells.csv")).map_or(csv.clone(), |old| {
            // The columns of version 1 are still there, in front of new ones or between them.
            let head = |text: &str| {
                text.lines().next().unwrap().split(',').map(str::to_owned).collect::<Vec<_>>()
            };
            assert!(head(&old).iter().all(|column| head(&csv).contains(column)));
            assert_eq!(old.lines().count(), csv.lines().count());
            csv.clone()
        })
    );
    let (_, rounds) =
        over(&run, &["export", "--format", "rounds", "--cell", "pingpong/64B/pipe/block"]);
    assert_eq!(rounds.lines().count(), 1 + 3);
    let (_, json) = over(&run, &["export", "--format", "json"]);
    let exported: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(exported["cells"].as_array().unwrap().len(), csv.lines().count() - 1);
    let (code, hgrm) =
        over(&run, &["export", "--format", "hgrm", "--cell", "pingpong/64B/ring/spin"]);
    assert!(code == 0 && hgrm.contains("#[Max") && hgrm.contains("1/(1-Percentile)"), "{hgrm}");
    let (code, said) = over(&run, &["export", "--format", "hgrm"]);
    assert!(code == 2 && said.contains("--cell"), "{said}");
    let (code, said) =
        over(&run, &["export", "--format", "csv", "--cell", "pingpong/64B/pigeon/block"]);
    assert!(code == 2 && said.contains("pingpong/64B/pipe/block"), "{said}");
}

#[test]
fn completions_are_printed_for_every_shell_and_name_every_command() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = program(&["completions", shell]);
        assert!(output.status.success(), "{}", text(&output.stderr));
        let said = text(&output.stdout);
        for command in ["run", "list", "doctor", "report", "recommend", "compare", "gate", "export"]
        {
            assert!(said.contains(command), "{shell}: {command}");
        }
        // PowerShell and Elvish complete no values.
        if ["bash", "zsh", "fish"].contains(&shell) {
            assert!(said.contains("rpc-unix") && said.contains("idle-wake"), "{shell}");
        }
        assert!(!said.contains("corrupt"), "{shell} completes what exists for tests");
    }
    assert_eq!(program(&["completions", "cmd"]).status.code(), Some(2));
}

#[test]
fn the_doctor_ends_well_and_strictly_with_4_where_it_found_something() {
    let output = program(&["doctor"]);
    assert!(output.status.success() && output.stderr.is_empty(), "{}", text(&output.stderr));
    // A test is a debug build, or at least one that may be one.
    if cfg!(debug_assertions) {
        assert!(text(&output.stdout).contains("debug build"), "{}", text(&output.stdout));
        assert_eq!(program(&["doctor", "--strict"]).status.code(), Some(4));
    }
}

#[test]
fn no_output_holds_a_colour_that_was_not_asked_for() {
    let run = first();
    let run = run.to_str().unwrap();
    for arguments in [&["list"][..], &["report", run], &["recommend", run], &["--help"]] {
        let output = Command::new(assert_cmd::cargo::cargo_bin!("ipc-bench"))
            .args(arguments)
            .env("NO_COLOR", "1")
            .env("CLICOLOR_FORCE", "0")
            .output()
            .unwrap();
        assert!(output.status.success());
        assert!(!output.stdout.contains(&0x1B) && !output.stderr.contains(&0x1B), "{arguments:?}");
    }
}
