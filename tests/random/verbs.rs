//! What only rings have: messages, space reserved in place, bytes looked at before they are taken, the reader's last word,
//! counts, and descriptors to poll.

use std::{
    io::{self, ErrorKind, IoSlice, IoSliceMut, Read, Write},
    ops::DerefMut,
    os::{
        fd::{AsFd, OwnedFd},
        unix::net::UnixStream,
    },
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    thread,
    time::{Duration, Instant},
};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use ringpipe::{Doorbell, Error, Options, Reader, Wait, Writer};

use crate::{
    common::{Random, watched},
    plain::{Answer, Bad, Fault, Good, Plain},
    report::{Report, scaled},
};

/// How long a call may wait that has nothing to wait for.
const MOMENT: Duration = Duration::from_micros(20);
const CAPACITY: usize = 4096;
const MAX_MESSAGE: usize = 3 * CAPACITY;

/// A pair of ends, and how it is made.
struct Pair {
    reader: Box<dyn DerefMut<Target = Reader>>,
    writer: Box<dyn DerefMut<Target = Writer>>,
    /// What a poll of either end looks at.
    lights: Option<[OwnedFd; 2]>,
}

impl Pair {
    fn plain((reader, writer): (Reader, Writer)) -> Self {
        let (reader, writer) = (Box::new(reader), Box::new(writer));
        // A box is the plainest of what leads to an end.
        Self { reader: Box::new(reader), writer: Box::new(writer), lights: None }
    }

    fn polled((reader, writer): (Reader, Writer)) -> Self {
        let (reader, writer) = (reader.pollable().unwrap(), writer.pollable().unwrap());
        let lights = [reader.as_fd(), writer.as_fd()].map(|fd| fd.try_clone_to_owned().unwrap());
        Self { reader: Box::new(reader), writer: Box::new(writer), lights: Some(lights) }
    }
}

fn options(wait: Wait) -> Options {
    Options::new().capacity(CAPACITY).max_message(MAX_MESSAGE as u32).wait(wait)
}

/// One direction of a stream whose two halves met over a socket.
fn met(options: &Options) -> (Reader, Writer) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    thread::scope(|scope| {
        let accepted = scope.spawn(|| options.accept_on(theirs).unwrap());
        let (reader, _) = options.connect_on(ours).unwrap().split();
        (reader, accepted.join().unwrap().split().1)
    })
}

/// A kind of ring: its name, and how one is made.
type Kind = (&'static str, fn() -> Pair);

const KINDS: [Kind; 6 + cfg!(feature = "portable") as usize] = [
    ("parking", || Pair::plain(options(Wait::Park).ring().unwrap())),
    ("adaptive", || Pair::plain(options(Wait::Adaptive).ring().unwrap())),
    ("spinning", || Pair::plain(options(Wait::Spin).ring().unwrap())),
    ("polled", || Pair::polled(options(Wait::Park).doorbell(Doorbell::EventFd).ring().unwrap())),
    ("stream", || Pair::plain(met(&options(Wait::Park)))),
    ("polled stream", || Pair::polled(met(&options(Wait::Adaptive).doorbell(Doorbell::EventFd)))),
    #[cfg(feature = "portable")]
    ("portable", || Pair::plain(ringpipe::portable::ring(&options(Wait::Park)).unwrap())),
];

#[derive(Clone, Debug)]
enum Op {
    Read(usize),
    ReadVectored([usize; 3]),
    ReadExact(usize),
    TryRead(usize),
    /// Looks, copies from an offset, and takes one of so many parts of what is there.
    Peek {
        offset: usize,
        parts: usize,
    },
    NextMessage,
    Recv(usize),
    Write(usize),
    WriteVectored([usize; 3]),
    WriteAll(usize),
    TryWrite(usize),
    Reserve {
        len: usize,
        filled: usize,
        commit: bool,
    },
    Send(usize),
    /// The message that is not finished, or another one.
    SendAgain,
    Finish,
    ReaderDeadline(Option<bool>),
    WriterDeadline(Option<bool>),
    ReaderPolls(bool),
    WriterPolls(bool),
    CloseReader {
        error: Option<usize>,
        by_control: bool,
    },
    CloseWriter {
        error: Option<usize>,
        by_control: bool,
    },
}

impl Op {
    fn is_of_the_writer(&self) -> bool {
        match self {
            Self::Read(_)
            | Self::ReadVectored(_)
            | Self::ReadExact(_)
            | Self::TryRead(_)
            | Self::Peek { .. }
            | Self::NextMessage
            | Self::Recv(_)
            | Self::ReaderDeadline(_)
            | Self::ReaderPolls(_)
            | Self::CloseReader { .. } => false,
            Self::Write(_)
            | Self::WriteVectored(_)
            | Self::WriteAll(_)
            | Self::TryWrite(_)
            | Self::Reserve { .. }
            | Self::Send(_)
            | Self::SendAgain
            | Self::Finish
            | Self::WriterDeadline(_)
            | Self::WriterPolls(_)
            | Self::CloseWriter { .. } => true,
        }
    }
}

/// What a sequence is mostly made of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mood {
    Bytes,
    Messages,
    Anything,
}

