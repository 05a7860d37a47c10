//! A kernel without the call: loom cannot fence another thread, so each side has its own fence in the models.
//!
//! For the protocol that makes no difference. The call fences the publisher at some point of its program: before its
//! store or after its look, which is as if its own fence had come later or earlier than the sleeper's, or in between, where its own
//! fence stands.

pub(crate) fn available() -> bool {
    false
}

pub(crate) fn barrier() -> bool {
    false
}
