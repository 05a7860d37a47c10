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

/// Who sees to it that the reply of a call is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Attention {
    /// Its caller waits, and reads or has another caller read.
    Caller,
    /// Nobody yet: its caller will come for it, or look at it now and then. Should he take his time, the background reader
    /// reads, so that the server is not stuck with its replies.
    Later,
    /// The background reader, at once: the end of the call is to be announced, or can be brought about from elsewhere.
    Reader,
}

/// One call between its start and its end. Whoever takes it out of the book completes its slot: that makes the end
/// happen once.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) slot: Arc<Slot<Outcome>>,
    pub(super) announce: Option<(Completions, CallId)>,
    pub(super) deadline: Option<Instant>,
    pub(super) attention: Attention,
    /// Its frame may have reached the server; so many bytes had been written before it.
    pub(super) sent_from: Option<u64>,
}

impl Pending {
    /// A call whose caller waits.
    pub(super) fn waited_for(slot: Arc<Slot<Outcome>>) -> Self {
        Self { slot, announce: None, deadline: None, attention: Attention::Caller, sent_from: None }
    }

    /// Tells the queue that asked for it that the call has ended. Never blocks.
    pub(super) fn announce(self) {
        if let Some((completions, id)) = self.announce {
            completions.announce(id);
        }
    }
}

/// The call of the caller who reads. As long as he ends it himself it needs no slot and no place in a table.
#[derive(Debug)]
struct Own {
    number: u64,
    sent_from: Option<u64>,
}

#[derive(Default)]
pub(super) struct State {
    /// Sequence numbers are never used twice, not even that of a call which was never sent.
    next: u64,
    pending: HashMap<u64, Pending, BuildHasherDefault<NumberHasher>>,
    own: Option<Own>,
    /// Where the end of the own call is, once somebody else took it out of the book.
    own_end: Option<Arc<Slot<Outcome>>>,
    /// How many pending calls are attended to later, and how many by the background reader.
    pub(super) later: usize,
    pub(super) eager: usize,
    /// Requests that were sent and given up, and whose replies may still come.
    pub(super) forgotten: u64,
    /// Callers asleep until their reply comes or somebody has to read.
    pub(super) followers: BTreeSet<u64>,
    /// Deadlines of calls that nobody waits for.
    pub(super) deadlines: BTreeSet<(Instant, u64)>,
    /// What is read from; away while somebody does.
    pub(super) incoming: Option<Box<Incoming>>,
    /// How often a caller has begun to read.
    pub(super) leads: u64,
    /// Somebody is stuck until the background reader has read.
    pub(super) read_now: bool,
    /// The background reader sleeps until it is told to read.
    pub(super) reader_sleeps: bool,
    /// What is written to; away while somebody does.
    pub(super) outgoing: Option<Box<Outgoing>>,
    /// How many wait for their turn to write.
    pub(super) queued: usize,
    /// Why the connection ended; the first reason stays. No call is accepted any more.
    pub(super) reason: Option<CallError>,
    pub(super) closed: bool,
    pub(super) dropped: u64,
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
    #[inline]
    pub(super) fn is_led(&self) -> bool {
        self.incoming.is_none()
    }

    /// Whether nobody reads or writes.
    #[inline]
    pub(super) fn is_idle(&self) -> bool {
        self.incoming.is_some() && self.outgoing.is_some()
    }

    #[inline]
    fn next_number(&mut self) -> u64 {
        let number = self.next;
        self.next += 1;
        number
    }

    /// Enters a call into the book.
    pub(super) fn insert(&mut self, pending: Pending) -> u64 {
        let number = self.next_number();
        match pending.attention {
            Attention::Caller => {}
            Attention::Later => self.later += 1,
            Attention::Reader => self.eager += 1,
        }
        if let (Attention::Later | Attention::Reader, Some(deadline)) =
            (pending.attention, pending.deadline)
        {
            self.deadlines.insert((deadline, number));
        }
        self.pending.insert(number, pending);
        number
    }

    /// Enters the call of a caller who reads, until he [steps back](Self::disown) from that.
    #[inline]
    pub(super) fn insert_own(&mut self) -> u64 {
        let number = self.next_number();
        self.own = Some(Own { number, sent_from: None });
        number
    }