fn random_ops(random: &mut Random) -> Vec<Op> {
    let mood = [Mood::Bytes, Mood::Messages, Mood::Messages, Mood::Anything][random.below(4)];
    let len = 5 + random.below(40);
    (0..len).map(|at| random_op(random, mood, at * 3 > len * 2)).collect()
}

fn random_op(random: &mut Random, mood: Mood, late: bool) -> Op {
    let size = |random: &mut Random| match random.below(10) {
        0 => 0,
        1 => 1 + random.below(8),
        2 => CAPACITY - 8 + random.below(16),
        3 => random.below(2 * CAPACITY),
        4 => random.below(MAX_MESSAGE + 8),
        _ => random.below(CAPACITY / 3),
    };
    let three = |random: &mut Random| [size(random) / 2, size(random) / 4, size(random) / 2];
    // Cleared more often than set, since a call that is late does little.
    let deadline =
        |random: &mut Random| [None, None, None, Some(false), Some(true)][random.below(5)];
    let error = |random: &mut Random| (random.below(2) == 0).then(|| random.below(9));
    let by_control = random.below(2) == 0;
    // Few calls come after a close, so it becomes likely only towards the end.
    let one = random.below(if late { 36 } else { 32 });
    match one {
        0..=21 if mood == Mood::Messages || (mood == Mood::Anything && by_control) => match one {
            0..=5 => Op::Send(size(random)),
            6..=8 => Op::SendAgain,
            9..=11 => Op::NextMessage,
            12 => Op::Recv(random.below(64)),
            _ => Op::Recv(MAX_MESSAGE),
        },
        0..=3 => Op::Read(size(random)),
        4 => Op::ReadVectored(three(random)),
        5 | 6 => Op::ReadExact(size(random)),
        7 | 8 => Op::TryRead(size(random)),
        9..=12 => Op::Peek { offset: size(random) / 2, parts: 1 + random.below(3) },
        13..=15 => Op::Write(size(random)),
        16 => Op::WriteVectored(three(random)),
        17 | 18 => Op::WriteAll(size(random)),
        19 => Op::TryWrite(size(random)),
        20 | 21 => {
            let len = size(random);
            let filled = random.below(len + 1);
            Op::Reserve { len, filled, commit: random.below(4) > 0 }
        }
        22..=24 => Op::ReaderDeadline(deadline(random)),
        25..=27 => Op::WriterDeadline(deadline(random)),
        28 | 29 => Op::ReaderPolls(random.below(3) == 0),
        30 | 31 => Op::WriterPolls(random.below(3) == 0),
        32 => Op::CloseReader { error: error(random), by_control },
        33 | 34 => Op::CloseWriter { error: error(random), by_control },
        _ => Op::Finish,
    }
}

fn bad(error: &io::Error) -> Bad {
    match Error::of(error) {
        Some(Error::Timeout) => Bad::Timeout,
        Some(Error::Closed) => Bad::Closed,
        Some(Error::ClosedWith(_)) => Bad::ClosedWith(error.to_string()),
        Some(Error::Corrupt(_)) => Bad::Corrupt,
        Some(Error::Invalid(_)) => Bad::Invalid,
        None if error.kind() == ErrorKind::WouldBlock => Bad::WouldBlock,
        None if error.kind() == ErrorKind::UnexpectedEof => Bad::UnexpectedEof,
        _ => Bad::Other(format!("{error:?}")),
    }
}

fn filled(len: usize, read: impl FnOnce(&mut [u8]) -> io::Result<usize>) -> Answer {
    let mut bytes = vec![0; len];
    let n = read(&mut bytes).map_err(|error| bad(&error))?;
    bytes.truncate(n);
    Ok(Good::Bytes(bytes))
}

