//! The thread sanitizer is really run: it finds a race that was planted, and none where there is none.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "in a test a panic is the verdict")]

use std::{
    env,
    path::{Path, PathBuf},
    process::{Command, Output},
};

const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/races/counter.rs");

/// What the sanitizer needs. The standard library is the usual one: what threads are started and joined by is known all the
/// same.
const SANITIZER: [&str; 2] = ["-Zsanitizer=thread", "-Cunsafe-allow-abi-mismatch=sanitizer"];
const PLANTED: [&str; 2] = ["--cfg", "planted"];

/// Builds the program as `name`.
///
/// # Errors
/// What the compiler said.
fn build(folder: &Path, name: &str, flags: &[&str]) -> Result<PathBuf, String> {
    let program = folder.join(name);
    let compiler = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let mut build = Command::new(compiler);
    // The stable compiler has the sanitizer, and must be told to allow it.
    build.env("RUSTC_BOOTSTRAP", "1").args(["--edition", "2024", "-g"]);
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
    // Whatever else fails below is not the program's fault.
    build(folder.path(), "plain", &[]).unwrap();
    let clean = match build(folder.path(), "clean", &SANITIZER) {
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

    let planted = build(folder.path(), "planted", &[SANITIZER, PLANTED].concat()).unwrap();
    let output = run(&planted);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(66), "{said}");
    assert!(said.contains("data race") && said.contains("counter.rs"), "{said}");
    println!("1 race planted and found, 1 program without one not accused");
}
