//! When a write returns, and what it counts.

use std::sync::Arc;

use super::{
    case::{
        Call, Case, Cx, Did, Verdict, check, is_bytes, is_ok, read, read_exactly, reading,
        same_bytes, try_read, writing,
    },
    needs,
    rng::pattern,
    words::{Says, Word},
};
use crate::{
    ends::{ReadEnd, WriteEnd},
    sync::{AtomicU64, Ordering},
};

pub(super) fn cases<R: ReadEnd + 'static, W: WriteEnd + 'static>() -> Vec<Case<R, W>> {
    vec![
        Case::new(
            "write.returns_when_all_is_consumed",
            "a write returns when reads have taken all of its bytes, and not before",
            needs::no_buffer,
            returns_when_all_is_consumed,
        ),
        Case::new(
            "write.returns_when_it_is_in_the_buffer",
            "a write for which there is room returns although nobody reads",
            needs::buffer,
            returns_when_it_is_in_the_buffer,
        ),
        Case::new(
            "write.fills_the_whole_capacity",
            "as many bytes as the capacity are accepted while nobody reads, again after a drain",
            needs::buffer,
            fills_the_whole_capacity,
        ),
        Case::new(
            "write.blocks_while_there_is_no_room",
            "a write to a full buffer waits for the reader",
            needs::buffer,
            blocks_while_there_is_no_room,
        ),
        Case::new(
            "write.larger_than_the_buffer_streams_through",
            "a write of any size goes through in one call and counts all of its bytes",
            needs::always,
            larger_than_the_buffer_streams_through,
        ),
        Case::new(
            "write.an_empty_write_is_not_the_end",
            "a read never takes an empty write for the end of the stream",
            needs::always,
            an_empty_write_is_not_the_end,
        ),
        Case::new(
            "write.an_empty_write_waits_for_a_read",
            "an empty write meets one read, which goes on waiting for bytes",
            needs::empty_write_meets_read,
            an_empty_write_waits_for_a_read,
        ),
        Case::new(
            "write.an_empty_write_does_nothing",
            "an empty write returns Ok(0) at once, even when the buffer is full",
            needs::empty_write_is_nothing,
            an_empty_write_does_nothing,
        ),
        Case::new(
            "write.cut_short_by_close_counts_its_bytes",
            "a write cut short by a close returns how many bytes went in, and the error on the next call",
            needs::always,
            cut_short_by_close_counts_its_bytes,
        ),
        Case::new(
            "write.fails_after_the_reader_closed_even_with_room",
            "after the reader closed a write fails at once, even if the buffer has room",
            needs::buffer,
            fails_after_the_reader_closed_even_with_room,
        ),
        Case::new(
            "write.flush_does_not_wait",
            "a flush returns Ok at once, whether or not anybody reads",
            needs::always,
            flush_does_not_wait,
        ),
        Case::new(
            "write.shows_what_happened_before_it",
            "what a thread did before its write is seen by the thread that read the bytes, and the other way round",
            needs::always,
            shows_what_happened_before_it,
        ),
        Case::new(
            "write.is_not_disturbed_by_signals",
            "a signal during a blocked write never surfaces",
            needs::interrupts,
            is_not_disturbed_by_signals,
        ),
    ]
}

fn returns_when_all_is_consumed<R: ReadEnd + 'static, W: WriteEnd + 'static>(
    cx: &Cx<R, W>,
) -> Verdict {
    let (mut reader, mut writer) = cx.pair()?;
    for round in 0..3 {
        let bytes = pattern(cx.seed, round, 8);
        let write = writing(writer, bytes.clone())?;
        write.quiet("nobody has read")?;
        is_bytes("the first read", &read(&mut reader, 3), &bytes[..3])?;
        write.quiet("three of eight bytes have been read")?;
        is_bytes("the second read", &read(&mut reader, 4), &bytes[3..7])?;
        write.quiet("seven of eight bytes have been read")?;
        is_bytes("the last read", &read(&mut reader, 4), &bytes[7..])?;
        cx.step("the write does not return although all was read");
        let Did { end, result } = write.wait()?;
        is_ok("the write", &result, 8)?;
        writer = end;
    }
    Ok(())
}

fn returns_when_it_is_in_the_buffer<R: ReadEnd + 'static, W: WriteEnd + 'static>(
    cx: &Cx<R, W>,
) -> Verdict {
    let (mut reader, mut writer) = cx.pair()?;
    let capacity = cx.capacity();
    for len in [1, 5, capacity / 2, capacity] {
        let bytes = pattern(cx.seed, 0, len);
        cx.step(format!("a write of {len} bytes waits although there is room"));
        is_ok("a write that fits", &writer.write(&bytes), len)?;
        same_bytes("what was written", &read_exactly(&mut reader, len, len)?, &bytes)?;
    }
    Ok(())
}

