//! Calls in the manner of Go's `net/rpc`, over any pair of ends.
//!
//! A [`Server`] answers the methods of registered services; a [`Client`] calls them, waits for the reply or starts
//! many calls at once. What carries the calls is a [`Connection`]: a Unix or TCP socket, two in-memory pipes, the two
//! halves of a ring stream, anything that reads and writes. How they are written is a [`Codec`]. Neither changes
//! a line of the program around it.
//!
//! ```
//! use ringpipe::rpc::{Client, Codec, Connection, Server, Service};
//! use std::os::unix::net::UnixStream;
//!
//! let server = Server::new();
//! server.register(
//!     Service::new("Arith")
//!         .method("Multiply", |(a, b): (i64, i64)| Ok::<_, String>(a * b))
//!         .method("Divide", |(a, b): (i64, i64)| a.checked_div(b).ok_or("divide by zero")),
//! )?;
//!
//! let (here, there) = UnixStream::pair()?;
//! std::thread::scope(|s| {
//!     s.spawn(|| server.serve(Connection::from(there), Codec::Bin));
//!
//!     let client = Client::new(Connection::from(here), Codec::Bin)?;
//!     assert_eq!(client.call::<_, i64>("Arith.Multiply", &(17, 8))?, 136);
//!
//!     let started = client.start::<_, i64>("Arith.Divide", &(1, 0));
//!     assert_eq!(started.wait().unwrap_err().to_string(), "divide by zero");
//!     client.close()?;
//!     Ok::<(), Box<dyn std::error::Error>>(())
//! })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What is promised
//! * The handlers of one connection run in parallel, and replies may overtake each other.
//! * Every call ends exactly once. A reply that has arrived wins over a deadline, a cancellation or a close at the
//!   same moment; what did not arrive ends with an error that says whether repeating the call is safe.
//! * Nobody is ever stuck on a caller who left: neither the threads nor the memory of an abandoned call stay.
//! * A method that panics fails its own call. Garbage ends its own connection. A server ends only when told to.
//!
//! # What is not
//! No encryption, no authentication, no discovery, and no limit on how long a method runs: a call given up by its
//! caller is still executed.

mod address;
mod bytes;
mod client;
mod codec;
mod completions;
pub mod connection;
mod error;
#[cfg(feature = "gob")]
#[cfg_attr(docsrs, doc(cfg(feature = "gob")))]
pub mod gob;
mod listener;
#[cfg(unix)]
mod polling;
mod server;
mod slot;

pub use address::Address;
pub use bytes::Bytes;
pub use client::{Call, CallOptions, Cancel, Client};
pub use codec::Codec;
pub use completions::{CallId, Completions};
pub use connection::Connection;
pub use error::{CallError, SetupError};
pub use listener::{Listener, ListenerControl};
pub use server::{Limits, Server, Service};
pub use slot::Slot;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// The largest frame either side accepts unless told otherwise.
const DEFAULT_MESSAGE_LIMIT: usize = 64 << 20;

/// Locks what is kept consistent by construction, also after a panic in somebody's method or serializer.
fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
