//! The book of the calls of one connection: who waits, who reads, who writes, and why it ended.

use std::{
    collections::{BTreeSet, HashMap},
    hash::{BuildHasherDefault, Hasher},
    sync::Arc,
    thread::JoinHandle,
    time::Instant,
};

use super::{
    super::{
        CallError, Slot,
        codec::OwnedBody,
        completions::{CallId, Completions},
    },
    lead::Incoming,
    send::Outgoing,
};

/// What ends a call: the body of its reply, or why there is none.
pub(super) type Outcome = Result<OwnedBody, CallError>;

/// One call between its start and its end. Whoever takes it out of the book completes its slot: that makes the end
/// happen once.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) slot: Arc<Slot<Outcome>>,
    pub(super) announce: Option<(Completions, CallId)>,
    pub(super) deadline: Option<Instant>,
    /// Nobody need be waiting for it, so the connection must be read in the background.
    pub(super) started: bool,
    /// Its frame may have reached the server; so many bytes had been written before it.
    pub(super) sent_from: Option<u64>,
}

#[derive(Default)]
pub(super) struct State {
    /// Sequence numbers are never used twice, not even that of a call which was never sent.
    next: u64,
    pending: HashMap<u64, Pending, BuildHasherDefault<NumberHasher>>,
    /// How many of the pending calls were started.
    pub(super) started: usize,
    /// Requests that were sent and given up, and whose replies may still come.
    pub(super) forgotten: u64,
    /// Callers asleep until their reply comes or somebody has to read.
    pub(super) followers: BTreeSet<u64>,
    /// Deadlines of started calls.
    pub(super) deadlines: BTreeSet<(Instant, u64)>,
    /// What is read from; away while somebody does.
    pub(super) incoming: Option<Box<Incoming>>,
    /// How often a caller has begun to read.
    pub(super) leads: u64,
    /// What is written to; away while somebody does.
    pub(super) outgoing: Option<Box<Outgoing>>,
    /// How many wait for their turn to write.
    pub(super) queued: usize,
    /// Why the connection ended; the first reason stays. No call is accepted any more.
    pub(super) reason: Option<CallError>,
    pub(super) closed: bool,
    pub(super) dropped: u64,
    /// Empty slots that no call holds any more.
    pub(super) spare: Vec<Arc<Slot<Outcome>>>,
    pub(super) has_reader: bool,
    pub(super) has_timer: bool,
    /// To be joined when the client closes.
    pub(super) threads: Vec<JoinHandle<()>>,
}

impl State {
    pub(super) fn new(incoming: Incoming, outgoing: Outgoing) -> Self {
        Self {
            incoming: Some(Box::new(incoming)),
            outgoing: Some(Box::new(outgoing)),
            ..Self::default()
        }
    }

    /// Whether somebody reads.
    pub(super) fn is_led(&self) -> bool {
        self.incoming.is_none()
    }

    /// Enters a call into the book.
    pub(super) fn insert(&mut self, pending: Pending) -> u64 {
        let number = self.next;
        self.next += 1;
        if pending.started {
            self.started += 1;
            if let Some(deadline) = pending.deadline {
                self.deadlines.insert((deadline, number));
            }
        }
        self.pending.insert(number, pending);
        number
    }

    /// Takes a call out of the book, to complete it.
    pub(super) fn remove(&mut self, number: u64) -> Option<Pending> {
        let pending = self.pending.remove(&number)?;
        if pending.started {
            self.started -= 1;
            if let Some(deadline) = pending.deadline {
                self.deadlines.remove(&(deadline, number));
            }
        } else {
            self.followers.remove(&number);
        }
        Some(pending)
    }

    /// Takes a call out of the book whose reply, if one is to come, will be dropped.
    pub(super) fn forget(&mut self, number: u64) -> Option<Pending> {
        let pending = self.remove(number)?;
        if pending.sent_from.is_some() {
            self.forgotten += 1;
        }
        Some(pending)
    }

    /// Takes every call out of the book.
    pub(super) fn remove_all(&mut self) -> Vec<Pending> {
        self.started = 0;
        self.forgotten = 0;
        self.followers.clear();
        self.deadlines.clear();
        self.pending.drain().map(|(_, pending)| pending).collect()
    }

    pub(super) fn get(&self, number: u64) -> Option<&Pending> {
        self.pending.get(&number)
    }

    pub(super) fn get_mut(&mut self, number: u64) -> Option<&mut Pending> {
        self.pending.get_mut(&number)
    }

    pub(super) fn len(&self) -> usize {
        self.pending.len()
    }
}

/// Sequence numbers are ours and count up: they need no protection from collisions.
#[derive(Debug, Default)]
pub(super) struct NumberHasher(u64);

impl Hasher for NumberHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(byte);
        }
    }

    fn write_u64(&mut self, number: u64) {
        // The table takes its tag from the upper bits, so they must differ too (Fibonacci hashing, Knuth 6.4).
        self.0 = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}