/// A read, and what it left although it was there: it may take what it knows of without looking for more.
fn read(
    reader: &mut Reader,
    len: usize,
    first: impl FnOnce(&mut Reader, &mut [u8]) -> io::Result<usize>,
) -> Answer {
    filled(len, |buf| {
        let mut n = first(reader, buf)?;
        while n > 0 && n < len {
            match reader.try_read(&mut buf[n..]) {
                Ok(more) if more > 0 => n += more,
                _ => break,
            }
        }
        Ok(n)
    })
}

fn count(result: io::Result<usize>) -> Answer {
    result.map(Good::Count).map_err(|error| bad(&error))
}

fn done(result: io::Result<()>) -> Answer {
    result.map(|()| Good::Done).map_err(|error| bad(&error))
}

/// A ring and its model, which get the same calls.
struct Twins {
    real: Pair,
    plain: Plain,
    /// How long the last message was.
    last_message: usize,
    /// Whether the reader, or the writer, has moved no byte since a call of it would have blocked: its descriptor is there
    /// for that call, which may need more than others.
    stuck: [bool; 2],
}

impl Twins {
    fn new(real: Pair, fault: Option<Fault>) -> Self {
        real.reader.set_read_timeout(Some(MOMENT)).unwrap();
        real.writer.set_write_timeout(Some(MOMENT)).unwrap();
        let plain = Plain::new(CAPACITY, MAX_MESSAGE, fault);
        Self { real, plain, last_message: 0, stuck: [false; 2] }
    }

    /// What the ring answers, and what the model does. `bytes` are what there is to write.
    fn perform(&mut self, op: &Op, bytes: &[u8]) -> (Answer, Answer) {
        let moved =
            |twins: &Self| [twins.real.reader.stats().bytes, twins.real.writer.stats().bytes];
        let before = moved(self);
        let answers = self.call(op, bytes);
        let after = moved(self);
        for end in 0..2 {
            self.stuck[end] &= before[end] == after[end];
        }
        if matches!(answers.0, Err(Bad::WouldBlock | Bad::Timeout)) {
            self.stuck[usize::from(op.is_of_the_writer())] = true;
        }
        answers
    }

    fn call(&mut self, op: &Op, bytes: &[u8]) -> (Answer, Answer) {
        let (reader, writer) = (&mut *self.real.reader, &mut *self.real.writer);
        let plain = &mut self.plain;
        let nothing = (Ok(Good::Done), Ok(Good::Done));
        match *op {
            Op::Read(len) => (read(reader, len, Reader::read), plain.read(len, true)),
            Op::TryRead(len) => (read(reader, len, Reader::try_read), plain.read(len, false)),
            Op::ReadExact(len) => {
                let read = filled(len, |buf| reader.read_exact(buf).map(|()| len));
                (read, plain.read_exact(len))
            }
            Op::ReadVectored([a, b, c]) => {
                let read = read(reader, a + b + c, |reader, buf| {
                    let (one, rest) = buf.split_at_mut(a);
                    let (two, three) = rest.split_at_mut(b);
                    reader.read_vectored(&mut [one, two, three].map(IoSliceMut::new))
                });
                (read, plain.read(a + b + c, true))
            }
            Op::Peek { offset, parts } => self.peek(offset, parts),
            Op::NextMessage => (
                reader.next_message().map(Good::Length).map_err(|error| bad(&error)),
                plain.next_message().map(Good::Length),
            ),
            Op::Recv(len) => {
                let mut buf = vec![0; len];
                let got = reader.recv(&mut buf).map_err(|error| bad(&error));
                (got.map(|n| Good::Message(n.map(|n| buf[..n].to_vec()))), plain.recv(len))
            }
            Op::Write(len) => {
                let bytes = &bytes[..len];
                (count(writer.write(bytes)), plain.write(bytes, true).map(Good::Count))
            }
            Op::TryWrite(len) => {
                let bytes = &bytes[..len];
                (count(writer.try_write(bytes)), plain.write(bytes, false).map(Good::Count))
            }
            Op::WriteAll(len) => {
                let bytes = &bytes[..len];
                (done(writer.write_all(bytes)), plain.write_all(bytes))
            }
            Op::WriteVectored([a, b, c]) => {
                let bytes = &bytes[..a + b + c];
                let parts = [&bytes[..a], &bytes[a..a + b], &bytes[a + b..]].map(IoSlice::new);
                (count(writer.write_vectored(&parts)), plain.write(bytes, true).map(Good::Count))
            }
            Op::Reserve { len, filled, commit } => {
                let commit = commit.then_some(filled);
                let reserved = writer.reserve(len).and_then(|mut grant| {
                    grant.write_all(&bytes[..filled])?;
                    assert_eq!((grant.len(), grant.filled()), (len, filled));
                    commit.map_or(Ok(()), |n| grant.commit(n))
                });
                (done(reserved), plain.reserve(len, &bytes[..filled], commit))
            }
            Op::Send(len) => {
                self.last_message = len;
                (done(writer.send(&bytes[..len])), plain.send(&bytes[..len]))
            }
            Op::SendAgain => {
                let bytes = &bytes[..self.last_message];
                (done(writer.send(bytes)), plain.send(bytes))
            }
            Op::Finish => (done(writer.finish()), plain.finish()),
            Op::ReaderDeadline(deadline) => {
                plain.reader.late = deadline == Some(true);
                reader.set_deadline(deadline.map(moment));
                nothing
            }
            Op::WriterDeadline(deadline) => {
                plain.writer.late = deadline == Some(true);
                writer.set_deadline(deadline.map(moment));
                nothing
            }
            Op::ReaderPolls(polls) => {
                plain.reader.polls = polls;
                reader.set_nonblocking(polls);
                nothing
            }
            Op::WriterPolls(polls) => {
                plain.writer.polls = polls;
                writer.set_nonblocking(polls);
                nothing
            }
            Op::CloseReader { error, by_control } => {
                let error = error.map(|number| format!("the reader's error {number}"));
                plain.reader.close(error.clone());
                match (error, by_control) {
                    (None, false) => reader.close(),
                    (None, true) => reader.control().close(),
                    (Some(error), false) => reader.close_with_error(error),
                    (Some(error), true) => reader.control().close_with_error(error),
                }
                nothing
            }
            Op::CloseWriter { error, by_control } => {
                let error = error.map(|number| format!("the writer's error {number}"));
                plain.writer.close(error.clone());
                match (error, by_control) {
                    (None, false) => writer.close(),
                    (None, true) => writer.control().close(),
                    (Some(error), false) => writer.close_with_error(error),
                    (Some(error), true) => writer.control().close_with_error(error),
                }
                nothing
            }
        }
    }

