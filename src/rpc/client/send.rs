//! Getting a request out: a turn to write, one frame, one write; and what happens when it cannot be had in time.

use std::{
    io,
    sync::{Arc, PoisonError},
    time::{Duration, Instant},
};

use serde::Serialize;

use super::{
    super::{
        CallError, Codec,
        codec::{Encoder, retire},
        connection::{Output, Until},
        lock,
    },
    core::Core,
    lead::Lead,
    state::{Pending, State},
    wait::Caller,
};

/// How long replies that are on their way are waited for after a write failed.
const DRAIN: Duration = Duration::from_millis(50);

/// How a call wants to be written.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct How {
    pub(super) deadline: Option<Instant>,
    /// The caller may be called away at any moment, so it must not sit in a write.
    pub(super) yields: bool,
}

/// What became of a request.
pub(super) enum Sent<'a> {
    /// It is out, or certain to be; in the latter case the turn is somebody else's.
    Yes(Turn<'a>),
    /// The call ended meanwhile; its slot has the outcome.
    Ended,
    /// Nothing left, the call is out of the book and for the caller to complete, and this is why.
    No(Pending, CallError),
    /// Part of it left, or nothing can leave any more: the connection is broken for this reason.
    Poisoned(CallError),
}

/// The half that is written to, and the frame in it.
pub(super) struct Outgoing {
    output: Box<dyn Output>,
    encoder: Encoder,
    frame: Vec<u8>,
    /// How much of the frame has left.
    done: usize,
    /// How many bytes have left since the beginning.
    total: u64,
}

impl Outgoing {
    pub(super) fn new(output: Box<dyn Output>, codec: Codec) -> Self {
        Self { output, encoder: Encoder::new(codec), frame: Vec::new(), done: 0, total: 0 }
    }

    /// Puts a request into the frame; when it does not fit, the frame is empty.
    #[inline]
    fn encode<A: Serialize + ?Sized>(
        &mut self,
        number: u64,
        method: &str,
        args: &A,
        limit: usize,
    ) -> Result<(), String> {
        self.frame.clear();
        self.done = 0;
        // Left behind by a serializer that panicked.
        self.encoder.roll_back();
        let mut result = self.encoder.request(&mut self.frame, number, method, args);
        let size = self.frame.len();
        if size > limit {
            result = Err(format!("{size} bytes are beyond the limit of {limit}"));
        }
        if result.is_err() {
            self.encoder.roll_back();
            self.frame = Vec::new();
        }
        result
    }

    /// Writes what is left of the frame.
    #[inline]
    pub(super) fn write_rest(&mut self, until: Until) -> io::Result<()> {
        while self.done < self.frame.len() {
            let n = self.output.write(&self.frame[self.done..], until)?;
            if n == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            self.done += n;
            self.total += n as u64;
        }
        self.encoder.commit();
        retire(&mut self.frame);
        Ok(())
    }

    /// How far a server that died had read, where the transport knows: later bytes never reached it.
    pub(super) fn unread_from(&mut self) -> Option<u64> {
        self.total.checked_sub(self.output.unread()?)
    }
}

/// The right to write one frame; given back when dropped, also by a panic in somebody's `Serialize`.
pub(super) struct Turn<'a> {
    core: &'a Core,
    // None once the frame is somebody else's to finish.
    outgoing: Option<Box<Outgoing>>,
}

impl<'a> Turn<'a> {
    /// Takes the turn if it is free, for call `number`, which stands in the book.
    #[inline]
    pub(super) fn take(core: &'a Core, state: &mut State, number: u64) -> Option<Self> {
        let outgoing = state.outgoing.take()?;
        // From here on nobody can tell whether it will be sent.
        state.set_sent_from(number, Some(outgoing.total));
        Some(Self { core, outgoing: Some(outgoing) })
    }

    /// Somebody else will finish the frame and give the turn back.
    pub(super) fn leave_to_another(&mut self) -> Option<Box<Outgoing>> {
        let mut outgoing = self.outgoing.take()?;
        outgoing.encoder.commit();
        Some(outgoing)
    }

    /// Gives it back.
    #[inline]
    pub(super) fn give(mut self, state: &mut State) {
        if let Some(outgoing) = self.outgoing.take() {
            self.core.give_turn(state, outgoing);
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if let Some(outgoing) = self.outgoing.take() {
            self.core.give_turn(&mut lock(&self.core.state), outgoing);
        }
    }
}

impl Core {
    #[inline]
    pub(super) fn give_turn(&self, state: &mut State, outgoing: Box<Outgoing>) {
        state.outgoing = Some(outgoing);
        if state.queued > 0 {
            self.turn.notify_one();
        }
    }

