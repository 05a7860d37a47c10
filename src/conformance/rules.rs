//! What one transport promises, where transports may differ from each other.
//!
//! Everything else is the same for all: it is not in [`Rules`], because nobody can opt out of it.

/// When a write returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteReturns {
    /// When reads have consumed all of it: there is no buffer.
    Consumed,
    /// When all of it lies in a buffer that the reader will drain.
    Buffered {
        /// Bytes that are accepted while nobody reads.
        capacity: usize,
        /// Whether `capacity` is exact; otherwise it is the least that is accepted.
        exact: bool,
    },
}

/// How far one read may reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reads {
    /// One read returns bytes of at most one write.
    WithinOneWrite,
    /// One read returns whatever is there, across the borders of writes.
    AcrossWrites,
}

/// What becomes of bytes that were not read when the writer closes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unread {
    /// They are lost with the write that was blocked.
    Lost,
    /// The reader gets every byte that a write acknowledged, and the end of the stream after it.
    Delivered,
}

/// What is left of an error when it has crossed to the other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Errors {
    /// The very object the closer gave, as often as asked.
    SameObject,
    /// Its `ErrorKind` and at most 240 bytes of its text, shown with control characters escaped.
    KindAndText,
}

/// What an end says when both ends have been closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BothClosed {
    /// That it is closed, whatever the other end was closed with.
    Closed,
    /// That it is closed, or what the other end was closed with first.
    FirstWordStays,
}

/// What an empty write does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EmptyWrite {
    /// It waits for a reader, as every write does, and the reader goes on waiting for bytes.
    MeetsRead,
    /// Nothing, and it returns at once.
    Nothing,
}

/// The description of a transport that the suite holds it to.
///
/// Start from [`Rules::in_memory`] or [`Rules::ring`] and change what is different.
///
/// ```
/// use ringpipe::conformance::{Errors, Rules};
/// // A buffered transport whose ends share a process, so that errors arrive as the objects they are.
/// let rules = Rules { errors: Errors::SameObject, ..Rules::ring(4096) };
/// assert_eq!(rules.capacity(), Some(4096));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// When a write returns.
    pub write_returns: WriteReturns,
    /// How far one read may reach.
    pub reads: Reads,
    /// What becomes of unread bytes when the writer closes.
    pub unread: Unread,
    /// What is left of an error on its way to the other end.
    pub errors: Errors,
    /// What an end says when both are closed.
    pub both_closed: BothClosed,
    /// What an empty write does.
    pub empty_write: EmptyWrite,
}

impl Rules {
    /// A pipe without a buffer in one process.
    pub fn in_memory() -> Self {
        Self {
            write_returns: WriteReturns::Consumed,
            reads: Reads::WithinOneWrite,
            unread: Unread::Lost,
            errors: Errors::SameObject,
            both_closed: BothClosed::Closed,
            empty_write: EmptyWrite::MeetsRead,
        }
    }

    /// A ring that holds exactly `capacity` bytes.
    pub fn ring(capacity: usize) -> Self {
        Self {
            write_returns: WriteReturns::Buffered { capacity, exact: true },
            reads: Reads::AcrossWrites,
            unread: Unread::Delivered,
            errors: Errors::KindAndText,
            both_closed: BothClosed::FirstWordStays,
            empty_write: EmptyWrite::Nothing,
        }
    }

    /// How many bytes are accepted while nobody reads; `None` without a buffer.
    pub fn capacity(&self) -> Option<usize> {
        match self.write_returns {
            WriteReturns::Consumed => None,
            WriteReturns::Buffered { capacity, .. } => Some(capacity),
        }
    }

    pub(super) fn capacity_is_exact(&self) -> bool {
        matches!(self.write_returns, WriteReturns::Buffered { exact: true, .. })
    }
}
