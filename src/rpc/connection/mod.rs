//! What calls travel over: a way in, a way out, and a way to hang up from another thread.

#[cfg(unix)]
mod descriptors;
mod dial;
mod ends;
#[cfg(any(target_os = "linux", target_os = "android"))]
mod socket;
mod streams;

use std::{
    fmt,
    io::{self, Read, Write},
    net::TcpStream,
    sync::Arc,
    time::{Duration, Instant},
};

use crate::ends::{ReadEnd, WriteEnd};

use super::{Address, SetupError};

/// How long a transport may wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// Until something happens or the connection is hung up.
    Forever,
    /// Until this moment; then `TimedOut`.
    At(Instant),
    /// Not at all: `WouldBlock` when nothing can be done at once.
    Now,
}

impl Until {
    pub(crate) fn deadline(deadline: Option<Instant>) -> Self {
        deadline.map_or(Self::Forever, Self::At)
    }
}

/// The half of a connection that bytes come from.
pub trait Input: Send {
    /// Reads up to `buf.len()` bytes; `Ok(0)` is the end of the stream.
    ///
    /// # Errors
    /// `TimedOut` or `WouldBlock` as `until` says, with nothing lost; anything else ends the connection.
    fn read(&mut self, buf: &mut [u8], until: Until) -> io::Result<usize>;

    /// Whether `until` is obeyed. Where it is not, a thread of its own reads the connection.
    fn is_timed(&self) -> bool {
        true
    }
}

/// The half of a connection that bytes go to.
pub trait Output: Send {
    /// Writes what it can of `buf`, at least one byte.
    ///
    /// # Errors
    /// `TimedOut` or `WouldBlock` as `until` says, with nothing written; anything else ends the connection.
    fn write(&mut self, buf: &[u8], until: Until) -> io::Result<usize>;

    /// Whether `until` is obeyed. Where it is not, calls with a deadline are written by a thread of their own.
    fn is_timed(&self) -> bool {
        true
    }

    /// Whether a write fails as soon as the other side has ended the connection. Where it may succeed and go nowhere, a
    /// client looks at the input before each call, to be able to say that the call was not sent.
    fn notices_the_end(&self) -> bool {
        false
    }

    /// Once the peer is known to be dead: how many of the bytes written it never read, where that can be known.
    fn unread(&mut self) -> Option<u64> {
        None
    }
}

/// Ends a connection from any thread.
pub trait Hangup: Send + Sync {
    /// Ends both directions and wakes whoever is blocked in one. Idempotent; never blocks.
    fn hang_up(&self);
}

/// Both directions between a client and a server, over whatever carries bytes.
///
/// ```
/// use ringpipe::rpc::Connection;
/// let (a, b) = std::os::unix::net::UnixStream::pair()?;
/// let (client_side, server_side) = (Connection::from(a), Connection::from(b));
/// # let _ = (client_side, server_side);
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Connection {
    pub(crate) input: Box<dyn Input>,
    pub(crate) output: Box<dyn Output>,
    pub(crate) hangup: Arc<dyn Hangup>,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").finish_non_exhaustive()
    }
}

/// A connection is also a plain stream, for what is not calls.
impl Read for Connection {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.input.read(buf, Until::Forever)
    }
}

impl Write for Connection {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        write(&mut *self.output, buf)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The incoming direction of a [`Connection`] that was [split](Connection::split).
pub struct ReadHalf(Box<dyn Input>);

impl fmt::Debug for ReadHalf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadHalf").finish_non_exhaustive()
    }
}

impl Read for ReadHalf {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.read(buf, Until::Forever)
    }
}

/// The outgoing direction of a [`Connection`] that was [split](Connection::split).
pub struct WriteHalf(Box<dyn Output>);

impl fmt::Debug for WriteHalf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WriteHalf").finish_non_exhaustive()
    }
}

impl Write for WriteHalf {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        write(&mut *self.0, buf)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn write(output: &mut dyn Output, buf: &[u8]) -> io::Result<usize> {
    if buf.is_empty() {
        return Ok(0);
    }
    output.write(buf, Until::Forever)
}

impl Connection {
    /// A connection over a transport of one's own.
    pub fn new(
        input: impl Input + 'static,
        output: impl Output + 'static,
        hangup: impl Hangup + 'static,
    ) -> Self {
        Self { input: Box::new(input), output: Box::new(output), hangup: Arc::new(hangup) }
    }

    /// A connection over a reading and a writing end: two in-memory pipes, or the halves of a ring stream.
    pub fn from_ends(reader: impl ReadEnd + 'static, writer: impl WriteEnd + 'static) -> Self {
        let reader = in_conversation(reader);
        let hangup = ends::HangUpEnds::new(&reader, &writer);
        Self::new(ends::EndInput::new(reader), ends::EndOutput::new(writer), hangup)
    }

    /// A connection over anything that reads and anything that writes.
    ///
    /// `hang_up` is called once, from any thread, and must make a blocked read and a blocked write return. Plain
    /// `Read` and `Write` know no time-outs, so a client reads such a connection with a thread of its own.
    pub fn from_streams(
        reader: impl Read + Send + 'static,
        writer: impl Write + Send + 'static,
        hang_up: impl FnOnce() + Send + 'static,
    ) -> Self {
        Self::new(
            streams::StreamInput(reader),
            streams::StreamOutput(writer),
            streams::HangUpOnce::new(hang_up),
        )
    }

