//! The in-memory pipe: a writer and a reader that meet, with nothing in between.
//!
//! [`pipe()`] makes a synchronous pipe as Go's `io.Pipe`. There is no buffer: a write blocks until reads have taken all of
//! it, and its bytes are copied once, from the writer's slice straight into the reader's, without an allocation. It connects
//! code that wants to write with code that wants to read, on two threads of one process; wrap an end in
//! [`BufReader`](std::io::BufReader) or [`BufWriter`](std::io::BufWriter) where many small calls are made.
//!
//! ```
//! use std::io::{Read, Write};
//!
//! let (mut reader, mut writer) = ringpipe::pipe();
//! let thread = std::thread::spawn(move || {
//!     writer.write_all(b"hello from the other side\n")?;
//!     writer.write_all(b"this is the second message\n")
//!     // The writer is dropped here, which ends the stream.
//! });
//! let mut text = String::new();
//! reader.read_to_string(&mut text)?;
//! thread.join().unwrap()?;
//! assert_eq!(text.lines().count(), 2);
//! # std::io::Result::Ok(())
//! ```
//!
//! # Closing
//! Either end may be closed, with an error or without. The first close of an end counts, the results stay the same
//! for ever, and whoever is blocked on either side wakes.
//!
//! | closed | a read gives | a write gives |
//! |---|---|---|
//! | the writer | end of stream (`Ok(0)`) | [`Closed`](crate::Error::Closed) |
//! | the writer, with an error | that error | [`Closed`](crate::Error::Closed) |
//! | the reader | [`Closed`](crate::Error::Closed) | [`Closed`](crate::Error::Closed) |
//! | the reader, with an error | [`Closed`](crate::Error::Closed) | that error |
//! | both, in any way | [`Closed`](crate::Error::Closed) | [`Closed`](crate::Error::Closed) |
//!
//! Closing is not graceful: what a blocked write has not handed over by then is lost. [`write`](std::io::Write::write)
//! returns only when its bytes have arrived, so that a writer which closes *after* its last write loses nothing.
//!
//! # Deadlock
//! One thread that uses both ends waits for itself. Where every thread of a process waits on in-memory
//! pipes, and none of them with a deadline, a call fails after about 100 ms with [`Error::Deadlock`]; its text names the place where the pipe was
//! made, the call, and the way out. This is a diagnosis for the programmer, on Linux only and with patience: it never fires while some thread
//! runs, sleeps or is blocked elsewhere, and therefore does not see a deadlock of a part of the threads.
//!
//! [`scope`] takes care of the threads, [`duplex`] connects both ways, [`tee`] and [`MultiWriter`] branch a stream.

use std::{io, panic::Location, sync::Arc};

use crate::error::Error;

mod call;
mod deadlock;
mod duplex;
mod lend;
mod linger;
mod reader;
mod rendezvous;
mod scope;
mod tee;
mod writer;

pub use duplex::{Duplex, duplex};
pub use reader::PipeReader;
pub use scope::scope;
pub use tee::{MultiWriter, Tee, tee};
pub use writer::{PipeWriter, WriterPanicked};

use rendezvous::Rendezvous;

/// Makes a synchronous pipe in memory.
///
/// The ends are meant for different threads; each may also be shared between threads (`Read for &PipeReader`,
/// `Write for &PipeWriter`). Making one allocates once, using it never.
///
/// ```
/// use std::io::{Read, Write};
/// let (mut reader, mut writer) = ringpipe::pipe();
/// let thread = std::thread::spawn(move || writer.write(b"ping"));
/// let mut buf = [0; 16];
/// assert_eq!(reader.read(&mut buf)?, 4);
/// assert_eq!(thread.join().unwrap()?, 4);
/// # std::io::Result::Ok(())
/// ```
#[track_caller]
pub fn pipe() -> (PipeReader, PipeWriter) {
    pair(Location::caller())
}

fn pair(made_at: &'static Location<'static>) -> (PipeReader, PipeWriter) {
    let pipe = Arc::new(Rendezvous::new(made_at, deadlock::PATIENCE));
    (PipeReader::over(pipe.clone()), PipeWriter::over(pipe))
}

/// Copies from one pipe into another until the end of the stream, as [`std::io::copy`], but refuses a pipe that is copied into itself.
///
/// Closes nothing; returns the number of bytes.
///
/// # Errors
/// `InvalidInput` at once if both are ends of the same pipe: each waits for the other, for ever. Otherwise the first
/// error of either end.
///
/// ```
/// let (reader, writer) = ringpipe::pipe();
/// let error = ringpipe::pipe::copy(&reader, &writer).unwrap_err();
/// assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
/// ```
pub fn copy(mut reader: &PipeReader, mut writer: &PipeWriter) -> io::Result<u64> {
    if reader.reads_from(writer) {
        return Err(Error::invalid(
            "source and destination are the two ends of the same pipe, which would wait for each other; copy between two pipes",
        )
        .into());
    }
    io::copy(&mut reader, &mut writer)
}

#[cfg(test)]
mod tests;
