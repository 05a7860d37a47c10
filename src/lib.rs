//! A pipe, in memory and between processes, behind one API.
//!
//! * [`pipe()`] is Go's `io.Pipe`: two ends in one process, no buffer, each write handed straight to the reads that
//!   take it.
//! * [`ring()`] is a lock-free ring in shared memory, for one writer and one reader. With both ends in one process it
//!   joins threads; one end can be handed to a child; and over a path, [`Listener`] and [`Stream::connect`] join
//!   processes that know nothing of each other by two rings, one each way.
//!
//! Both have the same ends: `std::io::{Read, Write}`, and on top of that what a pipe can do and a file cannot.
//! They are closed, with an error if need be, which the other side gets, in the other process too. They have deadlines, which
//! another thread may move while a call is blocked. They notice when the process on the other side dies, after having
//! delivered every byte it wrote. [`ReadEnd`] and [`WriteEnd`] are these verbs as traits.
//!
//! ```
//! use std::io::{Read, Write};
//!
//! let (mut reader, mut writer) = ringpipe::ring(1 << 20)?;
//! let producer = std::thread::spawn(move || -> std::io::Result<()> {
//!     writer.write_all(b"all of it")?;
//!     writer.close_with_error(std::io::Error::other("the sensor is unplugged"));
//!     Ok(())
//! });
//! let mut text = String::new();
//! let error = reader.read_to_string(&mut text).unwrap_err();
//! assert_eq!((text.as_str(), error.to_string().as_str()), ("all of it", "the sensor is unplugged"));
//! # producer.join().unwrap()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What it is not
//! One writer and one reader: no publish and subscribe, no queue of many producers. One machine: no network. The ring runs on
//! Linux; elsewhere there is the in-memory pipe.
//!
//! # Trust
//! The other process is a stranger: it may die, stop, scribble over everything it can write, or lie. It can garble
//! its own data. It cannot make this process hang past a deadline, crash, or touch memory outside of the ring.
//!
//! # Where to find what
//! [`pipe`](mod@pipe) is the pipe in memory, [`ring`](mod@ring) the ring, [`ends`] what they have in common, and [`error`] every way to
//! fail. `docs/protocol.md` in the repository describes the shared memory for other languages.
#![deny(clippy::print_stdout, clippy::unwrap_used)]
#![cfg_attr(
    loom,
    allow(
        clippy::unwrap_used,
        dead_code,
        unused_imports,
        reason = "the models leave out what joins processes, and have locks of their own"
    )
)]

#[cfg(all(feature = "conformance", not(loom)))]
pub mod conformance;
pub mod ends;
pub mod error;
#[cfg(not(loom))]
pub mod pipe;
#[cfg(any(target_os = "linux", all(unix, feature = "portable")))]
#[cfg_attr(
    not(target_os = "linux"),
    allow(dead_code, reason = "what meets over sockets and shares descriptors is for Linux alone")
)]
pub mod ring;
#[cfg(all(feature = "rpc", not(loom)))]
#[cfg_attr(docsrs, doc(cfg(feature = "rpc")))]
pub mod rpc;
mod sync;
#[cfg(any(target_os = "linux", all(unix, feature = "portable")))]
#[cfg_attr(
    not(target_os = "linux"),
    allow(dead_code, reason = "what meets over sockets and shares descriptors is for Linux alone")
)]
mod sys;

pub use ends::{Control, Gate, ReadEnd, WriteEnd};
pub use error::{Error, RemoteError};
#[cfg(not(loom))]
pub use pipe::{PipeReader, PipeWriter, pipe};
#[cfg(all(unix, feature = "portable"))]
pub use ring::portable;
#[cfg(all(target_os = "linux", not(loom)))]
pub use ring::{Credentials, Listener, ring};
#[cfg(any(all(target_os = "linux", not(loom)), all(unix, feature = "portable")))]
pub use ring::{
    Doorbell, Grant, Options, Pollable, Reader, Residency, Span, Stats, Stream, Wait, Writer,
};

/// The examples of the README, held to what they say.
#[cfg(all(doctest, target_os = "linux"))]
#[doc = include_str!("../README.md")]
struct Readme;
