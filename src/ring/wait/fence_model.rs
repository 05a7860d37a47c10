//! A model of the fences, for the half of them that loom cannot run: `membarrier`.
//!
//! Two processors with store buffers, as in the x86-TSO model (Sewell et al., CACM 2010): a store waits in its
//! processor's buffer until it reaches memory at some later moment, and a load sees the own buffer first. Every interleaving
//! of the two programs and of the buffers' drains is walked through. The programs are the publisher's and the
//! sleeper's halves of the protocol, step by step as in the module's table, for four publications and
//! as many sleeps as it takes; a run is a lost wake-up if nothing can move and the sleeper still sleeps.

use std::collections::HashSet;

use super::Fences;

/// Publications per run.
const ITEMS: u8 = 4;

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Word {
    Pos,
    Parked,
    Want,
}

/// Who executes what between the two accesses.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rule {
    As(Fences),
    /// The sleeper fences for both, or asks the publisher to, and takes it back, whenever it likes.
    Asking(Fault),
    /// The same, where the kernel leaves the publisher out, and the first part of a sleep lasts until what was under way has
    /// come.
    Unheard(Patience),
    PublisherOnly,
    SleeperOnly,
    Nobody,
}

/// Whether a sleeper that nobody may have seen looks again.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Patience {
    SleepsInTwoParts,
    /// What the first part was for is forgotten before the second.
    TakesItBackBetween,
    /// Whoever asks is taken to have done so for long.
    IsHeardAtOnce,
    SleepsForGood,
}

/// What is left out of the asking.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fault {
    Nothing,
    PublisherDoesNotFence,
    PublisherDoesNotLookAgain,
    SleeperStaysAsking,
    SleeperNeverWasHeard,
}

/// What a sleeper that asks leaves in `Parked` while it is awake: more than it ever sleeps.
const ASKING: u8 = u8::MAX;

#[derive(Clone, PartialEq, Eq, Hash, Default)]
struct Machine {
    /// Memory: `Pos`, `Parked`, `Want`, and the doorbell, which is only accessed atomically.
    memory: [u8; 3],
    doorbell: u8,
    publisher: Publisher,
    sleeper: Sleeper,
    /// Stores on their way to memory, oldest first: the publisher's and the sleeper's.
    buffers: [Vec<(usize, u8)>; 2],
}

#[derive(Clone, PartialEq, Eq, Hash, Default)]
struct Publisher {
    step: u8,
    published: u8,
    rung_for: u8,
    parked: u8,
}

#[derive(Clone, PartialEq, Eq, Hash, Default)]
struct Sleeper {
    step: u8,
    consumed: u8,
    number: u8,
    listened: u8,
    seen: u8,
    /// While it asks: the publisher's stores that are on their way since before it did.
    asking: Option<u8>,
    /// The publisher's stores that are on their way since before this sleep.
    on_their_way: u8,
    /// This sleep may last for ever.
    settled: bool,
}

impl Machine {
    fn load(&self, cpu: usize, word: Word) -> u8 {
        let own = self.buffers[cpu].iter().rev().find(|(at, _)| *at == word as usize);
        own.map_or(self.memory[word as usize], |(_, value)| *value)
    }

    fn store(&mut self, cpu: usize, word: Word, value: u8) {
        self.buffers[cpu].push((word as usize, value));
    }

    fn drain_one(&mut self, cpu: usize) {
        let (at, value) = self.buffers[cpu].remove(0);
        self.memory[at] = value;
        if cpu == 0 {
            let own = &mut self.sleeper;
            own.on_their_way = own.on_their_way.saturating_sub(1);
            own.asking = own.asking.map(|on_their_way| on_their_way.saturating_sub(1));
        }
    }

    fn drain(&mut self, cpu: usize) {
        while !self.buffers[cpu].is_empty() {
            self.drain_one(cpu);
        }
    }

    fn publisher_step(&mut self, rule: Rule) -> bool {
        let mut own = self.publisher.clone();
        match own.step {
            0 if own.published == ITEMS => return false,
            0 => {
                own.published += 1;
                self.store(0, Word::Pos, own.published);
            }
            1 => {
                if matches!(rule, Rule::As(Fences::Both) | Rule::PublisherOnly) {
                    self.drain(0);
                }
            }
            2 => own.parked = self.load(0, Word::Parked),
            3 => {
                let fences = match rule {
                    Rule::Asking(fault) => fault != Fault::PublisherDoesNotFence,
                    rule => matches!(rule, Rule::Unheard(_)),
                };
                if own.parked != 0 && fences {
                    self.drain(0);
                }
            }
            4 => {
                let looks = match rule {
                    Rule::Asking(fault) => fault != Fault::PublisherDoesNotLookAgain,
                    rule => matches!(rule, Rule::Unheard(_)),
                };
                if own.parked != 0 && looks {
                    own.parked = self.load(0, Word::Parked);
                }
            }
            5 => {
                let reached = own.published >= self.load(0, Word::Want);
                let asleep = own.parked != 0 && own.parked != ASKING;
                if asleep && own.parked != own.rung_for && reached {
                    own.rung_for = own.parked;
                    // A locked instruction: it drains the buffer, and its result is at once in memory.
                    self.drain(0);
                    self.doorbell += 1;
                }
            }
            _ => unreachable!("six steps"),
        }
        own.step = (own.step + 1) % 6;
        self.publisher = own;
        true
    }

