//! The thread sanitizer is really run: it finds a race that was planted, and none where there is none.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "in a test a panic is the verdict")]

use std::{
    env,
    path::{Path, PathBuf},
    process::{Command, Output},
};

const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/races/counter.rs");

/// Builds the program with the sanitizer, which the stable compiler has and must be told to allow.
///
/// # Errors
/// What the compiler said.
fn build(folder: &Path, flags: &[&str]) -> Result<PathBuf, String> {
    let program = folder.join(format!("counter{}", flags.len()));
    let compiler = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let mut build = Command::new(compiler);
    build.env("RUSTC_BOOTSTRAP", "1").args(["--edition", "2024", "-g", "-Zsanitizer=thread"]);
    // The standard library is the usual one. The sanitizer knows what threads are started and joined by all the same.
    build.arg("-Cunsafe-allow-abi-mismatch=sanitizer");
    build.args(["--check-cfg", "cfg(planted)"]).args(flags).arg("-o").arg(&program).arg(SOURCE);
    match build.output() {
        Ok(output) if output.status.success() => Ok(program),
        Ok(output) => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
        Err(error) => Err(error.to_string()),
    }
}

fn run(program: &Path) -> Output {
    Command::new(program).env("TSAN_OPTIONS", "exitcode=66").output().unwrap()
}

#[test]
fn a_planted_race_is_found_and_a_program_without_one_is_not_accused() {
    let folder = tempfile::tempdir().unwrap();
    let clean = match build(folder.path(), &[]) {
        Ok(program) => program,
        Err(reason) => {
            println!("skipped: this compiler has no thread sanitizer: {reason}");
            return;
        }
    };
    let output = run(&clean);
    let said = String::from_utf8_lossy(&output.stderr);
    if said.contains("FATAL: ThreadSanitizer") {
        println!("skipped: the thread sanitizer does not run on this system: {said}");
        return;
    }
    assert!(output.status.success(), "{said}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "counted to 2000\n");

    let planted = build(folder.path(), &["--cfg", "planted"]).unwrap();
    let output = run(&planted);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(66), "{said}");
    assert!(said.contains("data race") && said.contains("counter.rs"), "{said}");
    println!("1 race planted and found, 1 program without one not accused");
}
