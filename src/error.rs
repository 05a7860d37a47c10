//! Every way a pipe end can fail, and the [`io::ErrorKind`] each one wears.
//!
//! Reading and writing return [`io::Error`], because that is what `std::io::{Read, Write}` speak; inside it
//! sits an [`Error`], which [`Error::of`] finds again. Set-up functions return [`Error`] itself, which
//! converts into `io::Error` with `?`.
//!
//! | error | kind |
//! |---|---|
//! | [`Error::Closed`] | `BrokenPipe` |
//! | [`Error::ClosedWith`] | the kind the other end gave, `Other` if it was no `io::Error` |
//! | [`Error::PeerDied`] | reader: `UnexpectedEof`; writer: `BrokenPipe` |
//! | [`Error::Timeout`] | `TimedOut` |
//! | a call that must not wait would have to | `WouldBlock` |
//! | [`Error::Deadlock`] | `Deadlock` |
//! | [`Error::Corrupt`], [`Error::Refused`] | `InvalidData` |
//! | [`Error::Capacity`], [`Error::Invalid`] | `InvalidInput` |
//! | [`Error::Forked`], [`Error::Unsupported`] | `Unsupported` |
//! | [`Error::Os`] | the kind of the operating system's error |

use std::{error, fmt, io, sync::Arc};

/// What an end may be closed with: any error that can cross threads.
pub type BoxError = Box<dyn error::Error + Send + Sync>;

/// Why an operation on an end, or the making of one, failed.
///
/// Cloning is cheap; results of an end are sticky, so the same error is handed out as often as asked.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Error {
    /// This side closed the end, or the other side closed without an error and will not read any more.
    Closed,
    /// The other side closed with this error.
    ClosedWith(Cause),
    /// The other process died without closing. A reader gets this after it drained every acknowledged byte.
    PeerDied {
        /// For a writer: how many acknowledged bytes were never consumed. `None` for a reader.
        unconsumed: Option<u64>,
    },
    /// The deadline passed. Not sticky: clear the deadline, and the end works again with nothing lost.
    Timeout,
    /// Every thread of the process waits on an in-memory pipe; the text names the pipe and the way out.
    Deadlock(Arc<str>),
    /// The peer wrote something into shared memory that no correct peer writes. The end is unusable from here on.
    Corrupt(&'static str),
    /// The two sides do not agree on how to talk: wrong version, wrong seals, wrong size, a broken greeting.
    Refused(Arc<str>),
    /// A ring cannot have the capacity that was asked for.
    Capacity {
        /// Bytes asked for.
        asked: usize,
        /// A capacity that works.
        nearest: usize,
    },
    /// An argument that can never work; the text says what would.
    Invalid(Arc<str>),
    /// This is a copy of an end that `fork` made; only the process that created the end may use it.
    Forked,
    /// This system, kernel or address cannot do what was asked; the text says what is missing.
    Unsupported(Arc<str>),
    /// A call to the operating system failed.
    Os {
        /// What was being done, as a phrase: "allocating 1048576 bytes of shared memory".
        doing: Arc<str>,
        /// `errno` as the system gave it.
        code: i32,
    },
}

/// The error an end was closed with, as the other end sees it.
///
/// In memory it is the very object the closer gave: [`Cause::get_ref`] and `downcast_ref` find it as often as
/// asked. Across processes it is the peer's word: a kind and at most 240 bytes of text, which must be treated as
/// untrusted (a terminal escape sequence in it is shown escaped by `Display`).
#[derive(Clone)]
pub struct Cause {
    kind: io::ErrorKind,
    error: Arc<dyn error::Error + Send + Sync>,
}

impl Cause {
    /// Takes an error as its closer gave it; an [`io::Error`] keeps its kind, everything else is `Other`.
    pub fn new(error: impl Into<BoxError>) -> Self {
        let error: BoxError = error.into();
        let kind = error.downcast_ref::<io::Error>().map_or(io::ErrorKind::Other, io::Error::kind);
        Self { kind, error: Arc::from(error) }
    }

    /// The kind a reader or writer of the other end sees.
    pub fn kind(&self) -> io::ErrorKind {
        self.kind
    }

    /// The error itself: in memory the closer's own object, across processes a [`RemoteError`].
    pub fn get_ref(&self) -> &(dyn error::Error + Send + Sync + 'static) {
        &*self.error
    }
}

impl From<RemoteError> for Cause {
    fn from(error: RemoteError) -> Self {
        Self { kind: error.kind, error: Arc::new(error) }
    }
}

impl fmt::Debug for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cause").field("kind", &self.kind).field("error", &self.error).finish()
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

