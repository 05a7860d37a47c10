//! Absolute deadlines: past, passing, moved, cleared.

use std::time::{Duration, Instant};

use super::{
    case::{
        Call, Case, Cx, Did, Verdict, check, is_bytes, is_ok, read, read_exactly, reading,
        same_bytes, try_read, writing,
    },
    needs,
    rng::pattern,
    words::Says,
};
use crate::ends::{ReadEnd, WriteEnd};

pub(super) fn cases<R: ReadEnd + 'static, W: WriteEnd + 'static>() -> Vec<Case<R, W>> {
    vec![
        Case::new(
            "deadline.past_fails_a_read_at_once",
            "a deadline that has passed fails a read at once, whether or not bytes are there, and takes none",
            needs::always,
            past_fails_a_read_at_once,
        ),
        Case::new(
            "deadline.past_fails_a_write_at_once",
            "a deadline that has passed fails a write at once, whether or not there is room or a reader",
            needs::always,
            past_fails_a_write_at_once,
        ),
        Case::new(
            "deadline.is_absolute",
            "one deadline counts for every call until it is changed",
            needs::always,
            is_absolute,
        ),
        Case::new(
            "deadline.belongs_to_one_end",
            "a deadline of one end leaves the calls of the other alone",
            needs::always,
            belongs_to_one_end,
        ),
        Case::new(
            "deadline.a_read_works_again_when_cleared",
            "TimedOut is not sticky: with the deadline cleared a read works again and nothing is lost",
            needs::always,
            a_read_works_again_when_cleared,
        ),
        Case::new(
            "deadline.a_write_works_again_when_cleared",
            "TimedOut is not sticky: with the deadline cleared a write works again and nothing is lost",
            needs::always,
            a_write_works_again_when_cleared,
        ),
        Case::new(
            "deadline.a_write_says_how_many_bytes_went_in",
            "a write cut short by its deadline returns exactly the bytes that went in, then TimedOut",
            needs::always,
            a_write_says_how_many_bytes_went_in,
        ),
        Case::new(
            "deadline.a_write_takes_the_rest_back",
            "bytes that a timed-out write did not count are never read",
            needs::always,
            a_write_takes_the_rest_back,
        ),
        Case::new(
            "deadline.leaves_sticky_results_alone",
            "a stream that has ended goes on saying so, whatever the deadline",
            needs::always,
            leaves_sticky_results_alone,
        ),
        Case::new(
            "deadline.a_race_loses_no_byte",
            "under a storm of deadlines on both ends every byte arrives once and in order",
            needs::always,
            a_race_loses_no_byte,
        ),
    ]
}

pub(super) fn past() -> Option<Instant> {
    Some(Instant::now())
}

pub(super) fn after(millis: u64) -> Instant {
    Instant::now() + Duration::from_millis(millis)
}

fn past_fails_a_read_at_once<R: ReadEnd + 'static, W: WriteEnd + 'static>(
    cx: &Cx<R, W>,
) -> Verdict {
    for _ in 0..cx.rounds.min(5) {
        let (mut reader, writer) = cx.pair()?;
        cx.step("a read waits although its deadline has passed");
        reader.set_deadline(past());
        Says::Timeout.check("a read of nothing", &read(&mut reader, 16), &cx.rules)?;
        let write = writing(writer, b"bytes".to_vec())?;
        if cx.rules.capacity().is_some() {
            is_ok("the write", &write.wait()?.result, 5)?;
            Says::Timeout.check("a read of bytes", &read(&mut reader, 16), &cx.rules)?;
            reader.set_deadline(None);
            is_bytes("the read after it", &read(&mut reader, 16), b"bytes")?;
        } else {
            write.quiet("nobody may read")?;
            Says::Timeout.check("a read of bytes", &read(&mut reader, 16), &cx.rules)?;
            write.quiet("the read timed out")?;
            reader.set_deadline(None);
            is_bytes("the read after it", &read(&mut reader, 16), b"bytes")?;
            is_ok("the write", &write.wait()?.result, 5)?;
        }
    }
    Ok(())
}

fn past_fails_a_write_at_once<R: ReadEnd + 'static, W: WriteEnd + 'static>(
    cx: &Cx<R, W>,
) -> Verdict {
    for _ in 0..cx.rounds.min(5) {
        let (reader, mut writer) = cx.pair()?;
        cx.step("a write waits although its deadline has passed");
        writer.set_deadline(past());
        Says::Timeout.check("a write to nobody", &writer.write(b"lost"), &cx.rules)?;
        let read = reading(reader, 16)?;
        read.quiet("nothing was written")?;
        Says::Timeout.check("a write to a reader", &writer.write(b"lost"), &cx.rules)?;
        read.quiet("the write timed out")?;
        writer.set_deadline(None);
        is_ok("the write after it", &writer.write(b"kept"), 4)?;
        is_bytes("the read", &read.wait()?.result, b"kept")?;
    }
    Ok(())
}

