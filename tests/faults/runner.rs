//! Runs cases, each in a process that is forked for it, several at a time, and gathers what they say.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt::Display,
    fs::{self, File},
    io::Read,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use nix::{
    fcntl::OFlag,
    sys::{
        signal::{Signal, killpg},
        wait::{WaitPidFlag, WaitStatus, waitpid},
    },
    unistd::{ForkResult, Pid, fork, pipe2, setpgid},
};

/// Cases at a time. Most of their time is the second that the library's thread stays.
const AT_A_TIME: usize = 64;
/// How long to wait between two looks at the cases.
const PASS: Duration = Duration::from_millis(2);
/// A case that has not ended after so many looks hangs. Looks and not time, so that a process that is stopped together with
/// its cases finds none of them late.
const MOST_PASSES: u32 = 30_000;

/// What one case said.
#[derive(Clone, Debug, Default)]
pub(crate) struct Verdict {
    pub(crate) hits: u32,
    pub(crate) counts: BTreeMap<usize, u32>,
    pub(crate) outcome: String,
    pub(crate) wrong: Vec<String>,
}

struct Running<C> {
    case: C,
    child: Pid,
    lines: File,
    dir: PathBuf,
    passes: u32,
}

/// Runs every case in a process of its own, in which `play` must not return; gives each with its verdict.
pub(crate) fn run_all<C: Display>(
    cases: impl IntoIterator<Item = C>,
    play: impl Fn(&C, File, &Path),
) -> Vec<(C, Verdict)> {
    let folder = tempfile::tempdir().unwrap();
    let mut cases = cases.into_iter().enumerate();
    let mut running = VecDeque::new();
    let mut done = Vec::new();
    loop {
        while running.len() < AT_A_TIME {
            let Some((number, case)) = cases.next() else { break };
            let dir = folder.path().join(number.to_string());
            fs::create_dir(&dir).unwrap();
            running.push_back(start(case, dir, &play));
        }
        if running.is_empty() {
            return done;
        }
        for _ in 0..running.len() {
            let Some(case) = running.pop_front() else { break };
            match look(case) {
                Ok(finished) => done.push(finished),
                Err(still) => running.push_back(still),
            }
        }
        thread::sleep(PASS);
    }
}

fn start<C>(case: C, dir: PathBuf, play: impl Fn(&C, File, &Path)) -> Running<C> {
    let (from, to) = pipe2(OFlag::O_CLOEXEC).unwrap();
    // SAFETY: the child allocates, which the C library allows after fork, and leaves by `_exit`.
    match unsafe { fork() }.unwrap() {
        ForkResult::Child => {
            setpgid(Pid::this(), Pid::this()).unwrap();
            drop(from);
            play(&case, File::from(to), &dir);
            // SAFETY: ends the process without running what belongs to its parent.
            unsafe { libc::_exit(1) }
        }
        ForkResult::Parent { child } => {
            // In both, because nobody knows who is first; one of them finds it done.
            let _ = setpgid(child, child);
            Running { case, child, lines: File::from(from), dir, passes: 0 }
        }
    }
}

fn look<C: Display>(mut running: Running<C>) -> Result<(C, Verdict), Running<C>> {
    let status = waitpid(running.child, Some(WaitPidFlag::WNOHANG)).unwrap();
    running.passes += 1;
    let late = running.passes > MOST_PASSES;
    if status == WaitStatus::StillAlive && !late {
        return Err(running);
    }
    // Whatever is left of it, peers that hang among it; without this the pipe would not end.
    let left = killpg(running.child, Signal::SIGKILL).is_ok();
    let mut said = String::new();
    running.lines.read_to_string(&mut said).unwrap();
    let mut verdict = Verdict::default();
    if late {
        let _ = waitpid(running.child, None);
        verdict.wrong.push("it hangs".into());
    } else if status != WaitStatus::Exited(running.child, 0) {
        verdict.wrong.push(format!("it ended as {status:?}"));
    } else if left {
        verdict.wrong.push("it left processes behind".into());
    }
    said.lines().for_each(|line| verdict.hear(line));
    let _ = fs::remove_dir_all(&running.dir);
    Ok((running.case, verdict))
}

impl Verdict {
    /// In a word: `fine`, or the name of the error.
    pub(crate) fn outcome(&self) -> &str {
        self.outcome.split(' ').next().unwrap_or_default()
    }

    fn hear(&mut self, line: &str) {
        let (first, rest) = line.split_once(' ').unwrap_or((line, ""));
        match first {
            "hits" => self.hits += rest.parse::<u32>().unwrap(),
            "count" => {
                let (call, count) = rest.split_once(' ').unwrap();
                let count: u32 = count.parse().unwrap();
                *self.counts.entry(call.parse().unwrap()).or_default() += count;
            }
            "outcome" => self.outcome = rest.to_owned(),
            "wrong" => self.wrong.push(rest.to_owned()),
            _ => self.wrong.push(format!("an unknown line: {line}")),
        }
    }
}
