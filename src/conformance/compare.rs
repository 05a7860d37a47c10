//! Random sequences of calls, on the transport and on the model: the answers must be the same.
//!
//! Every operation of a sequence is one whose answer the rules settle, whatever the timing: calls that might wait have a
//! timeout, and a write that has to meet reads is ended by the sequence itself. A sequence whose answers differ is told in
//! as few operations as still make them differ.

use std::{
    io::{self, IoSlice, IoSliceMut},
    time::{Duration, Instant},
};

use super::{
    case::{Case, Cx, Verdict, check, read, read_exactly, try_read, writing},
    model::Model,
    needs,
    rng::{Rng, pattern},
    words::Word,
};
use crate::ends::{ReadEnd, WriteEnd};

pub(super) fn cases<R: ReadEnd + 'static, W: WriteEnd + 'static>() -> Vec<Case<R, W>> {
    vec![Case::new(
        "compare.random_sequences_answer_as_the_model",
        "a random sequence of calls gives the same answers as the plain model",
        needs::exact,
        random_sequences_answer_as_the_model,
    )]
}

/// How long a call of a sequence may wait that has nothing to wait for.
const MOMENT: Duration = Duration::from_millis(1);

#[derive(Clone, Copy, Debug)]
enum Op {
    Read(usize),
    Write(usize),
    /// Into two buffers, and from two.
    ReadVectored(usize, usize),
    WriteVectored(usize, usize),
    TryRead(usize),
    TryWrite(usize),
    Flush,
    /// A write on its own thread met by reads of this size, so many of them at most; then it is ended.
    Meet {
        len: usize,
        piece: usize,
        reads: usize,
        end: Ended,
    },
    /// A write on its own thread into the buffer, of which so much is read meanwhile that all of it fits, and so much more.
    Pass {
        len: usize,
        more: usize,
    },
    DeadlineOfReader(When),
    DeadlineOfWriter(When),
    ZeroTimeouts,
    NonblockingReader(bool),
    NonblockingWriter(bool),
    CloseReader(Option<u64>),
    CloseWriter(Option<u64>),
}

/// What ends a write that was not read to its end.
#[derive(Clone, Copy, Debug)]
enum Ended {
    Deadline,
    Reader,
    Writer,
}

/// Which deadline an end is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum When {
    Past,
    Far,
    Never,
}

impl When {
    fn deadline(self) -> Option<Instant> {
        match self {
            Self::Past => Some(Instant::now()),
            Self::Far => Some(Instant::now() + Duration::from_secs(3600)),
            Self::Never => None,
        }
    }
}

fn random_op(rng: &mut Rng, large: usize, late: bool) -> Op {
    let size = |rng: &mut Rng| match rng.between(0, 11) {
        0 => 0,
        1 | 2 => 1,
        3 | 4 => rng.between(1, large * 2),
        _ => rng.between(1, large),
    };
    let error = |rng: &mut Rng| (!rng.once_in(2)).then(|| rng.between(1, 9) as u64);
    // Cleared more often than set, since a call that is late does little.
    let when = |rng: &mut Rng| match rng.between(0, 7) {
        0..=2 => When::Past,
        3 => When::Far,
        _ => When::Never,
    };
    // Closing ends most of what is interesting, so it becomes likely only towards the end of a sequence.
    match rng.between(0, if late { 31 } else { 27 }) {
        0..=2 => Op::Read(size(rng)),
        3..=5 => Op::Write(size(rng)),
        6..=8 => Op::TryRead(size(rng)),
        9..=11 => Op::TryWrite(size(rng)),
        12..=15 => Op::Meet {
            // An empty write is let go by a read that then waits for bytes.
            len: size(rng).max(1),
            piece: size(rng).div_ceil(2).max(1),
            reads: rng.between(0, 6),
            end: match rng.between(0, 11) {
                0 => Ended::Reader,
                1 => Ended::Writer,
                _ => Ended::Deadline,
            },
        },
        16 => Op::ReadVectored(size(rng), size(rng)),
        17 => Op::WriteVectored(size(rng), size(rng)),
        18 => Op::Pass { len: size(rng) * 2, more: size(rng) },
        19 => Op::Flush,
        20 => Op::ZeroTimeouts,
        21 | 22 => Op::DeadlineOfReader(when(rng)),
        23 | 24 => Op::DeadlineOfWriter(when(rng)),
        25 | 26 => Op::NonblockingReader(rng.once_in(3)),
        27 => Op::NonblockingWriter(rng.once_in(3)),
        28 | 29 => Op::CloseReader(error(rng)),
        _ => Op::CloseWriter(error(rng)),
    }
}

