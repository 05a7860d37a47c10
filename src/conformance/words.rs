//! What an end may say when there are no bytes, and how each of it is told apart.

use std::{error, fmt, io};

use super::{
    case::Verdict,
    rules::{Errors, Rules},
};
use crate::error::{BoxError, Error};

/// The text of the error of a closed end.
const CLOSED: &str = "read/write on closed pipe";

/// An error of the suite's own, to be found again at the other end.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Marker {
    number: u64,
}

impl fmt::Display for Marker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "marker {} was here", self.number)
    }
}

impl error::Error for Marker {}

/// An error an end is closed with, as often as wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Word {
    /// An object of the suite's own type, with this number.
    Marker(u64),
    /// An `io::Error` of this kind with this text.
    Io(io::ErrorKind, String),
}

impl Word {
    pub(super) fn error(&self) -> BoxError {
        match self {
            Self::Marker(number) => Box::new(Marker { number: *number }),
            Self::Io(kind, text) => Box::new(io::Error::new(*kind, text.clone())),
        }
    }

    fn kind(&self) -> io::ErrorKind {
        match self {
            Self::Marker(_) => io::ErrorKind::Other,
            Self::Io(kind, _) => *kind,
        }
    }

    fn text(&self) -> String {
        self.error().to_string()
    }

    fn matches(&self, error: &io::Error, rules: &Rules) -> Verdict {
        if error.kind() != self.kind() {
            return Err(format!("its kind is {:?}, not {:?}", error.kind(), self.kind()));
        }
        if error.to_string() != self.text() {
            return Err(format!("its text is {:?}, not {:?}", error.to_string(), self.text()));
        }
        if rules.errors == Errors::KindAndText {
            return Ok(());
        }
        let same = match self {
            Self::Marker(number) => {
                Error::cause::<Marker>(error).is_some_and(|marker| marker.number == *number)
            }
            Self::Io(kind, _) => {
                Error::cause::<io::Error>(error).is_some_and(|inner| inner.kind() == *kind)
            }
        };
        if same {
            Ok(())
        } else {
            Err("a downcast does not find the closer's own object in it".into())
        }
    }
}

/// What a call should have said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Says {
    /// The end of the stream: `Ok(0)` from a read.
    Eof,
    /// `BrokenPipe`, "read/write on closed pipe".
    Closed,
    /// `TimedOut`.
    Timeout,
    /// `WouldBlock`.
    WouldBlock,
    /// The error that the other end was closed with.
    Word(Word),
}

impl Says {
    /// Fails unless `got` says this. Bytes are never right here.
    pub(super) fn check<T: AsCount>(
        &self,
        what: &str,
        got: &io::Result<T>,
        rules: &Rules,
    ) -> Verdict {
        let wrong = |why: &str| {
            let got = match got {
                Ok(bytes) => format!("Ok({})", bytes.count()),
                Err(error) => format!("{:?} \"{error}\"", error.kind()),
            };
            Err(format!("{what} answered {got} instead of {self:?}{why}"))
        };
        match (self, got) {
            (Self::Eof, Ok(bytes)) if bytes.count() == 0 => Ok(()),
            (Self::Closed, Err(error))
                if error.kind() == io::ErrorKind::BrokenPipe && error.to_string() == CLOSED =>
            {
                Ok(())
            }
            (Self::Timeout, Err(error)) if error.kind() == io::ErrorKind::TimedOut => Ok(()),
            (Self::WouldBlock, Err(error)) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            (Self::Word(word), Err(error)) => match word.matches(error, rules) {
                Ok(()) => Ok(()),
                Err(why) => wrong(&format!(": {why}")),
            },
            _ => wrong(""),
        }
    }

    /// Fails unless `got` says one of `all`.
    pub(super) fn check_any<T: AsCount>(
        all: &[Self],
        what: &str,
        got: &io::Result<T>,
        rules: &Rules,
    ) -> Verdict {
        let mut why = Vec::new();
        for says in all {
            match says.check(what, got, rules) {
                Ok(()) => return Ok(()),
                Err(error) => why.push(error),
            }
        }
        Err(why.join("; "))
    }
}

/// The number of bytes a read or write answered with.
pub(super) trait AsCount {
    fn count(&self) -> usize;
}

impl AsCount for usize {
    fn count(&self) -> usize {
        *self
    }
}

impl AsCount for Vec<u8> {
    fn count(&self) -> usize {
        self.len()
    }
}
