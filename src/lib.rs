//! A pipe as Go's `io.Pipe`, in memory and between processes, behind one API.
#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod ends;
pub mod error;
pub mod pipe;
mod sync;

pub use ends::{Control, Gate, ReadEnd, WriteEnd};
pub use error::{Error, RemoteError};
pub use pipe::{PipeReader, PipeWriter, pipe};
