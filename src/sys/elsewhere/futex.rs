//! No word of memory to sleep on: whoever would must doze instead.

use super::clock::Moment;
use crate::sync::AtomicU32;

/// Why a wait ended. None of these says that anything happened: the caller looks for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Woke {
    /// A wake, a signal, or the word was not `expected` any more.
    LookAgain,
    /// The deadline passed.
    DeadlinePassed,
    /// The system does not do this; waiting must go another way.
    Unavailable,
}

/// Does not sleep.
pub(crate) fn wait(_word: &AtomicU32, _expected: u32, _deadline: Option<Moment>) -> Woke {
    Woke::Unavailable
}

/// Nobody sleeps.
pub(crate) fn wake(_word: &AtomicU32) -> bool {
    true
}
