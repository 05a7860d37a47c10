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
    send::{Outgoing, Turn},
    state::{Attention, Outcome, Pending, State},
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
    pub(super) output_notices_the_end: bool,
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
            output_notices_the_end: output.notices_the_end(),
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

    /// Enters a started call into the book, if calls are still accepted. Gives its number, and the turn to write if nobody
    /// has that.
    pub(super) fn register(
        self: &Arc<Self>,
        pending: Pending,
    ) -> Result<(u64, Option<Turn<'_>>), CallError> {
        if pending.deadline.is_some_and(|deadline| deadline <= Instant::now()) {
            return Err(CallError::Deadline);
        }
        if !self.output_notices_the_end {
            if let Err(reason) = self.look() {
                self.end(reason);
            }
        }
        let mut state = lock(&self.state);
        if state.reason.is_some() {
            return Err(CallError::ShutDown);
        }
        // Before anything is sent: a reply that nobody can read must not come.
        self.start_helpers(&mut state, pending.deadline.is_some())
            .map_err(|error| CallError::NotSent(Arc::new(error)))?;
        let deadline = pending.deadline;
        let number = state.insert(pending);
        if deadline.is_some_and(|deadline| state.deadlines.first() == Some(&(deadline, number))) {
            self.timer_needed.notify_one();
        }
        let turn = Turn::take(self, &mut state, number);
        Ok((number, turn))
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

    /// Gives a reply to whom it belongs, and says who was to read it.
    pub(super) fn deliver(&self, incoming: &Incoming, reply: Reply) -> Option<Attention> {
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
                    return None;
                }
            }
        };
        let outcome = match reply.result {
            Ok(body) => Ok(body.to_owned(&incoming.buffer)),
            Err(text) => Err(CallError::Server(text)),
        };
        let attention = pending.attention;
        self.complete(pending, outcome);
        Some(attention)
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
        self.join_threads();
        if ended { Err(CallError::ShutDown) } else { Ok(()) }
    }

    /// Waits for the client's threads, which end as the connection has.
    pub(super) fn join_threads(&self) {
        let threads = std::mem::take(&mut lock(&self.state).threads);
        for thread in threads {
            // A panic in one has been printed; there is nothing more to do about it here.
            let _ = thread.join();
        }
    }

    /// Delivers what has arrived, if nobody is reading just now. Never blocks.
    ///
    /// # Errors
    /// Why the connection has ended.
    pub(super) fn look(&self) -> Result<(), CallError> {
        let lead = {
            let mut state = lock(&self.state);
            state.leads += 1;
            Lead::take(self, &mut state)
        };
        lead.map_or(Ok(()), |mut lead| self.drain(&mut lead))
    }

    /// Delivers what has arrived, for a caller who looks whether his call has ended.
    pub(super) fn look_for(&self, number: u64) {
        if lock(&self.state).contains(number) {
            if let Err(reason) = self.look() {
                self.end(reason);
            }
        }
    }

    /// Ends a call that its deadline or somebody elsewhere gives up, unless its reply has arrived. Never blocks.
    pub(super) fn give_up(&self, number: u64, error: CallError) {
        self.look_for(number);
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

    /// Ends a call that was canceled before it could be sent, and will not be.
    pub(super) fn cancel_unsent(&self, number: u64) {
        let pending = {
            let mut state = lock(&self.state);
            state.set_sent_from(number, None);
            state.remove(number)
        };
        if let Some(pending) = pending {
            self.complete(pending, Err(CallError::Canceled));
        }
    }

    /// Takes a call out of the book whose caller has left. Never blocks.
    pub(super) fn abandon(&self, number: u64) {
        let mut state = lock(&self.state);
        if state.forget(number).is_some() {
            self.hand_over(&mut state);
        }
    }
}

pub(super) fn garbage(garbage: Garbage) -> CallError {
    CallError::Garbage(garbage.0)
}

pub(super) fn broken(error: io::Error) -> CallError {
    CallError::Broken(Arc::new(error))
}
