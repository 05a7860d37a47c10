//! What a reader and a writer of a ring have in common: the part that other threads may touch.
//!
//! The lock-free halves belong to one thread each. This is the rest of an end: whether it was closed, its deadline,
//! whether its peer is alive; shared with its [`Control`](crate::Control)s and with the watcher of dead peers.

use std::{
    io,
    sync::{Arc, OnceLock, PoisonError, Weak},
    time::{Duration, Instant},
};

use super::{
    core::{
        Areas,
        areas::Role,
        closing,
        layout::{ARMED, Side},
    },
    doorbell::{
        Bell, Doorbell,
        futex::FutexBell,
        pollable::{Light, Switch},
    },
    memory::compact::File,
    peer::Link,
    wait::{Fences, ring_for_closing},
};
#[cfg(feature = "portable")]
use super::{doorbell::event::Events, peer::Tie};
use crate::{
    ends::Controlled,
    error::{Cause, Error},
    sync::{AtomicU32, AtomicU64, Mutex, MutexGuard, Ordering, full_fence},
    sys::{clock::Moment, cpu::yield_now, fork::Origin},
};

/// Bits of [`End::attention`]: why a call may not simply go ahead.
pub(crate) mod attention {
    /// This side closed the end.
    pub(crate) const CLOSED: u32 = 1;
    /// There is a deadline, which may have passed.
    pub(crate) const DEADLINE: u32 = 2;
    /// Calls must not wait.
    pub(crate) const NONBLOCKING: u32 = 4;
    /// The process on the other side is gone.
    pub(crate) const PEER_DIED: u32 = 8;
    /// The end has an answer that it gives for ever, whatever the shared words say later.
    pub(crate) const ENDED: u32 = 16;
    /// The end has said its last word, and may still be waiting for the peer's.
    pub(crate) const FINISHING: u32 = 32;
    /// What a blocked call must return for.
    pub(crate) const ENDS_WAIT: u32 = CLOSED | NONBLOCKING | PEER_DIED;
}

/// The shared part of an end.
#[derive(Debug)]
pub(crate) struct End {
    areas: Arc<Areas>,
    role: Role,
    fences: Fences,
    origin: Origin,
    /// Bits of [`attention`]; 0 in the common case, so that the fast path asks one question.
    attention: AtomicU32,
    /// Nanoseconds on the monotonic clock; 0 is none.
    deadline: AtomicU64,
    /// Nanoseconds that one call may take; 0 is no limit.
    timeout: AtomicU64,
    /// 1 while the owner's thread publishes bytes; the last word has to come after them.
    publishing: AtomicU32,
    /// The lock orders those who close at the same time.
    last_word: Mutex<LastWord>,
    /// The tie to the process on the other side, if it is another one.
    link: OnceLock<Arc<Link>>,
    /// What this end polls, and what makes the peer's poll return; only for ends that are polled.
    light: OnceLock<Light>,
    /// What it takes to hand the end to a child; only while both ends are in this process.
    home: OnceLock<Home>,
    peer_switch: OnceLock<Switch>,
    /// What it rings and sleeps on in place of the futex words; only for ends of the portable backend.
    #[cfg(feature = "portable")]
    events: OnceLock<Events>,
    /// The tie to the process on the other side, if it is another one; only for ends of the portable backend.
    #[cfg(feature = "portable")]
    tie: OnceLock<Arc<Tie>>,
}

/// How far this side's last word has got.
#[derive(Debug)]
enum LastWord {
    /// The end is open.
    Unsaid,
    /// The owner's thread says it when it has published what it is about to.
    LeftToOwner(Option<Cause>),
    /// The peer can see it.
    Said,
}

/// How often a closing thread looks whether a publication that is under way has ended, before it leaves its last word to
/// the publisher. A publication takes microseconds, unless its thread lost the CPU.
const LOOKS: u32 = if cfg!(loom) { 1 } else { 1000 };

/// Where a ring with both ends in one process lives.
#[derive(Debug)]
pub(crate) struct Home {
    pub(crate) file: Arc<File>,
    /// The other end.
    pub(crate) sibling: Weak<End>,
}

impl End {
    pub(crate) fn new(areas: Arc<Areas>, role: Role, fences: Fences) -> Self {
        Self {
            areas,
            role,
            fences,
            origin: Origin::here(),
            attention: AtomicU32::new(0),
            deadline: AtomicU64::new(0),
            timeout: AtomicU64::new(0),
            publishing: AtomicU32::new(0),
            last_word: Mutex::new(LastWord::Unsaid),
            link: OnceLock::new(),
            light: OnceLock::new(),
            home: OnceLock::new(),
            peer_switch: OnceLock::new(),
            #[cfg(feature = "portable")]
            events: OnceLock::new(),
            #[cfg(feature = "portable")]
            tie: OnceLock::new(),
        }
    }