/// What the driver knows of the pipe, to leave out operations that could wait for ever.
#[derive(Default)]
struct Known {
    reader_late: bool,
    writer_late: bool,
    reader_polls: bool,
    writer_polls: bool,
    reader_closed: bool,
    writer_closed: bool,
    /// Bytes that were written and not yet read.
    fill: usize,
}

impl Known {
    /// A call may wait until the other end's call lets it go on.
    fn calls_may_meet(&self) -> bool {
        !(self.reader_late
            || self.writer_late
            || self.reader_polls
            || self.writer_polls
            || self.reader_closed
            || self.writer_closed)
    }

    fn got(&mut self, result: &io::Result<Vec<u8>>) {
        self.fill = self.fill.saturating_sub(result.as_ref().map_or(0, Vec::len));
    }

    fn put(&mut self, result: &io::Result<usize>) {
        self.fill += result.as_ref().map_or(0, |n| *n);
    }
}

fn answer(result: io::Result<Vec<u8>>) -> String {
    match result {
        Ok(bytes) => format!("{} bytes {}", bytes.len(), digest(&bytes)),
        Err(error) => fault(&error),
    }
}

/// Enough of the bytes to tell them from others, and short enough to be kept for every call.
fn digest(bytes: &[u8]) -> String {
    // FNV-1a (Fowler, Noll and Vo).
    let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{:02x?}.. #{hash:016x}", &bytes[..bytes.len().min(4)])
}

fn count(result: io::Result<usize>) -> String {
    match result {
        Ok(n) => format!("{n} written"),
        Err(error) => fault(&error),
    }
}

fn fault(error: &io::Error) -> String {
    match error.kind() {
        // The words for these are the transport's own.
        kind @ (io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock) => format!("{kind:?}"),
        kind => format!("{kind:?}: {error}"),
    }
}

/// One read, and what it left although it was there: how many calls a transport takes for that is its own affair.
fn all_of_it<R: ReadEnd>(
    reader: &mut R,
    len: usize,
    first: impl Fn(&mut R, usize) -> io::Result<Vec<u8>>,
) -> io::Result<Vec<u8>> {
    let mut got = first(reader, len)?;
    while !got.is_empty() && got.len() < len {
        match try_read(reader, len - got.len()) {
            Ok(more) if !more.is_empty() => got.extend(more),
            _ => break,
        }
    }
    Ok(got)
}

/// The same for a write.
fn all_that_fits<W: WriteEnd>(
    writer: &mut W,
    bytes: &[u8],
    first: impl Fn(&mut W, &[u8]) -> io::Result<usize>,
) -> io::Result<usize> {
    let mut put = first(writer, bytes)?;
    while put > 0 && put < bytes.len() {
        match writer.try_write(&bytes[put..]) {
            Ok(n) if n > 0 => put += n,
            _ => break,
        }
    }
    Ok(put)
}

fn read_vectored(reader: &mut impl ReadEnd, one: usize, two: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; one + two];
    let (front, back) = bytes.split_at_mut(one);
    let n = reader.read_vectored(&mut [IoSliceMut::new(front), IoSliceMut::new(back)])?;
    bytes.truncate(n);
    Ok(bytes)
}

