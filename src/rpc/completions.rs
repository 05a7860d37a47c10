//! Where finished calls are announced, for a caller who waits for many of them at once.

use std::{
    collections::VecDeque,
    fmt,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use super::SetupError;
use crate::sync::{AtomicU64, Ordering};

/// Names a started call within this process; no two calls ever share one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId(u64);

static NEXT_ID: AtomicU64 = AtomicU64::new(1);

impl CallId {
    pub(crate) fn next() -> Self {
        // ORDER: a number that nobody else has, whatever else is seen.
        Self(NEXT_ID.fetch_add(1, Ordering::Relaxed))
    }
}

impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "call {}", self.0)
    }
}

/// A bounded queue of the calls that have ended, of one client or of many.
///
/// Announcing never blocks whoever finished the call: when the queue is full the announcement is dropped and counted,
/// and the [`Call`](super::Call) itself still holds its result. A queue that has room for every call started on
/// it never drops one.
///
/// ```
/// use ringpipe::rpc::Completions;
/// assert!(Completions::new(0).is_err(), "a queue that can hold nothing is refused at once");
/// let done = Completions::new(64)?;
/// assert_eq!(done.try_next(), None);
/// # Ok::<(), ringpipe::rpc::SetupError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Completions(Arc<Queue>);

#[derive(Debug)]
struct Queue {
    state: Mutex<State>,
    arrived: Condvar,
}

#[derive(Debug)]
struct State {
    ended: VecDeque<CallId>,
    capacity: usize,
    dropped: u64,
}

impl Completions {
    /// A queue with room for `capacity` announcements.
    ///
    /// # Errors
    /// [`SetupError::Invalid`] for a capacity of 0, on which every announcement would be lost.
    pub fn new(capacity: usize) -> Result<Self, SetupError> {
        if capacity == 0 {
            return Err(SetupError::Invalid(
                "a completion queue of size 0 would lose every call; give it room for the calls in flight".into(),
            ));
        }
        Ok(Self(Arc::new(Queue {
            state: Mutex::new(State {
                // Grown as calls end: the capacity is a bound, and often a generous one.
                ended: VecDeque::new(),
                capacity,
                dropped: 0,
            }),
            arrived: Condvar::new(),
        })))
    }

    /// Waits for a call to end, and says which.
    ///
    /// # Blocking
    /// Until one of the calls started on this queue ends.
    pub fn next(&self) -> CallId {
        let mut state = self.lock();
        loop {
            if let Some(id) = state.ended.pop_front() {
                return id;
            }
            state = self.0.arrived.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Waits for a call to end, but not beyond `deadline`.
    pub fn next_until(&self, deadline: Instant) -> Option<CallId> {
        let mut state = self.lock();
        loop {
            if let Some(id) = state.ended.pop_front() {
                return Some(id);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            state =
                self.0.arrived.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// The next ended call, if one is announced already. Never blocks.
    pub fn try_next(&self) -> Option<CallId> {
        self.lock().ended.pop_front()
    }

    /// How many announcements were dropped because the queue was full.
    pub fn dropped(&self) -> u64 {
        self.lock().dropped
    }

    pub(crate) fn announce(&self, id: CallId) {
        let mut state = self.lock();
        if state.ended.len() >= state.capacity {
            state.dropped += 1;
            return;
        }
        state.ended.push_back(id);
        drop(state);
        self.0.arrived.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_queue_drops_and_counts_instead_of_blocking() {
        let queue = Completions::new(2).unwrap();
        let ids: Vec<_> = (0..5).map(|_| CallId::next()).collect();
        for &id in &ids {
            queue.announce(id);
        }
        assert_eq!(queue.dropped(), 3);
        assert_eq!(queue.next(), ids[0]);
        assert_eq!(queue.next_until(Instant::now()), Some(ids[1]));
        assert_eq!(queue.try_next(), None);
        assert_eq!(queue.next_until(Instant::now()), None);
    }
}
