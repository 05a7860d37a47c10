//! The place where the result of a call is handed over, once, by whoever is first.
//!
//! Filling a [`Slot`] never blocks: not on a caller who is busy, and not on one who has left. The filler learns which
//! of the two it was, because a result that nobody will take is the filler's to release.

use std::{
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

/// A result handed from one thread to another, at most once.
///
/// Of all who [`complete`](Self::complete) it the first wins; of the two sides none ever waits for the other to be
/// ready. The caller's side is one thread: it waits, looks, or leaves.
///
/// ```
/// use ringpipe::rpc::Slot;
/// let slot = Slot::new();
/// std::thread::scope(|s| {
///     s.spawn(|| assert_eq!(slot.complete(42), Ok(()), "the caller was there"));
///     assert_eq!(slot.wait(), 42);
/// });
///
/// let left = Slot::new();
/// assert_eq!(left.abandon(), None);
/// assert_eq!(left.complete("too late"), Err("too late"), "handed back to the one who brought it");
/// ```
#[derive(Debug)]
pub struct Slot<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
}

#[derive(Debug)]
struct State<T> {
    value: Value<T>,
    // Somebody asks the waiting caller to get up and look around, though nothing is in the slot.
    nudged: bool,
    waiting: bool,
}

#[derive(Debug)]
enum Value<T> {
    Empty,
    Full(T),
    // The caller took the value, or left without it.
    Gone,
}

/// How a wait inside the library ended.
#[derive(Debug)]
pub(crate) enum Woken<T> {
    Done(T),
    Nudged,
    TimedOut,
}

impl<T> Default for Slot<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Slot<T> {
    /// An empty slot.
    pub const fn new() -> Self {
        Self {
            state: Mutex::new(State { value: Value::Empty, nudged: false, waiting: false }),
            changed: Condvar::new(),
        }
    }

    /// Puts the result in, unless another came first or the caller left. Never blocks.
    ///
    /// # Errors
    /// The value itself, when nobody will ever take it: it is the completer's to release.
    pub fn complete(&self, value: T) -> Result<(), T> {
        let mut state = self.lock();
        if !matches!(state.value, Value::Empty) {
            return Err(value);
        }
        state.value = Value::Full(value);
        let waiting = state.waiting;
        drop(state);
        if waiting {
            self.changed.notify_one();
        }
        Ok(())
    }

    /// Waits for the result and takes it.
    ///
    /// # Blocking
    /// Until somebody completes the slot; for ever when the result was taken before.
    pub fn wait(&self) -> T {
        loop {
            if let Woken::Done(value) = self.wait_or_nudge(None) {
                return value;
            }
        }
    }

    /// Waits for the result until `deadline`, and takes it if it came. The slot stays usable when it did not.
    ///
    /// ```
    /// use std::time::Instant;
    /// let slot = ringpipe::rpc::Slot::new();
    /// assert_eq!(slot.wait_until(Instant::now()), None);
    /// slot.complete(1).unwrap();
    /// assert_eq!(slot.wait_until(Instant::now()), Some(1), "what is there wins over the time");
    /// ```
    pub fn wait_until(&self, deadline: Instant) -> Option<T> {
        loop {
            match self.wait_or_nudge(Some(deadline)) {
                Woken::Done(value) => return Some(value),
                Woken::TimedOut => return None,
                Woken::Nudged => {}
            }
        }
    }

    /// Takes the result if it is there. Never blocks.
    pub fn try_take(&self) -> Option<T> {
        take(&mut self.lock().value)
    }

    /// Whether a result lies in the slot.
    pub fn is_complete(&self) -> bool {
        matches!(self.lock().value, Value::Full(_))
    }

    /// Leaves: takes the result if it came before this, and makes every later [`complete`](Self::complete) fail.
    pub fn abandon(&self) -> Option<T> {
        let mut state = self.lock();
        let value = take(&mut state.value);
        state.value = Value::Gone;
        value
    }

    /// Wakes the caller without a result; remembered when it does not wait just now.
    pub(crate) fn nudge(&self) {
        let mut state = self.lock();
        state.nudged = true;
        let waiting = state.waiting;
        drop(state);
        if waiting {
            self.changed.notify_one();
        }
    }

    /// Waits for the result, a nudge or the deadline, in this order of preference.
    pub(crate) fn wait_or_nudge(&self, deadline: Option<Instant>) -> Woken<T> {
        let mut state = self.lock();
        state.waiting = true;
        let woken = loop {
            if let Some(value) = take(&mut state.value) {
                break Woken::Done(value);
            }
            if std::mem::take(&mut state.nudged) {
                break Woken::Nudged;
            }
            state = match deadline {
                None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(deadline) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        break Woken::TimedOut;
                    }
                    self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0
                }
            };
        };
        state.waiting = false;
        woken
    }

    // Each change of the state is one assignment, so a panic elsewhere cannot leave it half done.
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn take<T>(value: &mut Value<T>) -> Option<T> {
    match std::mem::replace(value, Value::Gone) {
        Value::Full(full) => Some(full),
        other => {
            *value = other;
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn first_completion_wins_and_later_ones_get_their_value_back() {
        let slot = Slot::new();
        assert_eq!(slot.complete(1), Ok(()));
        assert_eq!(slot.complete(2), Err(2));
        assert_eq!(slot.wait(), 1);
        assert_eq!(slot.complete(3), Err(3));
    }

    #[test]
    fn abandoning_after_completion_returns_the_result() {
        let slot = Slot::new();
        slot.complete(7).unwrap();
        assert_eq!(slot.abandon(), Some(7));
    }

    #[test]
    fn a_wait_that_ran_out_leaves_the_slot_as_it_was() {
        let slot = Slot::default();
        let soon = || Instant::now() + std::time::Duration::from_millis(1);
        assert_eq!(slot.wait_until(soon()), None);
        // Who is only to look up goes on waiting.
        slot.nudge();
        assert_eq!(slot.wait_until(soon()), None);
        assert_eq!(slot.complete(1), Ok(()));
        assert_eq!(slot.wait_until(Instant::now()), Some(1));
    }

    #[test]
    fn a_result_wins_over_a_nudge_and_a_nudge_is_not_lost() {
        let slot = Slot::new();
        slot.nudge();
        assert!(matches!(slot.wait_or_nudge(None), Woken::Nudged));
        slot.nudge();
        slot.complete(1).unwrap();
        assert!(matches!(slot.wait_or_nudge(None), Woken::Done(1)));
    }

    #[test]
    fn either_order_of_completing_and_waiting_hands_the_value_over() {
        for round in 0..1000 {
            let slot = Arc::new(Slot::new());
            let filler = {
                let slot = Arc::clone(&slot);
                std::thread::spawn(move || slot.complete(round))
            };
            if round % 2 == 0 {
                while !slot.is_complete() {
                    std::thread::yield_now();
                }
            }
            assert_eq!(slot.wait(), round);
            assert_eq!(filler.join().unwrap(), Ok(()));
        }
    }

    #[test]
    fn exactly_one_of_leaving_and_completing_owns_the_value() {
        for _ in 0..1000 {
            let slot = Arc::new(Slot::new());
            let filler = {
                let slot = Arc::clone(&slot);
                std::thread::spawn(move || slot.complete(()).is_ok())
            };
            let taken = slot.abandon().is_some();
            assert_eq!(filler.join().unwrap(), taken);
        }
    }
}