    /// `asks` is what the sleeper chooses where it has a choice.
    fn sleeper_step(&mut self, rule: Rule, asks: bool) -> bool {
        let mut own = self.sleeper.clone();
        let mut next = own.step + 1;
        match own.step {
            0 if own.consumed == ITEMS => return false,
            0 => {
                if own.asking.is_some() && !asks {
                    own.asking =
                        own.asking.filter(|_| rule == Rule::Asking(Fault::SleeperStaysAsking));
                    self.store(1, Word::Parked, 0);
                }
                own.seen = self.load(1, Word::Pos);
                if own.seen > own.consumed {
                    own.consumed = own.seen;
                    next = 0;
                }
            }
            1 => {
                own.listened = self.doorbell;
                own.settled |= own.asking == Some(0);
            }
            2 => {
                own.number += 1;
                self.store(1, Word::Want, own.consumed + 1);
                self.store(1, Word::Parked, own.number);
            }
            3 => match rule {
                Rule::As(Fences::Both) | Rule::SleeperOnly => self.drain(1),
                Rule::Asking(fault)
                    if own.asking.is_some() || fault == Fault::SleeperNeverWasHeard =>
                {
                    self.drain(1);
                }
                Rule::Unheard(_) => self.drain(1),
                // The call fences this processor and every other one, at whatever step that is.
                Rule::As(Fences::Sleeper) | Rule::Asking(_) => {
                    (0..2).for_each(|cpu| self.drain(cpu))
                }
                Rule::PublisherOnly | Rule::Nobody => {}
            },
            4 => {
                own.seen = self.load(1, Word::Pos);
                if own.seen > own.consumed {
                    next = 7;
                }
            }
            5 => {
                // The kernel compares under its lock; a system call drains the buffer.
                self.drain(1);
                own.on_their_way = self.buffers[0].len() as u8;
            }
            6 if self.doorbell == own.listened => {
                let two_parts =
                    matches!(rule, Rule::Unheard(patience) if patience != Patience::SleepsForGood);
                if !two_parts || own.settled || own.on_their_way > 0 {
                    return false;
                }
                // The first part is over.
                own.settled = true;
                self.wake(&mut own, rule, rule != Rule::Unheard(Patience::TakesItBackBetween));
                next = 1;
            }
            6 | 7 => {
                own.settled = false;
                self.wake(
                    &mut own,
                    rule,
                    asks && matches!(rule, Rule::Asking(_) | Rule::Unheard(_)),
                );
                next = 0;
            }
            _ => unreachable!("eight steps"),
        }
        own.step = next;
        self.sleeper = own;
        true
    }

    /// The sleeper is awake, and goes on or begins asking if it `asks`.
    fn wake(&mut self, own: &mut Sleeper, rule: Rule, asks: bool) {
        let at_once = rule == Rule::Unheard(Patience::IsHeardAtOnce);
        let under_way = if at_once { 0 } else { self.buffers[0].len() as u8 };
        own.asking = asks.then(|| own.asking.unwrap_or(under_way));
        self.store(1, Word::Parked, if asks { ASKING } else { 0 });
    }
}

/// Walks through everything; gives how many states there are, and whether a wake-up can be lost.
fn explore(rule: Rule) -> (usize, bool) {
    let mut seen = HashSet::new();
    let mut open = vec![Machine::default()];
    let mut lost = false;
    while let Some(machine) = open.pop() {
        if !seen.insert(machine.clone()) {
            continue;
        }
        let mut moved = false;
        let mut visit = |next: Machine| {
            moved = true;
            open.push(next);
        };
        for cpu in 0..2 {
            let mut next = machine.clone();
            if !next.buffers[cpu].is_empty() {
                next.drain_one(cpu);
                visit(next);
            }
        }
        let mut next = machine.clone();
        if next.publisher_step(rule) {
            visit(next);
        }
        // A sleeper that cannot move may still have drained its buffer on the way into the kernel.
        for asks in [false, true] {
            let mut next = machine.clone();
            if next.sleeper_step(rule, asks) || next != machine {
                visit(next);
            }
        }
        lost |= !moved && machine.sleeper.consumed < ITEMS;
    }
    (seen.len(), lost)
}

#[test]
fn neither_way_of_fencing_loses_a_wake_up() {
    for fences in [Fences::Both, Fences::Sleeper] {
        let (states, lost) = explore(Rule::As(fences));
        println!("{fences:?}: {states} states");
        assert!(states > 1000 && !lost, "{fences:?}: {states} states, lost: {lost}");
    }
}

#[test]
fn asking_the_publisher_for_fences_loses_none_however_often_it_begins_and_ends() {
    let (states, lost) = explore(Rule::Asking(Fault::Nothing));
    println!("asking: {states} states");
    assert!(states > 1000 && !lost, "{states} states, lost: {lost}");
}

#[test]
fn every_step_of_the_asking_that_is_missing_loses_one() {
    for fault in [
        Fault::PublisherDoesNotFence,
        Fault::PublisherDoesNotLookAgain,
        Fault::SleeperStaysAsking,
        Fault::SleeperNeverWasHeard,
    ] {
        assert!(explore(Rule::Asking(fault)).1);
    }
}

/// What Linux does to a publisher whose CPU has just seen a thread of the same process exit.
#[test]
fn a_membarrier_that_does_not_reach_the_publisher_loses_none_of_a_sleep_in_two_parts() {
    let (states, lost) = explore(Rule::Unheard(Patience::SleepsInTwoParts));
    println!("unheard: {states} states");
    assert!(states > 1000 && !lost, "{states} states, lost: {lost}");
    for patience in [Patience::TakesItBackBetween, Patience::IsHeardAtOnce, Patience::SleepsForGood]
    {
        assert!(explore(Rule::Unheard(patience)).1);
    }
}

#[test]
fn every_fence_that_is_missing_loses_one() {
    for rule in [Rule::PublisherOnly, Rule::SleeperOnly, Rule::Nobody] {
        assert!(explore(rule).1);
    }
}
