//! A duplex stream: one ring out, one ring in.

use std::io::{self, IoSlice, IoSliceMut, Read, Write};
#[cfg(target_os = "linux")]
use std::{os::unix::net::UnixStream, path::Path};

#[cfg(target_os = "linux")]
use super::{Credentials, Options, meet};
use super::{Reader, Writer};
#[cfg(target_os = "linux")]
use crate::error::Error;

/// A two-way stream between two processes: the [`Reader`] of one ring and the [`Writer`] of another.
///
/// Made by [`Stream::connect`] and [`Listener::accept`](crate::Listener::accept), or over a socket that is already there
/// (a child's, say) by [`Options::connect_on`] and [`Options::accept_on`]. Each direction ends for itself: closing the
/// writer leaves the reader open.
#[derive(Debug)]
pub struct Stream {
    reader: Reader,
    writer: Writer,
    #[cfg(target_os = "linux")]
    peer: Option<Credentials>,
}

impl Stream {
    #[cfg(target_os = "linux")]
    pub(crate) fn new(reader: Reader, writer: Writer, peer: Option<Credentials>) -> Self {
        Self { reader, writer, peer }
    }

    /// Who is on the other side, as the kernel noted it when the two connected; over a socket pair, whoever made the
    /// pair. `None` for a stream that was put together from two ends.
    #[cfg(target_os = "linux")]
    pub fn peer_credentials(&self) -> Option<Credentials> {
        self.peer
    }

    /// Connects to the [`Listener`](crate::Listener) at `path` with default [`Options`].
    ///
    /// # Errors
    /// As [`Options::connect`].
    #[cfg(target_os = "linux")]
    pub fn connect(path: impl AsRef<Path>) -> Result<Self, Error> {
        Options::new().connect(path)
    }

    /// Both ends, each to be used by a thread of its own. The tie to the peer lasts until both are dropped.
    pub fn split(self) -> (Reader, Writer) {
        (self.reader, self.writer)
    }

    /// The incoming direction.
    pub fn reader(&mut self) -> &mut Reader {
        &mut self.reader
    }

    /// The outgoing direction.
    pub fn writer(&mut self) -> &mut Writer {
        &mut self.writer
    }
}

impl From<(Reader, Writer)> for Stream {
    fn from((reader, writer): (Reader, Writer)) -> Self {
        Self {
            reader,
            writer,
            #[cfg(target_os = "linux")]
            peer: None,
        }
    }
}

impl Read for Stream {
    #[inline]
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.reader.read(buf)
    }

    #[inline]
    fn read_exact(&mut self, buf: &mut [u8]) -> io::Result<()> {
        self.reader.read_exact(buf)
    }

    fn read_vectored(&mut self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        self.reader.read_vectored(bufs)
    }
}

impl Write for Stream {
    #[inline]
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.writer.write(buf)
    }

    #[inline]
    fn write_all(&mut self, buf: &[u8]) -> io::Result<()> {
        self.writer.write_all(buf)
    }

    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        self.writer.write_vectored(bufs)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(target_os = "linux")]
impl Options {
    /// Makes a stream over a connected socket, as the side that greets first: a child over the socket it inherited.
    ///
    /// # Errors
    /// [`Error::Refused`] for a peer that is not exactly right, [`Error::Timeout`] for one that does not answer within
    /// [`handshake_timeout`](Self::handshake_timeout), [`Error::Capacity`], [`Error::Unsupported`] and [`Error::Os`] as for [`Options::ring`].
    ///
    /// ```
    /// use std::{io::{Read, Write}, os::unix::net::UnixStream, thread};
    /// let (a, b) = UnixStream::pair()?;
    /// let other = thread::spawn(|| ringpipe::Options::new().connect_on(b));
    /// let mut here = ringpipe::Options::new().accept_on(a)?;
    /// let mut there = other.join().unwrap()?;
    /// here.write_all(b"hello")?;
    /// let mut hello = [0; 5];
    /// there.read_exact(&mut hello)?;
    /// assert_eq!(&hello, b"hello");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn connect_on(&self, socket: UnixStream) -> Result<Stream, Error> {
        meet::connect(socket, self)
    }

    /// Makes a stream over a connected socket, as the side that answers: the parent of a child that calls
    /// [`connect_on`](Self::connect_on).
    ///
    /// # Errors
    /// As [`connect_on`](Self::connect_on).
    pub fn accept_on(&self, socket: UnixStream) -> Result<Stream, Error> {
        meet::accept(socket, self)
    }

    /// Connects to the [`Listener`](crate::Listener) at `path`.
    ///
    /// # Errors
    /// [`Error::Os`] if nobody listens there or the permissions forbid it; otherwise as [`connect_on`](Self::connect_on).
    pub fn connect(&self, path: impl AsRef<Path>) -> Result<Stream, Error> {
        meet::connect_path(path.as_ref(), self)
    }
}
