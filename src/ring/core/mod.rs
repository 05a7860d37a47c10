//! The lock-free protocol: where each word lies, who writes it, and in which order.
//!
//! This module knows no operating system: it works on three areas of memory that somebody else provides, and
//! the models run it on the heap. It never blocks; waiting is [`wait`](super::wait)'s business.

pub(crate) mod areas;
pub(crate) mod closing;
pub(crate) mod consumer;
pub(crate) mod copy;
pub(crate) mod header;
pub(crate) mod layout;
pub(crate) mod producer;

pub(crate) use areas::Areas;
pub(crate) use closing::PeerState;
pub(crate) use consumer::Consumer;
pub(crate) use producer::Producer;

/// A peer's word that no correct peer writes; the text says which rule it broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Corrupt(pub(crate) &'static str);
