//! What the client, its calls and its threads share, and how all of it ends.

use std::{
    fmt, io,
    sync::{Arc, Condvar, Mutex},
    time::Instant,
};

use super::{
    super::{
        CallError, Codec, Connection,
        codec::{Garbage, Reply},
        connection::{Hangup, Until},
        lock,
    },
    lead::{Incoming, Lead},
    send::Outgoing,
    state::{Outcome, Pending, State},
};

pub(super) struct Core {
    pub(super) state: Mutex<State>,
    /// Somebody may write now.
    pub(super) turn: Condvar,
    /// The reading thread may be needed.
    pub(super) reading_needed: Condvar,
    /// The earliest deadline may have changed.
    pub(super) timer_needed: Condvar,
    /// No call is pending any more on a connection that accepts none.
    pub(super) settled: Condvar,
    pub(super) hangup: Arc<dyn Hangup>,
    pub(super) limit: usize,
    pub(super) input_is_timed: bool,
    pub(super) output_is_timed: bool,
}

impl fmt::Debug for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Core").field("pending", &self.pending()).finish_non_exhaustive()
    }
}

impl Core {
    pub(super) fn new(connection: Connection, codec: Codec, limit: usize) -> Arc<Self> {
        let Connection { input, output, hangup } = connection;
        Arc::new(Self {
            input_is_timed: input.is_timed(),
            output_is_timed: output.is_timed(),
            state: Mutex::new(State::new(
                Incoming::new(input, codec, limit),
                Outgoing::new(output, codec),
            )),
            turn: Condvar::new(),
            reading_needed: Condvar::new(),
            timer_needed: Condvar::new(),
            settled: Condvar::new(),
            hangup,
            limit,
        })
    }

    pub(super) fn pending(&self) -> usize {
        lock(&self.state).len()
    }

    pub(super) fn dropped_replies(&self) -> u64 {
        lock(&self.state).dropped
    }

    /// Enters a started call into the book, if calls are still accepted.
    pub(super) fn register(&self, pending: Pending) -> Result<u64, CallError> {
        if pending.deadline.is_some_and(|deadline| deadline <= Instant::now()) {
            return Err(CallError::Deadline);
        }
        let lead = Lead::take(self, &mut lock(&self.state));
        // Whoever reads already will notice when the connection dies.
        if let Some(Err(reason)) = lead.map(|mut lead| self.drain(&mut lead)) {
            self.end(reason);
        }
        let mut state = lock(&self.state);
        if state.reason.is_some() {
            return Err(CallError::ShutDown);
        }
        Ok(state.insert(pending))
    }

    /// Hands the result of a call over, once it is out of the book. Never blocks.
    pub(super) fn complete(&self, pending: Pending, outcome: Outcome) {
        if pending.slot.complete(outcome).is_err() {
            lock(&self.state).dropped += 1;
        }
        if let Some((completions, id)) = pending.announce {
            completions.announce(id);
        }
    }

    /// Gives a reply to whom it belongs.
    pub(super) fn deliver(&self, incoming: &Incoming, reply: Reply) {
        let pending = {
            let mut state = lock(&self.state);
            match reply.number.and_then(|number| state.remove(number)) {
                Some(pending) => {
                    if state.reason.is_some() && state.len() == 0 {
                        self.settled.notify_all();
                    }
                    pending
                }
                None => {
                    state.dropped += 1;
                    state.forgotten = state.forgotten.saturating_sub(1);
                    return;
                }
            }
        };
        let outcome = match reply.result {
            Ok(body) => Ok(body.to_owned(&incoming.buffer)),
            Err(text) => Err(CallError::Server(text)),
        };
        self.complete(pending, outcome);
    }

    /// Delivers what has arrived and reads what is there without waiting.
    ///
    /// # Errors
    /// Why the connection has ended.
    pub(super) fn drain(&self, incoming: &mut Incoming) -> Result<(), CallError> {
        loop {
            while let Some(reply) = incoming.next().map_err(garbage)? {
                self.deliver(incoming, reply);
            }
            match incoming.fill(Until::Now) {
                Ok(0) => return Err(CallError::UnexpectedEof),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(broken(error)),
            }
        }
    }

    /// Accepts no more calls, ends the connection, and every pending call with it, for the first reason there was.
    pub(super) fn end(&self, reason: CallError) {
        let (reason, pending, outgoing) = {
            let mut state = lock(&self.state);
            let reason = state.reason.get_or_insert(reason).clone();
            let pending = state.remove_all();
            self.turn.notify_all();
            self.reading_needed.notify_all();
            self.timer_needed.notify_all();
            self.settled.notify_all();
            let outgoing = if reason.is_death() { state.outgoing.take() } else { None };
            (reason, pending, outgoing)
        };
        // Before we close our side, after which the transport speaks of that and not of the peer.
        let unread_from = outgoing.and_then(|mut outgoing| outgoing.unread_from());
        self.hangup.hang_up();
        for pending in pending {
            let never_read = match (pending.sent_from, unread_from) {
                (Some(first), Some(from)) => first >= from,
                _ => false,
            };
            let reason = match pending.sent_from {
                None => CallError::ShutDown,
                Some(_) if never_read => CallError::NotDelivered,
                Some(_) => reason.clone(),
            };
            self.complete(pending, Err(reason));
        }
    }

    pub(super) fn close(&self) -> Result<(), CallError> {
        let (ended, lead) = {
            let mut state = lock(&self.state);
            if std::mem::replace(&mut state.closed, true) {
                return Err(CallError::ShutDown);
            }
            (state.reason.is_some(), Lead::take(self, &mut state))
        };
        // What has arrived wins over the close; whoever reads just now is delivering it already.
        if let Some(mut lead) = lead.filter(|_| !ended) {
            // Whatever it meets, the connection ends here.
            let _ = self.drain(&mut lead);
        }
        self.end(CallError::ShutDown);
        let threads = std::mem::take(&mut lock(&self.state).threads);
        for thread in threads {
            // A panic in one has been printed; there is nothing more to do about it here.
            let _ = thread.join();
        }
        if ended { Err(CallError::ShutDown) } else { Ok(()) }
    }

    /// Ends a call that its caller or its deadline gives up. Never blocks.
    pub(super) fn give_up(&self, number: u64, error: CallError) {
        let pending = {
            let mut state = lock(&self.state);
            let Some(pending) = state.forget(number) else {
                return;
            };
            if pending.sent_from.is_none() {
                // It may be waiting for its turn.
                self.turn.notify_all();
            }
            self.hand_over(&mut state);
            pending
        };
        self.complete(pending, Err(error));
    }

    /// Takes a call out of the book whose caller has left. Never blocks.
    pub(super) fn abandon(&self, number: u64) {
        let mut state = lock(&self.state);
        if state.forget(number).is_some() {
            self.hand_over(&mut state);
        }
    }

    /// Finds somebody to read, now that nobody does.
    pub(super) fn hand_over(&self, state: &mut State) {
        if state.is_led() {
            return;
        }
        if let Some(number) = state.followers.pop_first() {
            if let Some(pending) = state.get(number) {
                pending.slot.nudge();
            }
        } else if self.needs_reader(state) {
            self.reading_needed.notify_one();
        }
    }

    /// Whether replies may come that nobody waits for.
    pub(super) fn needs_reader(&self, state: &State) -> bool {
        !self.input_is_timed || state.started > 0 || state.forgotten > 0
    }
}

pub(super) fn garbage(garbage: Garbage) -> CallError {
    CallError::Garbage(garbage.0)
}

pub(super) fn broken(error: io::Error) -> CallError {
    CallError::Broken(Arc::new(error))
}
