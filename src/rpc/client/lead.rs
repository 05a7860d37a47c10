//! Waiting for a reply: by reading the connection, or asleep while somebody else does.

use std::{
    io,
    ops::{Deref, DerefMut},
    sync::Arc,
    time::Instant,
};

use serde::{Serialize, de::DeserializeOwned};

use super::{
    super::{
        CallError, Codec, Slot,
        codec::{Buffer, Decoder, Garbage, Reply},
        connection::{Input, Until},
        lock,
        slot::Woken,
    },
    core::{Core, broken, garbage},
    send::{How, Sent, Turn},
    state::{Outcome, Pending, State},
};

/// Enough for the callers of one client that are between two calls at the same time, on most machines.
const SPARE_SLOTS: usize = 8;

/// Larger bodies are not decoded in the buffer.
const IN_PLACE: usize = 4 << 10;

/// The half that is read from, and what has arrived.
pub(super) struct Incoming {
    input: Box<dyn Input>,
    pub(super) buffer: Buffer,
    decoder: Decoder,
}

impl Incoming {
    pub(super) fn new(input: Box<dyn Input>, codec: Codec, limit: usize) -> Self {
        Self { input, buffer: Buffer::new(limit), decoder: Decoder::new(codec) }
    }

    pub(super) fn next(&mut self) -> Result<Option<Reply>, Garbage> {
        self.decoder.reply(&mut self.buffer)
    }

    pub(super) fn fill(&mut self, until: Until) -> io::Result<usize> {
        self.buffer.fill(&mut *self.input, until)
    }
}

/// The right to read; given back when dropped, also by a panic in somebody's `Deserialize`.
pub(super) struct Lead<'a> {
    core: &'a Core,
    // None only on the way out.
    incoming: Option<Box<Incoming>>,
}

const HELD: &str = "what is read from is held until it is given back";

impl<'a> Lead<'a> {
    pub(super) fn new(core: &'a Core, incoming: Box<Incoming>) -> Self {
        Self { core, incoming: Some(incoming) }
    }

    /// Takes it if nobody has it.
    pub(super) fn take(core: &'a Core, state: &mut State) -> Option<Self> {
        Some(Self::new(core, state.incoming.take()?))
    }

    /// Gives it back, and finds somebody who needs it.
    pub(super) fn give(mut self, state: &mut State) {
        state.incoming = self.incoming.take();
        self.core.hand_over(state);
    }
}

impl Deref for Lead<'_> {
    type Target = Incoming;

    fn deref(&self) -> &Incoming {
        self.incoming.as_ref().expect(HELD)
    }
}

impl DerefMut for Lead<'_> {
    fn deref_mut(&mut self) -> &mut Incoming {
        self.incoming.as_mut().expect(HELD)
    }
}

impl Drop for Lead<'_> {
    fn drop(&mut self) {
        if let Some(incoming) = self.incoming.take() {
            let mut state = lock(&self.core.state);
            state.incoming = Some(incoming);
            self.core.hand_over(&mut state);
        }
    }
}

/// A caller who waits for the reply of one call.
struct Waiter<'a> {
    core: &'a Core,
    number: u64,
    slot: &'a Slot<Outcome>,
    deadline: Option<Instant>,
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        // Somebody's `Deserialize` panicked over the reply, which was read by then.
        if std::thread::panicking() {
            lock(&self.core.state).remove(self.number);
        }
    }
}

/// A call that has been entered: what it needs to be written and read, as far as nobody else has it.
struct Entered<'a> {
    number: u64,
    slot: Arc<Slot<Outcome>>,
    turn: Option<Turn<'a>>,
    lead: Option<Lead<'a>>,
}
/// How reading for one's own reply ended. In each case somebody else may read now.
enum Led {
    /// The reply came and was taken from the buffer.
    Taken,
    /// The call is out of the book; the slot has the outcome.
    Ended,
    /// The deadline passed, and the call is out of the book.
    TimedOut,
}

impl Core {
    /// Calls and waits.
    pub(super) fn call<A, R>(
        self: &Arc<Self>,
        method: &str,
        args: &A,
        deadline: Option<Instant>,
    ) -> Result<R, CallError>
    where
        A: Serialize + ?Sized,
        R: DeserializeOwned,
    {
        let Entered { number, slot, turn, mut lead } = self.enter(deadline)?;
        if let Some(Err(reason)) = lead.as_mut().map(|lead| self.drain(lead)) {
            // The connection died before the call, which was not sent.
            if let Some(pending) = lock(&self.state).get_mut(number) {
                pending.sent_from = None;
            }
            self.end(reason);
        }
        let how = How { deadline, yields: false };
        let turn = match self.send(number, turn, &mut lead, (method, args), how) {
            Sent::Yes(turn) => Some(turn),
            Sent::Ended => None,
            Sent::No(_, error) => return Err(error),
            Sent::Poisoned(reason) => {
                lead = None;
                self.poison(reason);
                None
            }
        };
        let waiter = Waiter { core: self, number, slot: &slot, deadline };
        let mut taken = None;
        let outcome = self.wait(&waiter, turn, lead, &mut |incoming, reply| {
            taken = Some(match reply.result {
                Ok(body) => body.decode(&incoming.buffer).map_err(CallError::Decode),
                Err(text) => Err(CallError::Server(text)),
            });
        });
        match (outcome, taken) {
            (Some(outcome), _) => outcome?.decode().map_err(CallError::Decode),
            (None, Some(result)) => result,
            (None, None) => Err(CallError::ShutDown),
        }
    }

