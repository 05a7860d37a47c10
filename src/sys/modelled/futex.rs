//! The kernel's half of a futex: a queue behind a lock, and the comparison made under it.
//!
//! That is what the real call promises: a sleeper either finds the word changed, or is in the queue before the next
//! wake looks there. Wakes without a cause are left out, because they could only hide a lost one.

use loom::sync::{Condvar, Mutex, atomic::AtomicU32};

use super::clock::{self, Moment};
use crate::sync::Ordering;

/// Why a wait ended, as the real call tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Woke {
    LookAgain,
    DeadlinePassed,
    #[expect(dead_code, reason = "the modelled kernel never refuses")]
    Unavailable,
}

/// A word, and the queue that the kernel would keep for its address.
#[derive(Debug)]
pub(crate) struct FutexWord {
    value: AtomicU32,
    sleeping: Mutex<bool>,
    moved: Condvar,
}

impl FutexWord {
    pub(crate) fn new(value: u32) -> Self {
        let value = AtomicU32::new(value);
        Self { value, sleeping: Mutex::new(false), moved: Condvar::new() }
    }

    /// Lets it be `now`, and ends a sleep whose deadline that is.
    pub(crate) fn let_time_pass(&self, now: Moment) {
        let sleeping = self.sleeping.lock().unwrap();
        clock::set(now);
        drop(sleeping);
        self.moved.notify_all();
    }
}

impl std::ops::Deref for FutexWord {
    type Target = AtomicU32;

    fn deref(&self) -> &AtomicU32 {
        &self.value
    }
}

pub(crate) fn wait(word: &FutexWord, expected: u32, deadline: Option<Moment>) -> Woke {
    let passed = || deadline.is_some_and(|deadline| deadline <= Moment::now());
    let mut sleeping = word.sleeping.lock().unwrap();
    // The lock of the queue orders this look with every wake, so the load needs no ordering of its own.
    if word.value.load(Ordering::Relaxed) != expected {
        return Woke::LookAgain;
    }
    if passed() {
        return Woke::DeadlinePassed;
    }
    assert!(!*sleeping, "two threads sleep on one doorbell");
    *sleeping = true;
    loop {
        sleeping = word.moved.wait(sleeping).unwrap();
        if !*sleeping {
            return Woke::LookAgain;
        }
        if passed() {
            *sleeping = false;
            return Woke::DeadlinePassed;
        }
    }
}

/// The modelled kernel never refuses.
pub(crate) fn wake(word: &FutexWord) -> bool {
    let mut sleeping = word.sleeping.lock().unwrap();
    if *sleeping {
        *sleeping = false;
        word.moved.notify_one();
    }
    true
}

pub(crate) fn available() -> bool {
    true
}