    pub(crate) fn areas(&self) -> &Areas {
        &self.areas
    }

    pub(crate) fn home(&self) -> Option<&Home> {
        self.home.get()
    }

    /// Called once, for a ring with both ends in this process.
    pub(crate) fn set_home(&self, home: Home) {
        let _ = self.home.set(home);
    }

    /// Says this side's last word, that nothing more will come, but goes on listening to the peer's. For the owner's
    /// thread, which is not publishing.
    pub(crate) fn announce_close(&self) {
        {
            let mut last_word = self.last_word();
            if !matches!(*last_word, LastWord::Unsaid) {
                return;
            }
            *last_word = LastWord::Said;
            closing::publish(self.own(), None);
        }
        ring_for_closing(self.peer(), |parked| self.ring_peer(parked));
    }

    /// Ends this side's use of the end without a word to the other: another process has taken it up.
    pub(crate) fn abandon(&self) {
        *self.last_word() = LastWord::Said;
        self.set_attention(attention::CLOSED, true);
    }

    fn last_word(&self) -> MutexGuard<'_, LastWord> {
        self.last_word.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Announces that the owner's thread is about to publish; [`published`](Self::published) must follow. `false` if something
    /// stands in the way, and then nothing was announced.
    ///
    /// The announcement and the look at `attention` pair with `attention` and the look at the announcement in
    /// [`close`](Controlled::close), with the same fences as sleeping and waking: either the publisher sees that the end was
    /// closed, or whoever closes sees that bytes are under way. `fences` are this end's, for a caller that knows them.
    #[inline(always)]
    pub(crate) fn may_publish(&self, fences: Fences) -> bool {
        self.announce_publishing(fences);
        let calm = self.calm();
        if !calm {
            self.publish_nothing();
        }
        calm
    }

    /// The announcement by itself, for who looks at `attention` more closely.
    #[inline(always)]
    pub(crate) fn announce_publishing(&self, fences: Fences) {
        self.publishing.store(1, Ordering::Relaxed);
        // ORDER(E7): pairs with `close`.
        fences.after_publishing();
    }

    /// The bytes are published. A fence and [`say_what_was_left`](Self::say_what_was_left) must follow.
    #[inline(always)]
    pub(crate) fn published(&self) {
        // ORDER(E7): synchronizes with the Acquire in `is_publishing`; the position comes before the last word.
        self.publishing.store(0, Ordering::Release);
    }

    /// Takes the announcement back.
    #[cold]
    pub(crate) fn publish_nothing(&self) {
        self.published();
        self.fences.after_publishing();
        self.say_what_was_left();
    }

    /// Says the last word if whoever closed the end meanwhile left it to the publisher.
    #[inline(always)]
    pub(crate) fn say_what_was_left(&self) {
        if self.attention() & attention::CLOSED != 0 {
            self.say_last_word();
        }
    }

    #[cold]
    fn say_last_word(&self) {
        {
            let mut last_word = self.last_word();
            let LastWord::LeftToOwner(cause) = &*last_word else { return };
            closing::publish(self.own(), cause.as_ref());
            *last_word = LastWord::Said;
        }
        ring_for_closing(self.peer(), |parked| self.ring_peer(parked));
    }

    /// Whether the owner's thread is publishing, and will look at `attention` afterwards.
    fn is_publishing(&self) -> bool {
        (0..LOOKS).all(|_| {
            // ORDER(E7): synchronizes with the Release in `published`.
            let publishing = self.publishing.load(Ordering::Acquire) != 0;
            if publishing {
                yield_now();
            }
            publishing
        })
    }

    /// Who pays for the fences between this end and its peer.
    #[inline(always)]
    pub(crate) fn fences(&self) -> Fences {
        self.fences
    }

    /// Whether a call may go ahead without a closer look.
    #[inline(always)]
    pub(crate) fn calm(&self) -> bool {
        self.attention.load(Ordering::Relaxed) == 0 && self.origin.is_here()
    }

    /// Whether this is the process that has the end's memory, and no copy of it that `fork` made.
    #[inline(always)]
    pub(crate) fn is_here(&self) -> bool {
        self.origin.is_here()
    }

    /// The bits of [`attention`].
    #[inline(always)]
    pub(crate) fn attention(&self) -> u32 {
        self.attention.load(Ordering::Relaxed)
    }

    /// Whether the peer's process is gone. Everything it ever said can be seen then, so this is asked before the look.
    pub(crate) fn peer_is_dead(&self) -> bool {
        // ORDER(E6): synchronizes with the Release in `peer_died`.
        self.attention.load(Ordering::Acquire) & attention::PEER_DIED != 0
    }

