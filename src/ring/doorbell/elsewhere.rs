//! No descriptor beside the doorbell: no end of this system is polled.

use std::os::fd::{AsFd, BorrowedFd};

/// How an end can be waited for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Doorbell {
    /// By a call that blocks.
    #[default]
    Futex,
    /// Also by `poll` and what is built on it; not on this system.
    EventFd,
}

/// What an end polls: there is none.
#[derive(Debug)]
pub(crate) enum Light {}

/// What makes an end's [`Light`] readable: there is none.
#[derive(Debug)]
pub(crate) enum Switch {}

impl Light {
    pub(crate) fn clear(&self) {
        match *self {}
    }

    pub(crate) fn raise(&self) {
        match *self {}
    }
}

impl Switch {
    pub(crate) fn raise(&self) -> bool {
        match *self {}
    }
}

impl AsFd for Light {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match *self {}
    }
}
