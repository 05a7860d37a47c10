//! The state of a model pipe, and reading, writing, closing and waiting on it.

use std::{
    collections::VecDeque,
    io,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use super::breaks::Break;
use crate::{
    conformance::rules::Errors,
    error::{Cause, Error, RemoteError, would_block},
};

/// The most text of an error that crosses to another process, in bytes.
const TEXT: usize = 240;

/// Which end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Reader,
    Writer,
}

/// What an end was closed with.
#[derive(Clone, Debug)]
enum Word {
    Plain,
    Error(Cause),
}

/// What belongs to one end.
#[derive(Debug, Default)]
pub(super) struct EndState {
    word: Option<Word>,
    deadline: Option<Instant>,
    pub(super) timeout: Option<Duration>,
    /// When the timeout was set; only the break that counts from there looks at it.
    timeout_set: Option<Instant>,
    pub(super) nonblocking: bool,
    /// How many calls are in progress; only breaks look at it.
    calls: usize,
    /// An error that was handed out already; only breaks look at it.
    said: bool,
}

/// A write that waits for its bytes to be read (without a buffer only).
#[derive(Debug)]
struct Offer {
    left: VecDeque<u8>,
    /// A read has met it; what lets an empty write go.
    met: bool,
}

/// A read that waits, so that a write which must not block can find it (without a buffer only).
#[derive(Debug)]
struct Waiting {
    id: u64,
    want: usize,
    got: Option<Vec<u8>>,
}

#[derive(Debug, Default)]
pub(super) struct State {
    reader: EndState,
    writer: EndState,
    /// A write is in progress, and others wait for it: that keeps each write contiguous.
    gate: bool,
    buffer: VecDeque<u8>,
    /// Lengths of the writes in the buffer; only the break that stops at borders looks at them.
    borders: VecDeque<usize>,
    offer: Option<Offer>,
    waiting: Vec<Waiting>,
    next_id: u64,
    /// Bytes that went through; only breaks that hurt one byte in many look at it.
    moved: u64,
}

impl State {
    pub(super) fn end(&mut self, side: Side) -> &mut EndState {
        match side {
            Side::Reader => &mut self.reader,
            Side::Writer => &mut self.writer,
        }
    }

    fn closed(&self) -> bool {
        self.reader.word.is_some() || self.writer.word.is_some()
    }
}

/// How one call waits.
struct Patience {
    block: bool,
    /// The timeout of this call, from its own start.
    until: Option<Instant>,
    /// The deadline the call started with; only the break that never looks again uses it.
    first_deadline: Option<Instant>,
}

#[derive(Debug)]
pub(super) struct Core {
    state: Mutex<State>,
    changed: Condvar,
    capacity: Option<usize>,
    errors: Errors,
    broken: Option<Break>,
}

