//! The doorbell of the portable backend: a counter in shared memory, and a `raw_sync` event to sleep on.
//!
//! A call of that event may never return. It is a POSIX mutex and a condition variable: setting it takes the mutex without a
//! limit, and a timed wait takes the mutex *again* without a limit when its time is up. A process that is killed between
//! the two halves of either leaves the mutex locked for ever, since it is not a robust one. So nobody who must come
//! back makes these calls: each end has one thread of its own that waits ([`OwnBell`]) and one that sets ([`PeerBell`]),
//! both started when they are first needed, and the end itself waits on a condition variable of this process,
//! by the monotonic clock. What a dead peer can block for good is one of these threads, and never a caller.
//!
//! The counter decides; the event, its clock and its errors only say when to look at it.

use std::{
    fmt, mem,
    ptr::NonNull,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use raw_sync::{
    Timeout,
    events::{Event, EventImpl, EventInit, EventState},
};

use super::{Doorbell, Woke};
use crate::{
    error::Error,
    ring::{
        core::{Areas, areas::Role},
        wait::DOZE,
    },
    sync::{AtomicU32, Ordering},
    sys::{clock::Moment, fork::Origin, thread},
};

/// How long one wait for the event lasts. Whole seconds: `raw_sync` 0.1.5 adds the nanoseconds of the duration to those of
/// the clock without a carry, and a sum of a second or more makes the wait fail at once with EINVAL.
const LISTEN: Duration = Duration::from_secs(1);

/// Room for one event, in bytes. It needs 136 on 64-bit glibc; [`size`] is checked against this.
pub(crate) const ROOM: usize = 0x400;

/// Bytes that an event of this build takes; two processes whose numbers differ run different C libraries.
pub(crate) fn size() -> usize {
    Event::size_of(None)
}

/// An event in shared memory.
pub(crate) struct SharedEvent(Box<dyn EventImpl>);

// SAFETY: it is a pointer to a process-shared mutex and condition variable, whose functions any thread may call; who
// holds it keeps the memory mapped (see `at`).
unsafe impl Send for SharedEvent {}
// SAFETY: as for `Send`; it touches its other two bytes with the mutex locked.
unsafe impl Sync for SharedEvent {}

impl SharedEvent {
    /// The event at `place`; a fresh one if `new`.
    ///
    /// # Safety
    /// * `place` is aligned to 8 bytes and valid for [`ROOM`] bytes of shared memory, for as long as the event lives.
    /// * With `new`, nobody uses an event there; without, somebody has made one there.
    pub(crate) unsafe fn at(place: NonNull<u8>, new: bool) -> Result<Self, Error> {
        let failed = |what: &str| {
            Error::Unsupported(
                format!("this system's events do not work in shared memory: {what}").into(),
            )
        };
        if size() > ROOM {
            return Err(failed("they are too large"));
        }
        // SAFETY: the caller's promise.
        let event = unsafe {
            if new {
                Event::new(place.as_ptr(), true)
            } else {
                Event::from_existing(place.as_ptr())
            }
        };
        event.map(|(event, _)| Self(event)).map_err(|e| failed(&e.to_string()))
    }

    /// Sets the event. May never return.
    fn set(&self) {
        // Locking or signalling may fail; the sleeper looks for itself within a second then.
        let _ = self.0.set(EventState::Signaled);
    }

    /// Waits for the event, mostly for a second at most; may never return.
    fn wait(&self) {
        if self.0.wait(Timeout::Val(LISTEN)).is_err() {
            // Usually the time was up. What fails at once must not do so in a circle.
            std::thread::sleep(DOZE);
        }
    }
}

/// What an end of the portable backend rings and sleeps on in place of the futex words.
#[derive(Debug)]
pub(crate) struct Events {
    pub(crate) own: OwnBell,
    pub(crate) peer: PeerBell,
}

/// The doorbell that this end sleeps on.
pub(crate) struct OwnBell(Arc<Ear>);

/// The doorbell of the other end.
pub(crate) struct PeerBell(Arc<Hand>);

/// What an end shares with the thread that waits for its event.
struct Ear {
    areas: Arc<Areas>,
    role: Role,
    event: SharedEvent,
    state: Mutex<Listener>,
    rung: Condvar,
    origin: Origin,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Listener {
    #[default]
    None,
    Runs,
    MustStop,
}

/// What an end shares with the thread that sets the other's event.
struct Hand {
    areas: Arc<Areas>,
    role: Role,
    event: SharedEvent,
    state: Mutex<Ringer>,
    asked: Condvar,
    origin: Origin,
}

#[derive(Debug, Default)]
struct Ringer {
    runs: bool,
    wanted: bool,
    must_stop: bool,
}

impl OwnBell {
    /// The bell of the end that has `role` in `areas`, whose memory holds `event`.
    pub(crate) fn new(areas: Arc<Areas>, role: Role, event: SharedEvent) -> Self {
        Self(Arc::new(Ear {
            areas,
            role,
            event,
            state: Mutex::default(),
            rung: Condvar::new(),
            origin: Origin::here(),
        }))
    }
}

impl Doorbell for OwnBell {
    fn listen(&self) -> u32 {
        // ORDER(E3): the store to `parked` that follows must not move up before this load.
        word(&self.0.areas, self.0.role).load(Ordering::Acquire)
    }

    fn sleep(&self, listened: u32, deadline: Option<Moment>) -> Woke {
        let ear = &*self.0;
        let mut state = ear.lock();
        if *state == Listener::None {
            let listener = self.0.clone();
            if thread::spawn(c"ringpipe-listen", move || listener.listen()).is_some() {
                *state = Listener::Runs;
            }
        }
        loop {
            // ORDER(E3): synchronizes with the Release of whoever rang. Under the lock: a ring that is not seen here is
            // followed by a notification that finds us waiting.
            if word(&ear.areas, ear.role).load(Ordering::Acquire) != listened {
                return Woke::LookAgain;
            }
            let left = deadline.map(|deadline| deadline.since(Moment::now()));
            if left == Some(Duration::ZERO) {
                return Woke::DeadlinePassed;
            }
            // Without a thread that listens, nobody notifies of the other process's rings.
            let deaf = (*state == Listener::None).then_some(DOZE);
            state = match left.into_iter().chain(deaf).min() {
                Some(time) => {
                    let woken = ear.rung.wait_timeout(state, time);
                    woken.unwrap_or_else(PoisonError::into_inner).0
                }
                None => ear.rung.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    /// Rings for something that happened in this process: no event is needed.
    fn ring(&self) -> bool {
        let _state = self.0.lock();
        word(&self.0.areas, self.0.role).fetch_add(1, Ordering::Release);
        self.0.rung.notify_all();
        true
    }
}

impl Ear {
    fn lock(&self) -> MutexGuard<'_, Listener> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn listen(&self) {
        loop {
            self.event.wait();
            if *self.lock() == Listener::MustStop {
                return;
            }
            self.rung.notify_all();
        }
    }
}

impl PeerBell {
    /// The bell of the end that has `role` in `areas`, whose memory holds `event`.
    pub(crate) fn new(areas: Arc<Areas>, role: Role, event: SharedEvent) -> Self {
        Self(Arc::new(Hand {
            areas,
            role,
            event,
            state: Mutex::default(),
            asked: Condvar::new(),
            origin: Origin::here(),
        }))
    }

    /// Rings for a sleeper in the other process. Returns at once: the event is set a moment later.
    pub(crate) fn ring(&self) {
        let hand = &*self.0;
        // ORDER(E3): whatever was published before the ring is visible to a sleeper that sees it.
        word(&hand.areas, hand.role).fetch_add(1, Ordering::Release);
        let mut state = hand.lock();
        state.wanted = true;
        if !state.runs {
            let ringer = self.0.clone();
            // Without a thread, the sleeper finds the counter changed when its wait for the event runs out.
            state.runs = thread::spawn(c"ringpipe-ring", move || ringer.ring()).is_some();
        }
        hand.asked.notify_one();
    }
}

impl Hand {
    fn lock(&self) -> MutexGuard<'_, Ringer> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ring(&self) {
        loop {
            let mut state = self.lock();
            while !mem::take(&mut state.wanted) {
                if state.must_stop {
                    return;
                }
                state = self.asked.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            drop(state);
            self.event.set();
        }
    }
}

fn word(areas: &Areas, role: Role) -> &AtomicU32 {
    match role {
        Role::Producer => &areas.bells().producer,
        Role::Consumer => &areas.bells().consumer,
    }
}

impl Drop for OwnBell {
    fn drop(&mut self) {
        // In a forked child the thread does not exist, and the lock may be held for ever.
        if !self.0.origin.is_here() {
            return;
        }
        let mut state = self.0.lock();
        if mem::replace(&mut *state, Listener::MustStop) == Listener::Runs {
            let ear = self.0.clone();
            // So that the listener need not wait for its second to end.
            let _ = thread::spawn(c"ringpipe-hush", move || ear.event.set());
        }
    }
}

impl Drop for PeerBell {
    fn drop(&mut self) {
        if self.0.origin.is_here() {
            self.0.lock().must_stop = true;
            self.0.asked.notify_one();
        }
    }
}

impl fmt::Debug for OwnBell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnBell").field("role", &self.0.role).finish_non_exhaustive()
    }
}

impl fmt::Debug for PeerBell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PeerBell").field("role", &self.0.role).finish_non_exhaustive()
    }
}