    fn peek(&mut self, offset: usize, parts: usize) -> (Answer, Answer) {
        let mut expected = self.plain.peek();
        let span = match self.real.reader.peek() {
            Ok(span) => span,
            Err(error) => return (Err(bad(&error)), expected),
        };
        let mut all = vec![0; span.len()];
        assert_eq!(span.copy_to(0, &mut all), all.len());
        let mut behind = vec![0; span.len() + 1];
        let n = span.copy_to(offset, &mut behind);
        assert_eq!(behind[..n], all[offset.min(all.len())..], "from {offset} on");
        assert!(span.as_slice().is_none_or(|slice| slice == all), "a slice of something else");
        if let Ok(Good::Bytes(bytes)) = &mut expected {
            // It shows what it knows of, and where the memory is mapped once, up to the memory's end.
            bytes.truncate(all.len().max(1));
        }
        let consumed = all.len() / parts;
        self.real.reader.consume(consumed);
        if expected == Ok(Good::Bytes(all.clone())) {
            self.plain.consume(consumed);
        }
        (Ok(Good::Bytes(all)), expected)
    }

    /// Whatever else can be seen: the counts of both ends, and whether their descriptors say what a call would find.
    fn compare_the_rest(&self) -> Result<(), String> {
        let (reader, writer) = (self.real.reader.stats(), self.real.writer.stats());
        let real = [reader.bytes, reader.messages, writer.bytes, writer.messages];
        let (reader, writer) = (&self.plain.reader, &self.plain.writer);
        let plain = [reader.bytes, reader.messages, writer.bytes, writer.messages];
        if real != plain {
            return Err(format!("counts {real:?} | the model: {plain:?}"));
        }
        let Some(lights) = &self.real.lights else { return Ok(()) };
        let ready = [self.plain.reader_is_ready(), self.plain.writer_is_ready()];
        let ends = ["reader", "writer"].into_iter().zip(self.stuck);
        for ((light, ready), (end, stuck)) in lights.iter().zip(ready).zip(ends) {
            let mut fds = [PollFd::new(light.as_fd(), PollFlags::POLLIN)];
            let lit = poll(&mut fds, PollTimeout::ZERO).unwrap() == 1;
            if ready && !lit && !stuck {
                return Err(format!("the {end} would not block, and its descriptor is dark"));
            }
        }
        Ok(())
    }
}

