//! The reading end of the in-memory pipe.

use std::{
    fmt,
    io::{self, IoSliceMut, Read},
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    PipeWriter,
    call::Mode,
    rendezvous::{End, EndControl, Rendezvous},
};
use crate::{
    ends::{Control, ReadEnd},
    error::{BoxError, Cause},
};

/// The reading end of a [`pipe`](super::pipe()).
///
/// Dropping it closes it: a blocked write fails at once. It may be used from many threads through `&PipeReader`
/// (or an `Arc`): each byte goes to exactly one of the reads.
pub struct PipeReader {
    pipe: Arc<Rendezvous>,
}

impl PipeReader {
    pub(super) fn over(pipe: Arc<Rendezvous>) -> Self {
        Self { pipe }
    }

    pub(super) fn shared(&self) -> &Arc<Rendezvous> {
        &self.pipe
    }

    /// Takes what a blocked write offers, without blocking.
    ///
    /// # Errors
    /// `WouldBlock` when no write is blocked and the writer is open, or another read of this end is under way;
    /// otherwise as [`read`](Read::read). There is no buffer, so two ends that both only try never meet.
    ///
    /// ```
    /// let (reader, writer) = ringpipe::pipe();
    /// let error = reader.try_read(&mut [0; 8]).unwrap_err();
    /// assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock);
    /// drop(writer);
    /// assert_eq!(reader.try_read(&mut [0; 8]).unwrap(), 0);
    /// ```
    pub fn try_read(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.pipe.read(&mut [IoSliceMut::new(buf)], Mode::Try)
    }

    /// A handle that closes this end or moves its deadline from another thread.
    ///
    /// ```
    /// # use std::{io::Read, thread};
    /// let (mut reader, _writer) = ringpipe::pipe();
    /// let control = reader.control();
    /// let blocked = thread::spawn(move || reader.read(&mut [0; 8]));
    /// control.close();
    /// let error = blocked.join().unwrap().unwrap_err();
    /// assert_eq!(error.kind(), std::io::ErrorKind::BrokenPipe);
    /// ```
    pub fn control(&self) -> Control {
        Control::new(Arc::new(EndControl::new(self.pipe.clone(), End::Reader)))
    }

    /// Closes this end: reads of it and writes of the other end fail with `BrokenPipe`. Idempotent, never blocks.
    pub fn close(&self) {
        self.pipe.close(End::Reader, None);
    }

    /// Closes this end with `error`, which writes of the other end return from now on. The first close wins.
    ///
    /// ```
    /// # use std::io::Write;
    /// let (reader, mut writer) = ringpipe::pipe();
    /// reader.close_with_error("disk full");
    /// assert_eq!(writer.write(b"x").unwrap_err().to_string(), "disk full");
    /// ```
    pub fn close_with_error(&self, error: impl Into<BoxError>) {
        self.pipe.close(End::Reader, Some(Cause::new(error)));
    }

    /// Sets the moment after which reads fail with `TimedOut`; `None` clears it. A blocked read obeys it, too.
    ///
    /// ```
    /// # use std::{io::Read, time::{Duration, Instant}};
    /// let (mut reader, _writer) = ringpipe::pipe();
    /// reader.set_deadline(Some(Instant::now() + Duration::from_millis(5)));
    /// let error = reader.read(&mut [0; 8]).unwrap_err();
    /// assert_eq!(error.kind(), std::io::ErrorKind::TimedOut);
    /// ```
    pub fn set_deadline(&self, deadline: Option<Instant>) {
        self.pipe.set_deadline(End::Reader, deadline);
    }

    /// Limits every later read to `timeout` from its own start; `None` waits for ever.
    ///
    /// # Errors
    /// `InvalidInput` for a zero duration.
    pub fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        Ok(self.pipe.set_timeout(End::Reader, timeout)?)
    }

    /// What [`set_read_timeout`](Self::set_read_timeout) was last given.
    pub fn read_timeout(&self) -> Option<Duration> {
        self.pipe.timeout(End::Reader)
    }

    /// With `true`, reads behave as [`try_read`](Self::try_read).
    pub fn set_nonblocking(&self, nonblocking: bool) {
        self.pipe.set_nonblocking(End::Reader, nonblocking);
    }

    /// Does this reader read what `writer` writes?
    ///
    /// ```
    /// let (reader, writer) = ringpipe::pipe();
    /// let (_, stranger) = ringpipe::pipe();
    /// assert!(reader.reads_from(&writer) && !reader.reads_from(&stranger));
    /// ```
    pub fn reads_from(&self, writer: &PipeWriter) -> bool {
        Arc::ptr_eq(&self.pipe, writer.shared())
    }
}

/// # Blocking
/// `read` blocks until a write arrives or an end is closed. It returns bytes of one write only, and never waits to
/// fill the buffer; an empty buffer gives `Ok(0)` at once.
///
/// # Errors
/// Once the writer has closed: `Ok(0)`, the end of the stream, or the error it was closed with. `BrokenPipe` if this end
/// was closed. `TimedOut` after the deadline, which is checked first, data or not; clear it and reading goes on.
/// [`Error::Deadlock`](crate::Error::Deadlock) where nobody is left to write (see [the module](mod@crate::pipe)).
impl Read for &PipeReader {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.pipe.read(&mut [IoSliceMut::new(buf)], Mode::Wait)
    }

    fn read_vectored(&mut self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        self.pipe.read(bufs, Mode::Wait)
    }
}

/// As `Read for &PipeReader`.
impl Read for PipeReader {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        (&*self).read(buf)
    }

    fn read_vectored(&mut self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        (&*self).read_vectored(bufs)
    }
}

impl ReadEnd for PipeReader {
    fn try_read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        Self::try_read(self, buf)
    }

    fn control(&self) -> Control {
        self.control()
    }

    fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.set_read_timeout(timeout)
    }

    fn read_timeout(&self) -> Option<Duration> {
        self.read_timeout()
    }

    fn set_nonblocking(&self, nonblocking: bool) {
        self.set_nonblocking(nonblocking);
    }
}

impl Drop for PipeReader {
    fn drop(&mut self) {
        self.close();
    }
}

impl fmt::Debug for PipeReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.pipe.fmt_end("PipeReader", End::Reader, f)
    }
}
