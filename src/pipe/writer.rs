//! The writing end of the in-memory pipe.

use std::{
    error, fmt,
    io::{self, IoSlice, Write},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use super::{
    call::Mode,
    rendezvous::{End, EndControl, Rendezvous},
};
use crate::{
    ends::{Control, WriteEnd},
    error::{BoxError, Cause},
};

/// The writing end of a [`pipe`](super::pipe()).
///
/// Dropping it closes it: the reader sees the end of the stream, or, if the drop happens while its thread unwinds from a
/// panic, the error [`WriterPanicked`], so that a stream which was cut short never looks complete. It may be used
/// from many threads through `&PipeWriter` (or an `Arc`): the bytes of each write stay together.
pub struct PipeWriter {
    pipe: Arc<Rendezvous>,
}

/// What a reader gets when the writer was dropped by a panic.
///
/// ```
/// # use std::{io::Read, thread};
/// let (mut reader, writer) = ringpipe::pipe();
/// let thread = thread::spawn(move || {
///     let _writer = writer;
///     panic!("on purpose");
/// });
/// let error = reader.read(&mut [0; 8]).unwrap_err();
/// assert!(ringpipe::Error::cause::<ringpipe::pipe::WriterPanicked>(&error).is_some());
/// # drop(thread.join());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WriterPanicked;

impl fmt::Display for WriterPanicked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("writer panicked")
    }
}

impl error::Error for WriterPanicked {}

impl PipeWriter {
    pub(super) fn over(pipe: Arc<Rendezvous>) -> Self {
        Self { pipe }
    }

    pub(super) fn shared(&self) -> &Arc<Rendezvous> {
        &self.pipe
    }

    /// The close of a writer that goes away: only a thread that is not unwinding can vouch for the end of its stream.
    pub(super) fn close_as_dropped(&self) {
        if thread::panicking() {
            self.close_with_error(WriterPanicked);
        } else {
            self.close();
        }
    }

    /// Gives a blocked read what fits its buffer, without blocking.
    ///
    /// # Errors
    /// `WouldBlock` when no read is blocked and the reader is open, or another write of this end is under way;
    /// otherwise as [`write`](Write::write). There is no buffer, so two ends that both only try never meet.
    ///
    /// ```
    /// let (reader, writer) = ringpipe::pipe();
    /// let error = writer.try_write(b"x").unwrap_err();
    /// assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock);
    /// drop(reader);
    /// let error = writer.try_write(b"x").unwrap_err();
    /// assert_eq!(error.kind(), std::io::ErrorKind::BrokenPipe);
    /// ```
    pub fn try_write(&self, buf: &[u8]) -> io::Result<usize> {
        self.pipe.write(&[IoSlice::new(buf)], Mode::Try)
    }

    /// A handle that closes this end or moves its deadline from another thread.
    ///
    /// ```
    /// # use std::{io::Write, thread};
    /// let (_reader, mut writer) = ringpipe::pipe();
    /// let control = writer.control();
    /// let blocked = thread::spawn(move || writer.write(b"nobody reads this"));
    /// control.close();
    /// let error = blocked.join().unwrap().unwrap_err();
    /// assert_eq!(error.kind(), std::io::ErrorKind::BrokenPipe);
    /// ```
    pub fn control(&self) -> Control {
        Control::new(Arc::new(EndControl::new(self.pipe.clone(), End::Writer)))
    }

    /// Closes this end: the reader sees the end of the stream, writes fail with `BrokenPipe`. A blocked write returns at
    /// once, and what it had not yet handed over is lost. Idempotent, never blocks.
    pub fn close(&self) {
        self.pipe.close(End::Writer, None);
    }

    /// Closes this end with `error`, which the reader gets in place of the end of the stream. The first close wins.
    ///
    /// ```
    /// # use std::io::Read;
    /// let (mut reader, writer) = ringpipe::pipe();
    /// writer.close_with_error("the 50th document cannot be encoded");
    /// writer.close();
    /// let error = reader.read(&mut [0; 8]).unwrap_err();
    /// assert_eq!(error.to_string(), "the 50th document cannot be encoded");
    /// ```
    pub fn close_with_error(&self, error: impl Into<BoxError>) {
        self.pipe.close(End::Writer, Some(Cause::new(error)));
    }

    /// Sets the moment after which writes fail with `TimedOut`; `None` clears it. A blocked write obeys it, too.
    ///
    /// ```
    /// # use std::{io::Write, time::{Duration, Instant}};
    /// let (_reader, mut writer) = ringpipe::pipe();
    /// writer.set_deadline(Some(Instant::now() + Duration::from_millis(5)));
    /// let error = writer.write(b"x").unwrap_err();
    /// assert_eq!(error.kind(), std::io::ErrorKind::TimedOut);
    /// ```
    pub fn set_deadline(&self, deadline: Option<Instant>) {
        self.pipe.set_deadline(End::Writer, deadline);
    }

    /// Limits every later write to `timeout` from its own start; `None` waits for ever.
    ///
    /// # Errors
    /// `InvalidInput` for a zero duration.
    pub fn set_write_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        Ok(self.pipe.set_timeout(End::Writer, timeout)?)
    }

    /// What [`set_write_timeout`](Self::set_write_timeout) was last given.
    pub fn write_timeout(&self) -> Option<Duration> {
        self.pipe.timeout(End::Writer)
    }

    /// With `true`, writes behave as [`try_write`](Self::try_write).
    pub fn set_nonblocking(&self, nonblocking: bool) {
        self.pipe.set_nonblocking(End::Writer, nonblocking);
    }
}

/// # Blocking
/// `write` blocks until reads have taken all of `buf`, or an end is closed. An empty write blocks until it meets a read,
/// which does not notice. There is nothing to flush.
///
/// # Errors
/// Once the reader has closed: `BrokenPipe`, or the error it was closed with. `BrokenPipe` if this end was closed.
/// `TimedOut` after the deadline; clear it and writing goes on. [`Error::Deadlock`](crate::Error::Deadlock) where nobody is left to read (see
/// [the module](mod@crate::pipe)). A write that had handed over some bytes when it was stopped returns their exact number, and
/// the next write the error.
impl Write for &PipeWriter {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.pipe.write(&[IoSlice::new(buf)], Mode::Wait)
    }

    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        self.pipe.write(bufs, Mode::Wait)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// As `Write for &PipeWriter`.
impl Write for PipeWriter {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        (&*self).write(buf)
    }

    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        (&*self).write_vectored(bufs)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl WriteEnd for PipeWriter {
    fn try_write(&mut self, buf: &[u8]) -> io::Result<usize> {
        Self::try_write(self, buf)
    }

    fn control(&self) -> Control {
        self.control()
    }

    fn set_write_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.set_write_timeout(timeout)
    }

    fn write_timeout(&self) -> Option<Duration> {
        self.write_timeout()
    }

    fn set_nonblocking(&self, nonblocking: bool) {
        self.set_nonblocking(nonblocking);
    }
}

impl Drop for PipeWriter {
    fn drop(&mut self) {
        self.close_as_dropped();
    }
}

impl fmt::Debug for PipeWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.pipe.fmt_end("PipeWriter", End::Writer, f)
    }
}
