//! The rows in Go: a program of this package, built with the Go that is installed, plays both sides as peers of its own.
//!
//! The sources travel inside this program, and what is built from them lies in the user's cache, under a name made
//! from the sources and the version of Go. Where there is no Go, the rows are absent and the report says so.

use std::{
    env, fs, io,
    os::unix::fs::{DirBuilderExt, MetadataExt},
    path::{Path, PathBuf},
    process::{self, Command},
};

use crate::{pattern::mix, progress::say};

const SOURCES: [(&str, &str); 7] = [
    ("go.mod", include_str!("../../go/go.mod")),
    ("main.go", include_str!("../../go/main.go")),
    ("control.go", include_str!("../../go/control.go")),
    ("clock.go", include_str!("../../go/clock.go")),
    ("pattern.go", include_str!("../../go/pattern.go")),
    ("pipe.go", include_str!("../../go/pipe.go")),
    ("rpc.go", include_str!("../../go/rpc.go")),
];

/// The version of the Go that is installed; or why there is none.
pub(crate) fn version() -> Result<String, String> {
    let output = Command::new("go").args(["env", "GOVERSION"]).output();
    match output {
        Ok(output) if output.status.success() => {
            Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
        }
        Ok(output) => Err(format!("`go env` failed: {}", last_line(&output.stderr))),
        Err(_) => Err("Go is not installed (no `go` in PATH)".to_owned()),
    }
}

/// Builds the program, unless an earlier run has; where it is.
pub(crate) fn build(version: &str) -> Result<PathBuf, String> {
    let folder = cache()?.join(format!("go-{:016x}", fingerprint(version)));
    let program = folder.join("ipcbench");
    if !program.exists() {
        say(&format!("building the rows in Go with {version}"));
        compile(&folder, &program).map_err(|error| format!("building the Go program: {error}"))?;
    }
    Ok(program)
}

fn compile(folder: &Path, program: &Path) -> io::Result<()> {
    let sources = folder.join(format!("sources-{}", process::id()));
    fs::create_dir_all(&sources)?;
    for (name, text) in SOURCES {
        fs::write(sources.join(name), text)?;
    }
    // Built beside and moved there, because another run may be doing the same.
    let built = sources.join("ipcbench");
    let output = Command::new("go")
        .args(["build", "-o"])
        .arg(&built)
        .arg(".")
        .current_dir(&sources)
        // Nothing but the standard library, of this Go and no other.
        .envs([
            ("GOPROXY", "off"),
            ("GOTOOLCHAIN", "local"),
            ("GOWORK", "off"),
            ("CGO_ENABLED", "0"),
        ])
        .output()?;
    let result = if output.status.success() {
        fs::rename(&built, program)
    } else {
        Err(io::Error::other(last_line(&output.stderr)))
    };
    fs::remove_dir_all(&sources)?;
    result
}

/// A folder that only this user can write.
fn cache() -> Result<PathBuf, String> {
    let folder = env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache")))
        .filter(|folder| folder.is_absolute())
        .ok_or("neither XDG_CACHE_HOME nor HOME says where to build the Go program")?
        .join("ipc-bench");
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder);
    made.map_err(|error| format!("{}: {error}", folder.display()))?;
    let found = fs::metadata(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    if found.uid() != nix::unistd::geteuid().as_raw() || found.mode() & 0o022 != 0 {
        return Err(format!("others can write {}; what lies there is not run", folder.display()));
    }
    Ok(folder)
}

fn fingerprint(version: &str) -> u64 {
    let texts = SOURCES.iter().map(|(_, text)| *text).chain([version]);
    let bytes = texts.flat_map(|text| text.bytes().chain([0]));
    bytes.fold(1, |hash, byte| mix(hash ^ u64::from(byte)))
}

fn last_line(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    text.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("no reason given").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_go_and_other_sources_are_built_anew() {
        assert_eq!(fingerprint("go1.22"), fingerprint("go1.22"));
        assert_ne!(fingerprint("go1.22"), fingerprint("go1.23"));
    }
}