/// Performs `ops` and says what each answered; stops when both ends are closed, where transports may differ.
fn perform<R, W>(
    (mut reader, mut writer): (R, W),
    ops: &[Op],
    buffer: Option<usize>,
    seed: u64,
) -> Result<Vec<String>, String>
where
    R: ReadEnd + 'static,
    W: WriteEnd + 'static,
{
    let mut known = Known::default();
    let mut position = 0;
    let mut answers = Vec::new();
    let set = |result: io::Result<()>| {
        result.map_err(|error| format!("setting a timeout failed: {error}"))
    };
    for op in ops {
        let mut said = String::new();
        match *op {
            Op::Read(len) => {
                set(reader.set_read_timeout(Some(MOMENT)))?;
                let got = all_of_it(&mut reader, len, read);
                known.got(&got);
                said = answer(got);
                set(reader.set_read_timeout(None))?;
            }
            Op::Write(len) => {
                set(writer.set_write_timeout(Some(MOMENT)))?;
                let put = writer.write(&pattern(seed, position, len));
                known.put(&put);
                said = count(put);
                set(writer.set_write_timeout(None))?;
            }
            Op::ReadVectored(one, two) => {
                set(reader.set_read_timeout(Some(MOMENT)))?;
                let got =
                    all_of_it(&mut reader, one + two, |reader, _| read_vectored(reader, one, two));
                known.got(&got);
                said = answer(got);
                set(reader.set_read_timeout(None))?;
            }
            Op::WriteVectored(one, two) => {
                set(writer.set_write_timeout(Some(MOMENT)))?;
                let bytes = pattern(seed, position, one + two);
                let put = all_that_fits(&mut writer, &bytes, |writer, bytes| {
                    let (front, back) = bytes.split_at(one);
                    writer.write_vectored(&[IoSlice::new(front), IoSlice::new(back)])
                });
                known.put(&put);
                said = count(put);
                set(writer.set_write_timeout(None))?;
            }
            Op::TryRead(len) => {
                let got = all_of_it(&mut reader, len, try_read);
                known.got(&got);
                said = answer(got);
            }
            Op::TryWrite(len) => {
                let bytes = pattern(seed, position, len);
                let put = all_that_fits(&mut writer, &bytes, W::try_write);
                known.put(&put);
                said = count(put);
            }
            Op::Flush => said = count(writer.flush().map(|()| 0)),
            Op::ZeroTimeouts => {
                let zero = Some(Duration::ZERO);
                let kind = |result: io::Result<()>| result.map_err(|error| error.kind());
                said = format!(
                    "{:?} {:?}",
                    kind(reader.set_read_timeout(zero)),
                    kind(writer.set_write_timeout(zero))
                );
            }
            Op::Meet { len, piece, reads, end } => {
                if buffer.is_some() || !known.calls_may_meet() {
                    continue;
                }
                let control = writer.control();
                let write = writing(writer, pattern(seed, position, len))?;
                let mut got = Vec::new();
                for _ in 0..reads {
                    if got.len() < len {
                        match read(&mut reader, piece) {
                            Ok(bytes) => got.extend(bytes),
                            Err(error) => said += &fault(&error),
                        }
                    }
                }
                said += &format!("read {} bytes {}; ", got.len(), digest(&got));
                if got.len() < len {
                    match end {
                        Ended::Deadline => {
                            control.set_deadline(Some(Instant::now()));
                            known.writer_late = true;
                        }
                        Ended::Reader => {
                            reader.close();
                            known.reader_closed = true;
                        }
                        Ended::Writer => {
                            control.close();
                            known.writer_closed = true;
                        }
                    }
                }
                let did = write.wait()?;
                writer = did.end;
                said += &count(did.result);
            }
            Op::Pass { len, more } => {
                let Some(capacity) = buffer.filter(|_| known.calls_may_meet()) else { continue };
                let all = known.fill + len;
                let take = (all.saturating_sub(capacity) + more).min(all);
                let write = writing(writer, pattern(seed, position, len))?;
                let got = read_exactly(&mut reader, take, take)?;
                let did = write.wait()?;
                writer = did.end;
                known.fill = all - take;
                said = format!("read {}; {}", digest(&got), count(did.result));
            }
            Op::DeadlineOfReader(when) => {
                known.reader_late = when == When::Past;
                reader.set_deadline(when.deadline());
            }
            Op::DeadlineOfWriter(when) => {
                known.writer_late = when == When::Past;
                writer.set_deadline(when.deadline());
            }
            Op::NonblockingReader(polls) => {
                known.reader_polls = polls;
                reader.set_nonblocking(polls);
            }
            Op::NonblockingWriter(polls) => {
                known.writer_polls = polls;
                writer.set_nonblocking(polls);
            }
            Op::CloseReader(number) => {
                known.reader_closed = true;
                match number {
                    Some(number) => reader.close_with_error(Word::Marker(number).error()),
                    None => reader.close(),
                }
            }
            Op::CloseWriter(number) => {
                known.writer_closed = true;
                match number {
                    Some(number) => writer.close_with_error(Word::Marker(number).error()),
                    None => writer.close(),
                }
            }
        }
        // The stream's bytes are told apart by the number of the operation, so that answers need no counting.
        position += 10_000;
        answers.push(format!("{op:?} -> {said}"));
        if known.reader_closed && known.writer_closed {
            break;
        }
    }
    Ok(answers)
}

