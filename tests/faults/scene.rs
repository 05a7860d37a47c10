//! One case: a process of its own, in which one operation meets its faults.
//!
//! The process says what became of it, a line at a time: `hits N`, `count CALL N`, `outcome TEXT`, and `wrong TEXT` for
//! whatever must not be.

use std::{
    fs::{self, File},
    io::{self, Write},
    panic::{self, AssertUnwindSafe},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use nix::{
    sys::{
        signal::{Signal, kill},
        wait::{WaitStatus, waitpid},
    },
    unistd::{ForkResult, Pid, fork},
};
use ringpipe::Error;

use crate::{
    adversity::Adversity,
    arming::{armed, paused},
    census::Census,
    injector::{self, Injector},
    limits,
    sandbox::Inmates,
};

/// Bytes that the address space may have grown by: stacks that the C library keeps, a heap. Less than any ring here.
const SLACK: usize = 768 << 10;
/// How long to wait between two looks at what is left.
const PASS: Duration = Duration::from_millis(100);
/// Looks after which it stays: the library's thread that watches peers stays for a second. Looks and not time, as in the
/// runner.
const MOST_PASSES: u32 = 100;

/// What an operation finds, and what it may ask for.
pub(crate) struct Scene {
    /// A directory of its own, which must be empty in the end.
    pub(crate) dir: PathBuf,
    pub(crate) adversity: Adversity,
    /// Starts with the first thing that goes wrong.
    injector: Option<Injector>,
    installed: bool,
    peers: Vec<Pid>,
    /// The operation takes a socket that was there before; it must if it succeeds.
    pub(crate) takes_a_socket: bool,
    /// The operation gave the error that was injected.
    told: bool,
}

/// Where the lines go.
static LINES: Mutex<Option<File>> = Mutex::new(None);

/// Says something about this case.
pub(crate) fn say(line: &str) {
    let lines = LINES.lock().unwrap_or_else(PoisonError::into_inner);
    // One call, so that the lines of several processes do not mix.
    let _ = lines.as_ref().map(|mut file| file.write_all(format!("{line}\n").as_bytes()));
}

impl Scene {
    /// Runs `operation` in this process, which exists for nothing else, and ends it.
    pub(crate) fn play(
        lines: File,
        dir: &Path,
        adversity: &Adversity,
        operation: impl FnOnce(&mut Self) -> io::Result<()>,
    ) -> ! {
        *LINES.lock().unwrap_or_else(PoisonError::into_inner) = Some(lines);
        panic::set_hook(Box::new(|panic| {
            paused(|| say(&format!("wrong a panic: {}", panic.to_string().replace('\n', " "))));
        }));
        prepare_the_heap();
        let mut scene = Self {
            dir: dir.to_owned(),
            adversity: adversity.clone(),
            injector: None,
            installed: false,
            peers: Vec::new(),
            takes_a_socket: false,
            told: false,
        };
        match adversity {
            Adversity::Faults(plan) => scene.injector = Some(Injector::new(plan)),
            Adversity::Limit(limit) => limit.choose(),
            Adversity::Sandbox(sandbox, Inmates::Both) => sandbox.enter(),
            Adversity::Sandbox(_, Inmates::One) => {}
        }
        let before = Holdings::take(dir);
        let mut allowed = vec![before];
        if let Ok(outcome) = panic::catch_unwind(AssertUnwindSafe(|| operation(&mut scene))) {
            scene.judge(&outcome);
            if outcome.is_err() {
                scene.dismiss();
            }
            if scene.takes_a_socket {
                let taken = allowed[0].without("socket");
                allowed.push(taken);
                if outcome.is_ok() {
                    allowed.remove(0);
                }
            }
        }
        scene.reap();
        compare(&allowed, &scene);
        say(&format!("hits {}", injector::hits()));
        for (call, count) in injector::counts() {
            say(&format!("count {call} {count}"));
        }
        // SAFETY: ends the process; nothing of the test that it was forked from is to run here.
        unsafe { libc::_exit(0) }
    }

    /// Runs `work` while calls are counted and fail.
    pub(crate) fn armed<T>(&mut self, work: impl FnOnce(&mut Self) -> T) -> T {
        self.install();
        armed(|| work(self))
    }

    /// From here on the calling thread, and what it starts, may be struck. Peers must be there already.
    pub(crate) fn install(&mut self) {
        if !std::mem::replace(&mut self.installed, true) {
            self.injector.iter().for_each(|injector| injector.install().unwrap());
            if let Adversity::Sandbox(sandbox, Inmates::One) = self.adversity {
                sandbox.enter();
            }
        }
    }

    /// Starts a process that no fault strikes. It may fail, but only with a typed error, and it must end.
    pub(crate) fn peer(&mut self, work: impl FnOnce() -> io::Result<()>) -> Pid {
        assert!(!self.installed, "a peer would be under the filter");
        // SAFETY: the child allocates, which the C library allows after fork, and leaves by `_exit`.
        match unsafe { fork() }.unwrap() {
            ForkResult::Child => {
                let result = panic::catch_unwind(AssertUnwindSafe(work));
                if let Ok(Err(error)) = result {
                    if !is_typed(&error) {
                        say(&format!("wrong the peer got {error:?}"));
                    }
                }
                // SAFETY: ends the process without running what belongs to its parent.
                unsafe { libc::_exit(0) }
            }
            ForkResult::Parent { child } => {
                self.peers.push(child);
                child
            }
        }
    }

    /// Ends a peer.
    pub(crate) fn kill(&self, peer: Pid) {
        kill(peer, Signal::SIGKILL).unwrap();
    }

    /// Ends the peers that wait for somebody who will not come.
    fn dismiss(&self) {
        if let Ok(entries) = fs::read_dir(&self.dir) {
            for entry in entries.flatten() {
                // A connection without a greeting ends an `accept`.
                drop(std::os::unix::net::UnixStream::connect(entry.path()));
            }
        }
    }

    fn reap(&mut self) {
        for peer in self.peers.drain(..) {
            match waitpid(peer, None) {
                Ok(WaitStatus::Exited(_, 0) | WaitStatus::Signaled(_, Signal::SIGKILL, _)) => {}
                other => say(&format!("wrong the peer ended as {other:?}")),
            }
        }
    }

    fn judge(&mut self, outcome: &io::Result<()>) {
        match outcome {
            Ok(()) => say("outcome fine"),
            Err(error) => {
                let name = Error::of(error).map_or("WouldBlock".into(), name_of);
                say(&format!("outcome {name} {error}"));
                if !is_typed(error) {
                    say(&format!("wrong the error has no type: {error:?}"));
                }
                if let Some(Error::Os { code, .. }) = Error::of(error) {
                    self.told = self.adversity.explains(*code);
                    if !self.told {
                        say(&format!("wrong another error than the one of the kernel: {error}"));
                    }
                }
            }
        }
    }
}

/// The name of an error's variant.
fn name_of(error: &Error) -> String {
    let text = format!("{error:?}");
    text.split([' ', '(', '{']).next().unwrap_or_default().to_owned()
}

/// Whether it is an error that the documentation tells of.
pub(crate) fn is_typed(error: &io::Error) -> bool {
    Error::of(error).is_some() || error.kind() == io::ErrorKind::WouldBlock
}

/// Reserves what the test itself, and threads that start, take from the heap, so that faults strike the library.
fn prepare_the_heap() {
    // SAFETY: parameters of the allocator of the C library.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 1);
        libc::mallopt(libc::M_TRIM_THRESHOLD, i32::MAX);
        libc::mallopt(libc::M_MMAP_THRESHOLD, 64 << 20);
    }
    drop(std::hint::black_box(vec![1u8; 2 << 20]));
}

