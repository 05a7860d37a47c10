//! The reading end of a ring.

use std::{
    cell::Cell,
    io::{self, IoSliceMut, Read},
    marker::PhantomData,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    Options,
    core::{Areas, Consumer, Corrupt, PeerState, areas::Role},
    doorbell::pollable::Light,
    end::{End, attention},
    in_place::as_uninit,
    residency,
    stats::Stats,
    wait::{Fences, soon},
    waiting::{Failure, Waited, Waiting, Want},
};
use crate::{
    ends::{Control, Controlled, ReadEnd},
    error::{BoxError, Cause, Error, would_block},
};

/// Most bytes of one read that are copied before their space is given back, so that the writer can go on meanwhile.
const CHUNK: usize = 64 << 10;
/// What a writer writes at once and a reader can wait for whole; of more it takes what there is.
const SHORT: usize = 4 << 10;

/// The reading end of a [`ring`](crate::ring()).
///
/// Reads block until the writer has published at least one byte, and return what is there, up to the buffer, across
/// the borders of writes. After the writer closed, every byte it wrote is delivered first; then reads return `Ok(0)`, or the
/// error it closed with, or [`Error::PeerDied`] if its process died. Dropping the reader closes it.
///
/// ```
/// use std::io::{Read, Write};
/// let (mut reader, mut writer) = ringpipe::ring(4096)?;
/// writer.write_all(b"to be read")?;
/// writer.close();
/// let mut text = String::new();
/// reader.read_to_string(&mut text)?;
/// assert_eq!(text, "to be read");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// It has one owner, who may be any thread:
/// ```compile_fail
/// fn shared<T: Sync>() {}
/// shared::<ringpipe::Reader>();
/// ```
#[derive(Debug)]
pub struct Reader {
    pub(super) core: Consumer,
    pub(super) end: Arc<End>,
    pub(super) waiting: Waiting,
    /// How the stream ended, once it has: `None` inside is its regular end.
    ended: Option<Option<Error>>,
    /// Somebody polls this end.
    polled: bool,
    /// What every call would have to ask is settled in favour of the short way: the sleeper pays for the fences, the
    /// memory is in one piece, and nobody polls.
    plain: bool,
    pub(super) max_message: u32,
    /// A message longer than the ring that is not complete: its length, and what came of it.
    pub(super) unfinished: Option<(usize, Vec<u8>)>,
    /// One thread at a time: [`Gate`](crate::Gate) is for more.
    _not_sync: PhantomData<Cell<()>>,
}

impl Reader {
    pub(crate) fn new(areas: Arc<Areas>, options: &Options, fences: Fences, pos: u64) -> Self {
        let mut waiting = Waiting::new(options.wait, areas.data().capacity(), pos);
        waiting.stats.memory = residency::settle(&areas, options.residency);
        let end = Arc::new(End::new(areas.clone(), Role::Consumer, fences));
        Self {
            plain: fences == Fences::Sleeper && areas.data().is_mirrored(),
            core: Consumer::new(areas, pos),
            end,
            waiting,
            ended: None,
            polled: false,
            max_message: options.max_message,
            unfinished: None,
            _not_sync: PhantomData,
        }
    }

    /// Makes this a polled end, with a light of its own and a switch for the writer's if that is polled.
    pub(crate) fn set_pollable(&mut self, light: Light) {
        self.end.set_light(light);
        self.polled = true;
        self.plain = false;
        self.settle();
    }

    /// Takes what comes at once, and never waits for more of it: for requests that somebody wants answered. A caller
    /// with a limited number of them in flight would wait for this end, and this end for more from the caller.
    #[cfg(feature = "rpc")]
    pub(crate) fn expect_a_conversation(&mut self) {
        self.waiting.patience.stay_close();
    }

    /// Bytes the ring holds at most.
    pub fn capacity(&self) -> usize {
        self.core.capacity() as usize
    }