fn is_absolute<R: ReadEnd + 'static, W: WriteEnd + 'static>(cx: &Cx<R, W>) -> Verdict {
    let (mut reader, writer) = cx.pair()?;
    let deadline = after(40);
    reader.set_deadline(Some(deadline));
    let write = writing(writer, b"abc".to_vec())?;
    cx.step("a call sleeps on although the deadline passed");
    let mut got = Vec::new();
    loop {
        match read(&mut reader, 1) {
            Ok(bytes) if !bytes.is_empty() => got.extend(bytes),
            end => {
                Says::Timeout.check("the last read", &end, &cx.rules)?;
                break;
            }
        }
    }
    check!(Instant::now() >= deadline, "a read gave up before the deadline");
    for _ in 0..3 {
        Says::Timeout.check("a read after the deadline", &read(&mut reader, 1), &cx.rules)?;
    }
    reader.set_deadline(None);
    got.extend(read_exactly(&mut reader, 3 - got.len(), 3)?);
    same_bytes("what was read before and after", &got, b"abc")?;
    is_ok("the write", &write.wait()?.result, 3)
}

/// Waits until `deadline` has passed by a little.
fn belongs_to_one_end<R: ReadEnd + 'static, W: WriteEnd + 'static>(cx: &Cx<R, W>) -> Verdict {
    let (mut reader, writer) = cx.pair()?;
    let control = writer.control();
    reader.set_deadline(past());
    let write = writing(writer, b"bytes".to_vec())?;
    cx.step("a write waits although there is room");
    let writer = if cx.rules.capacity().is_some() {
        let Did { end, result } = write.wait()?;
        is_ok("a write beside a late reader", &result, 5)?;
        reader.set_deadline(None);
        is_bytes("the read", &read(&mut reader, 16), b"bytes")?;
        end
    } else {
        write.quiet("only the reader's deadline has passed")?;
        reader.set_deadline(None);
        is_bytes("the read", &read(&mut reader, 16), b"bytes")?;
        write.wait()?.end
    };
    control.set_deadline(past());
    let read = reading(reader, 16)?;
    read.quiet("only the writer's deadline has passed")?;
    control.set_deadline(None);
    cx.step("the pipe does not work again");
    let did = writing(writer, b"again".to_vec())?;
    is_bytes("the read", &read.wait()?.result, b"again")?;
    is_ok("the write", &did.wait()?.result, 5)
}

fn a_read_works_again_when_cleared<R: ReadEnd + 'static, W: WriteEnd + 'static>(
    cx: &Cx<R, W>,
) -> Verdict {
    let (mut reader, mut writer) = cx.pair()?;
    for round in 0..3 {
        reader.set_deadline(Some(after(5)));
        cx.step("a read sleeps on although its deadline passed");
        for _ in 0..2 {
            Says::Timeout.check("a late read", &read(&mut reader, 16), &cx.rules)?;
        }
        reader.set_deadline(if round == 1 { Some(after(3_600_000)) } else { None });
        let bytes = pattern(cx.seed, round, 9);
        let write = writing(writer, bytes.clone())?;
        cx.step("a read does not work again");
        same_bytes("the read after it", &read_exactly(&mut reader, 9, 4)?, &bytes)?;
        let Did { end, result } = write.wait()?;
        is_ok("the write", &result, 9)?;
        writer = end;
    }
    Ok(())
}

fn a_write_works_again_when_cleared<R: ReadEnd + 'static, W: WriteEnd + 'static>(
    cx: &Cx<R, W>,
) -> Verdict {
    let (mut reader, mut writer) = cx.pair()?;
    for round in 0..3 {
        let filled = cx.block_writes(&mut writer)? as usize;
        writer.set_deadline(Some(after(5)));
        cx.step("a write sleeps on although its deadline passed");
        for _ in 0..2 {
            Says::Timeout.check("a late write", &writer.write(b"lost"), &cx.rules)?;
        }
        writer.set_deadline(if round == 1 { Some(after(3_600_000)) } else { None });
        let write = writing(writer, b"kept".to_vec())?;
        cx.step("a write does not work again");
        let got = read_exactly(&mut reader, filled + 4, 4096)?;
        same_bytes("what was there before", &got[..filled], &pattern(cx.seed, 0, filled))?;
        same_bytes("the write after it", &got[filled..], b"kept")?;
        let Did { end, result } = write.wait()?;
        is_ok("the write", &result, 4)?;
        writer = end;
    }
    Ok(())
}

