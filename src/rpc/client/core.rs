//! What the client, its calls and its threads share, and how all of it ends.

use std::{
    fmt, io,
    sync::{Arc, Condvar, Mutex, MutexGuard, TryLockError},
    time::Instant,
};

use super::{
    super::{
        CallError, Codec, Connection,
        codec::{Buffer, Decoder, Encoder, Garbage, Reply},
        connection::{Hangup, Input, Output, Until},
        lock,
    },
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
    /// Held by whoever reads. Locked before the state, never after it.
    pub(super) incoming: Mutex<Incoming>,
    /// Held by whoever writes, which is whoever set `State::writing`.
    pub(super) outgoing: Mutex<Outgoing>,
    pub(super) hangup: Arc<dyn Hangup>,
    pub(super) limit: usize,
    pub(super) input_is_timed: bool,
    pub(super) output_is_timed: bool,
}

pub(super) struct Incoming {
    input: Box<dyn Input>,
    pub(super) buffer: Buffer,
    decoder: Decoder,
}

impl Incoming {
    pub(super) fn next(&mut self) -> Result<Option<Reply>, Garbage> {
        self.decoder.reply(&mut self.buffer)
    }

    pub(super) fn fill(&mut self, until: Until) -> io::Result<usize> {
        self.buffer.fill(&mut *self.input, until)
    }
}

pub(super) struct Outgoing {
    pub(super) output: Box<dyn Output>,
    pub(super) encoder: Encoder,
    pub(super) frame: Vec<u8>,
    /// How much of the frame has left.
    pub(super) done: usize,
    /// How many bytes have left since the beginning.
    pub(super) total: u64,
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
            state: Mutex::new(State::default()),
            turn: Condvar::new(),
            reading_needed: Condvar::new(),
            timer_needed: Condvar::new(),
            settled: Condvar::new(),
            input_is_timed: input.is_timed(),
            output_is_timed: output.is_timed(),
            incoming: Mutex::new(Incoming {
                input,
                buffer: Buffer::new(limit),
                decoder: Decoder::new(codec),
            }),
            outgoing: Mutex::new(Outgoing {
                output,
                encoder: Encoder::new(codec),
                frame: Vec::new(),
                done: 0,
                total: 0,
            }),
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

    /// Enters a call into the book, if calls are still accepted.
    pub(super) fn register(&self, pending: Pending) -> Result<u64, CallError> {
        if pending.deadline.is_some_and(|deadline| deadline <= Instant::now()) {
            return Err(CallError::Deadline);
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

    /// Looks, when nobody reads, whether the connection still lives, so that a dead one is not written to.
    pub(super) fn probe(&self) {
        if !self.input_is_timed {
            return;
        }
        let mut incoming = match self.incoming.try_lock() {
            Ok(incoming) => incoming,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            // Whoever reads will notice.
            Err(TryLockError::WouldBlock) => return,
        };
        if let Err(reason) = self.drain(&mut incoming) {
            drop(incoming);
            self.end(reason);
        }
    }

    /// Accepts no more calls, ends the connection, and every pending call with it, for the first reason there was.
    pub(super) fn end(&self, reason: CallError) {
        let (reason, pending) = {
            let mut state = lock(&self.state);
            let reason = state.reason.get_or_insert(reason).clone();
            let pending = state.remove_all();
            self.turn.notify_all();
            self.reading_needed.notify_all();
            self.timer_needed.notify_all();
            self.settled.notify_all();
            (reason, pending)
        };
        // Before we close our side, after which the transport speaks of that and not of the peer.
        let unread_from = self.unread_from(&reason, &pending);
        self.hangup.hang_up();
        for pending in pending {
            let never_read = match (pending.sent_to, unread_from) {
                (Some(last), Some(from)) => last > from,
                _ => false,
            };
            let reason = match pending.sent_to {
                None => CallError::ShutDown,
                Some(_) if never_read => CallError::NotDelivered,
                Some(_) => reason.clone(),
            };
            self.complete(pending, Err(reason));
        }
    }

    /// How far the server had read when it died, where the transport knows: later bytes never reached it.
    fn unread_from(&self, reason: &CallError, pending: &[Pending]) -> Option<u64> {
        if matches!(reason, CallError::ShutDown) || pending.is_empty() {
            return None;
        }
        let mut outgoing = self.outgoing.try_lock().ok()?;
        let unread = outgoing.output.unread()?;
        outgoing.total.checked_sub(unread)
    }

    pub(super) fn close(&self) -> Result<(), CallError> {
        let ended = {
            let mut state = lock(&self.state);
            let ended = state.reason.is_some();
            if std::mem::replace(&mut state.closed, true) {
                return Err(CallError::ShutDown);
            }
            ended
        };
        if !ended && self.input_is_timed {
            // What has arrived wins over the close; whoever reads just now is delivering it already.
            if let Ok(mut incoming) = self.incoming.try_lock() {
                // Whatever it is, the connection ends here.
                let _ = self.drain(&mut incoming);
            }
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
            if pending.sent_to.is_none() {
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
    pub(super) fn hand_over(&self, state: &mut MutexGuard<'_, State>) {
        if state.leading {
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
