//! No socket ties two processes together here; the portable backend has a [`Tie`](super::Tie) of its own.

/// There is none.
#[derive(Debug)]
pub(crate) enum Link {}

impl Link {
    pub(crate) fn is_watched(&self) -> bool {
        match *self {}
    }

    pub(crate) fn is_hung_up(&self) -> bool {
        match *self {}
    }

    pub(crate) fn hang_up(&self) {
        match *self {}
    }
}
