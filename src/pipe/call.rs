//! One read or write on its way through the pipe.
//!
//! A [`Call`] holds the lock except while it sleeps or copies, and keeps the rule that makes lending sound: **what it lent is
//! taken back, after the end of any copy that is running, before the call returns**, whether it returns with bytes, with
//! an error or by unwinding. So the copy's bytes always count, even if the pipe was closed or timed out meanwhile.

use std::{
    io::{self, IoSlice, IoSliceMut},
    sync::{Arc, MutexGuard, PoisonError},
    time::Instant,
};

use super::{
    deadlock::{Look, Watch},
    lend::{self, Offer, Want},
    linger,
    rendezvous::{Closed, End, Rendezvous, State, Wakes},
};
use crate::{
    error::{Error, would_block},
    sync::Ordering,
};

/// May this call wait?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// As the end was set.
    Wait,
    /// In no case.
    Try,
}

/// Why a call ends before its work is done.
enum Stop {
    Closed,
    Timeout,
    WouldBlock,
    Deadlock(Arc<str>),
}

impl Rendezvous {
    /// One read: the bytes of at most one write, scattered over `buffers`.
    pub(super) fn read(&self, buffers: &mut [IoSliceMut<'_>], mode: Mode) -> io::Result<usize> {
        let len = lend::total(buffers);
        if len == 0 {
            return Ok(0);
        }
        let mut call = Call::new(self, End::Reader, len, mode);
        let result = call.read(buffers);
        call.finish(result)
    }

    /// One write: all of `slices`, as one piece of the stream.
    pub(super) fn write(&self, slices: &[IoSlice<'_>], mode: Mode) -> io::Result<usize> {
        let len = lend::total(slices);
        let mut call = Call::new(self, End::Writer, len, mode);
        let result = call.write(slices);
        call.finish(result)
    }
}

struct Call<'a> {
    pipe: &'a Rendezvous,
    end: End,
    /// Bytes asked for.
    len: usize,
    may_wait: bool,
    /// Where the end's timeout puts the limit of this call.
    limit: Option<Instant>,
    /// `None` only while this call sleeps or copies.
    state: Option<MutexGuard<'a, State>>,
    has_turn: bool,
    has_lent: bool,
    has_lingered: bool,
    wakes: Wakes,
    watch: Watch,
}

/// Where a call sleeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// In the queue for the turn.
    Queue,
    /// With the turn, until the other end has been there.
    Meeting,
}

impl<'a> Call<'a> {
    fn new(pipe: &'a Rendezvous, end: End, len: usize, mode: Mode) -> Self {
        let mut state = pipe.lock();
        let side = state.side(end);
        let may_wait = mode == Mode::Wait && !side.nonblocking;
        let limit = side
            .timeout
            .filter(|_| may_wait)
            .and_then(|timeout| Instant::now().checked_add(timeout));
        Self {
            pipe,
            end,
            len,
            may_wait,
            limit,
            state: Some(state),
            has_turn: false,
            has_lent: false,
            has_lingered: false,
            wakes: Wakes::default(),
            watch: Watch::new(pipe.patience),
        }
    }

