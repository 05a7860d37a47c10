//! Writing to a model pipe.

use std::{io, sync::MutexGuard};

use super::{
    breaks::Break,
    core::{Core, Offer, Patience, Side, State, Word},
};
use crate::error::{Error, would_block};

impl Core {
    pub(super) fn write(&self, bytes: &[u8], may_block: bool) -> io::Result<usize> {
        let nothing_to_do = bytes.is_empty()
            && (self.capacity.is_some() || self.is(Break::EmptyWriteReturnsAtOnce));
        if nothing_to_do && !self.is(Break::EmptyWriteWaitsForRoom) {
            return Ok(0);
        }
        let mut state = self.lock();
        let patience = self.patience(&mut state, Side::Writer, may_block);
        state.writer.calls += 1;
        let (mut state, result) = self.write_locked(state, bytes, &patience);
        state.writer.calls -= 1;
        self.call_ended(&state);
        result
    }

    fn write_locked<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
        bytes: &[u8],
        patience: &Patience,
    ) -> (MutexGuard<'a, State>, io::Result<usize>) {
        let mut starting = true;
        loop {
            let room = self.capacity.is_some_and(|all| state.buffer.len() < all);
            if state.closed() && !(self.is(Break::RoomBeatsTheClosedReader) && room) {
                if !patience.block && self.is(Break::TryCallsHideTheEnd) {
                    return (state, Err(would_block()));
                }
                let result = self.write_end(&mut state);
                return (state, result);
            }
            let late = self.passed(&mut state, Side::Writer, patience, starting);
            if late && starting && self.is(Break::PastDeadlineStillWrites) {
                match self.capacity {
                    Some(_) => break,
                    None => match self.hand_over(&mut state, bytes) {
                        Ok(n) => return (state, Ok(n)),
                        Err(_) => return (state, Err(Error::Timeout.into())),
                    },
                }
            }
            if late {
                let result = self.late(&mut state, Side::Writer);
                return (state, result);
            }
            if !state.gate || self.is(Break::WritesInterleave) {
                break;
            }
            if !patience.block && !self.is(Break::TryWriteBlocks) {
                return (state, Err(would_block()));
            }
            starting = false;
            state = self.wait(state, Side::Writer, patience);
        }
        state.gate = true;
        let (mut state, result) = match self.capacity {
            None => self.offer(state, bytes, patience),
            Some(capacity) => self.push(state, bytes, patience, capacity),
        };
        state.gate = false;
        (state, result)
    }

    /// Without a buffer: holds the bytes out until reads have taken them all.
    fn offer<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
        bytes: &[u8],
        patience: &Patience,
    ) -> (MutexGuard<'a, State>, io::Result<usize>) {
        if !patience.block && !self.is(Break::TryWriteBlocks) {
            let result = self.hand_over(&mut state, bytes);
            return (state, result);
        }
        while self.is(Break::WritesInterleave) && state.offer.is_some() && !state.closed() {
            state = self.wait(state, Side::Writer, patience);
        }
        let piece =
            if self.is(Break::WritesInterleave) { bytes.len().div_ceil(2) } else { bytes.len() };
        state.offer = Some(Offer { left: bytes[..piece].iter().copied().collect(), met: false });
        self.changed.notify_all();
        if self.is(Break::WriteReturnsBeforeTheRead) {
            return (state, Ok(bytes.len()));
        }
        loop {
            let left = match &state.offer {
                None => 0,
                Some(offer) if offer.met => {
                    let left = offer.left.len();
                    state.offer = None;
                    return (state, Ok(bytes.len() - left));
                }
                Some(offer) => offer.left.len().max(usize::from(bytes.is_empty())),
            };
            if left == 0 {
                if piece < bytes.len() {
                    // The gate is broken: whoever comes next may put bytes between these.
                    state.gate = false;
                    self.changed.notify_all();
                    let (state, rest) = self.offer(state, &bytes[piece..], patience);
                    return (state, rest.map(|n| n + piece));
                }
                return (state, Ok(bytes.len()));
            }
            let graceful = self.is(Break::CloseIsGraceful) && state.reader.word.is_none();
            let late = self.passed(&mut state, Side::Writer, patience, false);
            if (state.closed() && !graceful) || late {
                let taken = bytes.len().saturating_sub(left);
                if !(late && self.is(Break::TimedOutWriteLeavesTheRest)) {
                    state.offer = None;
                }
                let result = self.ended_early(&mut state, taken, late);
                return (state, result);
            }
            state = self.wait(state, Side::Writer, patience);
        }
    }

    /// Without a buffer and without blocking: gives the bytes to a read that waits already.
    fn hand_over(&self, state: &mut State, bytes: &[u8]) -> io::Result<usize> {
        let Some(waiting) = state.waiting.iter_mut().find(|waiting| waiting.got.is_none()) else {
            return Err(would_block());
        };
        let n = waiting.want.min(bytes.len());
        if n > 0 {
            waiting.got = Some(bytes[..n].to_vec());
            self.changed.notify_all();
        }
        Ok(n)
    }

    /// With a buffer: puts the bytes in as room appears.
    fn push<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
        bytes: &[u8],
        patience: &Patience,
        capacity: usize,
    ) -> (MutexGuard<'a, State>, io::Result<usize>) {
        if bytes.len() > capacity && self.is(Break::LargeWritesAreRefused) {
            return (state, Err(Error::invalid("larger than the buffer").into()));
        }
        let capacity = capacity - usize::from(self.is(Break::OneByteOfRoomIsLost));
        let mut put = 0;
        state.borders.push_back(0);
        loop {
            if state.closed()
                && !(self.is(Break::RoomBeatsTheClosedReader) && state.writer.word.is_none())
            {
                let result = self.ended_early(&mut state, put, false);
                return (state, result);
            }
            let room = if self.is(Break::FullBufferGrows) && patience.block {
                bytes.len()
            } else {
                capacity.saturating_sub(state.buffer.len())
            };
            let mut n = room.min(bytes.len() - put);
            if self.is(Break::TryWriteIsAllOrNothing) && !patience.block && n < bytes.len() {
                n = 0;
            }
            state.buffer.extend(&bytes[put..put + n]);
            match state.borders.back_mut() {
                Some(border) => *border += n,
                None => state.borders.push_back(n),
            }
            put += n;
            if n > 0 {
                self.changed.notify_all();
            }
            let full = bytes.is_empty() && room == 0;
            if put == bytes.len() && !full {
                if !self.is(Break::WriteWaitsForTheReader)
                    || state.buffer.is_empty()
                    || !patience.block
                {
                    return (state, Ok(put));
                }
            } else if put > 0 && self.is(Break::LargeWritesAreCut) {
                return (state, Ok(put));
            }
            if !patience.block && !self.is(Break::TryWriteBlocks) {
                let result = if put > 0 { Ok(put) } else { Err(would_block()) };
                return (state, result);
            }
            if self.passed(&mut state, Side::Writer, patience, false) {
                let result = self.ended_early(&mut state, put, true);
                return (state, result);
            }
            if self.is(Break::WritesInterleave) {
                state.gate = false;
                self.changed.notify_all();
            }
            state = self.wait(state, Side::Writer, patience);
        }
    }

    /// A write that was closed or too late after `n` of its bytes went in.
    fn ended_early(&self, state: &mut State, n: usize, late: bool) -> io::Result<usize> {
        let miscounted =
            if late { Break::TimedOutWriteMiscounts } else { Break::ClosedWriteMiscounts };
        if n > 0 && self.is(miscounted) {
            return Ok(n - 1);
        }
        let forgotten = if late {
            Break::TimedOutWriteForgetsItsCount
        } else {
            Break::ClosedWriteForgetsItsCount
        };
        if n > 0 && !self.is(forgotten) {
            return Ok(n);
        }
        if late { self.late(state, Side::Writer) } else { self.write_end(state) }
    }

    fn write_end(&self, state: &mut State) -> io::Result<usize> {
        let said = std::mem::replace(&mut state.writer.said, true);
        if self.is(Break::WriterHearsItsOwnError) {
            if let Some(Word::Error(cause)) = &state.writer.word {
                return Err(self.closed_with(cause.clone(), said));
            }
        }
        let own_closed = state.writer.word.is_some();
        let silent = (own_closed && !self.is(Break::WriterHearsAfterOwnClose))
            || (said && self.is(Break::WriterHearsTheErrorOnce))
            || self.is(Break::ReaderErrorIsLost);
        let error = match &state.reader.word {
            Some(Word::Error(cause)) if !silent => self.closed_with(cause.clone(), said),
            _ => Error::Closed.into(),
        };
        Err(error)
    }
}
