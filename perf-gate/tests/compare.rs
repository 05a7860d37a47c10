//! The whole program over probes whose times are made up, so that every verdict is known beforehand.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Output},
};

/// A directory of this test's own, empty at first.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// A probe that works nothing, and says that its two rows took so many nanoseconds an operation.
fn probe(path: &Path, quick: &str, slow: &str) {
    let script = format!(
        "#!/bin/sh
         echo 'perf-probe 1'; echo 'row quick alone'; echo 'row slow alone'; echo ready
         while read word row few many; do
             case $row in quick) each={quick} ;; *) each={slow} ;; esac
             echo took $((many * each))
         done
        "
    );
    program(path, &script);
}

fn program(path: &Path, script: &str) {
    fs::write(path, script).unwrap();
    fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
}

fn perf_gate(base: &Path, change: &Path, more: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_perf-gate"));
    command.args([base, change]).args(["--launches", "8"]).args(more).output().unwrap()
}

fn said(output: &Output) -> (Option<i32>, String) {
    let text = [&output.stdout[..], &output.stderr].concat();
    (output.status.code(), String::from_utf8(text).unwrap())
}

#[test]
fn what_got_slower_ends_with_3_and_is_named_with_its_share() {
    let folder = folder("slower");
    let (base, change) = (folder.join("base"), folder.join("change"));
    probe(&base, "100", "1000");
    probe(&change, "100", "1100");
    let report = folder.join("report");
    let (code, text) = said(&perf_gate(&base, &change, &["--report", report.to_str().unwrap()]));
    assert_eq!(code, Some(3), "{text}");
    assert!(text.contains("SLOWER: slow by 10.0 % (between 10.0 % and 10.0 %)"), "{text}");
    assert!(text.contains("measuring again: slow\n") && !text.contains("SLOWER: quick"), "{text}");
    let table = fs::read_to_string(report.join("perf-gate.txt")).unwrap();
    assert!(text.contains(&table));
    // Two rows in 8 launches, then one in 16, and the names of the columns.
    let launches = fs::read_to_string(report.join("launches.csv")).unwrap();
    assert_eq!(launches.lines().count(), 1 + 2 * 8 + 16);
}

#[test]
fn what_got_faster_or_slower_by_less_than_the_limit_ends_with_0() {
    let folder = folder("within");
    let (base, change) = (folder.join("base"), folder.join("change"));
    probe(&base, "100", "1000");
    probe(&change, "80", "1040");
    let (code, text) = said(&perf_gate(&base, &change, &[]));
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("faster") && text.contains("slower, by less than the limit"), "{text}");
    let (code, text) = said(&perf_gate(&base, &change, &["--limit", "3"]));
    assert_eq!(code, Some(3), "{text}");
}

#[test]
fn what_is_slower_only_the_first_time_is_no_alarm() {
    let folder = folder("once");
    let (base, change) = (folder.join("base"), folder.join("change"));
    probe(&base, "100", "1000");
    // Slow as long as it was started at most 9 times: once to be asked for its rows, and 8 times to be measured.
    let starts = folder.join("starts");
    let slow = format!(
        "$(if [ $(wc -l < {}) -le 9 ]; then echo 1200; else echo 1000; fi)",
        starts.display()
    );
    probe(&change, "100", &slow);
    let script = fs::read_to_string(&change).unwrap();
    let counted = script.replacen('\n', &format!("\necho start >> {}\n", starts.display()), 1);
    program(&change, &counted);
    let (code, text) = said(&perf_gate(&base, &change, &[]));
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("not confirmed, then 1.000"), "{text}");
}

#[test]
fn rows_that_only_one_of_them_has_are_left_out_aloud() {
    let folder = folder("rows");
    let (base, change) = (folder.join("base"), folder.join("change"));
    probe(&base, "100", "1000");
    probe(&change, "100", "1000");
    let renamed = fs::read_to_string(&change).unwrap().replace("row slow", "row other");
    program(&change, &renamed);
    let (code, text) = said(&perf_gate(&base, &change, &[]));
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("not compared, because the change has no such row: slow"), "{text}");
    let (code, text) = said(&perf_gate(&base, &change, &["--rows", "nothing"]));
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("there is no row to compare"), "{text}");
}

#[test]
fn a_program_that_is_no_probe_or_dies_is_an_error_and_no_verdict() {
    let folder = folder("broken");
    let (good, bad) = (folder.join("good"), folder.join("bad"));
    probe(&good, "100", "1000");
    for (script, expected) in [
        ("#!/bin/sh\necho hello\n", "says `hello` where a probe says `perf-probe 1`"),
        ("#!/bin/sh\nexit 1\n", "ended without an answer to `being started`"),
        (
            "#!/bin/sh\necho 'perf-probe 1'; echo 'row quick alone'; echo ready; read x; echo tock\n",
            "answers `tock` to `do quick",
        ),
    ] {
        program(&bad, script);
        let (code, text) = said(&perf_gate(&good, &bad, &[]));
        assert_eq!(code, Some(1), "{text}");
        assert!(text.contains(expected), "{text}");
    }
    let (code, text) = said(&perf_gate(&good, &folder.join("missing"), &[]));
    assert_eq!(code, Some(1));
    assert!(text.contains("cannot be started"), "{text}");
}
