//! The shared-memory ring: one writer, one reader, and between them a mapped file.
//!
//! Built with `--cfg loom`, the ends, the waiting and the core are there unchanged, over modelled
//! memory and a modelled kernel; only what joins processes is left out.

pub(crate) mod core;
mod doorbell;
mod end;
#[cfg(all(target_os = "linux", not(loom)))]
mod handover;
mod in_place;
#[cfg(all(target_os = "linux", not(loom)))]
mod meet;
#[cfg(target_os = "linux")]
#[cfg_attr(loom, path = "memory/modelled.rs")]
mod memory;
mod message;
#[cfg(all(test, loom))]
mod models;
mod options;
mod peer;
mod planted;
mod pollable;
#[cfg(feature = "portable")]
pub mod portable;
mod reader;
mod residency;
mod stats;
#[cfg(not(loom))]
mod stream;
mod wait;
mod waiting;
mod writer;

pub use doorbell::pollable::Doorbell;
pub use in_place::{Grant, Span};
#[cfg(all(target_os = "linux", not(loom)))]
pub use meet::Listener;
#[cfg(all(target_os = "linux", not(loom), feature = "rpc"))]
pub(crate) use meet::{claim, dial, leave};
pub use options::Options;
pub use pollable::Pollable;
pub use reader::Reader;
pub use residency::Residency;
pub use stats::Stats;
#[cfg(not(loom))]
pub use stream::Stream;
pub use wait::Wait;
pub use writer::Writer;

#[cfg(all(target_os = "linux", not(loom)))]
pub use crate::sys::socket::Credentials;

#[cfg(target_os = "linux")]
use crate::error::Error;

/// Makes a ring of `capacity` bytes, a power of two from 4 KiB to 1 GiB, with both ends in this process.
///
/// # Errors
/// As [`Options::ring`].
///
/// ```
/// let error = ringpipe::ring(3).unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "capacity 3 is not a power of two from 4096 to 1073741824; the nearest that works is 4096"
/// );
/// ```
#[cfg(target_os = "linux")]
pub fn ring(capacity: usize) -> Result<(Reader, Writer), Error> {
    Options::new().capacity(capacity).ring()
}
