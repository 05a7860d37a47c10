//! Waiting for descriptors with `poll`, so that another thread can end the wait.

use std::{
    io,
    os::{
        fd::{AsFd, BorrowedFd},
        unix::net::UnixStream,
    },
};

use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
};

use super::connection::Until;

/// How long `poll` may wait at a time.
///
/// # Errors
/// `WouldBlock` and `TimedOut`, where it must not wait at all.
pub(super) fn timeout(until: Until) -> io::Result<PollTimeout> {
    match until {
        Until::Now => Err(io::ErrorKind::WouldBlock.into()),
        Until::Forever => Ok(PollTimeout::NONE),
        Until::At(deadline) => {
            let left = deadline.saturating_duration_since(std::time::Instant::now());
            if left.is_zero() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            // Rounded up, or the last millisecond would be spun away; a longer wait is done in pieces.
            let millis = left.as_nanos().div_ceil(1_000_000);
            Ok(PollTimeout::from(u16::try_from(millis).unwrap_or(u16::MAX)))
        }
    }
}

/// Waits for one of `descriptors`. Nothing having happened is no error: whoever waits looks again.
pub(super) fn wait(descriptors: &mut [PollFd<'_>], timeout: PollTimeout) -> io::Result<()> {
    match poll(descriptors, timeout) {
        Ok(_) | Err(Errno::EINTR) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

/// Ends a wait from another thread: its reading side becomes readable, and stays so.
#[derive(Debug)]
pub(super) struct Wake(UnixStream, UnixStream);

impl Wake {
    pub(super) fn new() -> io::Result<Self> {
        let (sleeper, waker) = UnixStream::pair()?;
        Ok(Self(sleeper, waker))
    }

    pub(super) fn wake(&self) {
        // The end of the stream is an event that nobody has to read.
        let _ = self.1.shutdown(std::net::Shutdown::Both);
    }

    /// What to poll beside the descriptor that is waited for.
    pub(super) fn as_poll_fd(&self) -> PollFd<'_> {
        PollFd::new(self.0.as_fd(), PollFlags::POLLIN)
    }

    /// Waits for `events` on `descriptor`, and says which have come; none when woken, or when the time is over.
    pub(super) fn wait(
        &self,
        descriptor: BorrowedFd<'_>,
        events: PollFlags,
        timeout: PollTimeout,
    ) -> io::Result<PollFlags> {
        let mut both = [PollFd::new(descriptor, events), self.as_poll_fd()];
        wait(&mut both, timeout)?;
        Ok(both[0].revents().unwrap_or(PollFlags::empty()))
    }
}
