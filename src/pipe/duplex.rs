//! Two pipes, so that both sides can speak.

use std::{
    io::{self, IoSlice, IoSliceMut, Read, Write},
    panic::Location,
    sync::Arc,
    time::Instant,
};

use super::{
    PipeReader, PipeWriter,
    rendezvous::{End, Rendezvous},
};
use crate::{
    ends::{Control, Controlled},
    error::{BoxError, Cause},
};

/// Makes a connection in memory: what one side writes, the other one reads, both ways.
///
/// Each direction is a [`pipe`](super::pipe()) with all its rules, so two sides that write at the same time and do not
/// read block each other.
///
/// ```
/// use std::io::{Read, Write};
/// let (mut client, mut server) = ringpipe::pipe::duplex();
/// let thread = std::thread::spawn(move || {
///     let mut question = [0; 4];
///     server.read_exact(&mut question)?;
///     server.write_all(b"pong")
/// });
/// client.write_all(b"ping")?;
/// let mut answer = [0; 4];
/// client.read_exact(&mut answer)?;
/// assert_eq!(&answer, b"pong");
/// # thread.join().unwrap()?;
/// # std::io::Result::Ok(())
/// ```
#[track_caller]
pub fn duplex() -> (Duplex, Duplex) {
    let made_at = Location::caller();
    let (a_reader, b_writer) = super::pair(made_at);
    let (b_reader, a_writer) = super::pair(made_at);
    (Duplex::new(a_reader, a_writer), Duplex::new(b_reader, b_writer))
}

/// One side of a [`duplex`] connection. Dropping it closes both directions.
///
/// `Read` and `Write` are there for `&Duplex` too, so that one thread can read while another one writes.
#[derive(Debug)]
pub struct Duplex {
    reader: PipeReader,
    writer: PipeWriter,
}

impl Duplex {
    /// Joins the two ends that one side has of two pipes.
    pub fn new(reader: PipeReader, writer: PipeWriter) -> Self {
        Self { reader, writer }
    }

    /// The two ends, for two owners.
    pub fn split(self) -> (PipeReader, PipeWriter) {
        (self.reader, self.writer)
    }

    /// The end this side reads from, for its deadline, its timeout and closing it alone.
    pub fn reader(&self) -> &PipeReader {
        &self.reader
    }

    /// The end this side writes to. Closing it alone tells the other side that all has been said, and still reads the answer.
    pub fn writer(&self) -> &PipeWriter {
        &self.writer
    }

    /// A handle that closes this side or moves its deadlines from another thread.
    pub fn control(&self) -> Control {
        Control::new(Arc::new(Sides {
            reads: self.reader.shared().clone(),
            writes: self.writer.shared().clone(),
        }))
    }

    /// Closes both directions. Idempotent, never blocks.
    pub fn close(&self) {
        self.reader.close();
        self.writer.close();
    }

    /// Closes both directions with `error`, which the other side gets from its reads and its writes.
    pub fn close_with_error(&self, error: impl Into<BoxError>) {
        self.control().close_with_error(error);
    }

    /// Sets the deadline of reads and writes; `None` clears both.
    pub fn set_deadline(&self, deadline: Option<Instant>) {
        self.reader.set_deadline(deadline);
        self.writer.set_deadline(deadline);
    }
}

/// What a [`Control`] of one side acts upon.
struct Sides {
    reads: Arc<Rendezvous>,
    writes: Arc<Rendezvous>,
}

impl Controlled for Sides {
    fn close(&self, cause: Option<Cause>) {
        self.reads.close(End::Reader, cause.clone());
        self.writes.close(End::Writer, cause);
    }

    fn set_deadline(&self, deadline: Option<Instant>) {
        self.reads.set_deadline(End::Reader, deadline);
        self.writes.set_deadline(End::Writer, deadline);
    }
}

impl Read for &Duplex {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        (&self.reader).read(buf)
    }

    fn read_vectored(&mut self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        (&self.reader).read_vectored(bufs)
    }
}

impl Write for &Duplex {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        (&self.writer).write(buf)
    }

    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        (&self.writer).write_vectored(bufs)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Read for Duplex {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        (&*self).read(buf)
    }

    fn read_vectored(&mut self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        (&*self).read_vectored(bufs)
    }
}

impl Write for Duplex {
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
