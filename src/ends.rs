//! What every end of every pipe can do, whatever carries its bytes.
//!
//! [`ReadEnd`] and [`WriteEnd`] add to `std::io::{Read, Write}` what a pipe has and a file has not: it can be
//! closed, closed *with an error*, given a deadline, and asked without blocking. The in-memory pipe, the ring and
//! each half of a [`Stream`](crate::Stream) implement them, and one conformance suite holds all of them to the
//! same rules. [`Control`] does the same from another thread, while the end itself is blocked.

use std::{
    fmt,
    io::{self, Read, Write},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use crate::error::{BoxError, Cause};

/// The reading end of a pipe.
///
/// `read` returns `Ok(0)` only at the end of the stream or for an empty buffer. Results that end a stream are sticky:
/// the same call gives the same answer again, for ever.
pub trait ReadEnd: Read + Send {
    /// Reads what is there without blocking.
    ///
    /// # Errors
    /// `WouldBlock` when nothing is there and the writer is still open; otherwise as `read`.
    fn try_read(&mut self, buf: &mut [u8]) -> io::Result<usize>;

    /// A handle that closes this end or moves its deadline from another thread.
    fn control(&self) -> Control;

    /// Limits every later `read` to `timeout` from its own start; `None` waits for ever.
    ///
    /// # Errors
    /// `InvalidInput` for a zero duration, as `UnixStream::set_read_timeout`.
    fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()>;

    /// What [`set_read_timeout`](Self::set_read_timeout) was last given.
    fn read_timeout(&self) -> Option<Duration>;

    /// With `true`, `read` behaves as [`try_read`](Self::try_read).
    fn set_nonblocking(&self, nonblocking: bool);

    /// Closes this end: later reads and the writer's writes fail with `BrokenPipe`. Idempotent, never blocks.
    fn close(&self) {
        self.control().close();
    }

    /// Closes this end with `error`, which the writer's next write returns. The first close wins; never blocks.
    fn close_with_error(&self, error: impl Into<BoxError>)
    where
        Self: Sized,
    {
        self.control().close_with_error(error);
    }

    /// Sets the moment after which reads fail with `TimedOut`; `None` clears it. Takes effect on a blocked read too.
    fn set_deadline(&self, deadline: Option<Instant>) {
        self.control().set_deadline(deadline);
    }
}

/// The writing end of a pipe.
///
/// `write` blocks until all of `buf` is taken (in memory: consumed; ring: in the ring), or fails. A call that ends early
/// after some bytes went in returns their number, and the error on the next call.
pub trait WriteEnd: Write + Send {
    /// Writes what there is room for without blocking.
    ///
    /// # Errors
    /// `WouldBlock` when there is no room and the reader is still open; otherwise as `write`.
    fn try_write(&mut self, buf: &[u8]) -> io::Result<usize>;

    /// A handle that closes this end or moves its deadline from another thread.
    fn control(&self) -> Control;

    /// Limits every later `write` to `timeout` from its own start; `None` waits for ever.
    ///
    /// # Errors
    /// `InvalidInput` for a zero duration, as `UnixStream::set_write_timeout`.
    fn set_write_timeout(&self, timeout: Option<Duration>) -> io::Result<()>;

    /// What [`set_write_timeout`](Self::set_write_timeout) was last given.
    fn write_timeout(&self) -> Option<Duration>;

    /// With `true`, `write` behaves as [`try_write`](Self::try_write).
    fn set_nonblocking(&self, nonblocking: bool);

    /// Closes this end: the reader sees the end of the stream. Idempotent, never blocks.
    fn close(&self) {
        self.control().close();
    }

    /// Closes this end with `error`, which the reader gets in place of the end of the stream. The first close wins.
    fn close_with_error(&self, error: impl Into<BoxError>)
    where
        Self: Sized,
    {
        self.control().close_with_error(error);
    }

    /// Sets the moment after which writes fail with `TimedOut`; `None` clears it. Takes effect on a blocked write too.
    fn set_deadline(&self, deadline: Option<Instant>) {
        self.control().set_deadline(deadline);
    }
}

/// What a [`Control`] asks of the transport behind it; implemented once per kind of end.
pub trait Controlled: Send + Sync {
    /// Closes the end, with an error or without; the first close wins. Never blocks, never fails.
    fn close(&self, cause: Option<Cause>);
    /// Moves the end's deadline, also for the call that is blocked now.
    fn set_deadline(&self, deadline: Option<Instant>);
}

/// Closes an end or moves its deadline from any thread, also while the end is blocked in a call.
///
/// Cloning is cheap. A control does not keep its end open: when the end is dropped, it closes.
#[derive(Clone)]
pub struct Control(Arc<dyn Controlled>);

impl Control {
    /// A control over `end`; for those who implement the traits of this module for a transport of their own.
    pub fn new(end: Arc<dyn Controlled>) -> Self {
        Self(end)
    }

    /// Closes the end. Idempotent, never blocks.
    pub fn close(&self) {
        self.0.close(None);
    }

    /// Closes the end with `error`, which the other side gets. The first close wins.
    pub fn close_with_error(&self, error: impl Into<BoxError>) {
        self.0.close(Some(Cause::new(error)));
    }

    /// Sets or clears the end's deadline; a call that is blocked now obeys the new one.
    pub fn set_deadline(&self, deadline: Option<Instant>) {
        self.0.set_deadline(deadline);
    }
}

impl fmt::Debug for Control {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Control").finish_non_exhaustive()
    }
}

/// Gives an end that has one owner to many threads: one call at a time, each write contiguous in the stream.
///
/// Reads partition the stream between the callers. Closing and deadlines do not wait for a call that is blocked:
/// they go through the end's [`Control`].
#[derive(Debug)]
pub struct Gate<E> {
    end: Mutex<E>,
    control: Control,
}

impl<E> Gate<E> {
    /// Wraps a reading end.
    pub fn reader(end: E) -> Self
    where
        E: ReadEnd,
    {
        let control = end.control();
        Self { end: Mutex::new(end), control }
    }

    /// Wraps a writing end.
    pub fn writer(end: E) -> Self
    where
        E: WriteEnd,
    {
        let control = end.control();
        Self { end: Mutex::new(end), control }
    }

    /// Closes the end or moves its deadline without waiting for the call that holds the gate.
    pub fn control(&self) -> Control {
        self.control.clone()
    }

    /// The end itself, once nobody else uses it.
    pub fn into_inner(self) -> E {
        self.end.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    // An end keeps no invariant across a panic of its caller, so a poisoned lock means nothing here.
    fn enter(&self) -> MutexGuard<'_, E> {
        self.end.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<E: ReadEnd> Read for &Gate<E> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.enter().read(buf)
    }
}

impl<E: WriteEnd> Write for &Gate<E> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.enter().write(buf)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.enter().flush()
    }
}
