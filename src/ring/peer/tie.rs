//! What ties two processes together where no socket does: each holds the lock of a file, and can ask for the other's.

use std::fs::File;

use crate::sys::lock;

/// The lock this process holds, and the file whose lock the peer holds. The kernel releases a lock when its holder dies.
#[derive(Debug)]
pub(crate) struct Tie {
    _own: File,
    peer: File,
}

impl Tie {
    /// `own` is locked, and stays so for as long as the tie lives.
    pub(crate) fn new(own: File, peer: File) -> Self {
        Self { _own: own, peer }
    }

    /// Whether the peer holds its lock no more: it is dead, or has dropped its ends.
    pub(crate) fn is_broken(&self) -> bool {
        // Once had, the lock stays here, and is had again. An error says nothing about the peer.
        lock::try_lock(&self.peer).unwrap_or(false)
    }
}