    /// The area this end writes.
    #[inline(always)]
    pub(crate) fn own(&self) -> &Side {
        self.areas.side(self.role)
    }

    /// The area the other end writes.
    #[inline(always)]
    pub(crate) fn peer(&self) -> &Side {
        self.areas.side(self.role.peer())
    }

    /// Fails if this side may not use the end at all.
    pub(crate) fn usable(&self) -> Result<(), Error> {
        if !self.origin.is_here() {
            return Err(Error::Forked);
        }
        if self.attention() & attention::CLOSED != 0 {
            return Err(Error::Closed);
        }
        Ok(())
    }

    /// The moment a call that began at `start` must end, by the deadline or the timeout, whichever comes first.
    pub(crate) fn limit(&self, start: Moment) -> Option<Moment> {
        let deadline = Moment::from_nanos(self.deadline.load(Ordering::Relaxed));
        let limit = self.timeout().map(|timeout| start.after(timeout));
        match (deadline, limit) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }

    /// Whether a call that may have begun at `start` must end now. The clock is read only for a call that is limited, and
    /// `start` is set then.
    pub(crate) fn is_due(&self, start: &mut Option<Moment>) -> bool {
        let limited = self.attention() & attention::DEADLINE != 0
            || self.timeout.load(Ordering::Relaxed) != 0;
        limited && {
            // The clock first: a deadline that was moved before it passed is not held against the call.
            let now = Moment::now();
            self.limit(*start.get_or_insert(now)).is_some_and(|limit| limit <= now)
        }
    }

    /// Whether the deadline has passed by now. Reads the clock only if there is one.
    pub(crate) fn deadline_passed(&self) -> bool {
        self.attention() & attention::DEADLINE != 0 && {
            // The clock first, as in `is_due`.
            let now = Moment::now();
            let deadline = Moment::from_nanos(self.deadline.load(Ordering::Relaxed));
            deadline.is_some_and(|deadline| deadline <= now)
        }
    }