    /// A connection over two descriptors that can be polled, such as the ends of two pipes or named pipes.
    ///
    /// They are made non-blocking, and so are those that others share with this process. A program that does not ignore
    /// `SIGPIPE`, as Rust's do from the start, is ended by writing to a pipe that nobody reads any more.
    ///
    /// A named pipe that was opened for reading before anybody opened it for writing is waited for, and not taken for ended.
    ///
    /// ```
    /// use ringpipe::rpc::Connection;
    /// use std::fs::OpenOptions;
    /// # let (requests, replies) = ("/dev/null", "/dev/null");
    /// let reader = OpenOptions::new().read(true).open(replies)?;
    /// let writer = OpenOptions::new().write(true).open(requests)?;
    /// let connection = Connection::from_descriptors(reader, writer)?;
    /// # let _ = connection;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    /// What the system says of making them non-blocking, or of the descriptors needed beside them.
    #[cfg(unix)]
    pub fn from_descriptors(
        reader: impl Into<std::os::fd::OwnedFd>,
        writer: impl Into<std::os::fd::OwnedFd>,
    ) -> io::Result<Self> {
        descriptors::connection(reader.into(), writer.into())
    }

    /// Both directions as plain streams, each for a thread of its own, and a handle that ends them from a third.
    ///
    /// For what passes bytes on without a look at the calls in them. Dropping the writing half ends its direction, as
    /// far as the transport can end one alone.
    ///
    /// ```
    /// use ringpipe::rpc::Connection;
    /// use std::{
    ///     io::{self, Read},
    ///     os::unix::net::UnixStream,
    /// };
    ///
    /// let (a, b) = UnixStream::pair()?;
    /// let (mut reader, writer, _) = Connection::from(a).split();
    /// let (mut from, mut to, _) = Connection::from(b).split();
    /// let copying = std::thread::spawn(move || io::copy(&mut &b"passed on"[..], &mut to));
    /// let mut passed = [0; 9];
    /// reader.read_exact(&mut passed)?;
    /// assert_eq!(&passed, b"passed on");
    /// copying.join().unwrap()?;
    /// drop(writer);
    /// assert_eq!(io::copy(&mut from, &mut io::sink())?, 0, "the other direction has ended");
    /// # Ok::<(), io::Error>(())
    /// ```
    pub fn split(self) -> (ReadHalf, WriteHalf, Arc<dyn Hangup>) {
        let Self { input, output, hangup } = self;
        (ReadHalf(input), WriteHalf(output), hangup)
    }

    /// Connects to a server at `address`.
    ///
    /// # Blocking
    /// As long as the system takes to connect; [`dial_timeout`](Self::dial_timeout) limits that.
    ///
    /// # Errors
    /// [`SetupError::Dial`] with what the system said, [`SetupError::Unsupported`] for a transport this build lacks.
    pub fn dial(address: &Address) -> Result<Self, SetupError> {
        dial::dial(address, None)
    }

    /// Connects to a server at `address` within `timeout`.
    ///
    /// # Blocking
    /// At most that long, but for the look-up of a host's name, which has time limits of its own.
    ///
    /// # Errors
    /// As [`dial`](Self::dial); `TimedOut` as the source when the time was over first.
    pub fn dial_timeout(address: &Address, timeout: Duration) -> Result<Self, SetupError> {
        dial::dial(address, Some(timeout))
    }

    /// A connection over TCP, with Nagle's algorithm off: a request must not wait for the next one.
    ///
    /// # Errors
    /// What the system says of setting the option.
    pub fn tcp(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        #[cfg(any(target_os = "linux", target_os = "android"))]
        return Ok(socket::connection(stream));
        #[cfg(not(any(target_os = "linux", target_os = "android")))]
        {
            let (reader, writer) = (stream.try_clone()?, stream.try_clone()?);
            Ok(Self::from_streams(reader, writer, move || {
                // A connection that has ended already cannot be ended again, and that is all that can fail here.
                let _ = stream.shutdown(std::net::Shutdown::Both);
            }))
        }
    }
}

/// Tells a ring's reader that requests and replies are no stream.
fn in_conversation<R: ReadEnd + 'static>(mut reader: R) -> R {
    #[cfg(any(target_os = "linux", all(unix, feature = "portable")))]
    if let Some(reader) = (&mut reader as &mut dyn std::any::Any).downcast_mut::<crate::Reader>() {
        reader.expect_a_conversation();
    }
    reader
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn no_shm() -> SetupError {
    SetupError::Unsupported(
        "shm: is for Linux so far; use tcp:HOST:PORT, the client stays the same".into(),
    )
}

#[cfg(target_os = "linux")]
impl From<crate::Stream> for Connection {
    fn from(stream: crate::Stream) -> Self {
        let (reader, writer) = stream.split();
        Self::from_ends(reader, writer)
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
impl From<std::os::unix::net::UnixStream> for Connection {
    fn from(stream: std::os::unix::net::UnixStream) -> Self {
        socket::connection(stream)
    }
}

#[cfg(all(unix, not(any(target_os = "linux", target_os = "android"))))]
impl From<std::os::unix::net::UnixStream> for Connection {
    fn from(stream: std::os::unix::net::UnixStream) -> Self {
        let stream = Arc::new(stream);
        Self::from_streams(
            streams::Shared(Arc::clone(&stream)),
            streams::Shared(Arc::clone(&stream)),
            move || {
                // A connection that has ended already cannot be ended again, and that is all that can fail here.
                let _ = stream.shutdown(std::net::Shutdown::Both);
            },
        )
    }
}
