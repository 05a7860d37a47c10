//! How two processes that know nothing but a path come to share a pair of rings.
//!
//! A Unix socket is the rendezvous: the permissions of its directory and the kernel's word about the peer's user decide
//! who may connect. Each side makes the memory that it will write, seals it, and sends the descriptors with a greeting; each
//! refuses whatever is not exactly right. The socket stays open as the tie that breaks when a process dies.

mod greeting;
mod handshake;
mod listener;

pub(crate) use greeting::Handover;
pub(crate) use handshake::{accept, connect, receive_handover, send_handover};
pub use listener::Listener;
pub(crate) use listener::connect_path;
#[cfg(feature = "rpc")]
pub(crate) use listener::{claim, dial, leave};
