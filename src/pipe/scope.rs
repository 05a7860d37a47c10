//! A pipe for the length of one function, with the writer on a thread of its own.

use std::{panic, thread};

use super::{PipeReader, PipeWriter, rendezvous::End};
use crate::error::{BoxError, Cause, Error};

/// Runs `write` on a thread of its own and `read` on this one, with a pipe between them, and returns both results.
///
/// The pipe is closed as `write` ends: after `Ok` the reader sees the end of the stream, after `Err` that error, and after a panic
/// [`WriterPanicked`](super::WriterPanicked). When `read` returns, with or without having read everything, the
/// reading end is closed, which wakes a blocked `write`. Neither thread nor pipe outlives the call. Both closures may
/// borrow from the caller.
///
/// The error of `write` is the one the reader saw; [`Error::ClosedWith`] holds the object itself. If no thread can be started,
/// that is the error of both.
///
/// # Panics
/// If `read` or `write` panics, after both have ended; a panic of `read` comes first.
///
/// ```
/// use std::io::{self, Read, Write};
/// let words = ["one", "two", "three"];
/// let (written, text) = ringpipe::pipe::scope(
///     |writer| words.iter().try_for_each(|word| writeln!(writer, "{word}")),
///     |reader| io::read_to_string(reader),
/// );
/// written?;
/// assert_eq!(text?, "one\ntwo\nthree\n");
/// # io::Result::Ok(())
/// ```
#[track_caller]
pub fn scope<T, E, R>(
    write: impl FnOnce(&mut PipeWriter) -> Result<T, E> + Send,
    read: impl FnOnce(&mut PipeReader) -> R,
) -> (Result<T, Error>, R)
where
    T: Send,
    E: Into<BoxError>,
{
    let (reader, mut writer) = super::pipe();
    let pipe = writer.shared().clone();
    thread::scope(|scope| {
        let writer = &mut writer;
        let spawned =
            thread::Builder::new().name("pipe writer".to_owned()).spawn_scoped(scope, move || {
                let writer = ClosedAtEnd(writer);
                write(writer.0).map_err(|error| {
                    let cause = Cause::new(error);
                    writer.0.shared().close(End::Writer, Some(cause.clone()));
                    Error::ClosedWith(cause)
                })
            });
        let spawned = spawned.map_err(|error| {
            let cause = Cause::new(error);
            pipe.close(End::Writer, Some(cause.clone()));
            Error::ClosedWith(cause)
        });
        let result = {
            // Dropped before the join, also when `read` panics: nothing else would wake a blocked writer.
            let mut reader = reader;
            read(&mut reader)
        };
        let written = spawned
            .and_then(|thread| thread.join().unwrap_or_else(|panic| panic::resume_unwind(panic)));
        (written, result)
    })
}

/// Closes a borrowed writer as dropping it would.
struct ClosedAtEnd<'a>(&'a mut PipeWriter);

impl Drop for ClosedAtEnd<'_> {
    fn drop(&mut self) {
        self.0.close_as_dropped();
    }
}