fn moment(past: bool) -> Instant {
    if past { Instant::now() } else { Instant::now() + Duration::from_secs(3600) }
}

/// Performs `ops`, and says where the ring and its model part. Gives how many calls there were.
fn differs(
    make: fn() -> Pair,
    ops: &[Op],
    seed: u64,
    fault: Option<Fault>,
) -> (u64, Option<String>) {
    let mut bytes = vec![0; 2 * MAX_MESSAGE];
    Random::new(!seed).fill(&mut bytes);
    let mut twins = Twins::new(make(), fault);
    for (at, op) in ops.iter().enumerate() {
        // Other bytes for each call; some of them can be the length of a message.
        let own = &mut bytes[at..];
        if at % 2 == 0 {
            own[..4].copy_from_slice(&(at as u32 * 9).to_le_bytes());
        }
        let (real, plain) = twins.perform(op, own);
        let seen = match (real == plain, twins.compare_the_rest()) {
            (true, Ok(())) => continue,
            (true, Err(rest)) => rest,
            (false, _) => format!("{} | the model: {}", shorten(&real), shorten(&plain)),
        };
        return (at as u64, Some(format!("operation {at}, {op:?}: {seen}")));
    }
    (ops.len() as u64, None)
}

fn shorten(answer: &Answer) -> String {
    let text = format!("{answer:?}");
    if text.len() < 80 { text } else { format!("{}.. ({} characters)", &text[..60], text.len()) }
}

/// One sequence on one kind of ring: the number of its calls, or what differs, in as few calls as still differ.
fn sequence(seed: u64, make: fn() -> Pair, fault: Option<Fault>) -> Result<u64, String> {
    let mut ops = random_ops(&mut Random::new(seed));
    let (calls, Some(mut why)) = differs(make, &ops, seed, fault) else {
        return Ok(ops.len() as u64);
    };
    ops.truncate(calls as usize + 1);
    for at in (0..ops.len()).rev() {
        let mut fewer = ops.clone();
        fewer.remove(at);
        if let (_, Some(still)) = differs(make, &fewer, seed, fault) {
            (ops, why) = (fewer, still);
        }
    }
    Err(format!("{why} | all that it takes: {ops:?}"))
}

/// How long one sequence may take; a watchdog only.
const LIMIT: Duration = Duration::from_secs(300);

/// One sequence on every kind of ring. Gives how many calls were compared.
fn on_every_kind(seed: u64) -> u64 {
    let calls = KINDS.map(|(name, make)| {
        sequence(seed, make, None)
            .unwrap_or_else(|why| panic!("RINGPIPE_SEED={seed}, {name}: {why}"))
    });
    calls.iter().sum()
}

#[test]
fn random_sequences_of_every_verb_answer_as_a_plain_ring() {
    if let Ok(seed) = std::env::var("RINGPIPE_SEED") {
        // With a prefix it is one of the suite's.
        seed.parse().into_iter().for_each(|seed| println!("{} calls", on_every_kind(seed)));
        return;
    }
    let total = scaled(500);
    let mut report = Report::new("T12 random verbs", "sequences on rings and on a plain one");
    let now = [AtomicU64::new(0), AtomicU64::new(1)];
    let drive = |first: u64| -> u64 {
        let seeds = (first..total).step_by(2);
        let calls = seeds.map(|seed| {
            now[first as usize].store(seed, Relaxed);
            on_every_kind(seed)
        });
        calls.sum()
    };
    let calls: u64 = watched(LIMIT, &now, || {
        thread::scope(|scope| {
            let threads = [0, 1].map(|first| scope.spawn(move || drive(first)));
            let joined = threads.map(|thread| {
                thread.join().unwrap_or_else(|_| panic!("RINGPIPE_SEED is one of {now:?}"))
            });
            joined.iter().sum()
        })
    });
    let kinds = KINDS.len() as u64;
    report.field("kinds", kinds).field("calls", calls).field("first_seed", 0);
    report.done(total * kinds, 500 * 6);
}

#[test]
fn random_sequences_of_every_verb_notice_a_model_with_a_fault() {
    for fault in Fault::ALL {
        let noticed = (0..3000).find_map(|seed| sequence(seed, KINDS[0].1, Some(fault)).err());
        println!("{fault:?}: {}", noticed.unwrap_or_else(|| panic!("{fault:?} was not noticed")));
    }
}