    fn read(&mut self, buffers: &mut [IoSliceMut<'_>]) -> Result<usize, Stop> {
        self.take_turn()?;
        if let Some(n) = self.take_from_offer(buffers) {
            return Ok(n);
        }
        self.must_wait()?;
        self.state().want = Some(Want::new(buffers));
        self.has_lent = true;
        let waited = self.sleep_until(|state| {
            let want = state.want.as_ref();
            want.is_some_and(|want| want.filled > 0)
        });
        match self.take_back() {
            0 => waited.map(|()| 0),
            n => Ok(n),
        }
    }

    fn write(&mut self, slices: &[IoSlice<'_>]) -> Result<usize, Stop> {
        self.take_turn()?;
        let mut done = 0;
        while let Some(n) = self.fill_want(slices, done) {
            done += n;
            if done == self.len || !self.may_wait {
                return Ok(done);
            }
            // The reader runs on, and may be back with another buffer before this call has to sleep.
            self.wake();
            if self.may_go_on().is_err() {
                return Ok(done);
            }
        }
        self.must_wait()?;
        self.state().offer = Some(Offer::new(slices, done));
        self.has_lent = true;
        let waited = self.sleep_until(|state| {
            let offer = state.offer.as_ref();
            offer.is_some_and(Offer::complete)
        });
        // Some bytes went: say how many. What stopped the rest is the answer of the next call.
        match self.take_back() {
            0 => waited.map(|()| 0),
            n => Ok(n),
        }
    }

    /// Becomes the one call of its end that may meet the other end.
    fn take_turn(&mut self) -> Result<(), Stop> {
        self.may_go_on()?;
        let end = self.end;
        let side = self.state().side(end);
        // Those who wait already come first, or a caller in a loop would starve them.
        if side.busy || side.queued > 0 {
            self.must_wait()?;
            self.queue()?;
        }
        self.state().side(end).busy = true;
        self.has_turn = true;
        Ok(())
    }

    #[cold]
    fn queue(&mut self) -> Result<(), Stop> {
        let end = self.end;
        self.state().side(end).queued += 1;
        let result = loop {
            let slept = self.sleep(Place::Queue);
            // A free turn is worth more than a deadline that has passed: there may be bytes. And who was woken for the turn
            // takes it, so that no wake-up is lost; a close has woken everybody.
            if let done @ Err(_) = self.open() {
                break done;
            } else if !self.state().side(end).busy {
                break Ok(());
            } else if slept.is_err() {
                break slept;
            }
        };
        self.state().side(end).queued -= 1;
        result
    }

    /// Takes what a blocked write offers, if one is blocked and has something left.
    fn take_from_offer(&mut self, buffers: &mut [IoSliceMut<'_>]) -> Option<usize> {
        let offer = loop {
            let offer = self.state().offer.as_mut();
            let offer = offer.filter(|offer| !offer.complete())?;
            if !offer.is_empty() {
                break offer;
            }
            // An empty write has met its read, which waits on: `Ok(0)` would be the end of the stream.
            offer.took(0);
            self.rouse(End::Writer);
            self.wake();
        };
        let skip = offer.taken;
        // SAFETY: `copy` marks the loan as in use before it releases the lock, and until the mark is gone
        // `take_back` keeps the writer that lent these slices in its call. They are not used afterwards.
        let slices = unsafe { offer.slices() };
        let n = self.copy(|| lend::copy(slices, skip, buffers));
        if let Some(offer) = self.state().offer.as_mut() {
            offer.took(n);
            if offer.complete() || offer.leaving {
                self.rouse(End::Writer);
            }
        }
        Some(n)
    }

    /// Puts `slices`, without their first `skip` bytes, into the buffers of a blocked read, if one is blocked.
    fn fill_want(&mut self, slices: &[IoSlice<'_>], skip: usize) -> Option<usize> {
        let len = self.len;
        let want = self.state().want.as_ref();
        let want = want.filter(|want| want.filled == 0)?;
        if len == 0 {
            return Some(0);
        }
        // SAFETY: as in `take_from_offer`, with the reader in the place of the writer. Nobody else has the buffers: their
        // reader leaves them alone while they are lent, and only the one write that holds the turn gets here.
        let buffers = unsafe { want.buffers() };
        let n = self.copy(|| lend::copy(slices, skip, buffers));
        if let Some(want) = self.state().want.as_mut() {
            want.filled = n;
        }
        self.rouse(End::Reader);
        Some(n)
    }

    /// Runs `copy` without the lock, so that a long one delays neither a close nor anybody's deadline.
    fn copy(&mut self, copy: impl FnOnce() -> usize) -> usize {
        self.state().copying = true;
        self.state = None;
        let n = copy();
        let state = self.state();
        state.copying = false;
        state.passed += n as u64;
        n
    }

    /// Ends the loan, after the copy that uses it if one is running; the number of bytes that went through it.
    fn take_back(&mut self) -> usize {
        while self.state().copying {
            if let Some(offer) = &mut self.state().offer {
                offer.leaving = true;
            }
            self.park(Place::Meeting, None);
        }
        self.has_lent = false;
        let end = self.end;
        let state = self.state();
        match end {
            End::Reader => state.want.take().map_or(0, |want| want.filled),
            End::Writer => state.offer.take().map_or(0, |offer| offer.taken),
        }
    }

    fn sleep_until(&mut self, done: impl Fn(&State) -> bool) -> Result<(), Stop> {
        while !done(self.state()) {
            self.open()?;
            self.sleep(Place::Meeting)?;
        }
        Ok(())
    }

    /// Sleeps until something may have changed; fails if there is no time left, or no hope.
    fn sleep(&mut self, place: Place) -> Result<(), Stop> {
        let until = match self.deadline() {
            Some(deadline) if deadline <= Instant::now() => return Err(Stop::Timeout),
            Some(deadline) => Some(deadline),
            None => match self.look() {
                Look::Sleep(until) => until,
                Look::Stuck(threads) => {
                    return Err(Stop::Deadlock(self.describe_deadlock(threads)));
                }
            },
        };
        self.park(place, until);
        Ok(())
    }

    /// Releases the lock, sleeps until woken or until `until`, and locks again.
    fn park(&mut self, place: Place, until: Option<Instant>) {
        let (pipe, end) = (self.pipe, self.end);
        let door = pipe.door(end);
        let bell = match place {
            Place::Queue => &door.turn,
            Place::Meeting => &door.ready,
        };
        if place == Place::Meeting && self.linger() {
            return;
        }
        self.state().side(end).asleep |= place == Place::Meeting;
        let Some(state) = self.state.take() else {
            return;
        };
        let mut state = match until {
            None => bell.wait(state).unwrap_or_else(PoisonError::into_inner),
            Some(until) => {
                let left = until.saturating_duration_since(Instant::now());
                bell.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0
            }
        };
        if place == Place::Meeting {
            state.side(end).asleep = false;
        }
        self.state = Some(state);
    }

    /// Looks out for the other end for a moment, once in a call, with the lock released. `true` if the lock was released,
    /// so that the state must be read again: it may have changed even if the bell has not been rung yet.
    fn linger(&mut self) -> bool {
        if std::mem::replace(&mut self.has_lingered, true) {
            return false;
        }
        let (pipe, end) = (self.pipe, self.end);
        let rung = &pipe.door(end).rung;
        let before = rung.load(Ordering::Relaxed);
        let looks = self.state().side(end).linger.looks();
        if looks == 0 {
            return false;
        }
        self.state = None;
        let came = linger::look(looks, || rung.load(Ordering::Relaxed) != before);
        self.state().side(end).linger.learn(came);
        true
    }

    /// Fails if nothing may be done any more: the pipe is closed, or the deadline has passed.
    fn may_go_on(&mut self) -> Result<(), Stop> {
        self.open()?;
        match self.deadline() {
            Some(deadline) if deadline <= Instant::now() => Err(Stop::Timeout),
            _ => Ok(()),
        }
    }

    fn open(&mut self) -> Result<(), Stop> {
        if self.state().is_closed() {
            return Err(Stop::Closed);
        }
        Ok(())
    }

    fn must_wait(&self) -> Result<(), Stop> {
        if self.may_wait {
            return Ok(());
        }
        Err(Stop::WouldBlock)
    }

    /// The earlier one of the end's deadline, which may move at any time, and this call's own limit.
    fn deadline(&mut self) -> Option<Instant> {
        let end = self.end;
        let deadline = self.state().side(end).deadline;
        match (deadline, self.limit) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }

    fn look(&mut self) -> Look {
        let end = self.end;
        let Self { pipe, state, watch, .. } = self;
        let state = state.get_or_insert_with(|| pipe.lock());
        watch.look(&mut state.side(end).waits)
    }

    fn rouse(&mut self, end: End) {
        let Self { pipe, state, wakes, .. } = self;
        let state = state.get_or_insert_with(|| pipe.lock());
        state.rouse(end, wakes);
    }

    /// Wakes those who have been roused, now rather than when this call ends. Releases the lock meanwhile.
    fn wake(&mut self) {
        let wakes = std::mem::take(&mut self.wakes);
        if let Some(state) = self.state.take() {
            self.pipe.wake(state, wakes);
        }
    }

    /// The state under the lock, taken again where this call had released it.
    fn state(&mut self) -> &mut State {
        let pipe = self.pipe;
        self.state.get_or_insert_with(|| pipe.lock())
    }

    #[cold]
    fn describe_deadlock(&mut self, threads: usize) -> Arc<str> {
        let (verb, other) = match self.end {
            End::Reader => ("read", "writer"),
            End::Writer => ("write", "reader"),
        };
        let (made_at, len) = (self.pipe.made_at, self.len);
        let state = self.state();
        let done = state.offer.as_ref().map_or(0, |offer| offer.taken);
        let passed = state.passed;
        let everybody = match threads {
            1 => "the only thread of this process".to_owned(),
            n => format!("every one of the {n} threads of this process"),
        };
        format!(
            "deadlock: a {verb} of {len} bytes ({done} done, {passed} passed through before the call ended) on the pipe made at {made_at} \
             waits for a {other}, but {everybody} waits on an in-memory pipe, so nobody can wake it; \
             move one end to another thread (ringpipe::pipe::scope does that)"
        )
        .into()
    }

    /// The answer to the caller. Everything is let go before the error is built.
    fn finish(mut self, result: Result<usize, Stop>) -> io::Result<usize> {
        let stop = match result {
            Ok(n) => return Ok(n),
            Err(stop) => stop,
        };
        let end = self.end;
        let closed = match stop {
            Stop::Closed => self.state().closed(end),
            _ => None,
        };
        drop(self);
        Err(match (stop, closed) {
            (_, Some(Closed::EndOfStream)) => return Ok(0),
            (_, Some(Closed::Failed(error))) => error,
            (Stop::WouldBlock, _) => return Err(would_block()),
            (Stop::Timeout, _) => Error::Timeout,
            (Stop::Deadlock(text), _) => Error::Deadlock(text),
            (Stop::Closed, None) => Error::Closed,
        }
        .into())
    }
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        if self.has_lent {
            // Only an unwinding call gets here: nobody may be left with a pointer into its frame.
            self.take_back();
        }
        let (pipe, end) = (self.pipe, self.end);
        let mut state = self.state.take().unwrap_or_else(|| pipe.lock());
        self.watch.end(&mut state.side(end).waits);
        if self.has_turn {
            state.side(end).busy = false;
            state.pass_turn(end, &mut self.wakes);
        }
        pipe.wake(state, std::mem::take(&mut self.wakes));
    }
}
