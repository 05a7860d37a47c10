//! With a buffer: every acknowledged byte first, then how it ended.

use std::time::Instant;

use super::{
    case::{Call, Case, Cx, Verdict, check, is_ok, read, read_exactly, read_until_end, same_bytes},
    needs,
    rng::pattern,
    words::{Says, Word},
};
use crate::ends::{ReadEnd, WriteEnd};

pub(super) fn cases<R: ReadEnd + 'static, W: WriteEnd + 'static>() -> Vec<Case<R, W>> {
    vec![
        Case::new(
            "drain.every_byte_comes_before_the_end",
            "after a close or a drop of the writer the reader gets every acknowledged byte, then the end",
            needs::delivered,
            every_byte_comes_before_the_end,
        ),
        Case::new(
            "drain.every_byte_comes_before_the_error",
            "after the writer closed with an error the reader gets every acknowledged byte, then the error",
            needs::delivered,
            every_byte_comes_before_the_error,
        ),
        Case::new(
            "drain.a_close_right_behind_a_write_loses_nothing",
            "a close that follows a write at once never overtakes its bytes",
            needs::delivered,
            a_close_right_behind_a_write_loses_nothing,
        ),
        Case::new(
            "drain.a_deadline_loses_nothing",
            "a deadline that passes during the drain takes nothing away",
            needs::delivered,
            a_deadline_loses_nothing,
        ),
    ]
}

#[derive(Clone, Copy, Debug)]
enum How {
    Close,
    Drop,
    Error,
}

/// Writes some, reads less, ends the stream, and reads on in pieces of each size.
fn ends_after<R: ReadEnd + 'static, W: WriteEnd + 'static>(cx: &Cx<R, W>, how: How) -> Verdict {
    let all = cx.capacity();
    for (written, already, piece) in [(1, 0, 16), (10, 3, 4), (all, 0, 7 + all / 5), (all, all, 1)]
    {
        let (mut reader, mut writer) = cx.pair()?;
        let bytes = pattern(cx.seed, 0, written);
        cx.step(format!("a write of {written} bytes waits although there is room"));
        is_ok("the write", &writer.write(&bytes), written)?;
        let mut got = read_exactly(&mut reader, already, 100)?;
        let says = match how {
            How::Close => {
                writer.close();
                Says::Eof
            }
            How::Drop => {
                drop(writer);
                Says::Eof
            }
            How::Error => {
                writer.close_with_error(Word::Marker(9).error());
                Says::Word(Word::Marker(9))
            }
        };
        cx.step(format!("draining after {how:?}"));
        let (rest, end) = read_until_end(&mut reader, piece);
        got.extend(rest);
        same_bytes(&format!("what was written before {how:?}"), &got, &bytes)?;
        says.check(&format!("the read behind the last byte after {how:?}"), &end, &cx.rules)?;
        says.check("the same read again", &read(&mut reader, 16), &cx.rules)?;
    }
    Ok(())
}

fn every_byte_comes_before_the_end<R: ReadEnd + 'static, W: WriteEnd + 'static>(
    cx: &Cx<R, W>,
) -> Verdict {
    ends_after(cx, How::Close)?;
    ends_after(cx, How::Drop)
}

fn every_byte_comes_before_the_error<R: ReadEnd + 'static, W: WriteEnd + 'static>(
    cx: &Cx<R, W>,
) -> Verdict {
    ends_after(cx, How::Error)
}

fn a_close_right_behind_a_write_loses_nothing<R: ReadEnd + 'static, W: WriteEnd + 'static>(
    cx: &Cx<R, W>,
) -> Verdict {
    let rounds = cx.rounds * 10;
    for round in 0..rounds {
        let (mut reader, mut writer) = cx.pair()?;
        let mut rng = cx.rng(round);
        let len = rng.between(1, 40.min(cx.capacity()));
        let piece = rng.between(1, 64);
        let with_error = rng.once_in(3);
        let bytes = pattern(cx.seed, u64::from(round), len);
        let theirs = bytes.clone();
        let write = Call::start("the writer", move || -> Verdict {
            for chunk in theirs.chunks(7) {
                is_ok("a write", &writer.write(chunk), chunk.len())?;
            }
            if with_error {
                writer.close_with_error(Word::Marker(1).error());
            } else {
                writer.close();
            }
            Ok(())
        })?;
        cx.step("reading to the end while the writer closes");
        let (got, end) = read_until_end(&mut reader, piece);
        same_bytes("what was written before the close", &got, &bytes)?;
        let says = if with_error { Says::Word(Word::Marker(1)) } else { Says::Eof };
        says.check("the read behind the last byte", &end, &cx.rules)?;
        write.wait()??;
    }
    cx.note(format!("{rounds} rounds"));
    Ok(())
}

fn a_deadline_loses_nothing<R: ReadEnd + 'static, W: WriteEnd + 'static>(cx: &Cx<R, W>) -> Verdict {
    let (mut reader, mut writer) = cx.pair()?;
    is_ok("the write", &writer.write(b"0123456789"), 10)?;
    drop(writer);
    let mut got = Vec::new();
    while got.len() < 10 {
        reader.set_deadline(Some(Instant::now()));
        Says::Timeout.check(
            "a read with a deadline that passed",
            &read(&mut reader, 3),
            &cx.rules,
        )?;
        reader.set_deadline(None);
        match read(&mut reader, 3) {
            Ok(bytes) if !bytes.is_empty() => got.extend(bytes),
            other => return Err(format!("after {} bytes a read answered {other:?}", got.len())),
        }
    }
    check!(got == b"0123456789", "{got:?} arrived");
    Says::Eof.check("the read behind the last byte", &read(&mut reader, 3), &cx.rules)
}
