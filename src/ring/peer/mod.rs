//! Is the other process alive?
//!
//! Each stream keeps the socket over which the two sides met, and a pidfd of the peer where the kernel gives one. When
//! the peer's process ends, the kernel closes its side of the socket and marks the pidfd, and one thread per process
//! waits for either. The socket alone would hide the death for as long as a process lives that the dead had forked. No
//! heartbeats, and nothing in shared memory that a dead peer could leave locked.

#[cfg_attr(loom, path = "modelled.rs")]
#[cfg_attr(all(not(target_os = "linux"), not(loom)), path = "elsewhere.rs")]
mod link;
#[cfg(feature = "portable")]
mod tie;
#[cfg(all(target_os = "linux", not(loom)))]
mod watcher;

pub(crate) use link::Link;
#[cfg(feature = "portable")]
pub(crate) use tie::Tie;
