//! The kernel's own pipes and sockets behind the traits of the ends: controls for the conformance suite.
//!
//! They are written as one would write them with what the kernel gives: a descriptor that never blocks and `poll`.
//! That gives deadlines to a call that begins, but no word to a call that is blocked, no errors across the ends, and
//! nothing that tells a killed writer from one that closed. The suite has to notice exactly that.
#![expect(
    clippy::incompatible_msrv,
    reason = "std's pipe is what is tried here; the tests need a newer compiler than the library"
)]

use std::{
    fmt,
    io::{self, Read, Write},
    os::{fd::AsFd, unix::net::UnixStream},
    sync::{
        Arc, Mutex, RwLock,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use nix::{
    fcntl::{FcntlArg, OFlag, fcntl},
    poll::{PollFd, PollFlags, PollTimeout, poll},
};
use ringpipe::{Control, Error, ReadEnd, WriteEnd, ends::Controlled, error::Cause};

/// A descriptor and what can be done to it while another thread is blocked on it.
pub(crate) trait Descriptor: AsFd + Send + Sync + 'static {
    /// Ends the traffic, if the kernel can do that while the descriptor stays open.
    fn shut_down(&self, _reading: bool) {}
}

impl Descriptor for io::PipeReader {}
impl Descriptor for io::PipeWriter {}

impl Descriptor for UnixStream {
    fn shut_down(&self, reading: bool) {
        let how = if reading { std::net::Shutdown::Read } else { std::net::Shutdown::Write };
        // It fails when the other side is gone already, which is as good.
        let _ = self.shutdown(how);
    }
}

/// What an end and its controls share.
struct Shared<T> {
    /// Empty once the end is closed and no call is inside any more.
    descriptor: RwLock<Option<T>>,
    reading: bool,
    closed: AtomicBool,
    nonblocking: AtomicBool,
    deadline: Mutex<Option<Instant>>,
    timeout: Mutex<Option<Duration>>,
}

impl<T: Descriptor> Controlled for Shared<T> {
    fn close(&self, _cause: Option<Cause>) {
        // The kernel has no way to hand an error over, so the cause is lost.
        self.closed.store(true, Ordering::SeqCst);
        if let Ok(descriptor) = self.descriptor.read() {
            if let Some(descriptor) = &*descriptor {
                descriptor.shut_down(self.reading);
            }
        }
        // A call that is inside holds the lock; a pipe that it blocks on cannot be closed under it.
        if let Ok(mut descriptor) = self.descriptor.try_write() {
            *descriptor = None;
        }
    }

    fn set_deadline(&self, deadline: Option<Instant>) {
        *self.deadline.lock().unwrap() = deadline;
    }
}

impl<T: Descriptor> Shared<T> {
    /// Repeats `attempt` until it does not say `WouldBlock` or the time is up.
    fn call(
        &self,
        block: bool,
        ready: PollFlags,
        mut attempt: impl FnMut(&T) -> io::Result<usize>,
    ) -> io::Result<usize> {
        let start = Instant::now();
        let guard = self.descriptor.read().unwrap();
        let deadline = *self.deadline.lock().unwrap();
        let timeout = self.timeout.lock().unwrap().map(|timeout| start + timeout);
        let until = deadline.into_iter().chain(timeout).min();
        let mut first = true;
        loop {
            let Some(descriptor) = guard.as_ref().filter(|_| !self.closed.load(Ordering::SeqCst))
            else {
                return Err(Error::Closed.into());
            };
            if first && deadline.is_some_and(|deadline| deadline <= start) {
                return Err(Error::Timeout.into());
            }
            first = false;
            // Looked at before the kernel is asked: what is there when the time is up, was there in time.
            let left = until.map(|until| until.saturating_duration_since(Instant::now()));
            match attempt(descriptor) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                    return Err(Error::Closed.into());
                }
                Ok(0) if self.closed.load(Ordering::SeqCst) => return Err(Error::Closed.into()),
                result => return result,
            }
            if !block || self.nonblocking.load(Ordering::SeqCst) {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            if left.is_some_and(|left| left.is_zero()) {
                return Err(Error::Timeout.into());
            }
            // A whole millisecond more than is left, since poll rounds down.
            let wait = left.map_or(PollTimeout::NONE, |left| {
                PollTimeout::try_from(left + Duration::from_millis(1)).unwrap_or(PollTimeout::MAX)
            });
            poll(&mut [PollFd::new(descriptor.as_fd(), ready)], wait)?;
        }
    }
}

