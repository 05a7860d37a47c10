//! Timeouts of single calls, with the names and the meaning they have on a `UnixStream`.

use std::{
    io,
    time::{Duration, Instant},
};

use super::{
    case::{Case, Cx, Did, Verdict, check, is_bytes, is_ok, read, read_exactly, reading, writing},
    needs,
    words::Says,
};
use crate::ends::{ReadEnd, WriteEnd};

pub(super) fn cases<R: ReadEnd + 'static, W: WriteEnd + 'static>() -> Vec<Case<R, W>> {
    vec![
        Case::new(
            "timeout.limits_every_read_from_its_own_start",
            "a read timeout limits each read from its own start, and not bytes that are there",
            needs::always,
            limits_every_read_from_its_own_start,
        ),
        Case::new(
            "timeout.limits_every_write_from_its_own_start",
            "a write timeout limits each write from its own start, and not writes that can go ahead",
            needs::always,
            limits_every_write_from_its_own_start,
        ),
        Case::new(
            "timeout.none_waits_again",
            "None takes a timeout back",
            needs::always,
            none_waits_again,
        ),
        Case::new(
            "timeout.zero_is_refused",
            "a timeout of zero is InvalidInput, and the earlier one stays",
            needs::always,
            zero_is_refused,
        ),
        Case::new(
            "timeout.is_told_as_it_was_set",
            "the timeout can be asked for",
            needs::always,
            is_told_as_it_was_set,
        ),
        Case::new(
            "timeout.yields_to_an_earlier_deadline",
            "of a timeout and a deadline the earlier one ends the call",
            needs::always,
            yields_to_an_earlier_deadline,
        ),
    ]
}

const SHORT: Duration = Duration::from_millis(12);
const HOUR: Duration = Duration::from_secs(3600);

fn set(result: io::Result<()>) -> Verdict {
    result.map_err(|error| format!("setting a timeout failed: {error}"))
}

fn limits_every_read_from_its_own_start<R: ReadEnd + 'static, W: WriteEnd + 'static>(
    cx: &Cx<R, W>,
) -> Verdict {
    let (mut reader, writer) = cx.pair()?;
    set(reader.set_read_timeout(Some(SHORT)))?;
    for _ in 0..3 {
        let start = Instant::now();
        cx.step("a read sleeps on although its timeout passed");
        Says::Timeout.check("a read", &read(&mut reader, 16), &cx.rules)?;
        let waited = start.elapsed();
        check!(waited >= SHORT, "a read with a timeout of {SHORT:?} gave up after {waited:?}");
    }
    set(reader.set_read_timeout(Some(HOUR)))?;
    let write = writing(writer, b"bytes".to_vec())?;
    is_bytes("a read in time", &read(&mut reader, 16), b"bytes")?;
    is_ok("the write", &write.wait()?.result, 5)
}

fn limits_every_write_from_its_own_start<R: ReadEnd + 'static, W: WriteEnd + 'static>(
    cx: &Cx<R, W>,
) -> Verdict {
    let (mut reader, mut writer) = cx.pair()?;
    let filled = cx.block_writes(&mut writer)? as usize;
    set(writer.set_write_timeout(Some(SHORT)))?;
    for _ in 0..3 {
        let start = Instant::now();
        cx.step("a write sleeps on although its timeout passed");
        Says::Timeout.check("a write", &writer.write(b"x"), &cx.rules)?;
        let waited = start.elapsed();
        check!(waited >= SHORT, "a write with a timeout of {SHORT:?} gave up after {waited:?}");
    }
    set(writer.set_write_timeout(Some(HOUR)))?;
    let write = writing(writer, b"bytes".to_vec())?;
    let got = read_exactly(&mut reader, filled + 5, 4096)?;
    check!(&got[filled..] == b"bytes", "the last bytes are {:?}", &got[filled..]);
    is_ok("a write in time", &write.wait()?.result, 5)
}

fn none_waits_again<R: ReadEnd + 'static, W: WriteEnd + 'static>(cx: &Cx<R, W>) -> Verdict {
    let short = Some(Duration::from_millis(1));
    let (mut reader, mut writer) = cx.pair()?;
    let filled = cx.block_writes(&mut writer)? as usize;
    set(writer.set_write_timeout(short))?;
    cx.step("a write sleeps on although its timeout passed");
    Says::Timeout.check("a write", &writer.write(b"x"), &cx.rules)?;
    set(writer.set_write_timeout(None))?;
    let write = writing(writer, b"x".to_vec())?;
    write.quiet("it has no timeout any more")?;
    let got = read_exactly(&mut reader, filled + 1, 4096)?;
    check!(got[filled] == b'x', "the last byte is {}", got[filled]);
    let Did { end: mut writer, result } = write.wait()?;
    is_ok("the write", &result, 1)?;

    set(reader.set_read_timeout(short))?;
    cx.step("a read sleeps on although its timeout passed");
    Says::Timeout.check("a read", &read(&mut reader, 16), &cx.rules)?;
    set(reader.set_read_timeout(None))?;
    let call = reading(reader, 16)?;
    call.quiet("it has no timeout any more")?;
    is_ok("the write", &writer.write(b"y"), 1)?;
    is_bytes("the read", &call.wait()?.result, b"y")
}

fn zero_is_refused<R: ReadEnd + 'static, W: WriteEnd + 'static>(cx: &Cx<R, W>) -> Verdict {
    let (reader, writer) = cx.pair()?;
    set(reader.set_read_timeout(Some(HOUR)))?;
    set(writer.set_write_timeout(Some(HOUR)))?;
    for (what, result) in [
        ("set_read_timeout", reader.set_read_timeout(Some(Duration::ZERO))),
        ("set_write_timeout", writer.set_write_timeout(Some(Duration::ZERO))),
    ] {
        match result {
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => {}
            other => return Err(format!("{what}(0) answered {other:?} instead of InvalidInput")),
        }
    }
    check!(
        reader.read_timeout() == Some(HOUR) && writer.write_timeout() == Some(HOUR),
        "a refused timeout replaced the earlier one"
    );
    Ok(())
}

fn is_told_as_it_was_set<R: ReadEnd + 'static, W: WriteEnd + 'static>(cx: &Cx<R, W>) -> Verdict {
    let (reader, writer) = cx.pair()?;
    for timeout in [None, Some(HOUR), Some(Duration::from_millis(5)), None] {
        set(reader.set_read_timeout(timeout))?;
        set(writer.set_write_timeout(timeout))?;
        let told = (reader.read_timeout(), writer.write_timeout());
        check!(told == (timeout, timeout), "{timeout:?} was set, {told:?} is told");
    }
    Ok(())
}

fn yields_to_an_earlier_deadline<R: ReadEnd + 'static, W: WriteEnd + 'static>(
    cx: &Cx<R, W>,
) -> Verdict {
    let (_reader, mut writer) = cx.pair()?;
    cx.block_writes(&mut writer)?;
    let (mut idle, _idle_writer) = cx.pair()?;
    for (timeout, deadline) in [(HOUR, SHORT), (SHORT, HOUR)] {
        set(idle.set_read_timeout(Some(timeout)))?;
        set(writer.set_write_timeout(Some(timeout)))?;
        idle.set_deadline(Some(Instant::now() + deadline));
        cx.step("a call sleeps on although the earlier limit passed");
        Says::Timeout.check("a read", &read(&mut idle, 16), &cx.rules)?;
        writer.set_deadline(Some(Instant::now() + deadline));
        Says::Timeout.check("a write", &writer.write(b"x"), &cx.rules)?;
    }
    Ok(())
}
