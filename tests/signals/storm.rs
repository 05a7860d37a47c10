//! Signals for the threads of this process, ten thousand a second.

use std::{
    sync::{
        Arc, Mutex, Once,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction},
    unistd::{Pid, getpid, gettid},
};

/// From one signal to the next.
const PERIOD: Duration = Duration::from_micros(100);
/// A sender that is later than this, on a busy machine, does not catch up.
const LATE: Duration = Duration::from_millis(1);

static HANDLED: AtomicU64 = AtomicU64::new(0);

extern "C" fn count(_signal: libc::c_int) {
    HANDLED.fetch_add(1, Ordering::Relaxed);
}

/// How often the handler has run in this process.
pub(crate) fn handled() -> u64 {
    HANDLED.load(Ordering::Relaxed)
}

/// Goes on until it is dropped.
#[derive(Debug)]
pub(crate) struct Storm {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    targets: Mutex<Vec<Pid>>,
    over: AtomicBool,
}

/// The thread that made it is hit until it is dropped.
#[derive(Debug)]
pub(crate) struct Hit<'a>(&'a Shared, Pid);

impl Storm {
    /// A storm without targets.
    pub(crate) fn start() -> Self {
        static INSTALLED: Once = Once::new();
        INSTALLED.call_once(|| {
            // Not one that starts calls again: each is to see its interruption.
            let action =
                SigAction::new(SigHandler::Handler(count), SaFlags::empty(), SigSet::empty());
            // SAFETY: the handler adds to an atomic number, which may be done at any moment.
            unsafe { sigaction(Signal::SIGUSR1, &action) }.unwrap();
        });
        let shared = Arc::<Shared>::default();
        let thread = thread::spawn({
            let shared = shared.clone();
            move || shared.rage()
        });
        Self { shared, thread: Some(thread) }
    }

    /// Hits the calling thread from now on.
    pub(crate) fn hit_me(&self) -> Hit<'_> {
        let thread = gettid();
        self.shared.targets.lock().unwrap().push(thread);
        Hit(&self.shared, thread)
    }
}

impl Drop for Storm {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

impl Drop for Hit<'_> {
    fn drop(&mut self) {
        self.0.targets.lock().unwrap().retain(|target| *target != self.1);
    }
}

impl Shared {
    fn rage(&self) {
        let process = getpid();
        let mut next = Instant::now();
        for turn in 0.. {
            if self.over.load(Ordering::Relaxed) {
                return;
            }
            {
                // Under the lock: who is not a target any more may have ended.
                let targets = self.targets.lock().unwrap();
                if let Some(target) = targets.get(turn % targets.len().max(1)) {
                    // SAFETY: the call takes three numbers.
                    let sent = unsafe {
                        libc::syscall(
                            libc::SYS_tgkill,
                            process.as_raw(),
                            target.as_raw(),
                            libc::SIGUSR1,
                        )
                    };
                    assert_eq!(sent, 0);
                }
            }
            let now = Instant::now();
            next = (next + PERIOD).max(now.checked_sub(LATE).unwrap_or(now));
            thread::sleep(next.saturating_duration_since(now));
        }
    }
}