    #[inline]
    fn is_own(&self, number: u64) -> bool {
        self.own.as_ref().is_some_and(|own| own.number == number)
    }

    /// The caller who reads takes his own call out; whether it was still there.
    #[inline]
    pub(super) fn remove_own(&mut self, number: u64) -> bool {
        self.own.take_if(|own| own.number == number).is_some()
    }

    /// The caller who reads will read no more, and waits as others do. Gives where his call's end is to be found.
    pub(super) fn disown(&mut self) -> Option<Arc<Slot<Outcome>>> {
        let Some(own) = self.own.take() else {
            return self.own_end.take();
        };
        let slot = Arc::new(Slot::new());
        let pending =
            Pending { sent_from: own.sent_from, ..Pending::waited_for(Arc::clone(&slot)) };
        self.pending.insert(own.number, pending);
        Some(slot)
    }

    /// Nobody reads any more, so no call is somebody's own.
    #[inline]
    pub(super) fn clear_own(&mut self) {
        self.own = None;
        self.own_end = None;
    }

    /// Takes a call out of the book, to complete it.
    pub(super) fn remove(&mut self, number: u64) -> Option<Pending> {
        if self.is_own(number) {
            return self.take_own();
        }
        let pending = self.pending.remove(&number)?;
        match pending.attention {
            Attention::Caller => drop(self.followers.remove(&number)),
            attention => self.unattend(attention, number, pending.deadline),
        }
        Some(pending)
    }

    /// The own call, for somebody else than the caller who reads.
    fn take_own(&mut self) -> Option<Pending> {
        let own = self.own.take()?;
        let slot = Arc::new(Slot::new());
        self.own_end = Some(Arc::clone(&slot));
        Some(Pending { sent_from: own.sent_from, ..Pending::waited_for(slot) })
    }

    /// A call is no more one that is attended to in this way.
    fn unattend(&mut self, attention: Attention, number: u64, deadline: Option<Instant>) {
        match attention {
            Attention::Caller => {}
            Attention::Later => self.later -= 1,
            Attention::Reader => self.eager -= 1,
        }
        if let Some(deadline) = deadline {
            self.deadlines.remove(&(deadline, number));
        }
    }

    /// From here on its caller waits for the call, whose deadline is then his to watch. Whether it is still in the book.
    pub(super) fn attend(&mut self, number: u64) -> bool {
        let Some(pending) = self.pending.get_mut(&number) else {
            return self.is_own(number);
        };
        let attention = std::mem::replace(&mut pending.attention, Attention::Caller);
        if attention != Attention::Caller {
            let deadline = pending.deadline;
            self.unattend(attention, number, deadline);
        }
        true
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
        self.later = 0;
        self.eager = 0;
        self.forgotten = 0;
        self.followers.clear();
        self.deadlines.clear();
        let own = self.take_own();
        self.pending.drain().map(|(_, pending)| pending).chain(own).collect()
    }

    #[inline]
    pub(super) fn contains(&self, number: u64) -> bool {
        self.is_own(number) || self.pending.contains_key(&number)
    }

    /// The slot of a caller who sleeps.
    pub(super) fn slot(&self, number: u64) -> Option<&Slot<Outcome>> {
        self.pending.get(&number).map(|pending| &*pending.slot)
    }

    /// Notes from which byte on the frame of a call may have been sent, or that it was not.
    #[inline]
    pub(super) fn set_sent_from(&mut self, number: u64, sent_from: Option<u64>) {
        if let Some(own) = self.own.as_mut().filter(|own| own.number == number) {
            own.sent_from = sent_from;
        } else if let Some(pending) = self.pending.get_mut(&number) {
            pending.sent_from = sent_from;
        }
    }

    /// Whether somebody must read at once, and no caller will.
    #[inline]
    pub(super) fn wants_reader(&self) -> bool {
        self.eager > 0 || self.read_now
    }

    /// Whether replies may come that nobody waits for.
    #[inline]
    pub(super) fn has_loose_ends(&self) -> bool {
        self.later > 0 || self.eager > 0 || self.forgotten > 0
    }

    pub(super) fn len(&self) -> usize {
        self.pending.len() + usize::from(self.own.is_some())
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