fn fills_the_whole_capacity<R: ReadEnd + 'static, W: WriteEnd + 'static>(cx: &Cx<R, W>) -> Verdict {
    let (mut reader, mut writer) = cx.pair()?;
    for _ in 0..3 {
        cx.step("filling the buffer waits");
        let filled = cx.fill(&mut writer)?;
        let capacity = cx.capacity() as u64;
        check!(
            filled == capacity || (filled > capacity && !cx.rules.capacity_is_exact()),
            "{filled} bytes were accepted, the capacity is {capacity}"
        );
        let got = read_exactly(&mut reader, filled as usize, 1000)?;
        same_bytes("the full buffer", &got, &pattern(cx.seed, 0, filled as usize))?;
        // Move on by a few bytes, so that the next filling wraps elsewhere.
        is_ok("a small write", &writer.write(b"abc"), 3)?;
        is_bytes("its read", &read(&mut reader, 3), b"abc")?;
    }
    Ok(())
}

fn blocks_while_there_is_no_room<R: ReadEnd + 'static, W: WriteEnd + 'static>(
    cx: &Cx<R, W>,
) -> Verdict {
    let (mut reader, mut writer) = cx.pair()?;
    let filled = cx.fill(&mut writer)? as usize;
    let write = writing(writer, b"more".to_vec())?;
    write.quiet("the buffer is full")?;
    let got = read_exactly(&mut reader, filled, 1000)?;
    same_bytes("the full buffer", &got, &pattern(cx.seed, 0, filled))?;
    cx.step("the write does not return although the buffer was drained");
    is_ok("the write", &write.wait()?.result, 4)?;
    is_bytes("the rest", &read(&mut reader, 16), b"more")
}

fn larger_than_the_buffer_streams_through<R: ReadEnd + 'static, W: WriteEnd + 'static>(
    cx: &Cx<R, W>,
) -> Verdict {
    for (len, piece) in [
        (cx.capacity() + 1, 100_000),
        (cx.capacity() * 3 + 17, 1000),
        (cx.capacity() * 2, 7 + cx.capacity() / 3),
    ] {
        let (mut reader, mut writer) = cx.pair()?;
        let bytes = pattern(cx.seed, 0, len);
        let theirs = bytes.clone();
        // The writer is dropped behind its one write, so that a write that falls short ends the stream.
        let write = Call::start("the large write", move || writer.write(&theirs))?;
        cx.step(format!("a write of {len} bytes does not come through"));
        same_bytes("the large write", &read_exactly(&mut reader, len, piece)?, &bytes)?;
        is_ok("the large write", &write.wait()?, len)?;
    }
    Ok(())
}

fn an_empty_write_is_not_the_end<R: ReadEnd + 'static, W: WriteEnd + 'static>(
    cx: &Cx<R, W>,
) -> Verdict {
    for _ in 0..cx.rounds.min(10) {
        let (mut reader, mut writer) = cx.pair()?;
        let write = Call::start("the writer", move || -> Verdict {
            for _ in 0..3 {
                is_ok("an empty write", &writer.write(&[]), 0)?;
            }
            is_ok("the write after it", &writer.write(b"x"), 1)
        })?;
        cx.step("a read met an empty write");
        is_bytes("the read", &read(&mut reader, 16), b"x")?;
        write.wait()??;
    }
    Ok(())
}

fn an_empty_write_waits_for_a_read<R: ReadEnd + 'static, W: WriteEnd + 'static>(
    cx: &Cx<R, W>,
) -> Verdict {
    let (reader, writer) = cx.pair()?;
    let write = writing(writer, Vec::new())?;
    write.quiet("no read has come to meet the empty write")?;
    let read = reading(reader, 16)?;
    cx.step("an empty write does not return although a read came");
    let Did { end: mut writer, result } = write.wait()?;
    is_ok("the empty write", &result, 0)?;
    read.quiet("the read met only an empty write")?;
    is_ok("the next write", &writer.write(b"bytes"), 5)?;
    is_bytes("the read", &read.wait()?.result, b"bytes")
}

fn an_empty_write_does_nothing<R: ReadEnd + 'static, W: WriteEnd + 'static>(
    cx: &Cx<R, W>,
) -> Verdict {
    let (mut reader, mut writer) = cx.pair()?;
    cx.step("an empty write waits");
    is_ok("an empty write", &writer.write(&[]), 0)?;
    Says::WouldBlock.check("try_read after it", &try_read(&mut reader, 8), &cx.rules)?;
    let filled = cx.fill(&mut writer)? as usize;
    cx.step("an empty write waits for room");
    is_ok("an empty write to a full buffer", &writer.write(&[]), 0)?;
    let got = read_exactly(&mut reader, filled, 4096)?;
    same_bytes("what was there before", &got, &pattern(cx.seed, 0, filled))
}