impl Core {
    pub(super) fn new(capacity: Option<usize>, errors: Errors, broken: Option<Break>) -> Self {
        Self { state: Mutex::default(), changed: Condvar::new(), capacity, errors, broken }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is(&self, rule: Break) -> bool {
        self.broken == Some(rule)
    }

    // ---- reading

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
            if self.nothing_more(&state) {
                let result = self.read_end(&mut state);
                return (state, result);
            }
            let first_says_late = starting && !self.is(Break::PastDeadlineStillReads);
            let data_loses = !starting && self.is(Break::DeadlineBeatsData);
            if late && (first_says_late || data_loses) {
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
            return true;
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
        if said && self.is(Break::EndIsSaidOnce) {
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
        let mut taken = match self.capacity {
            None => {
                let offer = state.offer.as_mut()?;
                let empty = offer.left.is_empty();
                let n = offer.left.len().min(buf.len());
                let taken: Vec<u8> = offer.left.drain(..n).collect();
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
                state.buffer.drain(..n).collect()
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

    fn hurt(&self, state: &mut State, bytes: &mut Vec<u8>) {
        for at in 0..bytes.len() {
            state.moved += 1;
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

    // ---- writing

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
            let room = capacity.saturating_sub(state.buffer.len());
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
        let error = match &state.reader.word {
            Some(Word::Error(cause))
                if (!own_closed || self.is(Break::WriterHearsAfterOwnClose))
                    && !self.is(Break::ReaderErrorIsLost)
                    && !(said && self.is(Break::WriterHearsTheErrorOnce)) =>
            {
                self.closed_with(cause.clone(), said)
            }
            _ => Error::Closed.into(),
        };
        Err(error)
    }

    // ---- what both directions share

    /// Lets the next write through the gate.
    fn call_ended(&self, state: &State) {
        if !(self.is(Break::CloseWakesOnlyOne) && state.closed()) {
            self.changed.notify_all();
        }
    }

    /// The error of the other end as it arrives here.
    fn closed_with(&self, cause: Cause, said: bool) -> io::Error {
        let same_object = self.errors == Errors::SameObject
            && !self.is(Break::ErrorObjectIsLost)
            && !(said && self.is(Break::ErrorObjectIsGivenOnce));
        if same_object && !self.is(Break::ErrorKindIsLost) && !self.is(Break::ErrorTextIsLost) {
            return Error::ClosedWith(cause).into();
        }
        let kind =
            if self.is(Break::ErrorKindIsLost) { io::ErrorKind::BrokenPipe } else { cause.kind() };
        let mut text = cause.to_string();
        if self.is(Break::ErrorTextIsLost) {
            text = "an error".into();
        } else if self.is(Break::ErrorTextIsCutAnywhere) && text.len() > TEXT {
            text = String::from_utf8_lossy(&text.as_bytes()[..TEXT]).into_owned();
        } else if !self.is(Break::ErrorTextIsNotCut) {
            while text.len() > TEXT {
                text.pop();
            }
        }
        if self.is(Break::ErrorTextIsShownRaw) {
            return Error::ClosedWith(Cause::new(io::Error::new(kind, text))).into();
        }
        Error::ClosedWith(RemoteError::new(kind, text).into()).into()
    }

    fn patience(&self, state: &mut State, side: Side, may_block: bool) -> Patience {
        let ignores = self.is(Break::NonblockingIsIgnored);
        let end = state.end(side);
        let from = if self.is(Break::TimeoutCountsFromItsSetting) {
            end.timeout_set.unwrap_or_else(Instant::now)
        } else {
            Instant::now()
        };
        Patience {
            block: may_block && (!end.nonblocking || ignores),
            until: end.timeout.map(|timeout| from + timeout),
            first_deadline: end.deadline,
        }
    }

    /// The moment at which the call has to give up, as things stand now.
    fn limit(
        &self,
        state: &mut State,
        side: Side,
        patience: &Patience,
        starting: bool,
    ) -> Option<Instant> {
        let deadline = if self.is(Break::DeadlineIsReadOnlyAtTheStart) {
            patience.first_deadline
        } else {
            state.end(side).deadline
        };
        let deadline = if self.is(Break::DeadlineFiresEarly) {
            deadline.map(|at| at.checked_sub(Duration::from_millis(8)).unwrap_or(at))
        } else {
            deadline
        };
        let ignored = match side {
            Side::Reader => self.is(Break::ReadTimeoutIsIgnored),
            Side::Writer => self.is(Break::WriteTimeoutIsIgnored),
        };
        // A timeout limits the waiting only; what can be done at once is done.
        let until = patience.until.filter(|_| !ignored && !starting);
        match (deadline, until) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }

    fn passed(&self, state: &mut State, side: Side, patience: &Patience, starting: bool) -> bool {
        let blocked_never_looks = match side {
            Side::Reader => self.is(Break::BlockedReadIgnoresTheDeadline),
            Side::Writer => self.is(Break::BlockedWriteIgnoresTheDeadline),
        };
        if blocked_never_looks && !starting {
            return false;
        }
        self.limit(state, side, patience, starting).is_some_and(|limit| limit <= Instant::now())
    }

    fn late(&self, state: &mut State, side: Side) -> io::Result<usize> {
        let sticky = match side {
            Side::Reader => self.is(Break::ReadTimeoutSticks),
            Side::Writer => self.is(Break::WriteTimeoutSticks),
        };
        if sticky {
            state.end(side).timeout = Some(Duration::from_nanos(1));
            state.end(side).deadline = Some(Instant::now());
        }
        if self.is(Break::TimeoutSaysWouldBlock) {
            return Err(would_block());
        }
        Err(Error::Timeout.into())
    }

    fn wait<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
        side: Side,
        patience: &Patience,
    ) -> MutexGuard<'a, State> {
        let never_looks = match side {
            Side::Reader => self.is(Break::BlockedReadIgnoresTheDeadline),
            Side::Writer => self.is(Break::BlockedWriteIgnoresTheDeadline),
        };
        let limit = self.limit(&mut state, side, patience, false).filter(|_| !never_looks);
        match limit {
            None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            Some(limit) => {
                let left = limit.saturating_duration_since(Instant::now());
                self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0
            }
        }
    }

    // ---- closing, deadlines, timeouts

    pub(super) fn close(&self, side: Side, cause: Option<Cause>) {
        let mut state = self.lock();
        if self.is(Break::CloseWaitsForTheCall) {
            while state.end(side).calls > 0 {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
        }
        let end = state.end(side);
        let again = end.word.is_some();
        if again && self.is(Break::SecondCloseFails) {
            drop(state);
            std::panic::resume_unwind(Box::new("closed twice"));
        }
        let word = cause.map_or(Word::Plain, Word::Error);
        let replaces = match (side, &end.word, &word) {
            (_, None, _) => true,
            (Side::Writer, Some(Word::Error(_)), _) => self.is(Break::WriterErrorIsReplaced),
            (Side::Writer, Some(Word::Plain), Word::Error(_)) => {
                self.is(Break::WriterCloseIsReplaced)
            }
            (Side::Reader, Some(Word::Error(_)), _) => self.is(Break::ReaderErrorIsReplaced),
            (Side::Reader, Some(Word::Plain), Word::Error(_)) => {
                self.is(Break::ReaderCloseIsReplaced)
            }
            _ => false,
        };
        if replaces {
            end.word = Some(word);
        }
        let silent = match side {
            Side::Reader => {
                (self.is(Break::ReaderCloseWakesNoWrite) && state.writer.calls > 0)
                    || (self.is(Break::OwnCloseWakesNoRead) && state.reader.calls > 0)
            }
            Side::Writer => {
                (self.is(Break::WriterCloseWakesNoRead) && state.reader.calls > 0)
                    || (self.is(Break::OwnCloseWakesNoWrite) && state.writer.calls > 0)
            }
        };
        if silent {
            return;
        }
        if self.is(Break::CloseWakesOnlyOne) {
            self.changed.notify_one();
        } else {
            self.changed.notify_all();
        }
    }

    pub(super) fn set_deadline(&self, side: Side, deadline: Option<Instant>) {
        let mut state = self.lock();
        if self.is(Break::DeadlineReachesBothEnds) {
            state.reader.deadline = deadline;
            state.writer.deadline = deadline;
        }
        state.end(side).deadline = deadline;
        let unseen = match side {
            Side::Reader => self.is(Break::BlockedReadMissesANewDeadline),
            Side::Writer => self.is(Break::BlockedWriteMissesANewDeadline),
        };
        if !unseen {
            self.changed.notify_all();
        }
    }

    pub(super) fn set_timeout(&self, side: Side, timeout: Option<Duration>) -> io::Result<()> {
        if timeout.is_some_and(|timeout| timeout.is_zero()) && !self.is(Break::ZeroTimeoutIsTaken) {
            return Err(Error::invalid(
                "a timeout of zero would always have passed; None waits for ever",
            )
            .into());
        }
        let mut state = self.lock();
        let end = state.end(side);
        if timeout.is_none() && self.is(Break::TimeoutIsNotCleared) {
            return Ok(());
        }
        end.timeout = timeout;
        end.timeout_set = timeout.map(|_| Instant::now());
        Ok(())
    }
}
