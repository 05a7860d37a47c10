//! Bytes on their way, in calls that block and calls that have a limit, each held to what it promises.

use std::{
    io::{self, ErrorKind, Read, Write},
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use ringpipe::{Error, Reader, Writer};

use crate::{
    common::Random,
    pattern::{CHUNK, assert_bytes, bytes},
};

/// One in so many calls comes after a pause, for which the other side has to wait.
const CALLS_PER_PAUSE: usize = 200;
const MOST_PAUSE_MICROS: usize = 2000;
const MOST_LIMIT_MICROS: usize = 1500;

/// What a direction has come to, for whoever looks on.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    bytes: AtomicU64,
    timeouts: AtomicU64,
    over: AtomicBool,
}

impl Tally {
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Calls whose time was up.
    pub(crate) fn timeouts(&self) -> u64 {
        self.timeouts.load(Ordering::Relaxed)
    }

    /// Whether the direction has ended, well or badly.
    pub(crate) fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    fn end(&self) -> impl Drop + '_ {
        struct End<'a>(&'a Tally);
        impl Drop for End<'_> {
            fn drop(&mut self) {
                self.0.over.store(true, Ordering::Relaxed);
            }
        }
        End(self)
    }
}

/// Which calls there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Calls {
    /// Those that block, those with a timeout and those with a deadline.
    OfAnyKind,
    /// None that blocks.
    Limited,
}

/// How long a call may take, by which of the two ways to say so.
#[derive(Clone, Copy, Debug)]
enum Limit {
    None,
    Timeout(Duration),
    Deadline(Duration),
}

impl Limit {
    fn any(random: &mut Random, calls: Calls) -> Self {
        let time = Duration::from_micros(1 + random.below(MOST_LIMIT_MICROS) as u64);
        match random.below(if calls == Calls::Limited { 2 } else { 3 }) {
            0 => Self::Timeout(time),
            1 => Self::Deadline(time),
            _ => Self::None,
        }
    }

    /// What to set, given the moment now.
    fn timeout_and_deadline(self, now: Instant) -> (Option<Duration>, Option<Instant>) {
        match self {
            Self::None => (None, None),
            Self::Timeout(time) => (Some(time), None),
            Self::Deadline(time) => (None, Some(now + time)),
        }
    }

    /// Fails unless a call that was given `self` at `start` had a reason to end without having done all.
    fn assert_is_up(self, start: Instant) {
        let took = start.elapsed();
        match self {
            Self::None => panic!("a call without a limit gave up after {took:?}"),
            Self::Timeout(time) | Self::Deadline(time) => {
                assert!(took >= time, "{self:?} was up after {took:?}");
            }
        }
    }
}

/// Fails unless it says that time was up. Nothing else may come of a call while both sides live.
fn assert_timed_out(error: &io::Error) {
    assert!(
        error.kind() == ErrorKind::TimedOut && matches!(Error::of(error), Some(Error::Timeout)),
        "{error:?}"
    );
}

fn pause_now_and_then(random: &mut Random) {
    if random.below(CALLS_PER_PAUSE) == 0 {
        thread::sleep(Duration::from_micros(random.below(MOST_PAUSE_MICROS) as u64));
    }
}

/// Writes until it is `enough`, and waits until the reader has had every byte.
pub(crate) fn send(
    mut writer: Writer,
    calls: Calls,
    seed: u64,
    tally: &Tally,
    enough: impl Fn() -> bool,
) {
    let _end = tally.end();
    let mut random = Random::new(seed);
    let mut pos = 0;
    while !enough() {
        pause_now_and_then(&mut random);
        let n = 1 + random.below(CHUNK);
        let limit = Limit::any(&mut random, calls);
        let start = Instant::now();
        let (timeout, deadline) = limit.timeout_and_deadline(start);
        writer.set_write_timeout(timeout).unwrap();
        writer.set_deadline(deadline);
        let written = match writer.write(bytes(pos, n)) {
            Ok(written) => written,
            Err(error) => {
                assert_timed_out(&error);
                0
            }
        };
        if written < n {
            limit.assert_is_up(start);
            tally.timeouts.fetch_add(1, Ordering::Relaxed);
        }
        pos += written as u64;
        tally.bytes.store(pos, Ordering::Relaxed);
    }
    writer.set_write_timeout(None).unwrap();
    writer.set_deadline(None);
    writer.finish().unwrap();
}

/// Reads and compares until the writer has said its last word.
pub(crate) fn receive(mut reader: Reader, calls: Calls, seed: u64, tally: &Tally) {
    let _end = tally.end();
    let mut random = Random::new(seed);
    let mut buf = [0; CHUNK];
    let mut pos = 0;
    loop {
        pause_now_and_then(&mut random);
        let n = 1 + random.below(CHUNK);
        let limit = Limit::any(&mut random, calls);
        let start = Instant::now();
        let (timeout, deadline) = limit.timeout_and_deadline(start);
        reader.set_read_timeout(timeout).unwrap();
        reader.set_deadline(deadline);
        match reader.read(&mut buf[..n]) {
            Ok(0) => return,
            Ok(n) => {
                assert_bytes(pos, &buf[..n]);
                pos += n as u64;
                tally.bytes.store(pos, Ordering::Relaxed);
            }
            Err(error) => {
                assert_timed_out(&error);
                limit.assert_is_up(start);
                tally.timeouts.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}
