//! Anything that reads and writes, as the halves of a connection.

use std::{
    io::{self, Read, Write},
    sync::{Mutex, PoisonError},
};

use super::{Hangup, Input, Output, Until};

pub(super) struct StreamInput<R>(pub(super) R);

impl<R: Read + Send> Input for StreamInput<R> {
    fn read(&mut self, buf: &mut [u8], _: Until) -> io::Result<usize> {
        loop {
            match self.0.read(buf) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return result,
            }
        }
    }

    fn is_timed(&self) -> bool {
        false
    }
}

pub(super) struct StreamOutput<W>(pub(super) W);

impl<W: Write + Send> Output for StreamOutput<W> {
    fn write(&mut self, buf: &[u8], _: Until) -> io::Result<usize> {
        loop {
            match self.0.write(buf) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(0) if !buf.is_empty() => return Err(io::ErrorKind::WriteZero.into()),
                Ok(n) => {
                    self.0.flush()?;
                    return Ok(n);
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn is_timed(&self) -> bool {
        false
    }
}

pub(super) struct HangUpOnce<F>(Mutex<Option<F>>);

impl<F: FnOnce() + Send> HangUpOnce<F> {
    pub(super) fn new(hang_up: F) -> Self {
        Self(Mutex::new(Some(hang_up)))
    }
}

impl<F: FnOnce() + Send> Hangup for HangUpOnce<F> {
    fn hang_up(&self) {
        let hang_up = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(hang_up) = hang_up {
            hang_up();
        }
    }
}

/// A stream whose halves share it.
#[cfg(all(unix, not(any(target_os = "linux", target_os = "android"))))]
pub(super) struct Shared<S>(pub(super) std::sync::Arc<S>);

#[cfg(all(unix, not(any(target_os = "linux", target_os = "android"))))]
impl<S> Read for Shared<S>
where
    for<'a> &'a S: Read,
{
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        (&*self.0).read(buf)
    }
}

#[cfg(all(unix, not(any(target_os = "linux", target_os = "android"))))]
impl<S> Write for Shared<S>
where
    for<'a> &'a S: Write,
{
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        (&*self.0).write(buf)
    }

    fn flush(&mut self) -> io::Result<()> {
        (&*self.0).flush()
    }
}
