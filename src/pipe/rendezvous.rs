//! What the two ends of one pipe share: who is blocked, what they lent, how each end was closed.
//!
//! Each end has one *turn*; the call that holds it is the one that can meet a call of the other end. That gates
//! parallel writes (their bytes stay together) and lets parallel reads partition the stream. Calls that wait for
//! the turn get it in the order in which the condition variable wakes them; nobody overtakes them.
//!
//! When two calls meet, the one that came second copies, with the lock released, and the first is woken with its work done.
//! So a hand-over needs one wake-up, and none where both are awake.

use std::{
    fmt,
    panic::Location,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::{
    deadlock::Waits,
    lend::{Offer, Want},
    linger::Linger,
};
use crate::{
    ends::Controlled,
    error::{Cause, Error},
    sync::{AtomicU32, Ordering},
};

/// One of the two ends of a pipe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Reader,
    Writer,
}

/// The shared half of [`PipeReader`](super::PipeReader) and [`PipeWriter`](super::PipeWriter).
pub(super) struct Rendezvous {
    state: Mutex<State>,
    doors: [Door; 2],
    /// Where the pipe was made: the name it has in a diagnosis.
    pub(super) made_at: &'static Location<'static>,
    /// How long a wait lasts before it is suspected to last for ever.
    pub(super) patience: Duration,
}

/// Where the calls of one end sleep.
pub(super) struct Door {
    /// The call that holds the turn, until its work is done.
    pub(super) ready: Condvar,
    /// The calls that want the turn.
    pub(super) turn: Condvar,
    /// Counts what `ready` was rung for, so that a call can look for a moment before it sleeps. Only a hint: what
    /// happened is read under the lock.
    pub(super) rung: AtomicU32,
}

pub(super) struct State {
    sides: [Side; 2],
    /// Lent by the write that holds the turn, while it is blocked.
    pub(super) offer: Option<Offer>,
    /// Lent by the read that holds the turn, while it is blocked.
    pub(super) want: Option<Want>,
    /// A copy out of `offer` or into `want` is running without the lock. Whoever lent it stays until it has ended.
    pub(super) copying: bool,
    /// Bytes handed over since the pipe was made.
    pub(super) passed: u64,
}

/// One end, as both ends see it.
#[derive(Default)]
pub(super) struct Side {
    /// Some call holds the turn.
    pub(super) busy: bool,
    /// Calls that sleep until they get the turn.
    pub(super) queued: usize,
    /// The call that holds the turn sleeps.
    pub(super) asleep: bool,
    pub(super) linger: Linger,
    /// The first close, with its error if it had one.
    pub(super) closed: Option<Option<Cause>>,
    pub(super) deadline: Option<Instant>,
    pub(super) timeout: Option<Duration>,
    pub(super) nonblocking: bool,
    pub(super) waits: Waits,
}

/// Whom to wake once the lock is released, so that nobody wakes into a lock that is still held.
#[derive(Default)]
#[must_use]
pub(super) struct Wakes([Wake; 2]);

#[derive(Default)]
struct Wake {
    /// The call that holds the turn has got something; `Some(true)` if it sleeps.
    ready: Option<bool>,
    turn: WakeTurn,
}

#[derive(Default)]
enum WakeTurn {
    #[default]
    Nobody,
    One,
    All,
}

/// What a closed pipe answers.
pub(super) enum Closed {
    /// The writer closed without an error.
    EndOfStream,
    Failed(Error),
}

impl Rendezvous {
    pub(super) fn new(made_at: &'static Location<'static>, patience: Duration) -> Self {
        let door = || Door { ready: Condvar::new(), turn: Condvar::new(), rung: AtomicU32::new(0) };
        Self {
            state: Mutex::new(State {
                sides: [Side::default(), Side::default()],
                offer: None,
                want: None,
                copying: false,
                passed: 0,
            }),
            doors: [door(), door()],
            made_at,
            patience,
        }
    }

    // Nothing under this lock can panic half-way through a change, so a poisoned lock means nothing.
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn door(&self, end: End) -> &Door {
        &self.doors[end as usize]
    }

    /// Releases the lock, then wakes.
    pub(super) fn wake(&self, state: MutexGuard<'_, State>, wakes: Wakes) {
        drop(state);
        for (door, wake) in self.doors.iter().zip(wakes.0) {
            if let Some(asleep) = wake.ready {
                // Relaxed: the lock orders everything, this only ends somebody's spinning.
                door.rung.fetch_add(1, Ordering::Relaxed);
                if asleep {
                    door.ready.notify_one();
                }
            }
            match wake.turn {
                WakeTurn::Nobody => {}
                WakeTurn::One => door.turn.notify_one(),
                WakeTurn::All => door.turn.notify_all(),
            }
        }
    }

