//! What the documentation says is so: its commands print what stands below them, and the tests it names are there.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "in a test a panic is the verdict")]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Mutex,
    thread,
};

#[path = "common/examples.rs"]
mod examples;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Commands and what they print, as one block of a page shows them.
#[derive(Debug)]
struct Session {
    line: usize,
    script: String,
    output: Vec<String>,
}

/// The blocks marked as `console`. A line that begins with `$ ` is a command, any other is output.
fn sessions(page: &str) -> Vec<Session> {
    let mut sessions = Vec::new();
    let mut lines = page.lines().enumerate();
    while let Some((number, line)) = lines.next() {
        if line != "```console" {
            continue;
        }
        let mut session = Session { line: number + 1, script: String::new(), output: Vec::new() };
        for (_, line) in lines.by_ref().take_while(|(_, line)| *line != "```") {
            match line.strip_prefix("$ ") {
                Some(command) => session.script += &(command.to_owned() + "\n"),
                None => session.output.push(line.to_owned()),
            }
        }
        sessions.push(session);
    }
    sessions
}

/// The examples a script runs, and the script with their programs in place of cargo.
fn with_programs(script: &str) -> (BTreeSet<String>, String) {
    let mut names = BTreeSet::new();
    let mut text = String::new();
    let mut parts = script.split("cargo run --example ");
    text += parts.next().unwrap_or_default();
    for part in parts {
        let end = part.find(|c: char| c != '_' && !c.is_ascii_alphanumeric()).unwrap_or(part.len());
        let (name, rest) = part.split_at(end);
        names.insert(name.to_owned());
        text += &format!("\"$EXAMPLES/{name}\"");
        text += rest.strip_prefix(" --").unwrap_or(rest);
    }
    (names, text)
}

/// Whether a line is what the page has, in which `…` stands for any text.
fn fits(line: &str, wanted: &str) -> bool {
    let mut parts = wanted.split('…');
    let Some(mut rest) = line.strip_prefix(parts.next().unwrap_or_default()) else {
        return false;
    };
    let mut ends_with_text = rest.is_empty();
    for part in parts {
        let Some(at) = (if part.is_empty() { Some(rest.len()) } else { rest.rfind(part) }) else {
            return false;
        };
        rest = &rest[at + part.len()..];
        ends_with_text = rest.is_empty();
    }
    ends_with_text
}

/// Runs a session in a directory of its own, and says what is wrong.
fn run(session: &Session, programs: &Path) -> Result<(), String> {
    let directory = tempfile::tempdir().unwrap();
    let (_, script) = with_programs(&session.script);
    let output = directory.path().join("output");
    let file = fs::File::create(&output).unwrap();
    let mut shell = Command::new("timeout");
    shell
        .args(["60", "bash", "-u", "-c", &script])
        .current_dir(directory.path())
        .env("EXAMPLES", programs)
        .env("RINGPIPE", ROOT)
        .stdin(Stdio::null())
        .stdout(file.try_clone().unwrap())
        .stderr(file);
    let status = shell.status().unwrap();
    let printed = fs::read_to_string(&output).unwrap();
    let lines: Vec<&str> = printed.lines().collect();
    let fits = lines.len() == session.output.len()
        && lines.iter().zip(&session.output).all(|(line, wanted)| fits(line, wanted));
    if fits && status.success() {
        return Ok(());
    }
    let wanted = session.output.join("\n");
    Err(format!(
        "line {}: {status}\n{script}\nprints\n{printed}\nand not\n{wanted}\n",
        session.line
    ))
}

#[test]
fn every_command_of_the_page_for_go_programmers_prints_what_stands_there() {
    let page = fs::read_to_string(Path::new(ROOT).join("docs/from-go.md")).unwrap();
    let sessions = sessions(&page);
    let names: BTreeSet<String> =
        sessions.iter().flat_map(|session| with_programs(&session.script).0).collect();
    let programs = examples::build(names.iter().map(String::as_str));
    let go = Command::new("go").arg("version").stdout(Stdio::null()).status().is_ok();
    let (mut ran, mut skipped) = (0, 0);
    let wrong = Mutex::new(Vec::new());
    thread::scope(|threads| {
        for session in &sessions {
            if session.script.contains("go build") && !go {
                eprintln!("skipped: line {}, since Go does not run here", session.line);
                skipped += 1;
                continue;
            }
            ran += 1;
            let (programs, wrong) = (&programs, &wrong);
            threads.spawn(move || {
                if let Err(what) = run(session, programs) {
                    wrong.lock().unwrap().push(what);
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    eprintln!("{ran} sessions of {} programs ran, {skipped} skipped", names.len());
    assert!(ran >= 18);
}

#[test]
fn every_example_is_on_the_page() {
    let page = fs::read_to_string(Path::new(ROOT).join("docs/from-go.md")).unwrap();
    let mut found = 0;
    for entry in fs::read_dir(Path::new(ROOT).join("examples")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        assert!(page.contains(&name), "{name} is not on the page");
        found += 1;
    }
    eprintln!("{found} examples");
    assert!(found >= 18);
}

/// The names of all tests, as they stand in the sources.
fn tests() -> BTreeSet<String> {
    let mut folders: Vec<PathBuf> = ["src", "tests"].map(|name| Path::new(ROOT).join(name)).into();
    let mut names = BTreeSet::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                let functions = text.lines().filter_map(|line| {
                    let line = line.trim();
                    // Those of programs without the usual harness stand in modules.
                    line.strip_prefix("fn ").or_else(|| line.strip_prefix("pub(crate) fn "))
                });
                names.extend(
                    functions.filter_map(|rest| Some(rest.split_once("() {")?.0.to_owned())),
                );
            }
        }
    }
    names
}

#[test]
fn every_test_that_the_rules_of_the_calls_name_is_there() {
    let page = fs::read_to_string(Path::new(ROOT).join("docs/rpc.md")).unwrap();
    let tests = tests();
    let mut named = 0;
    // The last column of a table, of which each entry is a name in backquotes.
    let rows = page.lines().filter(|line| line.starts_with("| "));
    for row in rows.filter(|row| row.contains("_")) {
        let column = row.trim_end_matches('|').rsplit('|').next().unwrap();
        for name in column.split('`').skip(1).step_by(2) {
            let name = name.rsplit("::").next().unwrap();
            assert!(tests.contains(name), "there is no test {name}");
            named += 1;
        }
    }
    eprintln!("{named} tests are named");
    assert!(named > 90);
}

#[test]
fn every_test_of_the_calls_is_named_where_their_rules_are() {
    let page = fs::read_to_string(Path::new(ROOT).join("docs/rpc.md")).unwrap();
    let tests = Path::new(ROOT).join("tests");
    let mut files: Vec<PathBuf> =
        fs::read_dir(tests.join("rpc")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.extend(["rpc_leaks.rs", "rpc_programs.rs"].map(|name| tests.join(name)));
    let mut found = 0;
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        for rest in text.split("#[test]\nfn ").skip(1) {
            let name = rest.split_once('(').unwrap().0;
            assert!(page.contains(&format!("`{name}`")), "{name} of {file:?} is not on the page");
            found += 1;
        }
    }
    eprintln!("{found} tests");
    assert!(found > 80);
}
