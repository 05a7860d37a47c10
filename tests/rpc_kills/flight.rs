//! 64 calls in flight until the server is dead, and how each of them ended.

use std::{
    collections::HashMap,
    sync::atomic::{AtomicU64, Ordering::SeqCst},
    thread,
};

use ringpipe::rpc::{Bytes, CallError, CallOptions, Client, Completions};

use crate::{
    common::Random,
    executioner::now,
    ledger::{Ledger, NUMBERS},
    work::{Done, FOREVER, Work},
};

/// How many calls are in flight at any moment.
pub(crate) const CALLS: usize = 64;
/// So many of one caller are answered at most; the next has no end.
const MOST_REPLIES: usize = NUMBERS / CALLS - 2;
const METHOD: &str = "Kills.Work";

/// What the calls of a round are like.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    /// Of a hundred calls, so many have no end.
    pub(crate) endless_percent: usize,
    pub(crate) longest_pause_us: usize,
    pub(crate) largest_payload: usize,
    /// Of a hundred callers, so many hear of the ends of their calls from a queue; the others wait for each.
    pub(crate) announced_percent: usize,
}

/// How one call ended.
type End = (Work, Result<Done, CallError>);

/// What came of the calls of a round.
#[derive(Debug, Default)]
pub(crate) struct Flight {
    ends: Vec<End>,
    /// When each of those in flight at the death had ended.
    told: Vec<u64>,
}

/// What the ends of a round's calls were.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) replies: u64,
    /// The server died before it had read them.
    pub(crate) not_delivered: u64,
    /// They never left, the server having died before.
    pub(crate) not_sent: u64,
    /// Whether they were executed cannot be told by the client.
    pub(crate) unknown: u64,
    /// Of the unknown, those that were.
    pub(crate) executed: u64,
}

/// One after the other, the calls of one caller.
struct Caller<'a> {
    random: Random,
    load: Load,
    numbers: &'a AtomicU64,
    calls: usize,
}

impl Caller<'_> {
    fn next(&mut self) -> Work {
        self.calls += 1;
        let endless =
            self.calls > MOST_REPLIES || self.random.below(100) < self.load.endless_percent;
        let pause_us = match self.random.below(2) {
            _ if endless => FOREVER,
            0 => 0,
            _ => self.random.below(self.load.longest_pause_us + 1) as u64,
        };
        let mut payload = vec![0; self.random.below(self.load.largest_payload + 1)];
        self.random.fill(&mut payload);
        Work { number: self.numbers.fetch_add(1, SeqCst), pause_us, payload: Bytes::from(payload) }
    }
}

impl Flight {
    /// Keeps 64 calls in flight, until each caller has been told that there will be no reply.
    pub(crate) fn until_death(client: &Client, load: Load, random: &mut Random) -> Self {
        let numbers = AtomicU64::new(0);
        let mut announced = Vec::new();
        let mut waiting = Vec::new();
        for _ in 0..CALLS {
            let hears = random.below(100) < load.announced_percent;
            let random = Random::new(random.next());
            let caller = Caller { random, load, numbers: &numbers, calls: 0 };
            if hears { &mut announced } else { &mut waiting }.push(caller);
        }
        let mut flight = Self::default();
        thread::scope(|scope| {
            let waiting: Vec<_> = waiting
                .into_iter()
                .map(|caller| scope.spawn(move || wait_for_each(client, caller)))
                .collect();
            flight.hear_of_each(client, announced);
            for caller in waiting {
                let (ends, told) = caller.join().unwrap();
                flight.ends.extend(ends);
                flight.told.push(told);
            }
        });
        flight
    }

    /// The calls of callers who hear of their ends from one queue.
    fn hear_of_each(&mut self, client: &Client, callers: Vec<Caller<'_>>) {
        // Room for an end that is announced twice.
        let queue = Completions::new(4 * CALLS).unwrap();
        let options = CallOptions::new().completions(&queue);
        let mut out = HashMap::new();
        let mut idle = callers;
        loop {
            for mut caller in idle.drain(..) {
                let work = caller.next();
                let call = client.start_with::<_, Done>(METHOD, &work, &options);
                assert!(out.insert(call.id(), (caller, work, call)).is_none());
            }
            if out.is_empty() {
                break;
            }
            let id = queue.next();
            let told = now();
            let (caller, work, mut call) = out.remove(&id).expect("each end is announced once");
            let result = call.poll().expect("what is announced has ended");
            assert!(call.poll().is_none() && !call.is_complete(), "an end is handed out once");
            if result.is_ok() {
                idle.push(caller);
            } else {
                self.told.push(told);
            }
            self.ends.push((work, result));
        }
        assert_eq!(queue.try_next(), None);
        assert_eq!(queue.dropped(), 0);
    }

    /// When the last call had ended.
    pub(crate) fn last_told(&self) -> u64 {
        *self.told.iter().max().expect("64 of them")
    }

    /// Checks every end against what was executed, by a server that is dead by now.
    pub(crate) fn check(&self, ledger: &Ledger) -> Tally {
        assert_eq!(self.told.len(), CALLS, "each caller is told once");
        let mut tally = Tally::default();
        for (work, result) in &self.ends {
            let executions = ledger.executions(work.number);
            let Work { number, pause_us, .. } = work;
            assert!(executions <= 1, "call {number} was executed {executions} times");
            match result {
                Ok(done) => {
                    assert_eq!((done, executions), (&work.done(), 1), "call {number}");
                    assert_ne!(*pause_us, FOREVER, "call {number} cannot have been answered");
                    tally.replies += 1;
                }
                Err(error) if error.is_safe_to_retry() => {
                    assert_eq!(executions, 0, "call {number} was executed: {error:?}");
                    match error {
                        CallError::NotDelivered => tally.not_delivered += 1,
                        CallError::NotSent(_) | CallError::ShutDown => tally.not_sent += 1,
                        error => panic!("call {number}: {error:?}"),
                    }
                }
                Err(CallError::UnexpectedEof | CallError::Broken(_)) => {
                    tally.unknown += 1;
                    tally.executed += u64::from(executions);
                }
                Err(error) => panic!("call {number}: {error:?}"),
            }
        }
        tally
    }
}

/// The calls of a caller who waits for each, made or started; and when the last had ended.
fn wait_for_each(client: &Client, mut caller: Caller<'_>) -> (Vec<End>, u64) {
    let mut ends = Vec::new();
    loop {
        let work = caller.next();
        let result = if caller.random.below(2) == 0 {
            client.call(METHOD, &work)
        } else {
            client.start(METHOD, &work).wait()
        };
        let told = now();
        let dead = result.is_err();
        ends.push((work, result));
        if dead {
            return (ends, told);
        }
    }
}
