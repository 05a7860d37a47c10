//! How long to look before sleeping, and when to let a batch form, learnt from how earlier waits ended.

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

/// Longest time an adaptive wait looks before it sleeps, now and then. A sleep and its wake cost about 55 µs on the virtual machine
/// this was measured on (6 µs on bare metal), and two sides that both sleep only find out that looking pays if one of
/// them looks for longer than the other takes to wake.
const LONGEST: Duration = Duration::from_micros(80);
/// Longest time that looking is worth as a rule. It costs this CPU as much as a sleep and its wake cost both sides two or three
/// times; with a peer that has something every 100 µs, looking for longer took twice the CPU of a Unix socket.
const WORTH: Duration = Duration::from_micros(40);
/// A budget below this is none: the first looks of every wait, which cover a peer that answers at once, last as long.
const SHORTEST: Duration = Duration::from_micros(1);
/// One wait in so many looks for [`LONGEST`] whatever was learnt, so that a peer that became quick is noticed.
const TRY_AGAIN: u32 = 256;
/// Looks between two readings of the clock, which costs about as much as a look.
const LOOKS_PER_CLOCK: u32 = 32;
/// Most pauses between two looks of a long wait. Each look takes the cache line away from the peer.
const MOST_PAUSES: u32 = 32;

/// What one end has learnt about waiting.
#[derive(Debug)]
pub(crate) struct Patience {
    wait: Wait,
    /// How long the next adaptive wait looks.
    budget: Duration,
    /// Waits that had to look for a while, since the last for which that was worth it.
    long_waits: u32,
    /// The machine has one CPU.
    alone: bool,
    /// The CPU that the shared word tells. It is stored only when it changed: it shares its line with `parked`, which
    /// the peer reads with every publication.
    told_cpu: u32,
    together: Together,
    batch: Batch,
}

/// How a spell of looking ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Looked {
    /// Ready, before it was worth reading the clock.
    Soon,
    /// Ready.
    Later,
    /// Not ready; time to sleep.
    InVain,
}

impl Patience {
    pub(crate) fn new(wait: Wait) -> Self {
        let alone = cpu::online() == 1;
        Self {
            wait,
            budget: WORTH,
            long_waits: 0,
            alone,
            told_cpu: 0,
            together: Together::default(),
            batch: Batch::default(),
        }
    }

    /// Looks until `ready` says so, or it is time to sleep. `ready` must also say so when the call has to end.
    pub(crate) fn look(
        &mut self,
        own: &Side,
        peer: &Side,
        mut ready: impl FnMut() -> bool,
    ) -> Looked {
        let here = self.tell_cpu(own);
        if self.wait == Wait::Park {
            return Looked::InVain;
        }
        let shared = self.shares(here, peer);
        if shared && self.wait == Wait::Adaptive && !self.together.part() {
            return Looked::InVain;
        }
        if !shared {
            self.together = Together::default();
        }
        if soon(&mut ready) {
            self.found_it_worth();
            return Looked::Soon;
        }
        match self.wait {
            Wait::Spin => look_for_ever(shared, ready),
            _ => self.look_for_a_while(shared, ready),
        }
    }

    /// Whether it pays to look a few times before anything else: the peer can run meanwhile, and was quick of late.
    #[inline]
    pub(crate) fn looks(&mut self, own: &Side, peer: &Side) -> bool {
        let here = self.tell_cpu(own);
        let hopes = match self.wait {
            Wait::Spin => true,
            Wait::Adaptive => self.budget >= SHORTEST,
            Wait::Park => false,
        };
        hopes && !self.shares(here, peer)
    }

    fn shares(&self, here: u32, peer: &Side) -> bool {
        self.alone || self.is_shared(here, peer)
    }

    /// Whether the peer cannot run before this thread leaves its CPU, as far as can be told: its last word came from
    /// here, or it has said nothing yet and this thread may run here only.
    fn is_shared(&self, here: u32, peer: &Side) -> bool {
        match peer.sleep.cpu.load(Ordering::Relaxed) {
            // If it sleeps, whoever wakes it says more. A wait that must not sleep finds out as soon as the peer waits.
            0 => self.wait == Wait::Adaptive && cpu::usable() == 1,
            theirs => theirs == here,
        }
    }

    /// Tells the peer on which CPU this end is, and gives it.
    pub(crate) fn tell_cpu(&mut self, own: &Side) -> u32 {
        let here = cpu::current();
        if here != self.told_cpu {
            own.sleep.cpu.store(here, Ordering::Relaxed);
            self.told_cpu = here;
        }
        here
    }

    fn look_for_a_while(&mut self, shared: bool, mut ready: impl FnMut() -> bool) -> Looked {
        self.long_waits += 1;
        let longest = shared || self.long_waits % TRY_AGAIN == 0;
        let limit = if longest { LONGEST } else { self.budget };
        if limit < SHORTEST {
            return Looked::InVain;
        }
        let start = Moment::now();
        let (mut pauses, mut looked) = (1, Duration::ZERO);
        while looked < limit {
            for _ in 0..LOOKS_PER_CLOCK {
                if ready() {
                    if looked < WORTH {
                        self.found_it_worth();
                    }
                    return Looked::Later;
                }
                pause(pauses);
            }
            looked = Moment::now().since(start);
            pauses = (pauses * 2).min(MOST_PAUSES);
        }
        Looked::InVain
    }

