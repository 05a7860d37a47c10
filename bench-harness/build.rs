//! Records what is being built (commit, compiler, profile), because a result without them cannot be repeated; and
//! generates the stubs that one of the peers wants.

use std::{env, process::Command};

fn main() {
    #[cfg(feature = "peers")]
    calls();
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
            &[
                "status",
                "--porcelain",
                "--untracked-files=no",
                "--",
                "..",
                ":!../results",
                ":!../docs",
            ],
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

/// The gRPC service that the row of tonic calls.
#[cfg(feature = "peers")]
fn calls() {
    let blob = "crate::transport::peers::tonic::Blob";
    let exchange = tonic_build::manual::Method::builder()
        .name("exchange")
        .route_name("Exchange")
        .input_type(blob)
        .output_type(blob)
        .codec_path("tonic_prost::ProstCodec")
        .build();
    let service = tonic_build::manual::Service::builder()
        .name("Bench")
        .package("ipc_bench")
        .method(exchange)
        .build();
    tonic_build::manual::Builder::new().compile(&[service]);
}

fn output(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
