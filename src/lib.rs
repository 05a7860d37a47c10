//! A pipe as Go's `io.Pipe`, in memory and between processes, behind one API.
#![deny(clippy::print_stdout, clippy::unwrap_used)]

#[cfg(feature = "conformance")]
pub mod conformance;
pub mod ends;
pub mod error;
#[cfg(target_os = "linux")]
pub mod ring;
mod sync;
#[cfg(target_os = "linux")]
mod sys;

pub use ends::{Control, Gate, ReadEnd, WriteEnd};
pub use error::{Error, RemoteError};
#[cfg(target_os = "linux")]
pub use ring::{
    Doorbell, Grant, Listener, Options, Pollable, Reader, Span, Stats, Stream, Wait, Writer, ring,
};
