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
pub(super) enum Word {
    Plain,
    Error(Cause),
}

/// What belongs to one end.
#[derive(Debug, Default)]
pub(super) struct EndState {
    pub(super) word: Option<Word>,
    pub(super) deadline: Option<Instant>,
    pub(super) timeout: Option<Duration>,
    /// When the timeout was set; only the break that counts from there looks at it.
    pub(super) timeout_set: Option<Instant>,
    pub(super) nonblocking: bool,
    /// Times out for ever; only the breaks that make a timeout sticky set it.
    stuck: bool,
    /// How many calls are in progress; only breaks look at it.
    pub(super) calls: usize,
    /// An error that was handed out already; only breaks look at it.
    pub(super) said: bool,
}

/// A write that waits for its bytes to be read (without a buffer only).
#[derive(Debug)]
pub(super) struct Offer {
    pub(super) left: VecDeque<u8>,
    /// A read has met it; what lets an empty write go.
    pub(super) met: bool,
}

/// A read that waits, so that a write which must not block can find it (without a buffer only).
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) id: u64,
    pub(super) want: usize,
    pub(super) got: Option<Vec<u8>>,
}

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) reader: EndState,
    pub(super) writer: EndState,
    /// A write is in progress, and others wait for it: that keeps each write contiguous.
    pub(super) gate: bool,
    pub(super) buffer: VecDeque<u8>,
    /// Lengths of the writes in the buffer; only the break that stops at borders looks at them.
    pub(super) borders: VecDeque<usize>,
    pub(super) offer: Option<Offer>,
    pub(super) waiting: Vec<Waiting>,
    pub(super) next_id: u64,
    /// Bytes that went through; only breaks that hurt one byte in many look at it.
    pub(super) moved: u64,
}

impl State {
    pub(super) fn end(&mut self, side: Side) -> &mut EndState {
        match side {
            Side::Reader => &mut self.reader,
            Side::Writer => &mut self.writer,
        }
    }

    pub(super) fn closed(&self) -> bool {
        self.reader.word.is_some() || self.writer.word.is_some()
    }
}

/// How one call waits.
pub(super) struct Patience {
    pub(super) block: bool,
    /// The timeout of this call, from its own start.
    pub(super) until: Option<Instant>,
    /// The deadline the call started with; only the break that never looks again uses it.
    pub(super) first_deadline: Option<Instant>,
}

#[derive(Debug)]
pub(super) struct Core {
    pub(super) state: Mutex<State>,
    pub(super) changed: Condvar,
    pub(super) capacity: Option<usize>,
    pub(super) errors: Errors,
    pub(super) broken: Option<Break>,
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

    /// Lets the next write through the gate.
    pub(super) fn call_ended(&self, state: &State) {
        let asleep = (self.is(Break::CloseWakesOnlyOne) && state.closed())
            || (self.is(Break::DeadlineWakesOnlyOne) && state.reader.deadline.is_some());
        if !asleep {
            self.changed.notify_all();
        }
    }

    /// The error of the other end as it arrives here.
    pub(super) fn closed_with(&self, cause: Cause, said: bool) -> io::Error {
        let leaves_its_object = self.is(Break::ErrorObjectIsLost)
            || (said && self.is(Break::ErrorObjectIsGivenOnce))
            || (cause.to_string().len() > TEXT && self.is(Break::LongTextLeavesItsObject));
        let same_object = self.errors == Errors::SameObject && !leaves_its_object;
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

    pub(super) fn patience(&self, state: &mut State, side: Side, may_block: bool) -> Patience {
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
        let hidden = self.is(Break::TimeoutHidesTheDeadline) && patience.until.is_some();
        let deadline = deadline.filter(|_| !hidden);
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

    pub(super) fn passed(
        &self,
        state: &mut State,
        side: Side,
        patience: &Patience,
        starting: bool,
    ) -> bool {
        if state.end(side).stuck {
            return true;
        }
        let blocked_never_looks = match side {
            Side::Reader => self.is(Break::BlockedReadIgnoresTheDeadline),
            Side::Writer => self.is(Break::BlockedWriteIgnoresTheDeadline),
        };
        if blocked_never_looks && !starting {
            return false;
        }
        self.limit(state, side, patience, starting).is_some_and(|limit| limit <= Instant::now())
    }

    pub(super) fn late(&self, state: &mut State, side: Side) -> io::Result<usize> {
        let sticky = match side {
            Side::Reader => self.is(Break::ReadTimeoutSticks),
            Side::Writer => self.is(Break::WriteTimeoutSticks),
        };
        if sticky {
            state.end(side).stuck = true;
        }
        if self.is(Break::DeadlineFiresOnce) {
            state.end(side).deadline = None;
        }
        if self.is(Break::TimeoutSaysWouldBlock) {
            return Err(would_block());
        }
        Err(Error::Timeout.into())
    }

    pub(super) fn wait<'a>(
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
        let limit = match limit {
            None if self.is(Break::LongWaitLooksLikeADeadlock) => {
                Some(Instant::now() + Duration::from_millis(210))
            }
            limit => limit,
        };
        match limit {
            None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            Some(limit) => {
                let left = limit.saturating_duration_since(Instant::now());
                self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0
            }
        }
    }

    /// Waits until the buffer is empty, as no flush should.
    pub(super) fn drained(&self) {
        let mut state = self.lock();
        while !state.buffer.is_empty() && !state.closed() {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    pub(super) fn close(&self, side: Side, cause: Option<Cause>) {
        let mut state = self.lock();
        if self.is(Break::CloseWaitsForTheCall) {
            while state.end(side).calls > 0 {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
        }
        let end = state.end(side);
        let again = end.word.is_some();
        if again && self.is(Break::SecondCloseFails) && !thread::panicking() {
            drop(state);
            std::panic::resume_unwind(Box::new("closed twice"));
        }
        let word = cause.map_or(Word::Plain, Word::Error);
        let replaces = match (side, &end.word, &word) {
            (_, None, _) => true,
            (Side::Writer, Some(Word::Error(_)), _) => self.is(Break::WriterErrorIsReplaced),
            (Side::Writer, Some(Word::Plain), Word::Error(_)) if thread::panicking() => {
                self.is(Break::UnwindingReplacesAClose)
            }
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
        let quiet_panic = thread::panicking() && self.is(Break::UnwindingWakesNobody);
        if silent || quiet_panic {
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
        if self.is(Break::DeadlineWakesOnlyOne) {
            self.changed.notify_one();
        } else if !unseen {
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
