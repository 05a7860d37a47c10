//! What a read returns, and when.

use std::{thread, time::Duration};

use super::{
    case::{Call, Case, Cx, Did, Verdict, check, is_bytes, is_ok, read, reading, writing},
    needs,
    rng::pattern,
};
use crate::ends::{ReadEnd, WriteEnd};

pub(super) fn cases<R: ReadEnd + 'static, W: WriteEnd + 'static>() -> Vec<Case<R, W>> {
    vec![
        Case::new(
            "read.takes_what_is_there",
            "a read returns what is there, even if its buffer is larger",
            needs::always,
            takes_what_is_there,
        ),
        Case::new(
            "read.takes_a_write_in_pieces",
            "what does not fit into the buffer of a read is there for the next",
            needs::always,
            takes_a_write_in_pieces,
        ),
        Case::new(
            "read.never_joins_two_writes",
            "a read returns bytes of at most one write",
            needs::within_one_write,
            never_joins_two_writes,
        ),
        Case::new(
            "read.crosses_the_borders_of_writes",
            "a read returns all that is there, whatever writes it came from",
            needs::across_writes,
            crosses_the_borders_of_writes,
        ),
        Case::new(
            "read.waits_for_bytes",
            "a read of an open pipe waits until there are bytes",
            needs::always,
            waits_for_bytes,
        ),
        Case::new(
            "read.an_empty_buffer_returns_at_once",
            "a read into an empty buffer returns Ok(0) at once and takes nothing",
            needs::always,
            an_empty_buffer_returns_at_once,
        ),
        Case::new(
            "read.leaves_the_rest_of_the_buffer_alone",
            "a read changes only the bytes it counts",
            needs::always,
            leaves_the_rest_of_the_buffer_alone,
        ),
        Case::new(
            "read.a_long_wait_is_not_a_deadlock",
            "a read that waits long while another thread can still help goes on waiting",
            needs::always,
            a_long_wait_is_not_a_deadlock,
        ),
        Case::new(
            "read.is_not_disturbed_by_signals",
            "a signal during a blocked read never surfaces",
            needs::interrupts,
            is_not_disturbed_by_signals,
        ),
    ]
}

fn takes_what_is_there<R: ReadEnd + 'static, W: WriteEnd + 'static>(cx: &Cx<R, W>) -> Verdict {
    for len in [1, 3, 100, 255].map(|len| cx.capacity().min(len)) {
        let (mut reader, writer) = cx.pair()?;
        let bytes = pattern(cx.seed, 0, len);
        let write = writing(writer, bytes.clone())?;
        cx.step("a read waits for more than what is there");
        is_bytes("a read into 256 bytes", &read(&mut reader, 256), &bytes)?;
        is_ok("the write", &write.wait()?.result, len)?;
    }
    Ok(())
}

fn takes_a_write_in_pieces<R: ReadEnd + 'static, W: WriteEnd + 'static>(cx: &Cx<R, W>) -> Verdict {
    for (len, piece) in [(10, 4), (9, 3), (60, 33), (7, 1)] {
        let (mut reader, writer) = cx.pair()?;
        let bytes = pattern(cx.seed, 0, len);
        let write = writing(writer, bytes.clone())?;
        for want in bytes.chunks(piece) {
            cx.step(format!("reading a write of {len} bytes in pieces of {piece}"));
            is_bytes("a piece", &read(&mut reader, piece), want)?;
        }
        is_ok("the write", &write.wait()?.result, len)?;
    }
    Ok(())
}

fn never_joins_two_writes<R: ReadEnd + 'static, W: WriteEnd + 'static>(cx: &Cx<R, W>) -> Verdict {
    for round in 0..cx.rounds {
        let (mut reader, mut writer) = cx.pair()?;
        let mut rng = cx.rng(round);
        let lens: Vec<usize> = (0..8).map(|_| rng.between(1, 50)).collect();
        let theirs = lens.clone();
        let seed = cx.seed;
        let write = Call::start("the writer", move || -> Verdict {
            for (at, len) in theirs.into_iter().enumerate() {
                is_ok("a write", &writer.write(&pattern(seed, at as u64, len)), len)?;
            }
            Ok(())
        })?;
        for (at, len) in lens.into_iter().enumerate() {
            let want = pattern(cx.seed, at as u64, len);
            is_bytes("the read of one write", &read(&mut reader, 4096), &want)?;
        }
        write.wait()??;
    }
    Ok(())
}