    /// The word this end sleeps on.
    pub(crate) fn own_bell(&self) -> Bell<'_> {
        #[cfg(feature = "portable")]
        if let Some(events) = self.events.get() {
            return Bell::Event(&events.own);
        }
        Bell::Futex(self.bell(self.role))
    }

    fn bell(&self, role: Role) -> FutexBell<'_> {
        let bells = self.areas.bells();
        FutexBell(match role {
            Role::Producer => &bells.producer,
            Role::Consumer => &bells.consumer,
        })
    }

    /// Wakes the peer. `parked` is its own word about how it sleeps.
    #[cold]
    pub(crate) fn ring_peer(&self, parked: u64) {
        #[cfg(feature = "portable")]
        if let Some(events) = self.events.get() {
            // A peer that is awake, seen after a fence, sees what it would be rung for. The other bells cost too little
            // to ask.
            if parked != 0 {
                events.peer.ring();
            }
            return;
        }
        let rung = match self.peer_switch.get() {
            Some(switch) if parked & ARMED != 0 => switch.raise(),
            _ => self.bell(self.role.peer()).ring(),
        };
        if !rung {
            self.hang_up();
        }
    }

    /// The kernel would not wake the peer, which may sleep for ever. What still reaches it is the end of the tie, which both
    /// sides take for a death; what was published is read before that. Two threads of one process have no tie.
    #[cold]
    fn hang_up(&self) {
        if let Some(link) = self.link.get() {
            link.hang_up();
        }
    }

    /// Makes a call that is blocked on this end look again, and a poll return.
    fn interrupt(&self) {
        // Nothing more can be done for a sleeper of this process that the kernel would not wake.
        let _ = self.own_bell().ring();
        let Some(light) = self.light() else { return };
        if self.is_over() { light.raise_for_good() } else { light.raise() }
    }

    /// What this end polls, if it is made for that.
    pub(crate) fn light(&self) -> Option<&Light> {
        self.light.get()
    }

    /// Makes this end one that is polled. Called once.
    pub(crate) fn set_light(&self, light: Light) {
        let _ = self.light.set(light);
    }

    /// Makes the peer one that polls. Called once.
    pub(crate) fn set_peer_switch(&self, switch: Switch) {
        let _ = self.peer_switch.set(switch);
    }

    /// Keeps the tie to the other process for as long as the end lives. Called once.
    pub(crate) fn set_link(&self, link: Arc<Link>) {
        let _ = self.link.set(link);
    }

    /// Whether the other end is in another process.
    pub(crate) fn is_tied(&self) -> bool {
        self.link.get().is_some()
    }

    /// Asks after the peer if nobody tells when it dies; gives whether that is so.
    pub(crate) fn look_for_death(&self) -> bool {
        #[cfg(feature = "portable")]
        if let Some(tie) = self.tie.get() {
            if tie.is_broken() {
                self.peer_died();
            }
            return true;
        }
        let unwatched = self.link.get().filter(|link| !link.is_watched());
        if unwatched.is_some_and(|link| link.is_hung_up()) {
            self.peer_died();
        }
        unwatched.is_some()
    }

    /// Asks after the peer if nobody tells when it dies, and gives whether it is known to be dead.
    pub(crate) fn finds_peer_dead(&self) -> bool {
        self.look_for_death();
        self.attention() & attention::PEER_DIED != 0
    }

    /// Makes this an end of the portable backend. Called once, before anybody else has the end.
    #[cfg(feature = "portable")]
    pub(crate) fn set_events(&self, events: Events) {
        let _ = self.events.set(events);
    }

    /// Keeps the tie to the other process for as long as the end lives. Called once.
    #[cfg(feature = "portable")]
    pub(crate) fn set_tie(&self, tie: Arc<Tie>) {
        let _ = self.tie.set(tie);
    }

    /// Notes that the peer's process is gone. Not for a peer that closed: its last words win.
    pub(crate) fn peer_died(&self) {
        if cfg!(mutant = "death_flag_after_bump") {
            self.interrupt();
            self.attention.fetch_or(attention::PEER_DIED, Ordering::Release);
            return;
        }
        // ORDER(E6): synchronizes with the Acquire in `peer_is_dead`; the kernel told of the death after the peer's last store.
        self.attention.fetch_or(attention::PEER_DIED, Ordering::Release);
        self.interrupt();
    }

    /// Sends every later call the slow way, where the final answer is found, and makes every poll return.
    pub(crate) fn set_ended(&self) {
        self.set_attention(attention::ENDED, true);
        if let Some(light) = self.light() {
            light.raise_for_good();
        }
    }

    /// Sends every later call the slow way. Not the end: the peer's last word is still to be polled for.
    pub(crate) fn set_finishing(&self) {
        self.set_attention(attention::FINISHING, true);
    }

    /// Whether no call will wait any more.
    pub(crate) fn is_over(&self) -> bool {
        let over = attention::CLOSED | attention::PEER_DIED | attention::ENDED;
        self.attention() & over != 0
    }

    pub(crate) fn set_nonblocking(&self, nonblocking: bool) {
        self.set_attention(attention::NONBLOCKING, nonblocking);
    }

    fn set_attention(&self, bit: u32, on: bool) {
        if on {
            self.attention.fetch_or(bit, Ordering::Relaxed);
        } else {
            self.attention.fetch_and(!bit, Ordering::Relaxed);
        }
    }

    pub(crate) fn set_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        if timeout == Some(Duration::ZERO) {
            return Err(Error::invalid(
                "a timeout of zero would never let a call succeed; use None, or set_nonblocking",
            )
            .into());
        }
        let nanos = timeout.map_or(0, |t| u64::try_from(t.as_nanos()).unwrap_or(u64::MAX));
        self.timeout.store(nanos, Ordering::Relaxed);
        Ok(())
    }

    pub(crate) fn timeout(&self) -> Option<Duration> {
        let nanos = self.timeout.load(Ordering::Relaxed);
        (nanos != 0).then_some(Duration::from_nanos(nanos))
    }
}

impl Controlled for End {
    fn close(&self, cause: Option<Cause>) {
        if !self.origin.is_here() {
            return;
        }
        {
            let mut last_word = self.last_word();
            let before = self.attention.fetch_or(attention::CLOSED, Ordering::Relaxed);
            if before & attention::CLOSED != 0 {
                return;
            }
            // The last word may be out already, and only this side's waiting for the peer's goes on.
            if matches!(*last_word, LastWord::Unsaid) {
                // ORDER(E7): pairs with `may_publish` and with the fence after `published`.
                if !cfg!(mutant = "no_fence_in_close") && !self.fences.before_second_look_here() {
                    full_fence();
                }
                *last_word = if self.is_publishing() && !cfg!(mutant = "state_before_last_bytes") {
                    LastWord::LeftToOwner(cause)
                } else {
                    closing::publish(self.own(), cause.as_ref());
                    LastWord::Said
                };
            }
        }
        if !cfg!(mutant = "close_without_wake") {
            ring_for_closing(self.peer(), |parked| self.ring_peer(parked));
        }
        self.interrupt();
    }

    fn set_deadline(&self, deadline: Option<Instant>) {
        if !self.origin.is_here() {
            return;
        }
        let nanos = deadline.map_or(0, |instant| Moment::of(instant).as_nanos());
        self.deadline.store(nanos, Ordering::Relaxed);
        self.set_attention(attention::DEADLINE, nanos != 0);
        self.interrupt();
    }
}
