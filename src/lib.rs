//! A pipe as Go's `io.Pipe`, in memory and between processes, behind one API.
#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod ends;
pub mod error;
#[cfg(target_os = "linux")]
pub mod ring;
#[cfg(feature = "rpc")]
#[cfg_attr(docsrs, doc(cfg(feature = "rpc")))]
pub mod rpc;
mod sync;
#[cfg(target_os = "linux")]
mod sys;

pub use ends::{Control, Gate, ReadEnd, WriteEnd};
pub use error::{Error, RemoteError};
#[cfg(target_os = "linux")]
pub use ring::{Listener, Options, Reader, Stats, Stream, Wait, Writer, ring};
