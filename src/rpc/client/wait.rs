//! Waiting for a reply: by reading the connection, or asleep while somebody else does.

use std::{io, sync::Arc, time::Instant};

use serde::{Serialize, de::DeserializeOwned};

use super::{
    super::{CallError, Slot, codec::Reply, connection::Until, lock, slot::Woken},
    core::{Core, broken, garbage},
    lead::{Incoming, Lead},
    send::{How, Sent, Turn},
    state::{Outcome, Pending},
};

/// Larger bodies are not decoded in the buffer.
const IN_PLACE: usize = 4 << 10;

/// A call whose caller waits, from its entry into the book to its end.
pub(super) struct Caller<'a> {
    core: &'a Core,
    pub(super) number: u64,
    deadline: Option<Instant>,
    /// The right to read, if this is who reads.
    pub(super) lead: Option<Lead<'a>>,
    /// Where others put the end of the call. Not needed as long as the call is the book's own of whoever reads.
    slot: Option<Arc<Slot<Outcome>>>,
}

impl<'a> Caller<'a> {
    /// One who does not read, and finds the end of the call in `slot` if he ever waits for it.
    pub(super) fn new(
        core: &'a Core,
        number: u64,
        slot: Option<Arc<Slot<Outcome>>>,
        deadline: Option<Instant>,
    ) -> Self {
        Self { core, number, deadline, lead: None, slot }
    }

    /// Reads no more, so that somebody else can.
    pub(super) fn step_back(&mut self) {
        if let Some(lead) = self.lead.take() {
            let mut state = lock(&self.core.state);
            if self.slot.is_none() {
                self.slot = state.disown();
            }
            lead.give(&mut state);
        }
    }

    /// The end of a call that somebody else took out of the book.
    fn ended(&mut self) -> Outcome {
        self.step_back();
        match self.slot.take() {
            Some(slot) => slot.wait(),
            // Its end was taken before.
            None => Err(CallError::ShutDown),
        }
    }
}

impl Drop for Caller<'_> {
    fn drop(&mut self) {
        // Somebody's `Serialize` panicked before anything was sent, or `Deserialize` over the reply.
        if std::thread::panicking() {
            lock(&self.core.state).remove(self.number);
        }
    }
}

/// How reading for one's own reply ended.
enum Led {
    /// The reply came and was taken from the buffer.
    Taken,
    /// The call is out of the book; its slot has the outcome, or will have it.
    Ended,
    /// The deadline passed, and the call is out of the book.
    TimedOut,
}

