//! Reading from a model pipe.

use std::{
    io,
    sync::{MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use super::{
    breaks::Break,
    core::{Core, Patience, Side, State, Waiting, Word},
};
use crate::error::{Error, would_block};

impl Core {
    pub(super) fn read(&self, buf: &mut [u8], may_block: bool) -> io::Result<usize> {
        if buf.is_empty() && !self.is(Break::EmptyBufferBlocks) {
            return Ok(0);
        }
        let mut state = self.lock();
        let patience = self.patience(&mut state, Side::Reader, may_block);
        state.reader.calls += 1;
        let id = state.next_id;
        state.next_id += 1;
        let (mut state, result) = self.read_locked(state, buf, &patience, id);
        state.waiting.retain(|waiting| waiting.id != id);
        state.reader.calls -= 1;
        self.call_ended(&state);
        result
    }

    fn read_locked<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
        buf: &mut [u8],
        patience: &Patience,
        id: u64,
    ) -> (MutexGuard<'a, State>, io::Result<usize>) {
        let mut starting = true;
        let began = Instant::now();
        loop {
            let handed = state
                .waiting
                .iter_mut()
                .find(|waiting| waiting.id == id)
                .and_then(|waiting| waiting.got.take());
            if let Some(bytes) = handed {
                buf[..bytes.len()].copy_from_slice(&bytes);
                return (state, Ok(bytes.len()));
            }
            let late = self.passed(&mut state, Side::Reader, patience, starting);
            if late && starting && self.is(Break::DeadlineBeatsTheEnd) {
                return (state, Err(Error::Timeout.into()));
            }
            if !patience.block && self.is(Break::TryReadFindsNothing) {
                return (state, Err(would_block()));
            }
            if self.nothing_more(&state) {
                if !patience.block && self.is(Break::TryCallsHideTheEnd) {
                    return (state, Err(would_block()));
                }
                let result = self.read_end(&mut state);
                return (state, result);
            }
            let first_says_late = starting && !self.is(Break::PastDeadlineStillReads);
            let data_loses = !starting && self.is(Break::DeadlineBeatsData);
            if late && (first_says_late || data_loses) {
                if self.is(Break::TimedOutReadDropsAByte) {
                    state.buffer.pop_front();
                }
                let result = self.late(&mut state, Side::Reader);
                return (state, result);
            }
            if let Some(n) = self.take(&mut state, buf) {
                if self.is(Break::ReadJoinsWrites) {
                    return self.join_another(state, buf, n);
                }
                return (state, Ok(n));
            }
            if self.is(Break::LastBytesRaceTheClose) {
                drop(state);
                thread::yield_now();
                state = self.lock();
                if state.writer.word.is_some() {
                    // The wrong order on purpose: empty was seen before, closed is seen now.
                    state.buffer.clear();
                }
                if state.writer.word.is_some() || !state.buffer.is_empty() {
                    continue;
                }
            }
            if self.is(Break::EmptyLooksLikeTheEnd) && patience.block {
                return (state, Ok(0));
            }
            if !patience.block && !(self.is(Break::TryReadBlocks)) {
                let result =
                    if self.is(Break::TryReadGivesZero) { Ok(0) } else { Err(would_block()) };
                return (state, result);
            }
            if late {
                let result = self.late(&mut state, Side::Reader);
                return (state, result);
            }
            if self.is(Break::LongWaitLooksLikeADeadlock)
                && began.elapsed() > Duration::from_millis(200)
            {
                return (state, Err(Error::Deadlock("nobody can help".into()).into()));
            }
            starting = false;
            if self.capacity.is_none() && !state.waiting.iter().any(|waiting| waiting.id == id) {
                state.waiting.push(Waiting { id, want: buf.len(), got: None });
            }
            state = self.wait(state, Side::Reader, patience);
        }
    }

    /// The reader has all it will ever get.
    fn nothing_more(&self, state: &State) -> bool {
        if state.reader.word.is_some() {
            return state.buffer.is_empty() || !self.is(Break::ClosedReaderStillReads);
        }
        let Some(word) = &state.writer.word else {
            return false;
        };
        match self.capacity {
            None => !(self.is(Break::CloseIsGraceful) && state.offer.is_some()),
            Some(_) => {
                state.buffer.is_empty()
                    || self.is(Break::CloseDropsTheBuffer)
                    || (self.is(Break::ErrorOvertakesData) && matches!(word, Word::Error(_)))
            }
        }
    }

    fn read_end(&self, state: &mut State) -> io::Result<usize> {
        let said = std::mem::replace(&mut state.reader.said, true);
        if (said && self.is(Break::EndIsSaidOnce)) || (!said && self.is(Break::EndIsSaidLate)) {
            return Err(would_block());
        }
        if self.is(Break::ReaderHearsItsOwnError) {
            if let Some(Word::Error(cause)) = &state.reader.word {
                return Err(self.closed_with(cause.clone(), said));
            }
        }
        let own_closed = state.reader.word.is_some();
        match &state.writer.word {
            Some(word) if !own_closed || self.is(Break::ReaderHearsAfterOwnClose) => match word {
                Word::Error(_) if self.is(Break::WriterErrorLooksLikeTheEnd) => Ok(0),
                Word::Error(cause) => Err(self.closed_with(cause.clone(), said)),
                Word::Plain if self.is(Break::EndIsClosedToReader) => Err(Error::Closed.into()),
                Word::Plain => Ok(0),
            },
            _ => Err(Error::Closed.into()),
        }
    }

    /// Takes what is there for `buf`; `None` when nothing is there.
    fn take(&self, state: &mut State, buf: &mut [u8]) -> Option<usize> {
        let readers = state.reader.calls;
        let mut taken = match self.capacity {
            None => {
                let offer = state.offer.as_mut()?;
                let empty = offer.left.is_empty();
                let n = offer.left.len().min(buf.len());
                let repeated = self.is(Break::ParallelReadsRepeatBytes) && readers > 1 && n > 3;
                let taken: Vec<u8> = if repeated {
                    offer.left.iter().copied().take(n).collect()
                } else {
                    offer.left.drain(..n).collect()
                };
                if self.is(Break::ReadDropsTheRest) {
                    offer.left.clear();
                }
                if offer.left.is_empty() || self.is(Break::WriteReturnsAfterOneRead) {
                    offer.met = true;
                    let first_read_ends_it = self.is(Break::WriteReturnsAfterOneRead);
                    if !first_read_ends_it {
                        state.offer = None;
                    }
                    self.changed.notify_all();
                }
                if empty {
                    return self.is(Break::EmptyWriteLooksLikeTheEnd).then_some(0);
                }
                taken
            }
            Some(_) => {
                if state.buffer.is_empty()
                    || (self.is(Break::ReadWaitsForAFullBuffer) && state.buffer.len() < buf.len())
                {
                    return None;
                }
                let mut n = state.buffer.len().min(buf.len());
                if self.is(Break::ReadStopsAtBorders) {
                    n = self.up_to_border(state, n);
                }
                self.changed.notify_all();
                if self.is(Break::ParallelReadsRepeatBytes) && readers > 1 && n > 3 {
                    state.buffer.iter().copied().take(n).collect()
                } else {
                    state.buffer.drain(..n).collect()
                }
            }
        };
        self.hurt(state, &mut taken);
        let n = taken.len();
        buf[..n].copy_from_slice(&taken);
        if self.is(Break::ReadWritesBeyondItsCount) {
            if let Some(beyond) = buf.get_mut(n) {
                *beyond = !*beyond;
            }
        }
        Some(n)
    }

    fn up_to_border(&self, state: &mut State, n: usize) -> usize {
        let Some(border) = state.borders.front_mut() else {
            return n;
        };
        let n = n.min(*border);
        *border -= n;
        if *border == 0 {
            state.borders.pop_front();
        }
        n
    }

    fn hurt(&self, state: &mut State, bytes: &mut [u8]) {
        let border = self.capacity.unwrap_or(usize::MAX) as u64;
        for at in 0..bytes.len() {
            state.moved += 1;
            if self.is(Break::BorderOfTheBufferIsHurt) && state.moved % border == 0 {
                bytes[at] ^= 0x01;
            }
            if self.is(Break::FlipsABit) && state.moved % 5000 == 0 {
                bytes[at] ^= 0x10;
            }
            if self.is(Break::SwapsNeighbours) && at > 0 && state.moved % 3000 == 0 {
                bytes.swap(at - 1, at);
            }
        }
        if self.is(Break::RepeatsAByte) && bytes.len() > 64 {
            bytes.copy_within(32..33, 33);
        }
    }

    fn join_another<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
        buf: &mut [u8],
        mut n: usize,
    ) -> (MutexGuard<'a, State>, io::Result<usize>) {
        let until = Instant::now() + Duration::from_millis(5);
        self.changed.notify_all();
        while n < buf.len() && Instant::now() < until && !state.closed() {
            if let Some(more) = self.take(&mut state, &mut buf[n..]) {
                n += more;
                break;
            }
            state = self
                .changed
                .wait_timeout(state, Duration::from_millis(1))
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        (state, Ok(n))
    }
}
