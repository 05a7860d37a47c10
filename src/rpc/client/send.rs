//! Getting a request out: a turn to write, one frame, one write; and what happens when it cannot be had in time.

use std::{
    io,
    sync::{Arc, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use serde::Serialize;

use super::{
    super::{CallError, connection::Until, lock},
    core::{Core, Outgoing, broken},
    state::{Pending, State},
};

/// How long replies that are on their way are waited for after a write failed.
const DRAIN: Duration = Duration::from_millis(50);

/// How a call wants to be written.
#[derive(Clone, Copy, Debug)]
pub(super) struct How {
    pub(super) deadline: Option<Instant>,
    /// The caller may be called away at any moment, so it must not sit in a write.
    pub(super) yields: bool,
}

/// What became of a request.
#[derive(Debug)]
pub(super) enum Sent {
    /// It is out, or certain to be.
    Yes,
    /// The call ended meanwhile; its slot has the outcome.
    Ended,
    /// Nothing left, the call is out of the book and for the caller to complete, and this is why.
    No(Pending, CallError),
    /// Part of it left, or nothing can leave any more: the connection is broken for this reason.
    Poisoned(CallError),
}

/// The right to write one frame; given back when dropped, also by a panic in somebody's `Serialize`.
struct Turn<'a>(Option<&'a Core>);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if let Some(core) = self.0 {
            let mut state = lock(&core.state);
            core.give_turn(&mut state);
        }
    }
}

impl Core {
    pub(super) fn give_turn(&self, state: &mut MutexGuard<'_, State>) {
        state.writing = false;
        if state.queued > 0 {
            self.turn.notify_one();
        }
    }

    /// Waits for the turn to write the frame of call `number`.
    fn take_turn(&self, number: u64, deadline: Option<Instant>) -> Result<Turn<'_>, Sent> {
        let mut state = lock(&self.state);
        loop {
            if state.get(number).is_none() {
                // The wake-up that brought us here may have been meant for the next in the queue.
                if !state.writing && state.queued > 0 {
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
            if !state.writing {
                state.writing = true;
                return Ok(Turn(Some(self)));
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

    /// Writes the request of call `number`, which stands in the book.
    pub(super) fn send<A: Serialize + ?Sized>(
        self: &Arc<Self>,
        number: u64,
        method: &str,
        args: &A,
        how: How,
    ) -> Sent {
        self.probe();
        let mut turn = match self.take_turn(number, how.deadline) {
            Ok(turn) => turn,
            Err(sent) => return sent,
        };
        let mut outgoing = lock(&self.outgoing);
        let out = &mut *outgoing;
        out.frame.clear();
        out.done = 0;
        // Left behind by a serializer that panicked.
        out.encoder.roll_back();
        let encoded = out.encoder.request(&mut out.frame, number, method, args).and_then(|()| {
            if out.frame.len() <= self.limit {
                return Ok(());
            }
            let size = out.frame.len();
            Err(format!("{size} bytes are beyond the limit of {}", self.limit))
        });
        if let Err(text) = encoded {
            out.encoder.roll_back();
            if out.frame.len() > self.limit {
                out.frame = Vec::new();
            }
            return self.take_back(number, CallError::Encode(text));
        }
        {
            let mut state = lock(&self.state);
            match state.get_mut(number) {
                Some(pending) => pending.sent_to = Some(out.total + out.frame.len() as u64),
                None => return Sent::Ended,
            }
        }
        let until = match how {
            How { yields: true, .. } => Until::Now,
            How { deadline, .. } => Until::deadline(deadline),
        };
        if until != Until::Forever && !self.output_is_timed {
            outgoing.encoder.commit();
            turn.0 = None;
            drop(outgoing);
            return self.finish_in_background();
        }
        match outgoing.write_rest(until) {
            Ok(()) => Sent::Yes,
            Err(error) if is_timeout(&error) && (outgoing.done > 0 || how.yields) => {
                // Never half a frame: the rest goes out from our own copy, whatever becomes of the caller.
                outgoing.encoder.commit();
                turn.0 = None;
                drop(outgoing);
                self.finish_in_background()
            }
            Err(error) if outgoing.done == 0 => {
                outgoing.encoder.roll_back();
                drop(outgoing);
                if is_timeout(&error) {
                    return self.unsend(number, CallError::Deadline);
                }
                let error = Arc::new(error);
                self.refuse(&CallError::Broken(Arc::clone(&error)));
                let sent = self.unsend(number, CallError::NotSent(Arc::clone(&error)));
                drop(turn);
                self.poison(CallError::Broken(error));
                sent
            }
            Err(error) => {
                let reason = broken(error);
                // Before the turn is given back: nobody may append to half a frame.
                self.refuse(&reason);
                Sent::Poisoned(reason)
            }
        }
    }

    /// Accepts no more calls.
    fn refuse(&self, reason: &CallError) {
        let mut state = lock(&self.state);
        state.reason.get_or_insert_with(|| reason.clone());
        self.turn.notify_all();
    }

    /// Takes a call that was never sent out of the book.
    fn take_back(&self, number: u64, error: CallError) -> Sent {
        match lock(&self.state).remove(number) {
            Some(pending) => Sent::No(pending, error),
            None => Sent::Ended,
        }
    }

    /// The same for one of which it was said that it is being sent, and no byte left.
    fn unsend(&self, number: u64, error: CallError) -> Sent {
        if let Some(pending) = lock(&self.state).get_mut(number) {
            pending.sent_to = None;
        }
        self.take_back(number, error)
    }

    /// Accepts no more calls, lets the replies that are on their way arrive, and ends the connection.
    pub(super) fn poison(&self, reason: CallError) {
        let until = Instant::now() + DRAIN;
        let lead = {
            self.refuse(&reason);
            let mut state = lock(&self.state);
            let lead = !state.leading && state.len() > 0;
            state.leading |= lead;
            lead
        };
        if lead {
            self.lead_until(until);
        } else {
            // Whoever reads delivers what arrives; it is done when nobody waits any more.
            let state = lock(&self.state);
            let left = until.saturating_duration_since(Instant::now());
            drop(self.settled.wait_timeout_while(state, left, |state| state.len() > 0));
        }
        self.end(reason);
    }

    /// Sends a started call; whatever goes wrong becomes its outcome.
    pub(super) fn send_started<A: Serialize + ?Sized>(
        self: &Arc<Self>,
        number: u64,
        method: &str,
        args: &A,
        how: How,
    ) {
        // Before anything is sent: a reply that nobody can read must not come.
        if let Err(error) = self.start_helpers(how.deadline) {
            let pending = lock(&self.state).remove(number);
            if let Some(pending) = pending {
                self.complete(pending, Err(CallError::NotSent(Arc::new(error))));
            }
            return;
        }
        match self.send(number, method, args, how) {
            Sent::Yes => {
                let mut state = lock(&self.state);
                self.hand_over(&mut state);
            }
            Sent::Ended => {}
            Sent::No(pending, error) => self.complete(pending, Err(error)),
            Sent::Poisoned(reason) => self.poison(reason),
        }
    }
}

impl Outgoing {
    /// Writes what is left of the frame.
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
        Ok(())
    }
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock)
}
