//! The registry of waits that have lasted too long, checked against the kernel's count of threads.

use super::{LONGEST_BETWEEN_LOOKS, Look};
use std::{
    fs::File,
    io::Read as _,
    process,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// The waits of the whole process that have lasted too long.
struct Registry {
    /// The process that counted; a child of `fork` inherits the memory but not the waiting threads.
    process: u32,
    /// Threads that wait without a deadline and have been given no reason to go on.
    waiting: usize,
}

static REGISTRY: Mutex<Registry> = Mutex::new(Registry { process: 0, waiting: 0 });

fn registry() -> MutexGuard<'static, Registry> {
    let mut registry = REGISTRY.lock().unwrap_or_else(PoisonError::into_inner);
    let process = process::id();
    if registry.process != process {
        *registry = Registry { process, waiting: 0 };
    }
    registry
}

impl Registry {
    // Saturating, because a child of `fork` may strike what its parent had entered: too few is safe, too many is not.
    fn strike(&mut self, count: usize) {
        self.waiting = self.waiting.saturating_sub(count);
    }
}

/// The registered waits of one end of one pipe; guarded by the lock of that pipe.
#[derive(Debug, Default)]
pub(in crate::pipe) struct Waits {
    registered: usize,
    /// How often the registrations of this end were struck; tells a wait whether its own still holds.
    strikes: u64,
}

impl Waits {
    /// Some call of this end is being given a reason to go on.
    pub(in crate::pipe) fn strike(&mut self) {
        if self.registered != 0 {
            self.strike_registered();
        }
    }

    #[cold]
    fn strike_registered(&mut self) {
        registry().strike(self.registered);
        self.registered = 0;
        self.strikes += 1;
    }
}

/// One call's view of how long it has been waiting.
#[derive(Debug)]
pub(in crate::pipe) struct Watch {
    patience: Duration,
    next_look: Option<Instant>,
    /// The number of strikes at which this wait was registered.
    registered: Option<u64>,
}

impl Watch {
    pub(in crate::pipe) fn new(patience: Duration) -> Self {
        Self { patience, next_look: None, registered: None }
    }

    /// To be called under the pipe's lock before each sleep without a deadline, when nothing is there to wake for.
    pub(in crate::pipe) fn look(&mut self, waits: &mut Waits) -> Look {
        let now = Instant::now();
        match self.next_look {
            None => self.next_look = Some(now + self.patience),
            Some(due) if now >= due => {
                if let Some(threads) = self.register_and_check(waits) {
                    return Look::Stuck(threads);
                }
                self.next_look = Some(now + self.patience);
                self.patience = (self.patience * 2).min(LONGEST_BETWEEN_LOOKS);
            }
            Some(_) => {}
        }
        Look::Sleep(self.next_look)
    }

    #[cold]
    fn register_and_check(&mut self, waits: &mut Waits) -> Option<usize> {
        let mut registry = registry();
        if self.registered != Some(waits.strikes) {
            self.registered = Some(waits.strikes);
            waits.registered += 1;
            registry.waiting += 1;
        }
        if threads() != Some(registry.waiting) {
            return None;
        }
        let threads = registry.waiting;
        self.registered = None;
        waits.registered -= 1;
        registry.strike(1);
        Some(threads)
    }

    /// To be called under the pipe's lock when the wait is over, for whatever reason.
    pub(in crate::pipe) fn end(&mut self, waits: &mut Waits) {
        if self.registered.take() == Some(waits.strikes) {
            waits.registered -= 1;
            registry().strike(1);
        }
    }
}

/// How many threads this process has, by the kernel's own count; `None` if it cannot be had.
#[cfg(not(test))]
fn threads() -> Option<usize> {
    count_threads()
}

#[cfg(test)]
fn threads() -> Option<usize> {
    match *tests::PRETENDED.lock().unwrap() {
        Some(count) => Some(count),
        None => count_threads(),
    }
}

fn count_threads() -> Option<usize> {
    let mut text = [0; 1024];
    let mut len = 0;
    let mut file = File::open("/proc/self/stat").ok()?;
    while let n @ 1.. = file.read(text.get_mut(len..)?).ok()? {
        len += n;
    }
    parse_threads(text.get(..len)?)
}

/// `num_threads` is field 20 of proc_pid_stat(5). The name of the program, field 2, stands in parentheses and
/// may hold anything, also blanks and parentheses; field 3 follows the last one.
fn parse_threads(stat: &[u8]) -> Option<usize> {
    let after_name = stat.iter().rposition(|&byte| byte == b')')? + 1;
    let text = std::str::from_utf8(stat.get(after_name..)?).ok()?;
    text.split_ascii_whitespace().nth(20 - 3)?.parse().ok()
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