/// An end over a descriptor.
pub(crate) struct FdEnd<T: Descriptor>(Arc<Shared<T>>);

impl<T: Descriptor> fmt::Debug for FdEnd<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FdEnd").finish_non_exhaustive()
    }
}

impl<T: Descriptor> FdEnd<T> {
    fn new(descriptor: T, reading: bool) -> io::Result<Self> {
        fcntl(&descriptor, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        Ok(Self(Arc::new(Shared {
            descriptor: RwLock::new(Some(descriptor)),
            reading,
            closed: AtomicBool::new(false),
            nonblocking: AtomicBool::new(false),
            deadline: Mutex::new(None),
            timeout: Mutex::new(None),
        })))
    }

    /// The end of a descriptor that is read.
    pub(crate) fn reader(descriptor: T) -> io::Result<Self> {
        Self::new(descriptor, true)
    }

    /// The end of a descriptor that is written.
    pub(crate) fn writer(descriptor: T) -> io::Result<Self> {
        Self::new(descriptor, false)
    }

    fn control(&self) -> Control {
        Control::new(self.0.clone())
    }

    fn set_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        if timeout.is_some_and(|timeout| timeout.is_zero()) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        *self.0.timeout.lock().unwrap() = timeout;
        Ok(())
    }
}

impl<T: Descriptor> Drop for FdEnd<T> {
    fn drop(&mut self) {
        self.0.close(None);
    }
}

impl<T: Descriptor> FdEnd<T>
where
    for<'a> &'a T: Read,
{
    fn read_once(&self, buf: &mut [u8], block: bool) -> io::Result<usize> {
        if buf.is_empty() {
            return Ok(0);
        }
        self.0.call(block, PollFlags::POLLIN, |mut descriptor| descriptor.read(buf))
    }
}

impl<T: Descriptor> Read for FdEnd<T>
where
    for<'a> &'a T: Read,
{
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.read_once(buf, true)
    }
}

impl<T: Descriptor> ReadEnd for FdEnd<T>
where
    for<'a> &'a T: Read,
{
    fn try_read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.read_once(buf, false)
    }

    fn control(&self) -> Control {
        self.control()
    }

    fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.set_timeout(timeout)
    }

    fn read_timeout(&self) -> Option<Duration> {
        *self.0.timeout.lock().unwrap()
    }

    fn set_nonblocking(&self, nonblocking: bool) {
        self.0.nonblocking.store(nonblocking, Ordering::SeqCst);
    }
}

impl<T: Descriptor> FdEnd<T>
where
    for<'a> &'a T: Write,
{
    fn write_all_of(&self, buf: &[u8], block: bool) -> io::Result<usize> {
        if buf.is_empty() {
            return Ok(0);
        }
        let mut done = 0;
        let end = self.0.call(block, PollFlags::POLLOUT, |mut descriptor| {
            while done < buf.len() {
                done += descriptor.write(&buf[done..])?;
            }
            Ok(done)
        });
        if done > 0 { Ok(done) } else { end }
    }
}

impl<T: Descriptor> Write for FdEnd<T>
where
    for<'a> &'a T: Write,
{
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.write_all_of(buf, true)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<T: Descriptor> WriteEnd for FdEnd<T>
where
    for<'a> &'a T: Write,
{
    fn try_write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.write_all_of(buf, false)
    }

    fn control(&self) -> Control {
        self.control()
    }

    fn set_write_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.set_timeout(timeout)
    }

    fn write_timeout(&self) -> Option<Duration> {
        *self.0.timeout.lock().unwrap()
    }

    fn set_nonblocking(&self, nonblocking: bool) {
        self.0.nonblocking.store(nonblocking, Ordering::SeqCst);
    }
}