    /// Enters a call that its caller will wait for, and takes the turn to write it if nobody has it.
    fn enter(&self, deadline: Option<Instant>) -> Result<Entered<'_>, CallError> {
        if deadline.is_some_and(|deadline| deadline <= Instant::now()) {
            return Err(CallError::Deadline);
        }
        let mut state = lock(&self.state);
        if state.reason.is_some() {
            return Err(CallError::ShutDown);
        }
        let slot = state.spare.pop().unwrap_or_default();
        let number = state.insert(Pending {
            slot: Arc::clone(&slot),
            announce: None,
            deadline,
            started: false,
            sent_from: None,
        });
        let turn = Turn::take(self, &mut state, number);
        let lead = Lead::take(self, &mut state);
        Ok(Entered { number, slot, turn, lead })
    }

    /// Waits for the reply of a call; `None` when `take` was given it in the buffer.
    fn wait(
        self: &Arc<Self>,
        waiter: &Waiter<'_>,
        mut turn: Option<Turn<'_>>,
        mut lead: Option<Lead<'_>>,
        take: &mut dyn FnMut(&Incoming, Reply),
    ) -> Option<Outcome> {
        let &Waiter { number, slot, deadline, .. } = waiter;
        loop {
            {
                let mut state = lock(&self.state);
                if let Some(turn) = turn.take() {
                    turn.give(&mut state);
                }
                if state.get(number).is_none() {
                    // We may read, or may have been asked to, and will not.
                    match lead {
                        Some(lead) => lead.give(&mut state),
                        None => self.hand_over(&mut state),
                    }
                    drop(state);
                    return Some(slot.wait());
                }
                match lead.take().or_else(|| Lead::take(self, &mut state)) {
                    None => drop(state.followers.insert(number)),
                    Some(lead) => {
                        state.leads += 1;
                        drop(state);
                        return match self.lead(waiter, lead, take) {
                            Led::Taken => None,
                            Led::Ended => Some(slot.wait()),
                            Led::TimedOut => {
                                self.read_late_replies();
                                Some(Err(CallError::Deadline))
                            }
                        };
                    }
                }
            }
            match slot.wait_or_nudge(deadline) {
                Woken::Nudged => {}
                Woken::Done(outcome) => {
                    self.hand_over(&mut lock(&self.state));
                    return Some(outcome);
                }
                Woken::TimedOut => {
                    let mut state = lock(&self.state);
                    let ended = state.forget(number).is_none();
                    self.hand_over(&mut state);
                    drop(state);
                    if ended {
                        return Some(slot.wait());
                    }
                    self.read_late_replies();
                    return Some(Err(CallError::Deadline));
                }
            }
        }
    }

    /// Reads until the waiter's reply is there, which it is not yet.
    fn lead(
        &self,
        waiter: &Waiter<'_>,
        mut lead: Lead<'_>,
        take: &mut dyn FnMut(&Incoming, Reply),
    ) -> Led {
        let number = waiter.number;
        let until = Until::deadline(waiter.deadline);
        let reason = loop {
            match lead.next() {
                // A large one is copied, so that nobody else waits until it is decoded.
                Ok(Some(reply)) if reply.number == Some(number) && reply.len() <= IN_PLACE => {
                    take(&lead, reply);
                    let mut state = lock(&self.state);
                    if let Some(pending) = state.remove(number) {
                        // Nobody has used this slot: the reply was taken by another way.
                        if state.spare.len() < SPARE_SLOTS {
                            state.spare.push(pending.slot);
                        }
                    }
                    lead.give(&mut state);
                    return Led::Taken;
                }
                Ok(Some(reply)) => {
                    let ours = reply.number == Some(number);
                    self.deliver(&lead, reply);
                    if ours {
                        return Led::Ended;
                    }
                    continue;
                }
                Ok(None) => {}
                Err(error) => break garbage(error),
            }
            match lead.fill(until) {
                Ok(0) => break CallError::UnexpectedEof,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                    // What has arrived by now still counts.
                    if let Err(reason) = self.drain(&mut lead) {
                        break reason;
                    }
                    let mut state = lock(&self.state);
                    let ended = state.forget(number).is_none();
                    lead.give(&mut state);
                    return if ended { Led::Ended } else { Led::TimedOut };
                }
                Err(error) => break broken(error),
            }
        };
        self.end(reason);
        Led::Ended
    }

    /// Reads for everybody until nobody waits, or until `deadline`.
    pub(super) fn lead_until(&self, mut lead: Lead<'_>, deadline: Instant) {
        loop {
            match lead.next() {
                Ok(Some(reply)) => {
                    self.deliver(&lead, reply);
                    continue;
                }
                Ok(None) if lock(&self.state).len() > 0 => {}
                Ok(None) | Err(_) => return,
            }
            match lead.fill(Until::At(deadline)) {
                Ok(n) if n > 0 => {}
                _ => return,
            }
        }
    }
}