/// The first operation that a fresh pair and the model answer differently, and both answers.
fn first_difference<R: ReadEnd + 'static, W: WriteEnd + 'static>(
    cx: &Cx<R, W>,
    ops: &[Op],
    seed: u64,
    calls: &mut usize,
) -> Result<Option<(usize, String, String)>, String> {
    let buffer = cx.rules.capacity();
    let expected = perform(Model::of(&cx.rules).pair(), ops, buffer, seed)?;
    let seen = perform(cx.pair()?, ops, buffer, seed)?;
    *calls += seen.len();
    let differs = expected.iter().zip(&seen).position(|(want, got)| want != got);
    if let Some(at) = differs {
        return Ok(Some((at, shorten(&seen[at]), shorten(&expected[at]))));
    }
    check!(seen.len() == expected.len(), "{} of {} calls", seen.len(), expected.len());
    Ok(None)
}

/// How many bytes of capacity the sequences of a case may fill once each.
const ENOUGH_BYTES: usize = 16 << 20;

fn random_sequences_answer_as_the_model<R: ReadEnd + 'static, W: WriteEnd + 'static>(
    cx: &Cx<R, W>,
) -> Verdict {
    let large = cx.capacity().min(300).max(cx.rules.capacity().unwrap_or(0));
    // A sequence may fill the buffer again and again, so those of a large one are fewer.
    let affordable = u32::try_from(ENOUGH_BYTES / large).unwrap_or(u32::MAX);
    let sequences = (cx.rounds * 2).min(affordable.max(1));
    let mut calls = 0;
    for number in 0..sequences {
        let mut rng = cx.rng(number);
        let seed = cx.seed.wrapping_add(u64::from(number));
        let len = rng.between(5, 40);
        let mut ops: Vec<Op> =
            (0..len).map(|at| random_op(&mut rng, large, at * 3 > len * 2)).collect();
        cx.step(format!("the sequence of seed {seed:#x} does not end"));
        let Some(mut difference) = first_difference(cx, &ops, seed, &mut calls)? else { continue };
        // Whatever can be left out is.
        for at in (0..ops.len()).rev() {
            let mut fewer = ops.clone();
            fewer.remove(at);
            cx.step(format!("a part of the sequence of seed {seed:#x} does not end: {fewer:?}"));
            if let Ok(Some(still)) = first_difference(cx, &fewer, seed, &mut calls) {
                (ops, difference) = (fewer, still);
            }
        }
        cx.step("");
        let (at, seen, expected) = difference;
        return Err(format!(
            "the sequence of seed {seed:#x}, operation {at}: {seen} | the model: {expected} | all that it takes: {ops:?}"
        ));
    }
    check!(calls > 0, "no call was compared");
    cx.note(format!("{sequences} sequences, {calls} calls"));
    Ok(())
}

fn shorten(text: &str) -> String {
    text.chars().take(160).collect()
}
