//! The built examples.

use std::{
    env,
    path::PathBuf,
    process::Command,
    sync::{Mutex, PoisonError},
};

/// The folder with the programs of these examples. `cargo test` has built them beside the test; what was not built, because
/// only one test was, is built now.
pub(crate) fn build<'a>(names: impl IntoIterator<Item = &'a str>) -> PathBuf {
    // …/target/debug/deps/this_test, and what is asked for is …/target/debug/examples/NAME.
    let test = env::current_exe().expect("the test's own path");
    let profile = test.ancestors().nth(2).expect("target/PROFILE");
    let folder = profile.join("examples");
    // One at a time: cargo would wait for itself anyway.
    static BUILDING: Mutex<()> = Mutex::new(());
    let _building = BUILDING.lock().unwrap_or_else(PoisonError::into_inner);
    let missing: Vec<&str> = names.into_iter().filter(|name| !folder.join(name).exists()).collect();
    if !missing.is_empty() {
        let mut build = Command::new(env!("CARGO"));
        build.args(["build", "--quiet"]).current_dir(env!("CARGO_MANIFEST_DIR"));
        build.arg("--target-dir").arg(profile.parent().expect("target"));
        for name in missing {
            build.args(["--example", name]);
        }
        if profile.ends_with("release") {
            build.arg("--release");
        }
        assert!(build.status().expect("cargo").success());
    }
    folder
}