    /// Learns from looks that ended soon enough: the peer is quick, whatever was learnt before.
    fn found_it_worth(&mut self) {
        self.budget = WORTH;
        self.long_waits = 0;
    }

    /// Learns from a wait that ended in a sleep, `waited` after it began.
    pub(crate) fn slept(&mut self, waited: Duration) {
        if waited > WORTH {
            self.budget /= 2;
        }
    }

    /// Stays close to the peer from now on, for an end that knows it is in a conversation.
    #[cfg(feature = "rpc")]
    pub(crate) fn stay_close(&mut self) {
        self.batch.never = true;
    }

    /// Lets a batch form where that pays: see [`Batch`].
    #[inline]
    pub(crate) fn gather(&mut self, found: u64, enough: u64, look: impl FnMut() -> u64) {
        if self.wait != Wait::Park {
            self.batch.gather(found, enough, look);
        }
    }
}

/// Looks a few times, for no longer than it takes to read the clock once or twice.
#[inline(always)]
pub(crate) fn soon(mut ready: impl FnMut() -> bool) -> bool {
    for _ in 0..LOOKS_PER_CLOCK {
        if ready() {
            return true;
        }
        spin_hint();
    }
    false
}

fn look_for_ever(shared: bool, mut ready: impl FnMut() -> bool) -> Looked {
    loop {
        for _ in 0..LOOKS_PER_CLOCK {
            if ready() {
                return Looked::Later;
            }
            spin_hint();
        }
        if shared {
            yield_now();
        }
    }
}

fn pause(pauses: u32) {
    for _ in 0..pauses {
        spin_hint();
    }
}

/// Two ends that sleep in turn on one CPU while another one is free.
///
/// The scheduler likes to wake a thread where its waker is about to sleep, so two ends that take turns stay together,
/// and each wake between them costs a switch, some thirty times what looking would cost with a CPU each. The scheduler moves
/// one of them away only if both want to run for a while. So now and then they do, by looking for a few waits
/// in a row although nothing can come; ever more rarely while that does not help.
#[derive(Debug)]
struct Together {
    /// Waits on the peer's CPU since the last try.
    waits: u32,
    /// How many of them bring the next try about.
    next: u32,
}

/// Waits on one CPU before the first try to part.
const FIRST_TRY: u32 = 64;
/// Waits that make up a try: 40 times [`LONGEST`] is more than a scheduler tick.
const TRY: u32 = 40;

impl Default for Together {
    fn default() -> Self {
        Self { waits: 0, next: FIRST_TRY }
    }
}

impl Together {
    /// Whether this wait is part of a try.
    fn part(&mut self) -> bool {
        self.waits += 1;
        if self.waits < self.next {
            return false;
        }
        if self.waits == self.next && cpu::usable() == 1 {
            // Nothing will ever help; ask again after as long a time.
            self.waits = 0;
            return false;
        }
        if self.waits >= self.next.saturating_add(TRY) {
            self.waits = 0;
            self.next = self.next.saturating_mul(4);
        }
        true
    }
}

/// Tells a conversation from a stream, and keeps out of a stream's way.
///
/// An end that finds little time after time and hardly has to wait for it is on the heels of its peer: each look takes
/// from the peer the very cache line that it is about to write, and both crawl. In a stream it pays to stay away for a
/// moment, and take a batch. In a conversation it does not: nothing more comes before this end has answered.
/// From here the two look alike, so now and then it stays away to see whether more comes. If it does, it goes on
/// doing so; if not, it tries half as often as before. It returns before long whatever comes, and at once where little comes
/// at a time: what is there already waits meanwhile, and nobody looks at deadlines.
#[derive(Debug)]
struct Batch {
    /// Waits in a row that were short and found little.
    in_a_row: u32,
    /// How many of them make it try.
    threshold: u32,
    /// It is known to be a conversation.
    never: bool,
}

/// What counts as little, in bytes. With 512, messages of a kibibyte went half as fast (`docs/performance.md`).
const LITTLE: u64 = 32 << 10;
/// Pauses of the first time away; about half a microsecond.
const FIRST_PAUSES: u32 = 32;
/// Pauses between two looks while the batch forms, at most.
const LONGEST_PAUSES: u32 = 512;
/// Pauses of one time away, at most; some 70 µs, in which a stream of short messages brings more than the second-level cache
/// holds. Without a limit, 8 bytes every microsecond kept a reader away for 100 ms while they filled a quarter of 4 MiB.
const MOST_AWAY: u32 = 4096;
/// Rarest try in a conversation: one in so many waits, so that it costs under one part in a thousand.
const RAREST: u32 = 4096;
const SOONEST: u32 = 16;

