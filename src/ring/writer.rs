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
    planted, residency,
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
    /// What every call would have to ask is settled in favour of the short way: the sleeper pays for the fences, the
    /// memory is in one piece, and nobody polls.
    plain: bool,
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
        let mut waiting = Waiting::new(options.wait, areas.data().capacity(), pos);
        waiting.stats.memory = residency::settle(&areas, options.residency);
        let end = Arc::new(End::new(areas.clone(), Role::Producer, fences));
        Self {
            plain: fences == Fences::Sleeper && areas.data().is_mirrored(),
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
        self.plain = false;
        self.settle(1);
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
        if self.put_quickly(buf) { Ok(buf.len()) } else { self.write_in_parts(buf, block) }
    }

    /// Writes the whole of `buf`, unless it is empty, or anything stands in the way.
    #[inline(always)]
    fn put_quickly(&mut self, buf: &[u8]) -> bool {
        let n = buf.len() as u64;
        // Nothing wraps around to more than there can be.
        let fits = n.wrapping_sub(1) < self.core.cached_room() && buf.len() <= CHUNK;
        // A copy that `fork` made has no memory to look at, so whether it may is asked first.
        if !fits || !self.plain || !self.end.may_publish(Fences::Sleeper) {
            return false;
        }
        if !self.core.peer_is_open() {
            self.end.publish_nothing();
            return false;
        }
        planted::on_write();
        // SAFETY: there is room for it, and a plain ring is mirrored.
        unsafe { self.core.put_whole(0, buf) };
        self.publish_with(n, Fences::Sleeper);
        true
    }

    /// Copies all of `bytes` to `ahead` bytes behind the write position; there is room for them.
    #[inline(always)]
    pub(super) fn put(&mut self, ahead: u64, bytes: &[u8]) {
        if self.plain && ahead + bytes.len() as u64 <= self.core.cached_room() {
            // SAFETY: there is room for it, and a plain ring is mirrored.
            unsafe { self.core.put_whole(ahead, bytes) };
        } else {
            self.core.put(ahead, bytes);
        }
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
                self.begin()?;
                let rest = &buf[done..];
                let n = self.core.put(0, &rest[..rest.len().min(CHUNK)]);
                self.publish(n as u64);
                Ok(n)
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

    /// [`Write::write_all`] for what does not go in one piece. A call that wrote less than it was given has met an error, which the
    /// next one returns.
    fn write_in_pieces(&mut self, buf: &[u8]) -> io::Result<()> {
        let mut done = 0;
        while done < buf.len() {
            match self.write_in_parts(&buf[done..], true)? {
                0 => return Err(io::ErrorKind::WriteZero.into()),
                n => done += n,
            }
        }
        Ok(())
    }

    /// Announces a publication, for which there is room; [`publish`](Self::publish) must follow.
    #[inline(always)]
    pub(super) fn begin(&mut self) -> io::Result<()> {
        if self.end.may_publish(self.end.fences()) { Ok(()) } else { self.begin_with_attention() }
    }

    /// Deadlines and the like were looked at when the room was; only a close since then stands in the way.
    #[cold]
    fn begin_with_attention(&mut self) -> io::Result<()> {
        self.end.announce_publishing(self.end.fences());
        self.end.usable().map_err(|error| {
            self.end.publish_nothing();
            self.failed(error.into())
        })
    }

    /// Makes `n` bytes readable, and wakes the reader if it sleeps for them. [`begin`](Self::begin) came before.
    #[inline(always)]
    pub(super) fn publish(&mut self, n: u64) {
        self.publish_with(n, self.end.fences());
        if self.polled {
            self.settle(1);
        }
    }

    #[inline(always)]
    fn publish_with(&mut self, n: u64, fences: Fences) {
        self.core.publish(n);
        self.end.published();
        self.waiting.notify(&self.end, fences, self.end.peer(), self.core.pos());
        // After the fence in `notify`.
        self.end.say_what_was_left();
        self.core.claim_next(n);
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
            // Who polls with too little room for a message would come back to the same room for ever.
            self.settle(if room.is_ok() { 1 } else { need });
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
        // Read positions at which there is room for `need`, and for a good deal.
        let (pos, capacity) = (self.core.pos(), self.core.capacity());
        let at = |room: u64| pos.wrapping_add(room).wrapping_sub(capacity);
        let want = Want { at_least: at(need), at_best: at(need.max(capacity / 4)) };
        self.waiting.sleeper.take_it_back(self.end.own(), want.at_least);
        loop {
            self.end.usable()?;
            if let Some(error) = &self.ended {
                return Err(error.clone().into());
            }
            let died = self.end.peer_is_dead();
            let room = self.core.refresh()?;
            let ended = match self.core.peer_state()? {
                PeerState::Closed => Some(Error::Closed),
                PeerState::Error(error) => Some(Error::ClosedWith(error.into())),
                PeerState::Open if died => {
                    // Looked at again: the reader may have read on between the look above and its death.
                    self.core.refresh()?;
                    Some(Error::PeerDied { unconsumed: Some(self.core.cached_fill()) })
                }
                PeerState::Open if room >= need && !past => return Ok(room),
                PeerState::Open => None,
            };
            if let Some(error) = ended {
                self.end_with(error);
                continue;
            }
            if late {
                return Err(Error::Timeout.into());
            }
            if !block || self.end.attention() & attention::NONBLOCKING != 0 {
                // Who never waits would otherwise never notice where nobody tells.
                if !died && self.end.finds_peer_dead() {
                    continue;
                }
                return Err(Failure::WouldBlock);
            }
            let core = &self.core;
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

    /// Gives this answer from now on. Room that is known of must not be written to any more.
    fn end_with(&mut self, error: Error) {
        self.ended = Some(error);
        self.end.set_ended();
    }

    #[cold]
    fn failed(&mut self, failure: Failure) -> io::Error {
        let error = match failure {
            Failure::WouldBlock => return would_block(),
            Failure::Corrupt(corrupt) => {
                let error = Error::Corrupt(corrupt.0);
                self.end_with(error.clone());
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

    /// Closes this end, and waits for the reader's last word: `Ok` says that it took every byte and then closed without an
    /// error.
    ///
    /// A write returns when its bytes are in the ring. Whether they got any further, onto a full disk say, only the
    /// reader knows, and its way to tell is how it closes. Whoever has to know calls this in place of
    /// [`close`](Self::close).
    ///
    /// # Blocking
    /// Until the reader closes. [`set_deadline`](Self::set_deadline) and [`set_write_timeout`](Self::set_write_timeout)
    /// limit it, and a [`Control`] that closes this end ends it.
    ///
    /// # Errors
    /// The reader's error if it closed with one; `BrokenPipe` if it closed over unread bytes, if its process died, or
    /// if this end was closed before. `TimedOut` if the time was up first: the stream is closed nevertheless, and the
    /// next call goes on waiting.
    ///
    /// ```
    /// use std::io::{Read, Write};
    /// let (mut reader, mut writer) = ringpipe::ring(4096)?;
    /// let saver = std::thread::spawn(move || {
    ///     let mut bytes = Vec::new();
    ///     reader.read_to_end(&mut bytes).unwrap();
    ///     reader.close_with_error(std::io::Error::new(std::io::ErrorKind::StorageFull, "disk full"));
    /// });
    /// writer.write_all(b"to be saved")?;
    /// assert_eq!(writer.finish().unwrap_err().kind(), std::io::ErrorKind::StorageFull);
    /// # saver.join().unwrap();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn finish(&mut self) -> io::Result<()> {
        let last_word = self.last_word();
        if !matches!(last_word, Err(Failure::WouldBlock | Failure::Error(Error::Timeout))) {
            self.end.close(None);
        } else if self.polled {
            // What is waited for is no room.
            self.settle(self.core.capacity() + 1);
        }
        last_word.map_err(|failure| self.failed(failure))
    }

    fn last_word(&mut self) -> Result<(), Failure> {
        self.end.usable()?;
        self.end.announce_close();
        // What is written from now on would lie behind the end of the stream.
        if self.ended.is_none() {
            self.ended = Some(Error::Closed);
            self.end.set_finishing();
        }
        let mut start = None;
        let mut late = self.end.deadline_passed();
        loop {
            self.end.usable()?;
            if let Some(corrupt @ Error::Corrupt(_)) = &self.ended {
                return Err(corrupt.clone().into());
            }
            let died = self.end.peer_is_dead();
            // The state before the position, as in `Consumer::look`: what was read before the close counts.
            let state = self.core.peer_state()?;
            self.core.refresh()?;
            let unread = self.core.cached_fill();
            match state {
                PeerState::Closed if unread == 0 => return Ok(()),
                PeerState::Closed => return Err(Error::Closed.into()),
                PeerState::Error(error) => return Err(Error::ClosedWith(error.into()).into()),
                PeerState::Open if died => {
                    return Err(Error::PeerDied { unconsumed: Some(unread) }.into());
                }
                PeerState::Open if late => return Err(Error::Timeout.into()),
                PeerState::Open => {}
            }
            if self.end.attention() & attention::NONBLOCKING != 0 {
                return Err(Failure::WouldBlock);
            }
            // A position that is never reached: only the reader's close shall ring.
            let (core, never) = (&self.core, self.core.pos().wrapping_add(1));
            let want = Want { at_least: never, at_best: never };
            let waited = self.waiting.wait(&self.end, want, &mut start, || !core.peer_is_open());
            late = waited == Waited::TimeIsUp;
        }
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
        self.waiting.stats(self.core.cached_fill(), self.core.pos())
    }
}

impl Write for Writer {
    #[inline]
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.write_bytes(buf, true)
    }

    #[inline]
    fn write_all(&mut self, buf: &[u8]) -> io::Result<()> {
        if self.put_quickly(buf) { Ok(()) } else { self.write_in_pieces(buf) }
    }

    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        let total: usize = bufs.iter().map(|buf| buf.len()).sum();
        if total as u64 <= self.core.cached_room() && self.is_easy() {
            let mut ahead = 0;
            self.begin()?;
            for buf in bufs {
                ahead += self.core.put(ahead as u64, buf);
            }
            self.publish(ahead as u64);
            return Ok(ahead);
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