    /// Reads what is there without blocking.
    ///
    /// # Errors
    /// `WouldBlock` if nothing is there and the writer is open; otherwise as [`Read::read`].
    pub fn try_read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.read_bytes(buf, false)
    }

    #[inline(always)]
    fn read_bytes(&mut self, buf: &mut [u8], block: bool) -> io::Result<usize> {
        let there = self.core.cached_available().min(buf.len() as u64) as usize;
        if self.take_quickly(&mut buf[..there]) {
            return Ok(there);
        }
        self.read_with_care(buf, block)
    }

    /// As [`take_quickly`](Self::take_quickly), for what may still be on its way.
    fn take_soon(&mut self, buf: &mut [u8]) -> bool {
        buf.len() <= SHORT
            && self.end.calm()
            && self.comes_soon(buf.len() as u64, true)
            && self.take_quickly(buf)
    }

    /// Fills `buf` with what starts `ahead` bytes behind the read position; so many bytes are there.
    #[inline(always)]
    pub(super) fn get(&self, ahead: u64, buf: &mut [u8]) {
        if self.plain && ahead + buf.len() as u64 <= self.core.cached_available() {
            // SAFETY: so many are there, and a plain ring is mirrored.
            unsafe { self.core.get_whole(ahead, as_uninit(buf)) };
        } else {
            self.core.get(ahead, as_uninit(buf));
        }
    }

    /// Fills `buf` with what is known to be there, unless it is empty, or anything stands in the way.
    #[inline(always)]
    fn take_quickly(&mut self, buf: &mut [u8]) -> bool {
        let n = buf.len() as u64;
        // Nothing wraps around to more than there can be.
        let fits = n.wrapping_sub(1) < self.core.cached_available() && buf.len() <= CHUNK;
        let quick = fits && self.plain && self.end.calm();
        if quick {
            // SAFETY: so many are there, and a plain ring is mirrored.
            unsafe { self.core.get_whole(0, as_uninit(buf)) };
            self.core.release(n);
            self.waiting.notify(&self.end, Fences::Sleeper, self.end.peer(), self.core.pos());
        }
        quick
    }

    fn read_with_care(&mut self, buf: &mut [u8], block: bool) -> io::Result<usize> {
        if buf.is_empty() {
            return Ok(0);
        }
        match self.readable(1, block)? {
            0 => Ok(0),
            _ => Ok(self.take(buf)),
        }
    }

    /// Copies what is there to `buf` and gives its space back; the caller knows that something is there.
    #[inline(always)]
    fn take(&mut self, buf: &mut [u8]) -> usize {
        if buf.len() > CHUNK {
            return self.take_in_parts(buf);
        }
        let n = self.core.get(0, as_uninit(buf));
        self.release(n as u64);
        n
    }

    /// [`Read::read_exact`] for what does not come in one piece.
    fn read_in_pieces(&mut self, buf: &mut [u8]) -> io::Result<()> {
        let mut done = 0;
        while done < buf.len() {
            match self.read_with_care(&mut buf[done..], true)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                n => done += n,
            }
        }
        Ok(())
    }

    fn take_in_parts(&mut self, buf: &mut [u8]) -> usize {
        let mut done = 0;
        // What is there now, and not what comes meanwhile: a read ends.
        let there = self.core.cached_available().min(buf.len() as u64) as usize;
        for part in buf[..there].chunks_mut(CHUNK) {
            done += self.core.get(0, as_uninit(part));
            self.release(part.len() as u64);
        }
        done
    }

    /// Gives `n` bytes back to the writer, and wakes it if it sleeps for them.
    #[inline(always)]
    pub(super) fn release(&mut self, n: u64) {
        self.core.release(n);
        self.waiting.notify(&self.end, self.end.fences(), self.end.peer(), self.core.pos());
        if self.polled {
            self.settle();
        }
    }

    /// Waits until `need` bytes are readable, and gives how many are. Fewer than `need` mean that the stream ended
    /// behind them, and 0 that it ended.
    #[inline]
    pub(super) fn readable(&mut self, need: u64, block: bool) -> io::Result<u64> {
        if self.end.calm() {
            if self.core.cached_available() >= need {
                return Ok(self.core.cached_available());
            }
            if self.comes_soon(need, block) {
                return Ok(self.core.cached_available());
            }
        }
        let there = self.readable_slow(need, block);
        if self.polled {
            self.settle();
        }
        there.map_err(|failure| self.failed(failure))
    }

    /// Looks whether `need` bytes are there by now, or come within a few looks: the way of a conversation, in which nothing
    /// that takes time may stand between a byte's coming and its being read. For an end that is calm, which has neither a
    /// deadline nor an answer of its own; whatever else there is to see is left to [`readable_slow`](Self::readable_slow).
    fn comes_soon(&mut self, need: u64, block: bool) -> bool {
        let wanted = self.core.pos().wrapping_add(need);
        self.waiting.sleeper.take_it_back(self.end.own(), wanted);
        match self.core.refresh() {
            Ok(there) if there < need => {}
            looked => return looked.is_ok(),
        }
        if !block || !self.waiting.patience.looks(self.end.own(), self.end.peer()) {
            return false;
        }
        let core = &mut self.core;
        let mut found = 0;
        if !soon(|| {
            found = core.refresh().unwrap_or(0);
            found >= need
        }) {
            return false;
        }
        self.waiting.stats.spins_won += 1;
        let enough = core.capacity() / 4;
        self.waiting.patience.gather(found, enough, || core.refresh().unwrap_or(0));
        true
    }

    fn readable_slow(&mut self, need: u64, block: bool) -> Result<u64, Failure> {
        self.end.usable()?;
        if let Some(ended) = &self.ended {
            return ended.clone().map_or(Ok(0), |error| Err(error.into()));
        }
        let mut start = None;
        // A deadline that was past before the call fails it even if data is there; one that passes during the call does
        // not.
        let past = self.end.deadline_passed();
        let mut late = past;
        let wanted = self.core.pos().wrapping_add(need);
        self.waiting.sleeper.take_it_back(self.end.own(), wanted);
        let want = Want { at_least: wanted, at_best: wanted };
        loop {
            let died = self.end.peer_is_dead();
            let (state, there) = self.core.look()?;
            let ended = ending(state, died);
            match ended {
                Some(ending) if there == 0 => {
                    self.end_with(ending.clone());
                    return ending.map_or(Ok(0), |error| Err(error.into()));
                }
                Some(_) if !past => return Ok(there),
                _ if there >= need && !past => return Ok(there),
                _ => {}
            }
            self.end.usable()?;
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
            let waited = self.waiting.wait(&self.end, want, &mut start, || core.worth_a_look(need));
            late = waited == Waited::TimeIsUp;
            if waited == Waited::Soon {
                self.gather()?;
            }
        }
    }

    /// After a short wait: lets a batch form if this end is on the heels of the writer.
    fn gather(&mut self) -> Result<(), Corrupt> {
        let (found, enough) = (self.core.refresh()?, self.core.capacity() / 4);
        let core = &mut self.core;
        self.waiting.patience.gather(found, enough, || core.refresh().unwrap_or(0));
        Ok(())
    }

    /// Gives this answer from now on. What is known to be in the ring must not be read behind it.
    fn end_with(&mut self, ending: Option<Error>) {
        self.ended = Some(ending);
        self.end.set_ended();
    }

    #[cold]
    pub(super) fn failed(&mut self, failure: Failure) -> io::Error {
        let error = match failure {
            Failure::WouldBlock => return would_block(),
            Failure::Corrupt(corrupt) => {
                let error = Error::Corrupt(corrupt.0);
                self.end_with(Some(error.clone()));
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

    /// Closes this end: later reads and the writer's writes fail with `BrokenPipe`. Idempotent, never blocks.
    pub fn close(&self) {
        self.end.close(None);
    }

    /// Closes this end with `error`, whose kind and text the writer's next write returns. The first close wins.
    pub fn close_with_error(&self, error: impl Into<BoxError>) {
        self.end.close(Some(Cause::new(error)));
    }

    /// Sets the moment after which reads fail with `TimedOut`; `None` clears it.
    pub fn set_deadline(&self, deadline: Option<Instant>) {
        self.end.set_deadline(deadline);
    }

    /// Limits every later read to `timeout` from its own start.
    ///
    /// # Errors
    /// `InvalidInput` for a zero duration.
    pub fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.end.set_timeout(timeout)
    }

    /// What [`set_read_timeout`](Self::set_read_timeout) was last given.
    pub fn read_timeout(&self) -> Option<Duration> {
        self.end.timeout()
    }

    /// With `true`, reads fail with `WouldBlock` where they would wait.
    pub fn set_nonblocking(&self, nonblocking: bool) {
        self.end.set_nonblocking(nonblocking);
    }

    /// What this end has done so far.
    pub fn stats(&self) -> Stats {
        self.waiting.stats(self.core.cached_available(), self.core.pos())
    }
}

/// How the stream ends once its data is read, if the writer is done or dead. A clean close wins over death.
fn ending(state: PeerState, died: bool) -> Option<Option<Error>> {
    match state {
        PeerState::Closed => Some(None),
        PeerState::Error(error) => Some(Some(Error::ClosedWith(error.into()))),
        PeerState::Open if died => Some(Some(Error::PeerDied { unconsumed: None })),
        PeerState::Open => None,
    }
}

impl Read for Reader {
    #[inline]
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.read_bytes(buf, true)
    }

    #[inline]
    fn read_exact(&mut self, buf: &mut [u8]) -> io::Result<()> {
        if self.take_quickly(buf) || self.take_soon(buf) {
            Ok(())
        } else {
            self.read_in_pieces(buf)
        }
    }

    fn read_vectored(&mut self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        if bufs.iter().all(|buf| buf.is_empty()) || self.readable(1, true)? == 0 {
            return Ok(0);
        }
        let mut done = 0;
        for buf in bufs {
            done += self.core.get(done as u64, as_uninit(buf));
        }
        self.release(done as u64);
        Ok(done)
    }
}

impl ReadEnd for Reader {
    fn try_read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        Self::try_read(self, buf)
    }

    fn control(&self) -> Control {
        Self::control(self)
    }

    fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        Self::set_read_timeout(self, timeout)
    }

    fn read_timeout(&self) -> Option<Duration> {
        Self::read_timeout(self)
    }

    fn set_nonblocking(&self, nonblocking: bool) {
        Self::set_nonblocking(self, nonblocking);
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.end.close(None);
    }
}
