//! Random sequences of calls, on the transport and on the model: the answers must be the same.
//!
//! Every operation of a sequence is one whose answer the rules settle, whatever the timing: calls that might wait have a
//! timeout, and a write that has to meet reads is ended by the sequence itself.

use std::{
    io,
    time::{Duration, Instant},
};

use super::{
    case::{Case, Cx, Verdict, check, read, try_read, writing},
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
    TryRead(usize),
    TryWrite(usize),
    /// A write on its own thread met by reads of this size, so many of them at most; then it is ended.
    Meet {
        len: usize,
        piece: usize,
        reads: usize,
        end: Ended,
    },
    DeadlineOfReader(bool),
    DeadlineOfWriter(bool),
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

fn random_op(rng: &mut Rng, large: usize, late: bool) -> Op {
    let size = |rng: &mut Rng| match rng.between(0, 5) {
        0 => 1,
        1 => rng.between(1, large * 2),
        _ => rng.between(1, large),
    };
    let error = |rng: &mut Rng| (!rng.once_in(2)).then(|| rng.between(1, 9) as u64);
    // Closing ends most of what is interesting, so it becomes likely only towards the end of a sequence.
    match rng.between(0, if late { 25 } else { 21 }) {
        0..=2 => Op::Read(size(rng)),
        3..=5 => Op::Write(size(rng)),
        6..=8 => Op::TryRead(size(rng)),
        9..=11 => Op::TryWrite(size(rng)),
        12..=15 => Op::Meet {
            len: size(rng),
            piece: size(rng).div_ceil(2),
            reads: rng.between(0, 6),
            end: match rng.between(0, 11) {
                0 => Ended::Reader,
                1 => Ended::Writer,
                _ => Ended::Deadline,
            },
        },
        16 => Op::DeadlineOfReader(true),
        17 => Op::DeadlineOfWriter(true),
        18 => Op::DeadlineOfReader(false),
        19 => Op::DeadlineOfWriter(false),
        20 => Op::NonblockingReader(rng.once_in(3)),
        21 => Op::NonblockingWriter(rng.once_in(3)),
        22 | 23 => Op::CloseReader(error(rng)),
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
}

fn answer(result: io::Result<Vec<u8>>) -> String {
    match result {
        Ok(bytes) => format!("{} bytes {bytes:?}", bytes.len()),
        Err(error) => fault(&error),
    }
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

/// The same for a write that does not wait.
fn all_that_fits<W: WriteEnd>(writer: &mut W, bytes: &[u8]) -> io::Result<usize> {
    let mut put = writer.try_write(bytes)?;
    while put > 0 && put < bytes.len() {
        match writer.try_write(&bytes[put..]) {
            Ok(n) if n > 0 => put += n,
            _ => break,
        }
    }
    Ok(put)
}

/// Performs `ops` and says what each answered; stops when both ends are closed, where transports may differ.
fn perform<R, W>(
    (mut reader, mut writer): (R, W),
    ops: &[Op],
    buffered: bool,
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
                said = answer(all_of_it(&mut reader, len, read));
                set(reader.set_read_timeout(None))?;
            }
            Op::Write(len) => {
                set(writer.set_write_timeout(Some(MOMENT)))?;
                said = count(writer.write(&pattern(seed, position, len)));
                set(writer.set_write_timeout(None))?;
            }
            Op::TryRead(len) => said = answer(all_of_it(&mut reader, len, try_read)),
            Op::TryWrite(len) => {
                said = count(all_that_fits(&mut writer, &pattern(seed, position, len)));
            }
            Op::Meet { len, piece, reads, end } => {
                if buffered
                    || known.reader_late
                    || known.writer_late
                    || known.reader_polls
                    || known.writer_polls
                    || known.reader_closed
                    || known.writer_closed
                {
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
                said += &format!("read {got:?}; ");
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
            Op::DeadlineOfReader(late) => {
                known.reader_late = late;
                reader.set_deadline(late.then(Instant::now));
            }
            Op::DeadlineOfWriter(late) => {
                known.writer_late = late;
                writer.set_deadline(late.then(Instant::now));
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

fn random_sequences_answer_as_the_model<R: ReadEnd + 'static, W: WriteEnd + 'static>(
    cx: &Cx<R, W>,
) -> Verdict {
    let model = Model::of(&cx.rules);
    let buffered = cx.rules.capacity().is_some();
    let large = cx.capacity().min(300).max(cx.rules.capacity().unwrap_or(0));
    let sequences = cx.rounds * 2;
    let mut calls = 0;
    for number in 0..sequences {
        let mut rng = cx.rng(number);
        let len = rng.between(5, 40);
        let ops: Vec<Op> =
            (0..len).map(|at| random_op(&mut rng, large, at * 3 > len * 2)).collect();
        let seed = cx.seed ^ u64::from(number);
        cx.step(format!("sequence {number} (seed {:#x}) does not end", cx.seed));
        let expected = perform(model.pair(), &ops, buffered, seed)?;
        let seen = perform(cx.pair()?, &ops, buffered, seed)?;
        let differs = expected.iter().zip(&seen).position(|(want, got)| want != got);
        if let Some(at) = differs {
            return Err(format!(
                "sequence {number} (seed {:#x}), operation {at}: {} | the model: {} | before it: {:?}",
                cx.seed,
                shorten(&seen[at]),
                shorten(&expected[at]),
                &ops[at.saturating_sub(4)..at]
            ));
        }
        check!(seen.len() == expected.len(), "sequence {number} broke off");
        calls += seen.len();
    }
    check!(calls > 0, "no call was compared");
    cx.note(format!("{sequences} sequences, {calls} calls"));
    Ok(())
}

fn shorten(text: &str) -> String {
    text.chars().take(160).collect()
}
