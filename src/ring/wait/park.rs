//! Parking and waking: the half of the protocol that makes a wake-up impossible to lose.

use std::time::Duration;

use super::{Fences, SETTLE};
use crate::{
    ring::{
        core::layout::{ARMED, ASKING, PARKED, Side, Sleep},
        doorbell::{Doorbell, Woke},
    },
    sync::{Ordering, full_fence},
    sys::clock::Moment,
};

/// So few bytes between two sleeps that the peer shall pay for the fences. A fence of its takes some ten nanoseconds a
/// publication, a `membarrier` for it from half a microsecond to several.
#[cfg(not(loom))]
const OFTEN: u64 = 1 << 10;
// A model passes a handful of bytes.
#[cfg(loom)]
const OFTEN: u64 = 1;

/// The sleeping side's own bookkeeping.
#[derive(Debug, Default)]
pub(crate) struct Sleeper {
    /// The number of the last sleep, in `1 .. 1 << 62`; 0 before the first. It is never used again, because a waker
    /// remembers the one it rang for.
    number: u64,
    /// The position that the last sleep waited for.
    wanted: u64,
    /// Since when this side's `parked` has not been 0, if a `membarrier` was part of that: the peer passes a full fence with
    /// each publication.
    asking: Option<Moment>,
}

impl Sleeper {
    /// The number of the last sleep.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// More sleeps than this no end ever had, even if each lasts no longer than a nanosecond for a lifetime.
    pub(crate) const MOST: u64 = 1 << 61;

    /// Takes over from a sleeper in another process that got this far.
    pub(crate) fn go_on_from(&mut self, number: u64) {
        self.number = number;
    }

    /// Sleeps once on `bell`, unless `ready` says that there is no need. `own` is the sleeper's side, and the peer is
    /// asked to ring when its position has reached `want`. Says nothing about why it woke: the caller looks.
    pub(crate) fn sleep(
        &mut self,
        fences: Fences,
        own: &Side,
        bell: &impl Doorbell,
        want: u64,
        deadline: Option<Moment>,
        mut ready: impl FnMut() -> bool,
    ) -> Woke {
        let mut listened = bell.listen();
        self.announce(&own.sleep, want, PARKED);
        // ORDER(E3): pairs with the fence in `Notifier::notify`; either it sees `parked`, or `ready` what it published.
        let fenced = cfg!(mutant = "no_fence_in_waiter") || self.before_second_look(fences);
        let ready = !cfg!(mutant = "no_second_look") && ready();
        if cfg!(mutant = "doorbell_after_second_look") {
            listened = bell.listen();
        }
        let woke = match (ready, fenced) {
            (true, _) => Woke::LookAgain,
            (false, true) => bell.sleep(listened, deadline),
            (false, false) => doze(bell, listened, deadline),
        };
        // Who sleeps for long goes on sleeping, and must have been seen by then.
        let often = woke == Woke::DeadlinePassed || want.wrapping_sub(self.wanted) <= OFTEN;
        self.wanted = want;
        if often && fenced && fences == Fences::Sleeper {
            self.asking.get_or_insert_with(Moment::now);
            own.sleep.parked.store(ASKING, Ordering::Relaxed);
        } else {
            self.stop_asking(&own.sleep);
        }
        woke
    }

    /// As [`Fences::before_second_look`], which a peer makes unnecessary that passes the fences itself.
    fn before_second_look(&self, fences: Fences) -> bool {
        if self.asking.is_some() || cfg!(mutant = "asking_unheard") {
            full_fence();
            true
        } else {
            fences.before_second_look()
        }
    }

    /// Whether at `now` every publication that the peer made without a fence of its own is in memory, because it has
    /// been asked for fences for so long. A sleep needs no first part then.
    pub(crate) fn is_heard(&self, now: Moment) -> bool {
        self.asking.is_some_and(|since| now.since(since) >= SETTLE)
    }

    /// Has the peer leave out the fences that it was asked for, if so much came without a sleep that they cost it more than
    /// they save. `wanted` is the position of the peer that this side waits for now.
    #[inline(always)]
    pub(crate) fn take_it_back(&mut self, own: &Side, wanted: u64) {
        if self.asking.is_some() && wanted.wrapping_sub(self.wanted) > OFTEN {
            self.stop_asking(&own.sleep);
        }
    }

