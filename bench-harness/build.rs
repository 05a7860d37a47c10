//! Records what is being built (commit, compiler, profile), because a result without them cannot be repeated.

use std::{env, process::Command};

fn main() {
    println!("cargo::rerun-if-changed=src");
    println!("cargo::rerun-if-changed=../src");
    for path in ["HEAD", "index", "logs/HEAD"] {
        if let Some(file) = output("git", &["rev-parse", "--git-path", path]) {
            println!("cargo::rerun-if-changed={file}");
        }
    }
    let commit = output("git", &["rev-parse", "--short=10", "HEAD"]).map(|commit| {
        let changed = output(
            "git",
            &["status", "--porcelain", "--untracked-files=no", "--", "..", ":!../results"],
        );
        if changed.is_some_and(|changes| !changes.is_empty()) {
            format!("{commit}-dirty")
        } else {
            commit
        }
    });
    let rustc = env::var("RUSTC").ok().and_then(|rustc| output(&rustc, &["--version"]));
    println!("cargo::rustc-env=IPC_BENCH_COMMIT={}", commit.unwrap_or_default());
    println!("cargo::rustc-env=IPC_BENCH_RUSTC={}", rustc.unwrap_or_default());
    println!("cargo::rustc-env=IPC_BENCH_TARGET={}", env::var("TARGET").unwrap_or_default());
    println!("cargo::rustc-env=IPC_BENCH_OPT_LEVEL={}", env::var("OPT_LEVEL").unwrap_or_default());
}

fn output(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
