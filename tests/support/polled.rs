//! Ends of a ring that wait as an event loop does: with `poll` on their descriptor, never in a call of their own.

use std::{
    io::{self, Read, Write},
    os::fd::AsFd,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use ringpipe::{Control, Pollable, ReadEnd, Reader, WriteEnd, Writer};

/// An end, and whether its calls may wait.
#[derive(Debug)]
pub(crate) struct Polled<E>(Pollable<E>, AtomicBool);

impl<E> Polled<E> {
    pub(crate) fn new(end: Pollable<E>) -> Self {
        Self(end, AtomicBool::new(false))
    }

    /// Repeats a call that does not wait, with `poll` in between.
    fn wait_and(
        &mut self,
        mut attempt: impl FnMut(&mut Pollable<E>) -> io::Result<usize>,
    ) -> io::Result<usize> {
        loop {
            match attempt(&mut self.0) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                result => return result,
            }
            if self.1.load(Ordering::Relaxed) {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            match poll(&mut [PollFd::new(self.0.as_fd(), PollFlags::POLLIN)], PollTimeout::NONE) {
                Ok(_) | Err(nix::errno::Errno::EINTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl Read for Polled<Reader> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.wait_and(|end| end.try_read(buf))
    }
}

impl ReadEnd for Polled<Reader> {
    fn try_read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.try_read(buf)
    }

    fn control(&self) -> Control {
        self.0.control()
    }

    fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.0.set_read_timeout(timeout)
    }

    fn read_timeout(&self) -> Option<Duration> {
        self.0.read_timeout()
    }

    fn set_nonblocking(&self, nonblocking: bool) {
        self.1.store(nonblocking, Ordering::Relaxed);
    }
}

impl Write for Polled<Writer> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let mut done = 0;
        let end = self.wait_and(|end| {
            while done < buf.len() {
                done += end.try_write(&buf[done..])?;
            }
            Ok(done)
        });
        if done > 0 { Ok(done) } else { end }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl WriteEnd for Polled<Writer> {
    fn try_write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.0.try_write(buf)
    }

    fn control(&self) -> Control {
        self.0.control()
    }

    fn set_write_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.0.set_write_timeout(timeout)
    }

    fn write_timeout(&self) -> Option<Duration> {
        self.0.write_timeout()
    }

    fn set_nonblocking(&self, nonblocking: bool) {
        self.1.store(nonblocking, Ordering::Relaxed);
    }
}
