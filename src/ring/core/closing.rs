//! The last words of a side: closed, or closed with an error that crosses the process border.

use std::io::ErrorKind;

use super::{
    Corrupt,
    layout::{MAX_TEXT, Side, state},
};
use crate::{
    error::{Cause, RemoteError},
    sync::Ordering,
};

/// What the other side has said about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PeerState {
    Open,
    Closed,
    Error(RemoteError),
}

impl PeerState {
    /// Reads the record in `side`, which belongs to the peer: every word of it is checked before it is used.
    #[inline]
    pub(crate) fn load(side: &Side) -> Result<Self, Corrupt> {
        // ORDER(E5): synchronizes with the Release in `publish`; the record and the last position are visible.
        match side.closing.state.load(Ordering::Acquire) {
            state::OPEN => Ok(Self::Open),
            state::CLOSED => Ok(Self::Closed),
            state::ERROR => Ok(Self::Error(load_error(side))),
            _ => Err(Corrupt("the state is neither open, closed nor error")),
        }
    }
}

#[cold]
fn load_error(side: &Side) -> RemoteError {
    let closing = &side.closing;
    let kind = kind_of(closing.kind.load(Ordering::Relaxed));
    let length = (closing.length.load(Ordering::Relaxed) as usize).min(MAX_TEXT);
    let bytes: Vec<u8> =
        closing.text.iter().flat_map(|word| word.load(Ordering::Relaxed).to_le_bytes()).collect();
    RemoteError::new(kind, String::from_utf8_lossy(&bytes[..length]))
}

/// Writes this side's last words. Called once in the life of a side, by whoever closes it first.
pub(crate) fn publish(side: &Side, cause: Option<&Cause>) {
    let value = match cause {
        None => state::CLOSED,
        Some(cause) => {
            store_error(side, cause);
            state::ERROR
        }
    };
    // ORDER(E5): synchronizes with the Acquire in `PeerState::load`; the record above and every position this side
    // stored before are visible.
    side.closing.state.store(value, Ordering::Release);
}

#[cold]
fn store_error(side: &Side, cause: &Cause) {
    let closing = &side.closing;
    let text = cause.to_string();
    let text = &text[..floor_char_boundary(&text, MAX_TEXT)];
    for (word, bytes) in closing.text.iter().zip(text.as_bytes().chunks(8)) {
        let mut eight = [0; 8];
        eight[..bytes.len()].copy_from_slice(bytes);
        word.store(u64::from_le_bytes(eight), Ordering::Relaxed);
    }
    closing.length.store(text.len() as u32, Ordering::Relaxed);
    closing.kind.store(code_of(cause.kind()), Ordering::Relaxed);
}

/// The last place at or before `limit` where `text` can be cut.
fn floor_char_boundary(text: &str, limit: usize) -> usize {
    (0..=limit.min(text.len())).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0)
}

/// The wire code of each kind that crosses the border: its index, plus one. Entries are only ever appended; 0 and
/// unknown codes are `Other`. `Interrupted` and `WouldBlock` are missing on purpose: std and most callers answer them
/// by trying again, so that a peer's sticky word would keep them busy for ever.
const KINDS: [ErrorKind; 36] = [
    ErrorKind::NotFound,
    ErrorKind::PermissionDenied,
    ErrorKind::ConnectionRefused,
    ErrorKind::ConnectionReset,
    ErrorKind::HostUnreachable,
    ErrorKind::NetworkUnreachable,
    ErrorKind::ConnectionAborted,
    ErrorKind::NotConnected,
    ErrorKind::AddrInUse,
    ErrorKind::AddrNotAvailable,
    ErrorKind::NetworkDown,
    ErrorKind::BrokenPipe,
    ErrorKind::AlreadyExists,
    ErrorKind::NotADirectory,
    ErrorKind::IsADirectory,
    ErrorKind::DirectoryNotEmpty,
    ErrorKind::ReadOnlyFilesystem,
    ErrorKind::StaleNetworkFileHandle,
    ErrorKind::InvalidInput,
    ErrorKind::InvalidData,
    ErrorKind::TimedOut,
    ErrorKind::WriteZero,
    ErrorKind::StorageFull,
    ErrorKind::NotSeekable,
    ErrorKind::QuotaExceeded,
    ErrorKind::FileTooLarge,
    ErrorKind::ResourceBusy,
    ErrorKind::ExecutableFileBusy,
    ErrorKind::Deadlock,
    ErrorKind::TooManyLinks,
    ErrorKind::ArgumentListTooLong,
    ErrorKind::Unsupported,
    ErrorKind::UnexpectedEof,
    ErrorKind::OutOfMemory,
    ErrorKind::Other,
    ErrorKind::CrossesDevices,
];

fn code_of(kind: ErrorKind) -> u32 {
    KINDS.iter().position(|&k| k == kind).map_or(0, |index| index as u32 + 1)
}

fn kind_of(code: u32) -> ErrorKind {
    let known = (code as usize).checked_sub(1).and_then(|index| KINDS.get(index));
    known.copied().unwrap_or(ErrorKind::Other)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn every_kind_survives_the_crossing() {
        for kind in KINDS {
            assert_eq!(kind_of(code_of(kind)), kind);
        }
        assert_eq!(kind_of(0), ErrorKind::Other);
        assert_eq!(kind_of(u32::MAX), ErrorKind::Other);
    }

    #[test]
    fn a_long_text_is_cut_between_characters() {
        let side = Side::default();
        publish(&side, Some(&Cause::new("ü".repeat(200))));
        let Ok(PeerState::Error(error)) = PeerState::load(&side) else { panic!("no error") };
        assert_eq!(error.text(), "ü".repeat(120));
    }

    #[test]
    fn a_record_of_lies_is_read_within_its_bounds() {
        let side = Side::default();
        side.closing.length.store(u32::MAX, Ordering::Relaxed);
        side.closing.text[0].store(u64::MAX, Ordering::Relaxed);
        side.closing.state.store(state::ERROR, Ordering::Relaxed);
        let Ok(PeerState::Error(error)) = PeerState::load(&side) else { panic!("no error") };
        assert!(error.text().starts_with('\u{fffd}'));
        side.closing.state.store(3, Ordering::Relaxed);
        assert!(PeerState::load(&side).is_err());
    }
}