fn crosses_the_borders_of_writes<R: ReadEnd + 'static, W: WriteEnd + 'static>(
    cx: &Cx<R, W>,
) -> Verdict {
    let (mut reader, mut writer) = cx.pair()?;
    let bytes = pattern(cx.seed, 0, 12);
    for piece in [&bytes[..3], &bytes[3..4], &bytes[4..12]] {
        cx.step("a small write waits although there is room");
        is_ok("a write", &writer.write(piece), piece.len())?;
    }
    is_bytes("a read across three writes", &read(&mut reader, 10), &bytes[..10])?;
    is_bytes("the read of the rest", &read(&mut reader, 10), &bytes[10..])
}

fn waits_for_bytes<R: ReadEnd + 'static, W: WriteEnd + 'static>(cx: &Cx<R, W>) -> Verdict {
    let (mut reader, mut writer) = cx.pair()?;
    for round in 0..3 {
        let read = reading(reader, 16)?;
        read.quiet("nothing has been written and the writer is open")?;
        let bytes = pattern(cx.seed, round, 5);
        cx.step("a write to a waiting read does not return");
        is_ok("the write", &writer.write(&bytes), 5)?;
        cx.step("the read does not return although bytes were written");
        let Did { end, result } = read.wait()?;
        is_bytes("the read", &result, &bytes)?;
        reader = end;
    }
    Ok(())
}

fn an_empty_buffer_returns_at_once<R: ReadEnd + 'static, W: WriteEnd + 'static>(
    cx: &Cx<R, W>,
) -> Verdict {
    let (mut reader, writer) = cx.pair()?;
    cx.step("a read into nothing waits on an empty pipe");
    is_ok("a read into nothing", &reader.read(&mut []), 0)?;
    is_ok("a try_read into nothing", &reader.try_read(&mut []), 0)?;
    let write = writing(writer, b"kept".to_vec())?;
    cx.step("a read into nothing waits while bytes are there");
    is_ok("a read into nothing", &reader.read(&mut []), 0)?;
    is_bytes("the read after it", &read(&mut reader, 16), b"kept")?;
    is_ok("the write", &write.wait()?.result, 4)
}

fn leaves_the_rest_of_the_buffer_alone<R: ReadEnd + 'static, W: WriteEnd + 'static>(
    cx: &Cx<R, W>,
) -> Verdict {
    for sentinel in [0x00, 0xa5, 0xff] {
        let (mut reader, writer) = cx.pair()?;
        let write = writing(writer, b"seven b".to_vec())?;
        let mut buf = [sentinel; 64];
        is_ok("the read", &reader.read(&mut buf), 7)?;
        check!(&buf[..7] == b"seven b", "the bytes that came are {:?}", &buf[..7]);
        check!(
            buf[7..].iter().all(|byte| *byte == sentinel),
            "bytes behind the counted ones were changed"
        );
        is_ok("the write", &write.wait()?.result, 7)?;
    }
    Ok(())
}

fn a_long_wait_is_not_a_deadlock<R: ReadEnd + 'static, W: WriteEnd + 'static>(
    cx: &Cx<R, W>,
) -> Verdict {
    let (reader, mut writer) = cx.pair()?;
    let read = reading(reader, 16)?;
    // The wait itself is the subject: it is longer than the time after which a transport looks for deadlocks.
    thread::sleep(Duration::from_millis(400));
    read.quiet("this thread is about to write")?;
    is_ok("the write", &writer.write(b"late"), 4)?;
    let Did { end: mut reader, result } = read.wait()?;
    is_bytes("the read", &result, b"late")?;
    if cx.rules.capacity().is_none() {
        let write = writing(writer, b"late".to_vec())?;
        thread::sleep(Duration::from_millis(400));
        write.quiet("this thread is about to read")?;
        is_bytes("the read", &self::read(&mut reader, 16), b"late")?;
        is_ok("the write", &write.wait()?.result, 4)?;
    }
    Ok(())
}

fn is_not_disturbed_by_signals<R: ReadEnd + 'static, W: WriteEnd + 'static>(
    cx: &Cx<R, W>,
) -> Verdict {
    let Some(prepare) = cx.hooks.interrupt else {
        return Ok(());
    };
    let (mut reader, mut writer) = cx.pair()?;
    let (send, handle) = std::sync::mpsc::channel();
    let read = Call::start("the read", move || {
        let _ = send.send(prepare());
        read(&mut reader, 16)
    })?;
    let interrupt = handle.recv().map_err(|_| "the read panicked")?;
    for _ in 0..10 {
        read.quiet("only a signal came")?;
        interrupt();
    }
    read.quiet("only signals came")?;
    is_ok("the write", &writer.write(b"calm"), 4)?;
    is_bytes("the read", &read.wait()?, b"calm")
}