    /// Waits for the turn to write the frame of call `number`.
    fn take_turn(&self, number: u64, deadline: Option<Instant>) -> Result<Turn<'_>, Sent<'_>> {
        let mut state = lock(&self.state);
        loop {
            if !state.contains(number) {
                // The wake-up that brought us here may have been meant for the next in the queue.
                if state.outgoing.is_some() && state.queued > 0 {
                    self.turn.notify_one();
                }
                return Err(Sent::Ended);
            }
            if state.reason.is_some() {
                return Err(match state.remove(number) {
                    Some(pending) => Sent::No(pending, CallError::ShutDown),
                    None => Sent::Ended,
                });
            }
            if let Some(turn) = Turn::take(self, &mut state, number) {
                return Ok(turn);
            }
            state.queued += 1;
            state = match deadline {
                None => self.turn.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(deadline) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        state.queued -= 1;
                        return Err(match state.remove(number) {
                            Some(pending) => Sent::No(pending, CallError::Deadline),
                            None => Sent::Ended,
                        });
                    }
                    self.turn.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0
                }
            };
            state.queued -= 1;
        }
    }

    /// Writes the request of the caller, whose call stands in the book. He may have the turn already, and may be the one who
    /// reads, which he is no more if the write has to wait: what the server waits to say must be read.
    pub(super) fn send<'a, A: Serialize + ?Sized>(
        self: &'a Arc<Self>,
        caller: &mut Caller<'a>,
        turn: Option<Turn<'a>>,
        request: (&str, &A),
        how: How,
    ) -> Sent<'a> {
        let number = caller.number;
        let turn = match turn {
            Some(turn) => Ok(turn),
            None => self.take_turn(number, how.deadline),
        };
        let mut turn = match turn {
            Ok(turn) => turn,
            Err(sent) => return sent,
        };
        let Some(out) = &mut turn.outgoing else {
            return Sent::Yes(turn);
        };
        let (method, args) = request;
        if let Err(text) = out.encode(number, method, args, self.limit) {
            return self.unsend(number, CallError::Encode(text));
        }
        if how != How::default() && !self.output_is_timed {
            return self.finish_in_background(turn);
        }
        let mut result = out.write_rest(Until::Now);
        if is_timeout(&result) && !how.yields {
            caller.step_back();
            self.read_now();
            result = out.write_rest(Until::deadline(how.deadline));
        }
        let done = out.done;
        match result {
            Ok(()) => Sent::Yes(turn),
            // Never half a frame: the rest goes out from our own copy, whatever becomes of the caller.
            Err(_) if is_timeout(&result) && (done > 0 || how.yields) => {
                self.finish_in_background(turn)
            }
            Err(_) if is_timeout(&result) => self.unsend(number, CallError::Deadline),
            Err(_) if done == 0 && self.has_died(caller) => {
                drop(turn);
                Sent::Ended
            }
            Err(error) => {
                let error = Arc::new(error);
                let reason = CallError::Broken(Arc::clone(&error));
                // Before the turn is given back: nobody may append to half a frame.
                self.refuse(&reason);
                drop(turn);
                if done > 0 {
                    return Sent::Poisoned(reason);
                }
                let sent = self.unsend(number, CallError::NotSent(error));
                caller.step_back();
                self.poison(reason);
                sent
            }
        }
    }

    /// Accepts no more calls.
    pub(super) fn refuse(&self, reason: &CallError) {
        let mut state = lock(&self.state);
        state.reason.get_or_insert_with(|| reason.clone());
        self.turn.notify_all();
    }

    /// Takes a call out of the book of which no byte left, though it was said that it is being sent.
    fn unsend(&self, number: u64, error: CallError) -> Sent<'static> {
        let mut state = lock(&self.state);
        match state.remove(number) {
            Some(pending) => Sent::No(pending, error),
            None => {
                // Whoever took it out expects a reply that will not come.
                state.forgotten = state.forgotten.saturating_sub(1);
                Sent::Ended
            }
        }
    }

    /// Accepts no more calls, lets the replies that are on their way arrive, and ends the connection.
    pub(super) fn poison(&self, reason: CallError) {
        let until = Instant::now() + DRAIN;
        let lead = {
            self.refuse(&reason);
            let mut state = lock(&self.state);
            if state.len() > 0 { Lead::take(self, &mut state) } else { None }
        };
        if let Some(lead) = lead {
            self.lead_until(lead, until);
        } else {
            // Whoever reads delivers what arrives; it is done when nobody waits any more.
            let state = lock(&self.state);
            let left = until.saturating_duration_since(Instant::now());
            drop(self.settled.wait_timeout_while(state, left, |state| state.len() > 0));
        }
        self.end(reason);
    }

    /// Sends a started call; whatever goes wrong becomes its outcome.
    pub(super) fn send_started<'a, A: Serialize + ?Sized>(
        self: &'a Arc<Self>,
        number: u64,
        turn: Option<Turn<'a>>,
        method: &str,
        args: &A,
        how: How,
    ) {
        let mut caller = Caller::new(self, number, None, None);
        match self.send(&mut caller, turn, (method, args), how) {
            Sent::Yes(turn) => {
                let mut state = lock(&self.state);
                turn.give(&mut state);
                self.hand_over(&mut state);
            }
            Sent::Ended => {}
            Sent::No(pending, error) => self.complete(pending, Err(error)),
            Sent::Poisoned(reason) => self.poison(reason),
        }
    }
}

fn is_timeout(result: &io::Result<()>) -> bool {
    matches!(
        result.as_ref().map_err(io::Error::kind),
        Err(io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock)
    )
}
