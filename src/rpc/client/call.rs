//! A call that was started and not waited for.

use std::{fmt, marker::PhantomData, sync::Arc, time::Instant};

use serde::de::DeserializeOwned;

use super::{
    super::{CallError, Slot, completions::CallId},
    CallOptions,
    cancel::Entry,
    core::Core,
    state::{Outcome, Pending},
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
    taken: bool,
    _cancel: Option<Entry>,
    reply: PhantomData<fn() -> R>,
}

impl<R> fmt::Debug for Call<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call")
            .field("id", &self.id)
            .field("complete", &self.is_complete())
            .finish_non_exhaustive()
    }
}

impl<R> Call<R> {
    /// The call, and its number unless it has ended already.
    pub(super) fn new(core: &Arc<Core>, options: &CallOptions) -> (Self, Option<u64>) {
        let mut call = Self {
            core: Arc::clone(core),
            number: None,
            slot: Arc::new(Slot::new()),
            id: CallId::next(),
            taken: false,
            _cancel: None,
            reply: PhantomData,
        };
        let registered = core.register(Pending {
            slot: Arc::clone(&call.slot),
            announce: options.completions.clone().map(|queue| (queue, call.id)),
            deadline: options.deadline,
            started: true,
            sent_from: None,
        });
        let number = match registered {
            Ok(number) => number,
            Err(error) => {
                call.end(error, options);
                return (call, None);
            }
        };
        call.number = Some(number);
        if let Some(cancel) = &options.cancel {
            call._cancel = cancel.enter(core, number);
            if call._cancel.is_none() {
                core.give_up(number, CallError::Canceled);
                return (call, None);
            }
        }
        (call, Some(number))
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
        self.slot.is_complete()
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
        let outcome = self.slot.wait();
        self.decode(outcome)
    }

    /// Waits for the reply until `deadline`; `None` when it has not come, and the call goes on.
    ///
    /// The result is handed out once; later the answer is `None`.
    pub fn wait_until(&mut self, deadline: Instant) -> Option<Result<R, CallError>> {
        if self.taken {
            return None;
        }
        let outcome = self.slot.wait_until(deadline)?;
        Some(self.decode(outcome))
    }

    /// The result, if the call has ended. Never blocks. The result is handed out once; later the answer is `None`.
    pub fn poll(&mut self) -> Option<Result<R, CallError>> {
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
