//! An end whose process is killed.

use std::io;

use super::{
    case::{
        Case, Cx, Verdict, check, is_ok, read, read_exactly, read_until_end, reading, same_bytes,
        writing,
    },
    needs,
    rng::pattern,
    words::Says,
};
use crate::{
    ends::{ReadEnd, WriteEnd},
    error::Error,
};

pub(super) fn cases<R: ReadEnd + 'static, W: WriteEnd + 'static>() -> Vec<Case<R, W>> {
    vec![
        Case::new(
            "death.of_the_writer_comes_after_its_bytes",
            "when the writer's process is killed the reader gets every acknowledged byte, then PeerDied, for ever",
            needs::mortal_writer,
            of_the_writer_comes_after_its_bytes,
        ),
        Case::new(
            "death.of_the_writer_wakes_a_blocked_read",
            "a blocked read learns that the writer's process was killed",
            needs::mortal_writer,
            of_the_writer_wakes_a_blocked_read,
        ),
        Case::new(
            "death.comes_second_to_a_clean_close",
            "a writer that closed before its process was killed has ended its stream",
            needs::mortal_writer,
            comes_second_to_a_clean_close,
        ),
        Case::new(
            "death.of_the_reader_says_what_was_not_consumed",
            "when the reader's process is killed a write is PeerDied with the number of bytes never consumed",
            needs::mortal_reader,
            of_the_reader_says_what_was_not_consumed,
        ),
        Case::new(
            "death.of_the_reader_wakes_a_blocked_write",
            "a blocked write learns that the reader's process was killed",
            needs::mortal_reader,
            of_the_reader_wakes_a_blocked_write,
        ),
    ]
}

fn reader_hears(got: &io::Result<Vec<u8>>) -> Verdict {
    match got {
        Err(error)
            if error.kind() == io::ErrorKind::UnexpectedEof
                && matches!(Error::of(error), Some(Error::PeerDied { unconsumed: None })) =>
        {
            Ok(())
        }
        other => Err(format!(
            "after the writer was killed a read answered {other:?} instead of PeerDied"
        )),
    }
}

fn writer_hears(wrote: &io::Result<usize>) -> Result<u64, String> {
    let why = match wrote {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => match Error::of(error) {
            Some(Error::PeerDied { unconsumed: Some(n) }) => return Ok(*n),
            other => format!("{other:?}"),
        },
        other => format!("{other:?}"),
    };
    Err(format!("after the reader was killed a write answered {why} instead of PeerDied"))
}

fn kill_writer<R, W>(cx: &Cx<R, W>, writer: &W) {
    if let Some(kill) = &cx.hooks.kill_writer {
        kill(writer);
    }
}

fn kill_reader<R, W>(cx: &Cx<R, W>, reader: &R) {
    if let Some(kill) = &cx.hooks.kill_reader {
        kill(reader);
    }
}

fn of_the_writer_comes_after_its_bytes<R: ReadEnd + 'static, W: WriteEnd + 'static>(
    cx: &Cx<R, W>,
) -> Verdict {
    for written in [0, 1, 1000, cx.capacity()] {
        let (mut reader, mut writer) = cx.pair()?;
        let bytes = pattern(cx.seed, 0, written);
        if written > 0 {
            is_ok("the write", &writer.write(&bytes), written)?;
        }
        kill_writer(cx, &writer);
        cx.step("reading to the end of a killed writer's stream");
        let (got, end) = read_until_end(&mut reader, 700);
        same_bytes("what was acknowledged before the kill", &got, &bytes)?;
        reader_hears(&end)?;
        reader_hears(&read(&mut reader, 16))?;
    }
    Ok(())
}

fn of_the_writer_wakes_a_blocked_read<R: ReadEnd + 'static, W: WriteEnd + 'static>(
    cx: &Cx<R, W>,
) -> Verdict {
    let (reader, writer) = cx.pair()?;
    let call = reading(reader, 16)?;
    call.quiet("the writer lives")?;
    kill_writer(cx, &writer);
    cx.step("a blocked read sleeps on although the writer was killed");
    reader_hears(&call.wait()?.result)
}

fn comes_second_to_a_clean_close<R: ReadEnd + 'static, W: WriteEnd + 'static>(
    cx: &Cx<R, W>,
) -> Verdict {
    let (mut reader, mut writer) = cx.pair()?;
    is_ok("the write", &writer.write(b"all of it"), 9)?;
    writer.close();
    kill_writer(cx, &writer);
    cx.step("reading to the end of a stream that was closed before the kill");
    let (got, end) = read_until_end(&mut reader, 4);
    same_bytes("what was written", &got, b"all of it")?;
    Says::Eof.check("the read behind the last byte", &end, &cx.rules)
}

fn of_the_reader_says_what_was_not_consumed<R: ReadEnd + 'static, W: WriteEnd + 'static>(
    cx: &Cx<R, W>,
) -> Verdict {
    for (written, consumed) in [(0, 0), (10, 4), (1000, 1000), (cx.capacity(), 17)] {
        let (mut reader, mut writer) = cx.pair()?;
        let mut acknowledged = 0u64;
        if written > 0 {
            is_ok("the write", &writer.write(&pattern(cx.seed, 0, written)), written)?;
            acknowledged += written as u64;
        }
        read_exactly(&mut reader, consumed, 4096)?;
        kill_reader(cx, &reader);
        cx.step("writing until the death of the reader is noticed");
        let wrote = loop {
            match writer.write(b"x") {
                Ok(n) => acknowledged += n as u64,
                end => break end,
            }
        };
        let unconsumed = writer_hears(&wrote)?;
        let want = acknowledged - consumed as u64;
        check!(unconsumed == want, "{want} bytes were never consumed, the error says {unconsumed}");
        writer_hears(&writer.write(b"x"))?;
    }
    Ok(())
}

fn of_the_reader_wakes_a_blocked_write<R: ReadEnd + 'static, W: WriteEnd + 'static>(
    cx: &Cx<R, W>,
) -> Verdict {
    let (reader, mut writer) = cx.pair()?;
    cx.fill(&mut writer)?;
    let call = writing(writer, b"x".to_vec())?;
    call.quiet("the reader lives")?;
    kill_reader(cx, &reader);
    cx.step("a blocked write sleeps on although the reader was killed");
    writer_hears(&call.wait()?.result).map(drop)
}
