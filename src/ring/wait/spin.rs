//! How long to look before sleeping, learnt from how earlier waits ended.

use std::time::Duration;

use crate::{
    ring::core::layout::Side,
    sync::{Ordering, spin_hint},
    sys::{
        clock::Moment,
        cpu::{self, yield_now},
    },
};

/// How an end waits when there is nothing to read, or no room to write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wait {
    /// Look again without end, and never sleep: the lowest latency, for a whole CPU. On a CPU shared with the peer,
    /// it gives way to the peer between looks.
    Spin,
    /// Look again for as long as that has paid off lately, then sleep. Costs nothing while idle.
    #[default]
    Adaptive,
    /// Sleep at once: the least CPU.
    Park,
}

/// Longest time an adaptive wait looks before it sleeps. A sleep and its wake cost about 55 µs on the virtual machine
/// this was measured on (6 µs on bare metal), and two sides that both sleep only find out that looking pays if one of
/// them looks for longer than the other takes to wake.
const LONGEST: Duration = Duration::from_micros(80);
/// Shortest time; it must cover a peer that answers at once, or two sides that both gave up would never learn better.
const SHORTEST: Duration = Duration::from_micros(2);
/// One wait in so many looks for [`LONGEST`] whatever was learnt, so that a peer that became quick is noticed.
const TRY_AGAIN: u32 = 64;
/// Looks between two readings of the clock, which costs about as much as a look.
const LOOKS_PER_CLOCK: u32 = 16;
/// Most pauses between two looks of a long wait. Each look takes the cache line away from the peer.
const MOST_PAUSES: u32 = 32;

/// What one end has learnt about waiting.
#[derive(Debug)]
pub(crate) struct Patience {
    wait: Wait,
    /// How long the next adaptive wait looks.
    budget: Duration,
    /// Waits that ended in a sleep, since the last that looked for [`LONGEST`].
    sleeps: u32,
    /// This thread's set of CPUs held only one when the end was made.
    alone: bool,
}

impl Patience {
    pub(crate) fn new(wait: Wait) -> Self {
        Self { wait, budget: LONGEST, sleeps: 0, alone: cpu::online() == 1 }
    }

    /// Looks until `ready` says so, or it is time to sleep (`false`). `ready` must also say so when the call has to end.
    pub(crate) fn spin(
        &mut self,
        own: &Side,
        peer: &Side,
        mut ready: impl FnMut() -> bool,
    ) -> bool {
        let here = cpu::current();
        own.sleep.cpu.store(here, Ordering::Relaxed);
        if self.wait == Wait::Park {
            return false;
        }
        // While the peer's last word came from this very CPU, it cannot run before we leave it.
        let shared = self.alone || peer.sleep.cpu.load(Ordering::Relaxed) == here;
        if self.wait == Wait::Spin {
            return spin_for_ever(shared, ready);
        }
        if shared {
            return false;
        }
        self.sleeps += 1;
        let limit = if self.sleeps % TRY_AGAIN == 0 { LONGEST } else { self.budget };
        let start = Moment::now();
        let mut pauses = 1;
        loop {
            for _ in 0..LOOKS_PER_CLOCK {
                if ready() {
                    return true;
                }
                for _ in 0..pauses {
                    spin_hint();
                }
            }
            if Moment::now().since(start) >= limit {
                return false;
            }
            pauses = (pauses * 2).min(MOST_PAUSES);
        }
    }

    /// Learns from a wait that looking alone ended: it was worth it.
    pub(crate) fn spun(&mut self) {
        self.budget = LONGEST;
        self.sleeps = 0;
    }

    /// Learns from a wait that ended in a sleep, `waited` after it began.
    pub(crate) fn slept(&mut self, waited: Duration) {
        if waited > LONGEST {
            self.budget = (self.budget / 2).max(SHORTEST);
        }
    }
}

fn spin_for_ever(shared: bool, mut ready: impl FnMut() -> bool) -> bool {
    loop {
        for _ in 0..LOOKS_PER_CLOCK {
            if ready() {
                return true;
            }
            spin_hint();
        }
        if shared {
            yield_now();
        }
    }
}