    /// This side is awake, and the next sleep fences for both.
    pub(crate) fn stop_asking(&mut self, own: &Sleep) {
        self.asking = self.asking.filter(|_| cfg!(mutant = "asking_forever"));
        own.parked.store(0, Ordering::Relaxed);
    }

    /// Asks to be rung by descriptor, and for no fences any more: this lasts over calls, and one that
    /// [took the asking back](Self::take_it_back) would put it out.
    pub(crate) fn arm(&mut self, own: &Sleep, want: u64) {
        self.asking = None;
        self.announce(own, want, ARMED);
    }

    /// Publishes a new sleep with `kind` in the low bits, without sleeping. [`full_fence`] must follow, and a second look.
    pub(crate) fn announce(&mut self, own: &Sleep, want: u64, kind: u64) {
        if self.number == 0 || !cfg!(mutant = "sleep_number_reused") {
            self.number += 1;
        }
        own.want.store(want, Ordering::Relaxed);
        // ORDER(E8): synchronizes with the Acquire in `Notifier::notify`; this sleep's `want` is visible.
        own.parked.store(self.number << 2 | kind, Ordering::Release);
    }
}

/// A sleep that a ring may fail to end, because the kernel would not fence: a short one.
#[cold]
fn doze(bell: &impl Doorbell, listened: u32, deadline: Option<Moment>) -> Woke {
    let short = Moment::now().after(DOZE);
    match bell.sleep(listened, Some(deadline.map_or(short, |deadline| deadline.min(short)))) {
        Woke::DeadlinePassed if deadline.is_none_or(|deadline| short < deadline) => Woke::LookAgain,
        woke => woke,
    }
}

/// How long to sleep at most where a wake-up may be missed, or sleeping on the doorbell is refused altogether.
pub(crate) const DOZE: Duration = Duration::from_millis(1);

/// The waking side's own bookkeeping: which sleep of the peer it has rung for.
#[derive(Debug, Default)]
pub(crate) struct Notifier {
    /// A copy of the peer's `parked` for which the bell was rung.
    rung_for: u64,
    /// Rings so far.
    pub(crate) rings: u64,
}

impl Notifier {
    /// Rings if the peer sleeps and `pos`, just published, is what it waits for. The hot half of every read and write.
    #[inline(always)]
    pub(crate) fn notify(&mut self, fences: Fences, peer: &Side, pos: u64, ring: impl FnOnce(u64)) {
        // ORDER(E3): pairs with the fence in `Sleeper::sleep`; either it sees the position, or we see `parked`.
        if !cfg!(mutant = "no_fence_in_publisher") {
            fences.after_publishing();
        }
        // ORDER(E8): synchronizes with the Release in `Sleeper::announce`.
        let parked = peer.sleep.parked.load(Ordering::Acquire);
        if parked != 0 {
            self.wake(fences, peer, parked, pos, ring);
        }
    }

    #[cold]
    fn wake(
        &mut self,
        fences: Fences,
        peer: &Side,
        mut parked: u64,
        pos: u64,
        ring: impl FnOnce(u64),
    ) {
        if fences == Fences::Sleeper && !cfg!(mutant = "no_fence_when_asked") {
            // ORDER(E3): the peer sleeps often, and leaves the fence to us. What was seen before it proves nothing, not
            // even that the peer still sleeps this sleep.
            full_fence();
            if !cfg!(mutant = "no_look_when_asked") {
                // ORDER(E8): as in `notify`.
                parked = peer.sleep.parked.load(Ordering::Acquire);
            }
        }
        if parked <= ASKING {
            return;
        }
        let reached = pos.wrapping_sub(peer.sleep.want.load(Ordering::Relaxed)) as i64 >= 0;
        if reached && parked != self.rung_for {
            self.rung_for = parked;
            self.rings += 1;
            ring(parked);
            if cfg!(mutant = "waker_clears_flag") {
                peer.sleep.parked.store(0, Ordering::Relaxed);
            }
        }
    }
}

/// Rings whether or not the peer sleeps for the position: for what it must see at once, such as a close.
pub(crate) fn ring_for_closing(peer: &Side, ring: impl FnOnce(u64)) {
    // ORDER(E3): as in `Notifier::notify`, with the state in the place of the position.
    full_fence();
    ring(peer.sleep.parked.load(Ordering::Relaxed));
}
