//! The writing end of a ring.

use std::{
    cell::Cell,
    io::{self, IoSlice, Write},
    marker::PhantomData,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    Options,
    core::{Areas, Corrupt, PeerState, Producer, areas::Role},
    doorbell::pollable::Light,
    end::{End, attention},
    stats::Stats,
    wait::Fences,
    waiting::{Failure, Waited, Waiting, Want},
};
use crate::{
    ends::{Control, Controlled, WriteEnd},
    error::{BoxError, Cause, Error, would_block},
    sys::clock::Moment,
};

/// Most bytes of one write that are copied before they are published, so that the reader can start on a long write
/// while the rest of it is copied.
const CHUNK: usize = 64 << 10;

/// The writing end of a [`ring`](crate::ring()).
///
/// A write returns when its bytes are in the ring, which is what *acknowledged* means here: the reader gets them
/// even if this process closes or dies right afterwards. A write larger than the ring streams through.
/// After the reader closed, a write fails at once even if there is room. Dropping the writer closes it; dropping it while
/// its thread unwinds closes it with an error, so that a truncated stream never looks complete.
///
/// ```
/// use std::io::{Read, Write};
/// let (mut reader, mut writer) = ringpipe::ring(4096)?;
/// let sum = std::thread::spawn(move || {
///     let mut bytes = Vec::new();
///     reader.read_to_end(&mut bytes).map(|_| bytes.iter().map(|&b| u64::from(b)).sum::<u64>())
/// });
/// writer.write_all(&[1; 100_000])?;
/// drop(writer);
/// assert_eq!(sum.join().unwrap()?, 100_000);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// It has one owner, who may be any thread:
/// ```compile_fail
/// fn shared<T: Sync>() {}
/// shared::<ringpipe::Writer>();
/// ```
#[derive(Debug)]
pub struct Writer {
    pub(super) core: Producer,
    pub(super) end: Arc<End>,
    pub(super) waiting: Waiting,
    /// Why nothing can be written any more, once that is so.
    ended: Option<Error>,
    /// Somebody polls this end.
    polled: bool,
    pub(super) max_message: u32,
    /// A message longer than the ring that is not complete: its length, and how much of it went in.
    pub(super) unfinished: Option<(usize, usize)>,
    /// One thread at a time: [`Gate`](crate::Gate) is for more.
    _not_sync: PhantomData<Cell<()>>,
}

impl Writer {
    pub(crate) fn new(
        areas: Arc<Areas>,
        options: &Options,
        fences: Fences,
        pos: u64,
        read_pos: u64,
    ) -> Self {
        let waiting = Waiting::new(options.wait, areas.data().capacity());
        let end = Arc::new(End::new(areas.clone(), Role::Producer, fences));
        Self {
            core: Producer::new(areas, pos, read_pos),
            end,
            waiting,
            ended: None,
            polled: false,
            max_message: options.max_message,
            unfinished: None,
            _not_sync: PhantomData,
        }
    }

    /// Makes this a polled end.
    pub(crate) fn set_pollable(&mut self, light: Light) {
        self.end.set_light(light);
        self.polled = true;
        self.settle();
    }

    /// Bytes the ring holds at most.
    pub fn capacity(&self) -> usize {
        self.core.capacity() as usize
    }

