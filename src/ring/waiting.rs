//! One wait of an end, from the first look to the last.

use std::time::Duration;

use super::{
    core::{Corrupt, layout::Side},
    doorbell::Woke,
    end::{End, attention},
    stats::Stats,
    wait::{DOZE, Fences, Looked, Notifier, Patience, SETTLE, Sleeper, Wait},
};
use crate::{error::Error, sys::clock::Moment};

/// Looks between two readings of the clock for a call that has a limit.
const LOOKS_PER_CLOCK: u32 = 32;
/// Looks between two questions after a peer whose death nobody tells.
const LOOKS_PER_SLICE: u32 = 1 << 16;

/// How long to sleep at most where nobody tells when the peer dies.
const SLICE: Duration = Duration::from_millis(50);

/// What an end needs to wait and to wake, apart from its half of the core.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(super) patience: Patience,
    pub(super) sleeper: Sleeper,
    notifier: Notifier,
    pub(crate) stats: Stats,
    /// The end's light is known to be on.
    pub(super) raised: bool,
    /// The position at which this end began.
    first: u64,
}

/// The positions of the peer that a sleeper hopes for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Want {
    /// The call can go on from here.
    pub(crate) at_least: u64,
    /// It would be worth waking for. A writer that is woken for every byte that is read would go to sleep again
    /// after every byte.
    pub(crate) at_best: u64,
}

/// How long a sleeper waits for what is best before it takes what there is.
const HOPE: Duration = Duration::from_millis(1);

/// How a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waited {
    /// Something changed after next to no time; look.
    Soon,
    /// Something changed; look.
    Look,
    /// The call's time is up. Look at the data once more, then say so.
    TimeIsUp,
}

/// Why a call cannot do what it was asked to, before it becomes an [`io::Error`](std::io::Error).
#[derive(Debug)]
pub(crate) enum Failure {
    WouldBlock,
    Corrupt(Corrupt),
    Error(Error),
}

impl From<Corrupt> for Failure {
    fn from(corrupt: Corrupt) -> Self {
        Self::Corrupt(corrupt)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

impl Waiting {
    pub(crate) fn new(wait: Wait, capacity: u64, first: u64) -> Self {
        Self {
            patience: Patience::new(wait),
            sleeper: Sleeper::default(),
            notifier: Notifier::default(),
            stats: Stats { capacity, ..Stats::default() },
            raised: false,
            first,
        }
    }

    /// Wakes the peer if it sleeps until `pos`, which was just published. `fences` are the end's, for a caller that knows them.
    #[inline(always)]
    pub(crate) fn notify(&mut self, end: &End, fences: Fences, peer: &Side, pos: u64) {
        let patience = &mut self.patience;
        self.notifier.notify(fences, peer, pos, |parked| {
            // The peer is about to wait again some time: let it know where we are.
            patience.tell_cpu(end.own());
            end.ring_peer(parked);
        });
    }

    /// Waits until `ready` holds, or the call has to end. `start` is when the call first had to wait, and `want` says
    /// when the peer shall ring. A close on this side, a deadline moved and a dead peer end the wait too.
    #[cold]
    pub(crate) fn wait(
        &mut self,
        end: &End,
        want: Want,
        start: &mut Option<Moment>,
        mut ready: impl FnMut() -> bool,
    ) -> Waited {
        let mut due = end.is_due(start);
        let (mut looks, mut began) = (0u32, None);
        let looked = self.patience.look(end.own(), end.peer(), || {
            looks = looks.wrapping_add(1);
            // The clock, the deadline and the peer's life are looked at now and then: a look at memory is far cheaper.
            if looks % LOOKS_PER_CLOCK == 0 {
                began.get_or_insert_with(Moment::now);
                due = due || end.is_due(start);
            }
            if looks % LOOKS_PER_SLICE == 0 {
                end.look_for_death();
            }
            ready() || due || end.attention() & attention::ENDS_WAIT != 0
        });
        self.stats.spins_won += u64::from(looked != Looked::InVain && !due);
        let waited = match looked {
            _ if due => Waited::TimeIsUp,
            Looked::Soon => return Waited::Soon,
            Looked::Later => Waited::Look,
            Looked::InVain => {
                let began = *began.get_or_insert_with(Moment::now);
                self.sleep(end, want, *start.get_or_insert(began), began, ready)
            }
        };
        if let Some(began) = began {
            self.stats.blocked += Moment::now().since(began);
        }
        waited
    }

    fn sleep(
        &mut self,
        end: &End,
        want: Want,
        start: Moment,
        began: Moment,
        mut ready: impl FnMut() -> bool,
    ) -> Waited {
        let mut modest = want.at_best == want.at_least;
        // The models' `membarrier` reaches everybody.
        let sure = end.fences() == Fences::Both || cfg!(loom);
        let mut settled = sure || self.sleeper.is_heard(began);
        loop {
            let limit = end.limit(start);
            let slice = end.look_for_death().then_some(SLICE).into_iter();
            let slice =
                slice.chain((!modest).then_some(HOPE)).chain((!settled).then_some(SETTLE)).min();
            let until =
                limit.into_iter().chain(slice.map(|slice| Moment::now().after(slice))).min();
            let position = if modest { want.at_least } else { want.at_best };
            modest = true;
            let mut awake = || ready() || end.attention() & attention::ENDS_WAIT != 0;
            self.stats.parks += 1;
            let woke = self.sleeper.sleep(
                end.fences(),
                end.own(),
                &end.own_bell(),
                position,
                until,
                || awake() || end.limit(start) != limit,
            );
            match woke {
                Woke::LookAgain => {
                    self.stats.wakes_received += 1;
                    settled = sure || self.sleeper.is_heard(began);
                }
                Woke::DeadlinePassed if until == limit => return Waited::TimeIsUp,
                Woke::DeadlinePassed => settled |= slice >= Some(SETTLE),
                Woke::Unavailable => std::thread::sleep(DOZE),
            }
            if awake() {
                self.patience.slept(Moment::now().since(began));
                return Waited::Look;
            }
            // Not left to the kernel: a peer that rings without end lets no sleep last until its deadline.
            if end.is_due(&mut Some(start)) {
                return Waited::TimeIsUp;
            }
        }
    }

    /// The counts so far; `fill` and the end's position are the caller's to know.
    pub(crate) fn stats(&self, fill: u64, pos: u64) -> Stats {
        let bytes = pos.wrapping_sub(self.first);
        Stats { wakes_sent: self.notifier.rings, fill, bytes, ..self.stats.clone() }
    }
}