/// What a process holds.
#[derive(Clone, Debug)]
struct Holdings {
    census: Census,
    /// Bytes of address space.
    space: usize,
}

impl Holdings {
    fn take(dir: &Path) -> Self {
        let mut census = Census::take();
        census.descriptors.retain(|target| !target.contains("seccomp"));
        census.files = fs::read_dir(dir)
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect();
        Self { census, space: limits::space() }
    }

    /// The same without what an operation has taken from its parent.
    fn without(&self, taken: &str) -> Self {
        let mut census = self.census.clone();
        let at = census.descriptors.iter().position(|target| target == taken);
        at.map(|at| census.descriptors.remove(at));
        Self { census, space: self.space }
    }
}

/// Waits until everything is in a state that is allowed; says so if it never is.
fn compare(allowed: &[Holdings], scene: &Scene) {
    let adversity = &scene.adversity;
    // What stays because undoing it failed, of which nobody could be told.
    let left_mapped =
        adversity.spoils("munmap") && (!scene.told || adversity.spoils_for_good("munmap"));
    // A name that cannot be looked at cannot be told from a stranger's.
    let left_named = ["unlink", "unlinkat", "statx"].iter().any(|call| adversity.spoils(call))
        && (!scene.told || adversity.spoils_for_good("unlink"));
    for pass in 0.. {
        let mut now = Holdings::take(&scene.dir);
        if left_named {
            now.census.files.clear();
        }
        let fits = |before: &&Holdings| {
            let mut now = now.clone();
            if left_mapped {
                now.census.mappings = before.census.mappings;
                now.space = before.space;
            }
            now.census == before.census && now.space <= before.space + SLACK
        };
        if allowed.iter().find(fits).is_some() {
            return;
        }
        if pass == MOST_PASSES {
            say(&format!("wrong left behind: {now:?}; allowed: {allowed:?}"));
            return;
        }
        std::thread::sleep(PASS);
    }
}