fn a_write_says_how_many_bytes_went_in<R: ReadEnd + 'static, W: WriteEnd + 'static>(
    cx: &Cx<R, W>,
) -> Verdict {
    let len = cx.too_much()?;
    let bytes = pattern(cx.seed, 0, len);
    for first in [1, 5, 100] {
        let (mut reader, writer) = cx.pair()?;
        let control = writer.control();
        let write = writing(writer, bytes.clone())?;
        // Some of it has arrived, so the write has begun before its deadline passes.
        let mut got = read_exactly(&mut reader, first, first)?;
        control.set_deadline(past());
        cx.step("a write sleeps on although its deadline passed");
        let Did { end: mut writer, result } = write.wait()?;
        let n = match result {
            Ok(n) if n < len => n,
            other => {
                return Err(format!(
                    "a late write of which {first} of {len} bytes were read answered {other:?}"
                ));
            }
        };
        check!(n >= first, "{first} bytes were read, the write counts {n}");
        Says::Timeout.check("the next write", &writer.write(b"x"), &cx.rules)?;
        control.set_deadline(None);
        let write = writing(writer, b"the tail".to_vec())?;
        cx.step("what the late write counted does not arrive");
        got.extend(read_exactly(&mut reader, n + 8 - first, 1000)?);
        same_bytes("what the late write counted", &got[..n], &bytes[..n])?;
        same_bytes("the write after it", &got[n..], b"the tail")?;
        is_ok("the write after it", &write.wait()?.result, 8)?;
    }
    Ok(())
}

fn a_write_takes_the_rest_back<R: ReadEnd + 'static, W: WriteEnd + 'static>(
    cx: &Cx<R, W>,
) -> Verdict {
    let (mut reader, mut writer) = cx.pair()?;
    let filled = cx.block_writes(&mut writer)? as usize;
    writer.set_deadline(Some(after(5)));
    cx.step("a write sleeps on although its deadline passed");
    Says::Timeout.check("a late write", &writer.write(b"never"), &cx.rules)?;
    let got = read_exactly(&mut reader, filled, 4096)?;
    same_bytes("what was there before", &got, &pattern(cx.seed, 0, filled))?;
    Says::WouldBlock.check("try_read after it", &try_read(&mut reader, 16), &cx.rules)
}

fn leaves_sticky_results_alone<R: ReadEnd + 'static, W: WriteEnd + 'static>(
    cx: &Cx<R, W>,
) -> Verdict {
    let (mut reader, mut writer) = cx.pair()?;
    writer.close();
    Says::Eof.check("a read", &read(&mut reader, 16), &cx.rules)?;
    reader.set_deadline(past());
    Says::Eof.check("a late read", &read(&mut reader, 16), &cx.rules)?;
    writer.set_deadline(past());
    Says::Closed.check("a late write", &writer.write(b"x"), &cx.rules)?;
    let (mut reader, mut writer) = cx.pair()?;
    reader.close();
    Says::Closed.check("a write", &writer.write(b"x"), &cx.rules)?;
    writer.set_deadline(past());
    Says::Closed.check("a late write", &writer.write(b"x"), &cx.rules)?;
    reader.set_deadline(past());
    Says::Closed.check("a late read", &read(&mut reader, 16), &cx.rules)
}

fn a_race_loses_no_byte<R: ReadEnd + 'static, W: WriteEnd + 'static>(cx: &Cx<R, W>) -> Verdict {
    let total = u64::from(cx.rounds) * 500;
    let (mut reader, mut writer) = cx.pair()?;
    let (mut theirs, seed) = (cx.rng(1), cx.seed);
    let write = Call::start("the writer", move || -> Result<u64, String> {
        let (mut at, mut late) = (0, 0);
        while at < total {
            let len = theirs.between(1, 700).min((total - at) as usize);
            let micros = theirs.between(0, 90) as u64;
            writer.set_deadline(Some(Instant::now() + Duration::from_micros(micros)));
            match writer.write(&pattern(seed, at, len)) {
                Ok(n) if n > 0 && n <= len => at += n as u64,
                Err(error) if error.kind() == std::io::ErrorKind::TimedOut => late += 1,
                other => return Err(format!("at byte {at} a write answered {other:?}")),
            }
        }
        Ok(late)
    })?;
    let mut rng = cx.rng(2);
    let (mut at, mut late) = (0, 0);
    while at < total {
        cx.step(format!("{at} of {total} bytes came"));
        let micros = rng.between(0, 90) as u64;
        reader.set_deadline(Some(Instant::now() + Duration::from_micros(micros)));
        match read(&mut reader, rng.between(1, 700)) {
            Ok(bytes) if !bytes.is_empty() => {
                same_bytes("the stream", &bytes, &pattern(cx.seed, at, bytes.len()))?;
                at += bytes.len() as u64;
            }
            Err(error) if error.kind() == std::io::ErrorKind::TimedOut => late += 1,
            other => match write.poll()? {
                Some(Err(why)) => return Err(why),
                _ => return Err(format!("at byte {at} a read answered {other:?}")),
            },
        }
    }
    let late = late + write.wait()??;
    cx.note(format!("{total} bytes, {late} timeouts"));
    Ok(())
}
