//! The calling side.
//!
//! A caller that waits reads the connection itself when nobody else does, takes its own reply straight from the
//! buffer, and hands over the others' on the way: neither a synchronous call nor the wait for a started one costs a hop
//! between threads. Threads exist only for what nobody waits for: one that reads what no caller comes for, one that
//! watches the deadlines of started calls, one that ends a frame whose caller left in the middle. They are started when
//! first needed and joined when the client closes.

mod call;
mod cancel;
mod core;
mod helpers;
mod lead;
mod send;
mod state;
mod wait;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use serde::{Serialize, de::DeserializeOwned};

pub use call::Call;
pub use cancel::Cancel;

use self::{core::Core, send::How};
use super::{
    Address, CallError, Codec, Completions, Connection, DEFAULT_MESSAGE_LIMIT, SetupError,
};

/// Calls the methods of one server over one connection, from as many threads as wanted.
///
/// Dropping the client closes it. Calls still out then end with [`CallError::ShutDown`].
#[derive(Debug)]
pub struct Client {
    core: Arc<Core>,
}

/// What one call may take: a deadline, a cancellation, a queue to announce its end on.
///
/// ```
/// use ringpipe::rpc::{CallOptions, Cancel, Completions};
/// use std::time::Duration;
/// let cancel = Cancel::new();
/// let options = CallOptions::new().timeout(Duration::from_secs(2)).cancel(&cancel);
/// # let _ = options;
/// ```
#[derive(Clone, Debug, Default)]
pub struct CallOptions {
    pub(super) deadline: Option<Instant>,
    pub(super) cancel: Option<Cancel>,
    pub(super) completions: Option<Completions>,
}

impl CallOptions {
    /// No deadline, no cancellation, no queue.
    pub fn new() -> Self {
        Self::default()
    }

    /// Ends the call with [`CallError::Deadline`] at this moment, counted from before it is sent.
    #[must_use]
    pub fn deadline(mut self, deadline: Instant) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// A deadline this long from now. One too far away to be expressed is none.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.deadline = Instant::now().checked_add(timeout);
        self
    }

    /// Ends the call with [`CallError::Canceled`] when `cancel` is canceled.
    #[must_use]
    pub fn cancel(mut self, cancel: &Cancel) -> Self {
        self.cancel = Some(cancel.clone());
        self
    }

    /// Announces the end of a started call on `completions`.
    #[must_use]
    pub fn completions(mut self, completions: &Completions) -> Self {
        self.completions = Some(completions.clone());
        self
    }
}

impl Client {
    /// A client over `connection`, whose server speaks `codec`.
    ///
    /// # Errors
    /// [`SetupError::Unsupported`] when the connection knows no time-outs and no thread can be had to read it.
    pub fn new(connection: Connection, codec: Codec) -> Result<Self, SetupError> {
        Self::with_message_limit(connection, codec, DEFAULT_MESSAGE_LIMIT)
    }

    /// The same, refusing requests and replies of more than `limit` bytes.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn with_message_limit(
        connection: Connection,
        codec: Codec,
        limit: usize,
    ) -> Result<Self, SetupError> {
        let core = Core::new(connection, codec, limit);
        core.start_reader_if_untimed().map_err(|error| {
            SetupError::Unsupported(format!("no thread to read the connection: {error}"))
        })?;
        Ok(Self { core })
    }

    /// Connects to `address` and speaks `codec` there.
    ///
    /// # Blocking
    /// As long as the system takes to connect.
    ///
    /// # Errors
    /// [`SetupError::Dial`] when nobody is there.
    pub fn dial(address: &Address, codec: Codec) -> Result<Self, SetupError> {
        Self::new(Connection::dial(address)?, codec)
    }

    /// Connects to `address` within `timeout`.
    ///
    /// # Blocking
    /// As [`Connection::dial_timeout`].
    ///
    /// # Errors
    /// As [`dial`](Self::dial); `TimedOut` as the source when the time was over first.
    pub fn dial_timeout(
        address: &Address,
        codec: Codec,
        timeout: Duration,
    ) -> Result<Self, SetupError> {
        Self::new(Connection::dial_timeout(address, timeout)?, codec)
    }

    /// Calls `method` ("Service.Method") and waits for its reply.
    ///
    /// # Blocking
    /// Until the reply comes or the connection ends.
    ///
    /// # Errors
    /// The method's own error as [`CallError::Server`], or why there is no reply.
    pub fn call<A, R>(&self, method: &str, args: &A) -> Result<R, CallError>
    where
        A: Serialize + ?Sized,
        R: DeserializeOwned,
    {
        self.core.call(method, args, None)
    }

    /// Calls `method` within the bounds of `options`. A completion queue in them is not used: the caller is here.
    ///
    /// # Blocking
    /// Until the reply comes, the connection ends, the deadline passes or the call is canceled.
    ///
    /// # Errors
    /// As [`call`](Self::call), and [`CallError::Deadline`] or [`CallError::Canceled`].
    pub fn call_with<A, R>(
        &self,
        method: &str,
        args: &A,
        options: &CallOptions,
    ) -> Result<R, CallError>
    where
        A: Serialize + ?Sized,
        R: DeserializeOwned,
    {
        if options.cancel.is_none() {
            return self.core.call(method, args, options.deadline);
        }
        // Somebody else may end this call, so it must not be the one that sits in the read.
        let options = CallOptions { completions: None, ..options.clone() };
        self.start_with(method, args, &options).wait()
    }

    /// Sends a call of `method` and returns without waiting for its reply.
    ///
    /// # Blocking
    /// Until the request is written; as long as the server does not read, that takes.
    pub fn start<A, R>(&self, method: &str, args: &A) -> Call<R>
    where
        A: Serialize + ?Sized,
        R: DeserializeOwned,
    {
        self.start_with(method, args, &CallOptions::default())
    }

    /// Starts a call within the bounds of `options`. Whatever goes wrong is the result of the call.
    ///
    /// # Blocking
    /// Until the request is written, the deadline passes or the call is canceled.
    pub fn start_with<A, R>(&self, method: &str, args: &A, options: &CallOptions) -> Call<R>
    where
        A: Serialize + ?Sized,
        R: DeserializeOwned,
    {
        let (call, registered) = Call::new(&self.core, options);
        if let Some((number, turn)) = registered {
            let how = How { deadline: options.deadline, yields: options.cancel.is_some() };
            self.core.send_started(number, turn, method, args, how);
        }
        call
    }

    /// Ends the connection. Replies that have arrived are delivered; every other call ends with
    /// [`CallError::ShutDown`], and so does every later one.
    ///
    /// # Blocking
    /// Until the client's threads have ended, which they do at once.
    ///
    /// # Errors
    /// [`CallError::ShutDown`] when the client was closed or its connection had ended before.
    pub fn close(&self) -> Result<(), CallError> {
        self.core.close()
    }

    /// How many calls wait for a reply.
    pub fn pending(&self) -> usize {
        self.core.pending()
    }

    /// How many replies came that nobody waits for: late, repeated, or to a number never used.
    pub fn dropped_replies(&self) -> u64 {
        self.core.dropped_replies()
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // The only error is that it is closed already.
        let _ = self.core.close();
        // A caller who was in the middle of a frame when it was closed left that to a thread.
        self.core.join_threads();
    }
}
