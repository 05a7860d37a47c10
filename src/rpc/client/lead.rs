//! Waiting for a reply: by reading the connection, or asleep while somebody else does.

use std::{io, sync::Arc, time::Instant};

use serde::{Serialize, de::DeserializeOwned};

use super::{
    super::{CallError, Slot, codec::Reply, connection::Until, lock, slot::Woken},
    core::{Core, Incoming, broken, garbage},
    send::{How, Sent},
    state::{Outcome, Pending},
};

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
        let slot = Arc::new(Slot::new());
        let number = self.register(Pending {
            slot: Arc::clone(&slot),
            announce: None,
            deadline,
            started: false,
            sent_to: None,
        })?;
        let how = How { deadline, yields: false };
        match self.send(number, method, args, how) {
            Sent::Yes | Sent::Ended => {}
            Sent::No(_, error) => return Err(error),
            Sent::Poisoned(reason) => self.poison(reason),
        }
        let mut taken = None;
        let outcome = self.wait(number, &slot, deadline, &mut |incoming, reply| {
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

    /// Waits for the reply of a call; `None` when `take` was given it in the buffer.
    fn wait(
        self: &Arc<Self>,
        number: u64,
        slot: &Slot<Outcome>,
        deadline: Option<Instant>,
        take: &mut dyn FnMut(&Incoming, Reply),
    ) -> Option<Outcome> {
        loop {
            {
                let mut state = lock(&self.state);
                if state.get(number).is_none() {
                    // We may have been asked to read, and will not.
                    self.hand_over(&mut state);
                    drop(state);
                    return Some(slot.wait());
                }
                if state.leading {
                    state.followers.insert(number);
                } else {
                    state.leading = true;
                    state.leads += 1;
                    drop(state);
                    return match self.lead(number, slot, deadline, take) {
                        Led::Taken => None,
                        Led::Ended => Some(slot.wait()),
                        Led::TimedOut => {
                            self.read_late_replies();
                            Some(Err(CallError::Deadline))
                        }
                    };
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

    /// Reads until the reply to `number` is there; whoever calls this has set `State::leading`.
    fn lead(
        &self,
        number: u64,
        slot: &Slot<Outcome>,
        deadline: Option<Instant>,
        take: &mut dyn FnMut(&Incoming, Reply),
    ) -> Led {
        let until = Until::deadline(deadline);
        let mut incoming = lock(&self.incoming);
        if slot.is_complete() {
            // Whoever held the lock before, to look whether the connection lives, found the reply.
            let mut state = lock(&self.state);
            state.leading = false;
            self.hand_over(&mut state);
            return Led::Ended;
        }
        let reason = loop {
            match incoming.next() {
                Ok(Some(reply)) if reply.number == Some(number) => {
                    let mut state = lock(&self.state);
                    state.leading = false;
                    let ours = state.remove(number).is_some();
                    self.hand_over(&mut state);
                    drop(state);
                    if ours {
                        take(&incoming, reply);
                        return Led::Taken;
                    }
                    self.deliver(&incoming, reply);
                    return Led::Ended;
                }
                Ok(Some(reply)) => {
                    self.deliver(&incoming, reply);
                    continue;
                }
                Ok(None) => {}
                Err(error) => break garbage(error),
            }
            match incoming.fill(until) {
                Ok(0) => break CallError::UnexpectedEof,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                    // What has arrived by now still counts.
                    if let Err(reason) = self.drain(&mut incoming) {
                        break reason;
                    }
                    let mut state = lock(&self.state);
                    state.leading = false;
                    let ended = state.forget(number).is_none();
                    self.hand_over(&mut state);
                    return if ended { Led::Ended } else { Led::TimedOut };
                }
                Err(error) => break broken(error),
            }
        };
        drop(incoming);
        self.end(reason);
        lock(&self.state).leading = false;
        Led::Ended
    }

    /// Reads for everybody until nobody waits, or until `deadline`; whoever calls this has set `State::leading`.
    pub(super) fn lead_until(&self, deadline: Instant) {
        let mut incoming = lock(&self.incoming);
        loop {
            match incoming.next() {
                Ok(Some(reply)) => {
                    self.deliver(&incoming, reply);
                    continue;
                }
                Ok(None) if lock(&self.state).len() > 0 => {}
                Ok(None) | Err(_) => break,
            }
            match incoming.fill(Until::At(deadline)) {
                Ok(n) if n > 0 => {}
                _ => break,
            }
        }
        drop(incoming);
        let mut state = lock(&self.state);
        state.leading = false;
        self.hand_over(&mut state);
    }
}