impl Default for Batch {
    fn default() -> Self {
        Self { in_a_row: 0, threshold: SOONEST, never: false }
    }
}

impl Batch {
    /// Called after a short wait that found `found`; stays away while more comes, up to `enough`. `look` gives what is there.
    #[inline]
    fn gather(&mut self, found: u64, enough: u64, look: impl FnMut() -> u64) {
        if found > LITTLE || self.never {
            self.in_a_row = 0;
            return;
        }
        self.in_a_row += 1;
        if self.in_a_row >= self.threshold {
            self.stay_away(found, enough, look);
        }
    }

    #[cold]
    fn stay_away(&mut self, found: u64, enough: u64, mut look: impl FnMut() -> u64) {
        self.in_a_row = 0;
        let (mut there, mut pauses, mut away) = (found, FIRST_PAUSES, 0);
        while there < enough && away < MOST_AWAY {
            pause(pauses);
            away += pauses;
            let now = look();
            // Less than a byte for each pause is no stream that looks would hold up. One of single bytes brings two, and a pause
            // takes as long as a look that misses the cache, or less.
            if now.saturating_sub(there) < u64::from(pauses) {
                break;
            }
            there = now;
            pauses = (pauses * 2).min(LONGEST_PAUSES);
        }
        self.threshold =
            if there > found { 1 } else { (self.threshold * 2).clamp(SOONEST, RAREST) };
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use nix::{
        sched::{CpuSet, sched_setaffinity},
        unistd::Pid,
    };

    use super::*;

    /// How often a batch that is tried at once looks, where `step` bytes come for each pause since the last look.
    fn looks(step: u64) -> u32 {
        let mut batch = Batch { threshold: 1, ..Batch::default() };
        let (mut there, mut pauses, mut looks) = (1, u64::from(FIRST_PAUSES), 0);
        batch.gather(there, u64::MAX, || {
            looks += 1;
            there += step * pauses;
            pauses = (pauses * 2).min(u64::from(LONGEST_PAUSES));
            there
        });
        looks
    }

    /// It was as long as that took to fill a quarter of the ring: more than a second in a large one.
    #[test]
    fn no_time_away_is_longer_for_more_that_comes() {
        for step in [1, 2, 1000] {
            let looks = looks(step);
            assert!(
                (2..20).contains(&looks),
                "{looks} looks while {step} bytes came for each pause"
            );
        }
    }

    #[test]
    fn only_a_wait_that_was_longer_than_looking_is_worth_shortens_the_next_looks() {
        let mut patience = Patience::new(Wait::Adaptive);
        patience.slept(WORTH);
        assert_eq!(patience.budget, WORTH);
        patience.slept(WORTH + Duration::from_nanos(1));
        assert_eq!(patience.budget, WORTH / 2);
        patience.found_it_worth();
        assert_eq!(patience.budget, WORTH);
    }

    /// Runs `work` on a thread that may use one CPU.
    fn on_one_cpu<T: Send>(work: impl FnOnce() -> T + Send) -> T {
        let pinned = || {
            let mut here = CpuSet::new();
            here.set(cpu::current() as usize - 1).expect("a CPU");
            sched_setaffinity(Pid::from_raw(0), &here).expect("to be pinned");
            work()
        };
        std::thread::scope(|scope| scope.spawn(pinned).join().expect("no panic"))
    }

    /// Looks on the peer's own CPU can find nothing.
    #[test]
    fn who_shares_a_cpu_with_its_peer_sleeps_without_a_look() {
        let looked = on_one_cpu(|| {
            let (own, peer) = (Side::default(), Side::default());
            peer.sleep.cpu.store(cpu::current(), Ordering::Relaxed);
            let mut looks = 0;
            let looked = Patience::new(Wait::Adaptive).look(&own, &peer, || {
                looks += 1;
                false
            });
            (looked, looks)
        });
        assert_eq!(looked, (Looked::InVain, 0));
    }

    #[test]
    fn two_on_one_cpu_try_to_part_now_and_then_unless_they_may_use_no_other() {
        let tries = || {
            let mut together = Together::default();
            (1..=1000).filter(|_| together.part()).collect::<Vec<u32>>()
        };
        assert!(on_one_cpu(tries).is_empty());
        if cpu::usable() > 1 {
            let second = FIRST_TRY + TRY + 4 * FIRST_TRY;
            let all: Vec<u32> =
                (FIRST_TRY..=FIRST_TRY + TRY).chain(second..=second + TRY).collect();
            assert_eq!(tries(), all);
        }
    }

    #[test]
    fn what_comes_a_byte_at_a_time_is_not_waited_for() {
        let mut batch = Batch { threshold: 1, ..Batch::default() };
        let (mut there, mut looks) = (1, 0);
        batch.gather(there, 1 << 20, || {
            looks += 1;
            there += 1;
            there
        });
        assert_eq!(looks, 1);
        assert_eq!(batch.threshold, SOONEST, "it is not tried again at once");
    }
}
