//! The built examples.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
    sync::{Mutex, PoisonError},
    time::SystemTime,
};

/// The folder with the programs of these examples. `cargo test` has built them beside the test; what is missing or older than
/// the sources, because only one test was built, is built now.
pub(crate) fn build<'a>(names: impl IntoIterator<Item = &'a str>) -> PathBuf {
    // …/target/debug/deps/this_test, and what is asked for is …/target/debug/examples/NAME.
    let test = env::current_exe().expect("the test's own path");
    let profile = test.ancestors().nth(2).expect("target/PROFILE");
    let folder = profile.join("examples");
    // One at a time: cargo would wait for itself anyway.
    static BUILDING: Mutex<()> = Mutex::new(());
    let _building = BUILDING.lock().unwrap_or_else(PoisonError::into_inner);
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let sources = newest(&root.join("src")).max(newest(&root.join("examples")));
    let stale = |name: &&str| changed(&folder.join(name)).is_none_or(|built| built < sources);
    let stale: Vec<&str> = names.into_iter().filter(stale).collect();
    if !stale.is_empty() {
        let mut build = Command::new(env!("CARGO"));
        build.args(["build", "--quiet"]).current_dir(root);
        build.arg("--target-dir").arg(profile.parent().expect("target"));
        for name in stale {
            build.args(["--example", name]);
        }
        if profile.ends_with("release") {
            build.arg("--release");
        }
        assert!(build.status().expect("cargo").success());
    }
    folder
}

fn changed(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).and_then(|file| file.modified()).ok()
}

/// When the last change was made below `folder`.
fn newest(folder: &Path) -> SystemTime {
    let entries = fs::read_dir(folder).expect("a folder of sources").flatten();
    let of_entry = |path: PathBuf| {
        if path.is_dir() { newest(&path) } else { changed(&path).expect("a source") }
    };
    entries.map(|entry| of_entry(entry.path())).max().expect("a source")
}