    /// Writes what there is room for without blocking.
    ///
    /// # Errors
    /// `WouldBlock` if there is no room and the reader is open; otherwise as [`Write::write`].
    pub fn try_write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.write_bytes(buf, false)
    }

    #[inline(always)]
    fn write_bytes(&mut self, buf: &[u8], block: bool) -> io::Result<usize> {
        let n = buf.len() as u64;
        if n == 0 {
            return Ok(0);
        }
        if n <= self.core.cached_room() && buf.len() <= CHUNK && self.is_easy() {
            self.core.put(0, buf);
            return self.publish(n).map(|()| buf.len());
        }
        self.write_in_parts(buf, block)
    }

    /// Nothing but room can stand in the way of a write.
    #[inline(always)]
    fn is_easy(&self) -> bool {
        self.end.calm() && self.core.peer_is_open()
    }

    fn write_in_parts(&mut self, buf: &[u8], block: bool) -> io::Result<usize> {
        let (mut done, mut start) = (0, None);
        while done < buf.len() {
            let put = self.writable(1, block, &mut start).and_then(|_| {
                let rest = &buf[done..];
                let n = self.core.put(0, &rest[..rest.len().min(CHUNK)]);
                self.publish(n as u64).map(|()| n)
            });
            match put {
                Ok(n) => done += n,
                // The error is sticky or comes up again; first the caller learns how far it got.
                Err(_) if done > 0 => break,
                Err(error) => return Err(error),
            }
        }
        Ok(done)
    }

    /// Makes `n` bytes readable, and wakes the reader if it sleeps for them. Fails if this end was closed meanwhile, in
    /// which case nobody can tell whether the reader will see them.
    #[inline(always)]
    pub(super) fn publish(&mut self, n: u64) -> io::Result<()> {
        self.core.publish(n);
        self.waiting.notify(&self.end, self.end.peer(), self.core.pos());
        if self.polled {
            self.settle();
        }
        // After the fence in `notify`; the other half of this is in `End::close`.
        if self.end.attention() & attention::CLOSED != 0 {
            return Err(Error::Closed.into());
        }
        self.waiting.stats.bytes += n;
        Ok(())
    }

    /// Waits until `need` bytes are free, and gives how many are. `start` is when the caller first had to wait.
    #[inline]
    pub(super) fn writable(
        &mut self,
        need: u64,
        block: bool,
        start: &mut Option<Moment>,
    ) -> io::Result<u64> {
        if self.is_easy() && self.core.cached_room() >= need {
            return Ok(self.core.cached_room());
        }
        let room = self.writable_slow(need, block, start);
        if self.polled {
            self.settle();
        }
        room.map_err(|failure| self.failed(failure))
    }

    fn writable_slow(
        &mut self,
        need: u64,
        block: bool,
        start: &mut Option<Moment>,
    ) -> Result<u64, Failure> {
        // A deadline that was past before the call fails it even if there is room; one that passes meanwhile does not.
        let past = self.end.deadline_passed();
        let mut late = past;
        loop {
            self.end.usable()?;
            if let Some(error) = &self.ended {
                return Err(error.clone().into());
            }
            let room = self.core.refresh()?;
            let died = self.end.attention() & attention::PEER_DIED != 0;
            self.ended = match self.core.peer_state()? {
                PeerState::Closed => Some(Error::Closed),
                PeerState::Error(error) => Some(Error::ClosedWith(error.into())),
                PeerState::Open if died => {
                    Some(Error::PeerDied { unconsumed: Some(self.core.cached_fill()) })
                }
                PeerState::Open if room >= need && !past => return Ok(room),
                PeerState::Open => None,
            };
            if self.ended.is_some() {
                self.end.set_ended();
                continue;
            }
            if late {
                return Err(Error::Timeout.into());
            }
            if !block || self.end.attention() & attention::NONBLOCKING != 0 {
                return Err(Failure::WouldBlock);
            }
            let core = &self.core;
            // Read positions at which there is room for `need`, and for a good deal.
            let at = |room: u64| core.pos().wrapping_add(room).wrapping_sub(core.capacity());
            let want = Want { at_least: at(need), at_best: at(need.max(core.capacity() / 4)) };
            let waited = self.waiting.wait(&self.end, want, start, || core.worth_a_look(need));
            late = waited == Waited::TimeIsUp;
            if waited == Waited::Soon {
                self.gather()?;
            }
        }
    }

    /// After a short wait: lets room form if this end is on the heels of the reader.
    fn gather(&mut self) -> Result<(), Corrupt> {
        let (found, enough) = (self.core.refresh()?, self.core.capacity() / 4);
        let core = &mut self.core;
        self.waiting.patience.gather(found, enough, || core.refresh().unwrap_or(0));
        Ok(())
    }

    #[cold]
    fn failed(&mut self, failure: Failure) -> io::Error {
        let error = match failure {
            Failure::WouldBlock => return would_block(),
            Failure::Corrupt(corrupt) => {
                let error = Error::Corrupt(corrupt.0);
                self.ended = Some(error.clone());
                // Room that is known of must not be written to any more.
                self.end.set_ended();
                error
            }
            Failure::Error(error) => error,
        };
        self.waiting.stats.last_error = Some(error.clone());
        error.into()
    }

    /// A handle that closes this end or moves its deadline from another thread.
    pub fn control(&self) -> Control {
        Control::new(self.end.clone())
    }

    /// Closes this end: the reader drains the ring, then sees the end of the stream. Idempotent, never blocks.
    pub fn close(&self) {
        self.end.close(None);
    }

    /// Closes this end with `error`: the reader drains the ring, then gets its kind and text. The first close wins.
    pub fn close_with_error(&self, error: impl Into<BoxError>) {
        self.end.close(Some(Cause::new(error)));
    }

    /// Sets the moment after which writes fail with `TimedOut`; `None` clears it.
    pub fn set_deadline(&self, deadline: Option<Instant>) {
        self.end.set_deadline(deadline);
    }

    /// Limits every later write to `timeout` from its own start.
    ///
    /// # Errors
    /// `InvalidInput` for a zero duration.
    pub fn set_write_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.end.set_timeout(timeout)
    }

    /// What [`set_write_timeout`](Self::set_write_timeout) was last given.
    pub fn write_timeout(&self) -> Option<Duration> {
        self.end.timeout()
    }

    /// With `true`, writes fail with `WouldBlock` where they would wait.
    pub fn set_nonblocking(&self, nonblocking: bool) {
        self.end.set_nonblocking(nonblocking);
    }

    /// What this end has done so far.
    pub fn stats(&self) -> Stats {
        self.waiting.stats(self.core.cached_fill())
    }
}

impl Write for Writer {
    #[inline]
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.write_bytes(buf, true)
    }

    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        let total: usize = bufs.iter().map(|buf| buf.len()).sum();
        if total as u64 <= self.core.cached_room() && self.is_easy() {
            let mut ahead = 0;
            for buf in bufs {
                ahead += self.core.put(ahead as u64, buf);
            }
            return self.publish(ahead as u64).map(|()| ahead);
        }
        let mut done = 0;
        for buf in bufs {
            match self.write_bytes(buf, true) {
                Ok(n) if n == buf.len() => done += n,
                Ok(n) => return Ok(done + n),
                Err(_) if done > 0 => break,
                Err(error) => return Err(error),
            }
        }
        Ok(done)
    }

    /// Does nothing: what was written is in the ring.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl WriteEnd for Writer {
    fn try_write(&mut self, buf: &[u8]) -> io::Result<usize> {
        Self::try_write(self, buf)
    }

    fn control(&self) -> Control {
        Self::control(self)
    }

    fn set_write_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        Self::set_write_timeout(self, timeout)
    }

    fn write_timeout(&self) -> Option<Duration> {
        Self::write_timeout(self)
    }

    fn set_nonblocking(&self, nonblocking: bool) {
        Self::set_nonblocking(self, nonblocking);
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        let panicked = std::thread::panicking();
        self.end.close(panicked.then(|| Cause::new("writer panicked")));
    }
}