    /// Closes `end`; the first close wins.
    pub(super) fn close(&self, end: End, cause: Option<Cause>) {
        let mut state = self.lock();
        let closed = &mut state.side(end).closed;
        if closed.is_some() {
            drop(state);
            // The error of a later close is somebody's own type, whose drop must not run under the lock.
            drop(cause);
            return;
        }
        *closed = Some(cause);
        let mut wakes = Wakes::default();
        for end in [End::Reader, End::Writer] {
            state.rouse(end, &mut wakes);
            state.rouse_queue(end, &mut wakes);
        }
        self.wake(state, wakes);
    }

    pub(super) fn set_deadline(&self, end: End, deadline: Option<Instant>) {
        let mut state = self.lock();
        state.side(end).deadline = deadline;
        let mut wakes = Wakes::default();
        state.rouse(end, &mut wakes);
        state.rouse_queue(end, &mut wakes);
        self.wake(state, wakes);
    }

    pub(super) fn set_timeout(&self, end: End, timeout: Option<Duration>) -> Result<(), Error> {
        if timeout == Some(Duration::ZERO) {
            return Err(Error::invalid(
                "a timeout of zero would fail every call; pass None to wait for ever, or use the try_ methods not to wait",
            ));
        }
        self.lock().side(end).timeout = timeout;
        Ok(())
    }

    pub(super) fn timeout(&self, end: End) -> Option<Duration> {
        self.lock().side(end).timeout
    }

    pub(super) fn set_nonblocking(&self, end: End, nonblocking: bool) {
        self.lock().side(end).nonblocking = nonblocking;
    }

    pub(super) fn fmt_end(&self, name: &str, end: End, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // An error of somebody else's type may print anything and take any time: not under the lock.
        let closed = self.lock().side(end).closed.clone();
        f.debug_struct(name)
            .field("made_at", &format_args!("{}", self.made_at))
            .field("closed", &closed)
            .finish_non_exhaustive()
    }
}

impl State {
    pub(super) fn side(&mut self, end: End) -> &mut Side {
        &mut self.sides[end as usize]
    }

    /// Has anything been closed? Then no call of either end can go on.
    pub(super) fn is_closed(&self) -> bool {
        self.sides.iter().any(|side| side.closed.is_some())
    }

    /// What a call of `end` gets once the pipe is closed: its own close first, then the other end's word.
    pub(super) fn closed(&self, end: End) -> Option<Closed> {
        let [reader, writer] = &self.sides;
        let (own, other) = match end {
            End::Reader => (reader, writer),
            End::Writer => (writer, reader),
        };
        match (&own.closed, &other.closed) {
            (None, None) => None,
            (None, Some(Some(cause))) => Some(Closed::Failed(Error::ClosedWith(cause.clone()))),
            (None, Some(None)) if end == End::Reader => Some(Closed::EndOfStream),
            _ => Some(Closed::Failed(Error::Closed)),
        }
    }

    /// The call of `end` that holds the turn has a reason to look again.
    pub(super) fn rouse(&mut self, end: End, wakes: &mut Wakes) {
        let side = self.side(end);
        side.waits.strike();
        let asleep = std::mem::take(&mut side.asleep);
        let ready = &mut wakes.0[end as usize].ready;
        *ready = Some(asleep || *ready == Some(true));
    }

    /// Every call that wants the turn of `end` has a reason to look again.
    fn rouse_queue(&mut self, end: End, wakes: &mut Wakes) {
        let side = self.side(end);
        if side.queued > 0 {
            side.waits.strike();
            wakes.0[end as usize].turn = WakeTurn::All;
        }
    }

    /// The turn of `end` is free: one of those who want it may have it.
    pub(super) fn pass_turn(&mut self, end: End, wakes: &mut Wakes) {
        let side = self.side(end);
        if !side.busy && side.queued > 0 {
            side.waits.strike();
            wakes.0[end as usize].turn = WakeTurn::One;
        }
    }
}

/// Closes one end or moves its deadline; keeps neither end open.
pub(super) struct EndControl {
    pipe: Arc<Rendezvous>,
    end: End,
}

impl EndControl {
    pub(super) fn new(pipe: Arc<Rendezvous>, end: End) -> Self {
        Self { pipe, end }
    }
}

impl Controlled for EndControl {
    fn close(&self, cause: Option<Cause>) {
        self.pipe.close(self.end, cause);
    }

    fn set_deadline(&self, deadline: Option<Instant>) {
        self.pipe.set_deadline(self.end, deadline);
    }
}