/// Takes a reply out of the buffer.
fn decode<R: DeserializeOwned>(incoming: &Incoming, reply: Reply) -> Result<R, CallError> {
    match reply.result {
        Ok(body) => body.decode(&incoming.buffer).map_err(CallError::Decode),
        Err(text) => Err(CallError::Server(text)),
    }
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
        let (mut caller, turn) = self.enter(deadline)?;
        if !self.output_notices_the_end && self.has_died(&mut caller) {
            drop(turn);
            return self.result(caller, None);
        }
        let how = How { deadline, yields: false };
        let turn = match self.send(&mut caller, turn, (method, args), how) {
            Sent::Yes(turn) => Some(turn),
            Sent::Ended => None,
            Sent::No(_, error) => return Err(error),
            Sent::Poisoned(reason) => {
                caller.step_back();
                self.poison(reason);
                None
            }
        };
        self.result(caller, turn)
    }

    /// Waits for a call that was started.
    pub(super) fn join<R: DeserializeOwned>(
        self: &Arc<Self>,
        number: u64,
        slot: Arc<Slot<Outcome>>,
        deadline: Option<Instant>,
    ) -> Result<R, CallError> {
        self.result(Caller::new(self, number, Some(slot), deadline), None)
    }

    fn result<'a, R: DeserializeOwned>(
        self: &'a Arc<Self>,
        mut caller: Caller<'a>,
        turn: Option<Turn<'_>>,
    ) -> Result<R, CallError> {
        let mut taken = None;
        let outcome = self.wait(&mut caller, turn, &mut |incoming, reply| {
            taken = Some(decode(incoming, reply));
        });
        match (outcome, taken) {
            (Some(outcome), _) => outcome?.decode().map_err(CallError::Decode),
            (None, Some(result)) => result,
            (None, None) => Err(CallError::ShutDown),
        }
    }

    /// Enters a call that its caller will wait for. Whoever finds nobody reading or writing does both himself.
    fn enter(
        &self,
        deadline: Option<Instant>,
    ) -> Result<(Caller<'_>, Option<Turn<'_>>), CallError> {
        if deadline.is_some_and(|deadline| deadline <= Instant::now()) {
            return Err(CallError::Deadline);
        }
        let mut state = lock(&self.state);
        if state.reason.is_some() {
            return Err(CallError::ShutDown);
        }
        let (number, lead, slot) = if state.is_idle() {
            (state.insert_own(), Lead::take(self, &mut state), None)
        } else {
            let slot = Arc::new(Slot::new());
            (state.insert(Pending::waited_for(Arc::clone(&slot))), None, Some(slot))
        };
        let turn = Turn::take(self, &mut state, number);
        Ok((Caller { core: self, number, deadline, lead, slot }, turn))
    }

    /// Whether the connection has died before a call, which then is not sent. Whoever reads already will notice.
    pub(super) fn has_died(&self, caller: &mut Caller<'_>) -> bool {
        let alive = match &mut caller.lead {
            Some(lead) => self.drain(lead),
            None => self.look(),
        };
        let Err(reason) = alive else {
            return false;
        };
        lock(&self.state).set_sent_from(caller.number, None);
        self.end(reason);
        true
    }

    /// Waits for the reply of a call; `None` when `take` was given it in the buffer.
    fn wait<'a>(
        self: &'a Arc<Self>,
        caller: &mut Caller<'a>,
        mut turn: Option<Turn<'_>>,
        take: &mut dyn FnMut(&Incoming, Reply),
    ) -> Option<Outcome> {
        let number = caller.number;
        loop {
            {
                let mut state = lock(&self.state);
                if let Some(turn) = turn.take() {
                    turn.give(&mut state);
                }
                if !state.attend(number) {
                    // We may read, or may have been asked to, and will not.
                    self.hand_over(&mut state);
                    drop(state);
                    return Some(caller.ended());
                }
                if caller.lead.is_none() {
                    caller.lead = Lead::take(self, &mut state);
                }
                if caller.lead.is_some() {
                    state.leads += 1;
                } else {
                    state.followers.insert(number);
                }
            }
            if caller.lead.is_some() {
                return match self.lead(caller, take) {
                    Led::Taken => None,
                    Led::Ended => Some(caller.ended()),
                    Led::TimedOut => {
                        self.read_late_replies();
                        Some(Err(CallError::Deadline))
                    }
                };
            }
            let Some(slot) = &caller.slot else {
                return Some(caller.ended());
            };
            match slot.wait_or_nudge(caller.deadline) {
                Woken::Nudged => {}
                Woken::Done(outcome) => {
                    self.hand_over(&mut lock(&self.state));
                    return Some(outcome);
                }
                Woken::TimedOut => {
                    let mut state = lock(&self.state);
                    let forgotten = state.forget(number);
                    self.hand_over(&mut state);
                    drop(state);
                    let Some(pending) = forgotten else {
                        return Some(caller.ended());
                    };
                    pending.announce();
                    self.read_late_replies();
                    return Some(Err(CallError::Deadline));
                }
            }
        }
    }

    /// Reads until the caller's reply is there, which it is not yet.
    fn lead(&self, caller: &mut Caller<'_>, take: &mut dyn FnMut(&Incoming, Reply)) -> Led {
        let number = caller.number;
        let until = Until::deadline(caller.deadline);
        let Some(lead) = &mut caller.lead else {
            return Led::Ended;
        };
        let reason = loop {
            match lead.next() {
                // A large one is copied, so that nobody else waits until it is decoded.
                Ok(Some(reply)) if reply.number == Some(number) && reply.len() <= IN_PLACE => {
                    take(lead, reply);
                    self.take_own_end(caller);
                    return Led::Taken;
                }
                Ok(Some(reply)) => {
                    let ours = reply.number == Some(number);
                    self.deliver(lead, reply);
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
                    if let Err(reason) = self.drain(lead) {
                        break reason;
                    }
                    return self.give_up_reading(caller);
                }
                Err(error) => break broken(error),
            }
        };
        self.end(reason);
        Led::Ended
    }

    /// The reply was taken: out of the book with the call, unless another way was quicker, and on to the next who reads.
    fn take_own_end(&self, caller: &mut Caller<'_>) {
        let mut state = lock(&self.state);
        let pending = match caller.slot {
            None => {
                state.remove_own(caller.number);
                None
            }
            Some(_) => state.remove(caller.number),
        };
        if let Some(lead) = caller.lead.take() {
            lead.give(&mut state);
        }
        drop(state);
        if let Some(pending) = pending {
            pending.announce();
        }
    }

    /// The deadline of the caller who reads has passed.
    fn give_up_reading(&self, caller: &mut Caller<'_>) -> Led {
        let mut state = lock(&self.state);
        let Some(pending) = state.forget(caller.number) else {
            return Led::Ended;
        };
        if let Some(lead) = caller.lead.take() {
            lead.give(&mut state);
        }
        drop(state);
        pending.announce();
        Led::TimedOut
    }
}
