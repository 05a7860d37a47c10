//! What a victim may say, and what it must say for ever once it has said it.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part of it")]

use std::io::{self, ErrorKind};

use ringpipe::Error;

/// An answer without its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    WouldBlock,
    Timeout,
    Invalid,
    Corrupt,
    Closed,
    ClosedWith(ErrorKind),
    PeerDied,
}

impl Verdict {
    /// Panics for an error that no peer may cause.
    pub fn of(error: &io::Error) -> Self {
        let kind = error.kind();
        assert_ne!(kind, ErrorKind::Interrupted, "surfaced: {error}");
        match Error::of(error) {
            None if kind == ErrorKind::WouldBlock => Self::WouldBlock,
            Some(Error::Timeout) => Self::Timeout,
            Some(Error::Invalid(_)) => Self::Invalid,
            Some(Error::Corrupt(_)) => Self::Corrupt,
            Some(Error::Closed) => Self::Closed,
            Some(Error::ClosedWith(_)) => Self::ClosedWith(kind),
            Some(Error::PeerDied { .. }) => Self::PeerDied,
            _ => panic!("no peer may cause this: {error:?}"),
        }
    }

    /// Whether the end answers the same from now on.
    pub fn is_final(self) -> bool {
        !matches!(self, Self::WouldBlock | Self::Timeout | Self::Invalid)
    }
}
