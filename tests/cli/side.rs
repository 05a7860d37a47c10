//! One side of a session: a process that does not outlive its test.

use std::{
    fs,
    io::{Read, Write},
    os::unix::process::{CommandExt, ExitStatusExt},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{SigHandler, Signal, kill, signal},
    unistd::Pid,
};

/// Ends a hang; nothing is measured with it.
const WATCHDOG: Duration = Duration::from_secs(60);

pub(crate) const RINGPIPE: &str = env!("CARGO_BIN_EXE_ringpipe");

/// A running command. Its standard input is empty and its outputs are collected, unless the test sets them.
pub(crate) struct Side {
    child: Child,
    output: Option<thread::JoinHandle<Vec<u8>>>,
    errors: thread::JoinHandle<String>,
}

/// How a side ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) output: Vec<u8>,
    pub(crate) errors: String,
}

pub(crate) fn cat(role: &str, path: &Path) -> Command {
    let mut command = Command::new(RINGPIPE);
    command.args(["cat", role]).arg(path);
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    // Whoever runs the tests may have signals ignored (`nohup` does), and the command would rightly leave them so.
    // SAFETY: `signal` may be called between fork and exec.
    unsafe {
        command.pre_exec(|| {
            for asked in [Signal::SIGHUP, Signal::SIGINT, Signal::SIGQUIT, Signal::SIGTERM] {
                signal(asked, SigHandler::SigDfl)?;
            }
            Ok(())
        })
    };
    command
}

/// A command line for `sh` in which `$0` is the command and `$1` the path.
pub(crate) fn shell(script: &str, path: &Path) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", script, RINGPIPE]).arg(path);
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    command
}

/// Starts a listening side, and returns once it listens.
pub(crate) fn listen(path: &Path, prepare: impl FnOnce(&mut Command)) -> Side {
    let mut command = cat("--listen", path);
    prepare(&mut command);
    let mut side = Side::start(command);
    side.until_listening(path);
    side
}

pub(crate) fn connect(path: &Path, prepare: impl FnOnce(&mut Command)) -> Side {
    let mut command = cat("--connect", path);
    prepare(&mut command);
    Side::start(command)
}

impl Side {
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut errors = child.stderr.take().unwrap();
        let errors = thread::spawn(move || {
            let mut text = String::new();
            errors.read_to_string(&mut text).unwrap();
            text
        });
        let output = child.stdout.take().map(|mut output| {
            thread::spawn(move || {
                let mut bytes = Vec::new();
                output.read_to_end(&mut bytes).unwrap();
                bytes
            })
        });
        Self { child, output, errors }
    }

    /// As [`start`](Self::start), but the test reads the output itself.
    pub(crate) fn start_readable(mut command: Command) -> (Self, ChildStdout) {
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let output = child.stdout.take().unwrap();
        let mut errors = child.stderr.take().unwrap();
        let errors = thread::spawn(move || {
            let mut text = String::new();
            errors.read_to_string(&mut text).unwrap();
            text
        });
        (Self { child, output: None, errors }, output)
    }

    /// Waits until the kernel shows a listening socket at `path`.
    pub(crate) fn until_listening(&mut self, path: &Path) {
        let until = Instant::now() + WATCHDOG;
        while !is_listening(path) {
            assert!(self.child.try_wait().unwrap().is_none(), "ended before it listened");
            assert!(Instant::now() < until, "does not listen");
            thread::yield_now();
        }
    }

    pub(crate) fn input(&mut self) -> ChildStdin {
        self.child.stdin.take().unwrap()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id() as i32), signal).unwrap();
    }

    pub(crate) fn end(mut self) -> Ended {
        let until = Instant::now() + WATCHDOG;
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(Instant::now() < until, "hangs");
            thread::sleep(Duration::from_millis(2));
        };
        let output = self.output.map_or(Vec::new(), |output| output.join().unwrap());
        Ended { status, output, errors: self.errors.join().unwrap() }
    }

    /// Ends with 0 and says nothing.
    #[track_caller]
    pub(crate) fn ends_well(self) -> Vec<u8> {
        let ended = self.end();
        assert!(ended.status.success() && ended.errors.is_empty(), "{ended:?}");
        ended.output
    }

    /// Ends with 1 and says something with `words` in it.
    #[track_caller]
    pub(crate) fn fails(self, words: &str) -> Vec<u8> {
        let ended = self.end();
        assert_eq!(ended.status.code(), Some(1), "{ended:?}");
        assert!(ended.errors.contains(words), "{words:?} is not in {:?}", ended.errors);
        ended.output
    }

    #[track_caller]
    pub(crate) fn dies_of(self, signal: Signal) {
        let ended = self.end();
        assert_eq!(ended.status.signal(), Some(signal as i32), "{ended:?}");
    }
}

/// The flags of a listening socket in the kernel's table.
fn is_listening(path: &Path) -> bool {
    let name = path.to_str().unwrap();
    let table = fs::read_to_string("/proc/net/unix").unwrap();
    table.lines().any(|line| line.ends_with(name) && line.contains(" 00010000 "))
}

/// A directory for one test, and the path of a socket in it.
pub(crate) struct Place {
    directory: tempfile::TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.file("feed.sock")
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// A file whose bytes differ from place to place, of a length that is no multiple of anything.
    pub(crate) fn write_file(&self, name: &str, length: usize) -> (PathBuf, Vec<u8>) {
        let mut state = length as u64 | 1;
        let mut bytes = Vec::with_capacity(length + 8);
        while bytes.len() < length {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            bytes.extend(state.to_le_bytes());
        }
        bytes.truncate(length);
        let path = self.file(name);
        fs::File::create(&path).unwrap().write_all(&bytes).unwrap();
        (path, bytes)
    }

    #[track_caller]
    pub(crate) fn holds_no_socket(&self) {
        assert!(!self.path().exists(), "the path was left behind");
    }
}

pub(crate) fn open(path: &Path) -> fs::File {
    fs::File::open(path).unwrap()
}