/// An error that came from another process: its kind and its words, and nothing else of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteError {
    kind: io::ErrorKind,
    text: Box<str>,
}

impl RemoteError {
    pub(crate) fn new(kind: io::ErrorKind, text: impl Into<Box<str>>) -> Self {
        Self { kind, text: text.into() }
    }

    /// The kind the peer gave.
    pub fn kind(&self) -> io::ErrorKind {
        self.kind
    }

    /// The peer's text exactly as it arrived, at most 240 bytes. Untrusted: it may hold control characters.
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for RemoteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.text.chars() {
            if c.is_control() {
                write!(f, "{}", c.escape_default())?
            } else {
                fmt::Write::write_char(f, c)?
            }
        }
        Ok(())
    }
}

impl error::Error for RemoteError {}

impl Error {
    /// The ringpipe error inside an [`io::Error`], if it holds one.
    ///
    /// ```
    /// use std::io::Write;
    /// let (reader, mut writer) = ringpipe::pipe();
    /// drop(reader);
    /// let error = writer.write(b"x").unwrap_err();
    /// assert!(matches!(ringpipe::Error::of(&error), Some(ringpipe::Error::Closed)));
    /// ```
    pub fn of(error: &io::Error) -> Option<&Self> {
        error.get_ref()?.downcast_ref()
    }

    /// The closer's own error of type `E` inside an [`io::Error`], if that is what the pipe was closed with.
    ///
    /// ```
    /// use std::io::Read;
    /// let (mut reader, writer) = ringpipe::pipe();
    /// writer.close_with_error("x".parse::<i32>().unwrap_err());
    /// let error = reader.read(&mut [0]).unwrap_err();
    /// assert!(ringpipe::Error::cause::<std::num::ParseIntError>(&error).is_some());
    /// ```
    pub fn cause<E: error::Error + 'static>(error: &io::Error) -> Option<&E> {
        match Self::of(error)? {
            Self::ClosedWith(cause) => cause.get_ref().downcast_ref(),
            _ => None,
        }
    }

    /// The [`io::ErrorKind`] this error wears inside an [`io::Error`].
    pub fn kind(&self) -> io::ErrorKind {
        use io::ErrorKind as K;
        match self {
            Self::Closed | Self::PeerDied { unconsumed: Some(_) } => K::BrokenPipe,
            Self::PeerDied { unconsumed: None } => K::UnexpectedEof,
            // Everybody retries after `Interrupted`; this answer stays the same for ever.
            Self::ClosedWith(cause) if cause.kind == K::Interrupted => K::Other,
            Self::ClosedWith(cause) => cause.kind,
            Self::Timeout => K::TimedOut,
            Self::Deadlock(_) => K::Deadlock,
            Self::Corrupt(_) | Self::Refused(_) => K::InvalidData,
            Self::Capacity { .. } | Self::Invalid(_) => K::InvalidInput,
            Self::Forked | Self::Unsupported(_) => K::Unsupported,
            Self::Os { code, .. } => io::Error::from_raw_os_error(*code).kind(),
        }
    }

    pub(crate) fn invalid(text: impl Into<Arc<str>>) -> Self {
        Self::Invalid(text.into())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("read/write on closed pipe"),
            Self::ClosedWith(cause) => cause.fmt(f),
            Self::PeerDied { unconsumed: None } => {
                f.write_str("the writing process died before it closed the stream")
            }
            Self::PeerDied { unconsumed: Some(n) } => {
                write!(f, "the reading process died with {n} bytes not consumed")
            }
            Self::Timeout => f.write_str("the deadline passed"),
            Self::Deadlock(text) | Self::Refused(text) | Self::Invalid(text) | Self::Unsupported(text) => {
                f.write_str(text)
            }
            Self::Capacity { asked, nearest } => write!(
                f,
                "capacity {asked} is not a power of two from 4096 to 1073741824; the nearest that works is {nearest}"
            ),
            Self::Corrupt(what) => write!(f, "the peer corrupted the shared memory: {what}"),
            Self::Forked => f.write_str(
                "this end belongs to the process before fork; create or connect a new one in the child",
            ),
            Self::Os { doing, code } => write!(f, "{doing}: {}", io::Error::from_raw_os_error(*code)),
        }
    }
}

impl error::Error for Error {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::ClosedWith(cause) => Some(cause.get_ref()),
            _ => None,
        }
    }
}

impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        Self::new(error.kind(), error)
    }
}

/// The answer of a call that must not block and cannot proceed; allocates nothing, so that polling stays cheap.
pub(crate) fn would_block() -> io::Error {
    io::ErrorKind::WouldBlock.into()
}