fn cut_short_by_close_counts_its_bytes<R: ReadEnd + 'static, W: WriteEnd + 'static>(
    cx: &Cx<R, W>,
) -> Verdict {
    let len = cx.too_much()?;
    let bytes = pattern(cx.seed, 0, len);
    let word = Word::Marker(7);
    for (by_reader, with_error) in [(true, false), (true, true), (false, false), (false, true)] {
        let (mut reader, writer) = cx.pair()?;
        let control = if by_reader { reader.control() } else { writer.control() };
        let write = writing(writer, bytes.clone())?;
        // One byte has arrived, so the write has begun, and no close can be before it.
        let mut got = read_exactly(&mut reader, 5, 5)?;
        if with_error {
            control.close_with_error(word.error());
        } else {
            control.close();
        }
        cx.step("a blocked write does not return although an end was closed");
        let Did { end: mut writer, result } = write.wait()?;
        let n = match result {
            Ok(n) if n >= got.len() && n < len => n,
            other => {
                return Err(format!(
                    "a write of which {} of {len} bytes were read answered {other:?}",
                    got.len()
                ));
            }
        };
        if cx.rules.capacity().is_none() {
            check!(n == got.len(), "{} bytes were read, the write counts {n}", got.len());
        } else if !by_reader && needs::delivered(cx).is_none() {
            cx.step("draining what a cut write left");
            let (rest, _) = super::case::read_until_end(&mut reader, 1000);
            got.extend(rest);
            check!(n == got.len(), "the write counts {n} bytes, {} arrived", got.len());
        }
        same_bytes("what arrived", &got, &bytes[..got.len()])?;
        let says = if by_reader && with_error { Says::Word(word.clone()) } else { Says::Closed };
        says.check("the write after it", &writer.write(b"more"), &cx.rules)?;
    }
    Ok(())
}

fn fails_after_the_reader_closed_even_with_room<R: ReadEnd + 'static, W: WriteEnd + 'static>(
    cx: &Cx<R, W>,
) -> Verdict {
    for written in [0, 5] {
        let (reader, mut writer) = cx.pair()?;
        if written > 0 {
            is_ok("a write before", &writer.write(b"12345"), 5)?;
        }
        reader.close();
        cx.step("a write to a closed reader waits");
        Says::Closed.check("a write with room", &writer.write(b"x"), &cx.rules)?;
        Says::Closed.check("a try_write with room", &writer.try_write(b"x"), &cx.rules)?;
        drop(reader);
    }
    Ok(())
}

fn flush_does_not_wait<R: ReadEnd + 'static, W: WriteEnd + 'static>(cx: &Cx<R, W>) -> Verdict {
    let (_reader, mut writer) = cx.pair()?;
    cx.step("a flush waits");
    writer.flush().map_err(|error| format!("a flush failed: {error}"))?;
    cx.block_writes(&mut writer)?;
    writer.flush().map_err(|error| format!("a flush failed: {error}"))
}

fn shows_what_happened_before_it<R: ReadEnd + 'static, W: WriteEnd + 'static>(
    cx: &Cx<R, W>,
) -> Verdict {
    let (mut reader, mut writer) = cx.pair()?;
    let (mut answers, mut answer) = cx.pair()?;
    let there = Arc::new(AtomicU64::new(0));
    let back = Arc::new(AtomicU64::new(0));
    let rounds = u64::from(cx.rounds) * 20;
    let (theirs, ours) = (Arc::clone(&there), Arc::clone(&back));
    let echo = Call::start("the echo", move || -> Verdict {
        for round in 1..=rounds {
            is_bytes("the question", &read(&mut reader, 1), b"?")?;
            let seen = theirs.load(Ordering::Relaxed);
            check!(seen == round, "in round {round} the reader saw {seen}");
            ours.store(round, Ordering::Relaxed);
            is_ok("the answer", &answer.write(b"!"), 1)?;
        }
        Ok(())
    })?;
    for round in 1..=rounds {
        there.store(round, Ordering::Relaxed);
        let asked = writer.write(b"?");
        if asked.is_err() {
            break;
        }
        if !matches!(read(&mut answers, 1).as_deref(), Ok(b"!")) {
            break;
        }
        let seen = back.load(Ordering::Relaxed);
        check!(seen == round, "in round {round} the writer saw {seen}");
    }
    cx.note(format!("{rounds} rounds"));
    drop((writer, answers));
    echo.wait()?
}

fn is_not_disturbed_by_signals<R: ReadEnd + 'static, W: WriteEnd + 'static>(
    cx: &Cx<R, W>,
) -> Verdict {
    let Some(prepare) = cx.hooks.interrupt else {
        return Ok(());
    };
    let (mut reader, mut writer) = cx.pair()?;
    let filled = cx.block_writes(&mut writer)? as usize;
    let (send, handle) = std::sync::mpsc::channel();
    let write = Call::start("the write", move || {
        let _ = send.send(prepare());
        writer.write(b"calm")
    })?;
    let interrupt = handle.recv().map_err(|_| "the write panicked")?;
    for _ in 0..10 {
        write.quiet("only a signal came")?;
        interrupt();
    }
    write.quiet("only signals came")?;
    let got = read_exactly(&mut reader, filled + 4, 1000)?;
    same_bytes("the last bytes", &got[filled..], b"calm")?;
    is_ok("the write", &write.wait()?, 4)
}
