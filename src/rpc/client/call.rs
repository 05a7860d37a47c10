//! A call that was started and not waited for.

use std::{fmt, marker::PhantomData, sync::Arc, time::Instant};

use serde::de::DeserializeOwned;

use super::{
    super::{CallError, Slot, completions::CallId},
    CallOptions,
    cancel::Entry,
    core::Core,
    send::Turn,
    state::{Attention, Outcome, Pending},
};

/// A started call. Wait for it, look at it now and then, or drop it to abandon it.
///
/// An abandoned call leaves nothing behind on this side; the server still executes it, and its reply is dropped.
#[must_use = "dropping a call abandons it"]
pub struct Call<R> {
    core: Arc<Core>,
    // None for a call that ended before it was entered into the book.
    number: Option<u64>,
    slot: Arc<Slot<Outcome>>,
    id: CallId,
    deadline: Option<Instant>,
    taken: bool,
    cancel: Option<Entry>,
    reply: PhantomData<fn() -> R>,
}

impl<R> fmt::Debug for Call<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call")
            .field("id", &self.id)
            .field("complete", &self.slot.is_complete())
            .finish_non_exhaustive()
    }
}

impl<R> Call<R> {
    /// The call; and unless it has ended already its number, and the turn to write it if nobody has that.
    pub(super) fn new<'a>(
        core: &'a Arc<Core>,
        options: &CallOptions,
    ) -> (Self, Option<(u64, Option<Turn<'a>>)>) {
        let mut call = Self {
            core: Arc::clone(core),
            number: None,
            slot: Arc::new(Slot::new()),
            id: CallId::next(),
            deadline: options.deadline,
            taken: false,
            cancel: None,
            reply: PhantomData,
        };
        let from_elsewhere = options.cancel.is_some() || options.completions.is_some();
        let registered = core.register(Pending {
            slot: Arc::clone(&call.slot),
            announce: options.completions.clone().map(|queue| (queue, call.id)),
            deadline: options.deadline,
            attention: if from_elsewhere { Attention::Reader } else { Attention::Later },
            sent_from: None,
        });
        let (number, turn) = match registered {
            Ok(registered) => registered,
            Err(error) => {
                call.end(error, options);
                return (call, None);
            }
        };
        call.number = Some(number);
        if let Some(cancel) = &options.cancel {
            call.cancel = cancel.enter(core, number);
            if call.cancel.is_none() {
                core.cancel_unsent(number);
                return (call, None);
            }
        }
        (call, Some((number, turn)))
    }

    fn end(&self, error: CallError, options: &CallOptions) {
        // Nobody else knows of this slot.
        let _ = self.slot.complete(Err(error));
        if let Some(completions) = &options.completions {
            completions.announce(self.id);
        }
    }

    /// What a completion queue announces this call as.
    pub fn id(&self) -> CallId {
        self.id
    }

    /// Whether the call has ended and its result was not taken. Never blocks.
    pub fn is_complete(&self) -> bool {
        self.slot.is_complete() || {
            self.look();
            self.slot.is_complete()
        }
    }

    /// Looks whether the reply has arrived, which nobody may have noticed.
    fn look(&self) {
        if let (Some(number), false) = (self.number, self.taken) {
            self.core.look_for(number);
        }
    }

    /// Ends the call with [`CallError::Canceled`], unless its reply has arrived. Never blocks.
    pub fn cancel(&self) {
        if let Some(number) = self.number {
            self.core.give_up(number, CallError::Canceled);
        }
    }
}

impl<R: DeserializeOwned> Call<R> {
    /// Waits for the reply.
    ///
    /// # Blocking
    /// Until the call ends, by its reply, the end of the connection, its deadline or its cancellation.
    ///
    /// # Errors
    /// As [`Client::call_with`](super::Client::call_with); [`CallError::ShutDown`] when the result was taken before.
    pub fn wait(mut self) -> Result<R, CallError> {
        if self.taken {
            return Err(CallError::ShutDown);
        }
        match self.number {
            // A call that can be ended from elsewhere must not sit in a read meanwhile.
            Some(number) if self.cancel.is_none() => {
                let result = self.core.join(number, Arc::clone(&self.slot), self.deadline);
                self.taken = true;
                result
            }
            _ => {
                let outcome = self.slot.wait();
                self.decode(outcome)
            }
        }
    }

    /// Waits for the reply until `deadline`; `None` when it has not come, and the call goes on.
    ///
    /// The result is handed out once; later the answer is `None`.
    pub fn wait_until(&mut self, deadline: Instant) -> Option<Result<R, CallError>> {
        if self.taken {
            return None;
        }
        self.look();
        if !self.slot.is_complete() {
            self.core.read_now();
        }
        let outcome = self.slot.wait_until(deadline)?;
        Some(self.decode(outcome))
    }

    /// The result, if the call has ended. Never blocks. The result is handed out once; later the answer is `None`.
    pub fn poll(&mut self) -> Option<Result<R, CallError>> {
        self.look();
        let outcome = self.slot.try_take()?;
        Some(self.decode(outcome))
    }

    fn decode(&mut self, outcome: Outcome) -> Result<R, CallError> {
        self.taken = true;
        outcome?.decode().map_err(CallError::Decode)
    }
}

impl<R> Drop for Call<R> {
    fn drop(&mut self) {
        if self.taken {
            return;
        }
        // From here on whoever brings the reply keeps it.
        self.slot.abandon();
        if let Some(number) = self.number {
            self.core.abandon(number);
        }
    }
}
