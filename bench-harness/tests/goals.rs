//! The command that measures the goals: parts are kept one by one, and the table is made from what is kept.

use std::{fs, path::Path};

use assert_cmd::Command;
use serde_json::Value;

fn goals(output: &Path) -> Command {
    let mut command = Command::cargo_bin("ipc-bench").unwrap();
    command.args(["goals", "--self-test", "--rounds", "2", "--output"]).arg(output);
    command
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn a_part_is_kept_with_its_rounds_and_stands_in_the_table() {
    let folder = tempfile::tempdir().unwrap();
    let output = goals(folder.path()).args(["P2", "P11"]).assert().success().get_output().clone();
    assert!(text(&output.stdout).contains("flag/spin"), "{}", text(&output.stdout));
    let finding: Value =
        serde_json::from_slice(&fs::read(folder.path().join("P2.json")).unwrap()).unwrap();
    assert_eq!(finding["goal"], "P2");
    assert_eq!(finding["lines"][0]["bound"], "≤ 1.4");
    for row in finding["rows"].as_array().unwrap() {
        assert_eq!(row["rounds"].as_array().unwrap().len(), 2, "{row}");
    }
    let notes = finding["notes"].to_string();
    assert!(notes.contains("no figure here is a measurement"), "{notes}");
    let table = goals(folder.path()).arg("--table").assert().success().get_output().clone();
    let lines: Vec<String> = text(&table.stdout).lines().map(str::to_owned).collect();
    assert!(lines[0].starts_with("| goal"), "{lines:?}");
    assert!(lines[2].contains("P2") && lines[3].contains("P11"), "{lines:?}");
    let page = fs::read_to_string(folder.path().join("README.md")).unwrap();
    assert!(page.contains("## P2:") && page.contains("## P11:"), "{page}");
}

#[test]
fn a_stream_that_goes_on_is_compared_with_itself() {
    let folder = tempfile::tempdir().unwrap();
    goals(folder.path()).arg("P12-total").assert().success();
    let finding = fs::read_to_string(folder.path().join("P12-total.json")).unwrap();
    assert!(finding.contains("16 MiB in a row"), "{finding}");
}

#[test]
fn exact_counts_are_kept_beside_what_is_measured() {
    let folder = tempfile::tempdir().unwrap();
    let figures = folder.path().join("figures");
    fs::write(&figures, r#"{"goal":"P9","what":"calls","value":0,"at_most":0}"#).unwrap();
    goals(folder.path()).arg("--figures").arg(&figures).assert().success();
    let page = fs::read_to_string(folder.path().join("README.md")).unwrap();
    assert!(page.contains("| P9 |") && page.contains("| met |"), "{page}");
}

#[test]
fn a_goal_that_is_none_is_answered_with_those_there_are() {
    let folder = tempfile::tempdir().unwrap();
    let output = goals(folder.path()).arg("P99").assert().code(2).get_output().clone();
    assert!(text(&output.stderr).contains("P12"), "{}", text(&output.stderr));
    let output = goals(folder.path()).arg("P9").assert().code(2).get_output().clone();
    assert!(text(&output.stderr).contains("exact"), "{}", text(&output.stderr));
    let list = goals(folder.path()).arg("--list").assert().success().get_output().clone();
    assert!(text(&list.stdout).contains("P4-64KiB"), "{}", text(&list.stdout));
}
