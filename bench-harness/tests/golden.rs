//! Old reports stay readable: a committed run of each version of the record is rendered, and must come out as it is kept
//! in `golden/`. What changes there is a change of the report that a reader will notice, and is looked at before
//! `BLESS=1 cargo test -p bench-harness --test golden` accepts it.

#![expect(clippy::unwrap_used, reason = "a test ends where its expectation fails")]

use std::{env, fs, path::Path, process::Command};

const HERE: &str = env!("CARGO_MANIFEST_DIR");

/// The version of the record, and a run that has it.
const RUNS: [(u32, &str); 1] = [(1, "20261121T214023Z_amd-epyc-2cpu_fce6e52db0")];

fn rendered(run: &Path, format: &str) -> String {
    let output = Command::new(assert_cmd::cargo::cargo_bin!("ipc-bench"))
        .args(["report", "--format", format])
        .arg(run)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Without the table of what this build could have measured as well, which is about the build and not about the report.
fn about_the_report(text: &str) -> String {
    let mut inside = false;
    let lines = text.lines().filter(|line| {
        inside = line.starts_with("Rows this ipc-bench knows")
            || inside && (line.starts_with('|') || line.is_empty());
        !inside
    });
    lines.map(|line| format!("{line}\n")).collect()
}

#[test]
fn an_old_report_is_rendered_as_it_was_when_somebody_last_looked() {
    for (version, name) in RUNS {
        let run = Path::new(HERE).join("../results").join(name);
        for (format, ending) in [("text", "txt"), ("markdown", "md")] {
            let kept = Path::new(HERE).join(format!("tests/golden/v{version}.{ending}"));
            let text = about_the_report(&rendered(&run, format));
            if env::var_os("BLESS").is_some() {
                fs::write(&kept, &text).unwrap();
            }
            let expected = fs::read_to_string(&kept).unwrap_or_default();
            let difference =
                text.lines().zip(expected.lines()).enumerate().find(|(_, (a, b))| a != b);
            assert!(
                text == expected,
                "{}: {difference:?}; BLESS=1 accepts it once it is looked at",
                kept.display()
            );
        }
    }
}

#[test]
fn a_page_is_made_of_every_version() {
    for (version, name) in RUNS {
        let page = rendered(&Path::new(HERE).join("../results").join(name), "html");
        assert!(page.starts_with("<!DOCTYPE html>") && page.ends_with("</html>\n"), "{version}");
        assert!(page.matches("<svg").count() >= 5, "{version}");
    }
}
