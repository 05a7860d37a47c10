//! Deadlines that pass, are set or are moved while a call is blocked.

use std::{
    thread,
    time::{Duration, Instant},
};

use super::{
    case::{Case, Cx, Did, Verdict, check, is_bytes, is_ok, read, read_exactly, reading, writing},
    deadlines::{after, past},
    needs,
    words::Says,
};
use crate::ends::{ReadEnd, WriteEnd};

pub(super) fn cases<R: ReadEnd + 'static, W: WriteEnd + 'static>() -> Vec<Case<R, W>> {
    vec![
        Case::new(
            "deadline.ends_a_blocked_read",
            "a deadline that passes ends a blocked read with TimedOut",
            needs::always,
            ends_a_blocked_read,
        ),
        Case::new(
            "deadline.ends_a_blocked_write",
            "a deadline that passes ends a blocked write with TimedOut",
            needs::always,
            ends_a_blocked_write,
        ),
        Case::new(
            "deadline.never_fires_early",
            "no call gives up before its deadline",
            needs::always,
            never_fires_early,
        ),
        Case::new(
            "deadline.reaches_a_blocked_read",
            "a deadline set or moved from another thread takes effect on a read that is blocked",
            needs::always,
            reaches_a_blocked_read,
        ),
        Case::new(
            "deadline.reaches_a_blocked_write",
            "a deadline set or moved from another thread takes effect on a write that is blocked",
            needs::always,
            reaches_a_blocked_write,
        ),
        Case::new(
            "deadline.can_be_moved_later_while_blocked",
            "a deadline that is moved later or cleared in time does not end the blocked call",
            needs::always,
            can_be_moved_later_while_blocked,
        ),
        Case::new(
            "deadline.loses_against_bytes_that_arrived",
            "a deadline that passes while a read is blocked loses against bytes that arrived",
            needs::always,
            loses_against_bytes_that_arrived,
        ),
    ]
}
fn ends_a_blocked_read<R: ReadEnd + 'static, W: WriteEnd + 'static>(cx: &Cx<R, W>) -> Verdict {
    let (mut reader, _writer) = cx.pair()?;
    for millis in [1, 10, 30] {
        reader.set_deadline(Some(after(millis)));
        cx.step("a blocked read sleeps on although its deadline passed");
        Says::Timeout.check("a blocked read", &read(&mut reader, 16), &cx.rules)?;
    }
    Ok(())
}

fn ends_a_blocked_write<R: ReadEnd + 'static, W: WriteEnd + 'static>(cx: &Cx<R, W>) -> Verdict {
    let (_reader, mut writer) = cx.pair()?;
    cx.block_writes(&mut writer)?;
    for millis in [1, 10, 30] {
        writer.set_deadline(Some(after(millis)));
        cx.step("a blocked write sleeps on although its deadline passed");
        Says::Timeout.check("a blocked write", &writer.write(b"x"), &cx.rules)?;
    }
    Ok(())
}

fn never_fires_early<R: ReadEnd + 'static, W: WriteEnd + 'static>(cx: &Cx<R, W>) -> Verdict {
    let (_reader, mut writer) = cx.pair()?;
    cx.block_writes(&mut writer)?;
    let (mut idle, _idle_writer) = cx.pair()?;
    let mut rng = cx.rng(0);
    for _ in 0..cx.rounds.min(12) {
        let deadline = Instant::now() + Duration::from_micros(rng.between(200, 25_000) as u64);
        cx.step("a call sleeps on although its deadline passed");
        writer.set_deadline(Some(deadline));
        let wrote = writer.write(b"x");
        let early = deadline.saturating_duration_since(Instant::now());
        Says::Timeout.check("a blocked write", &wrote, &cx.rules)?;
        check!(early.is_zero(), "the write gave up {early:?} before its deadline");
        let deadline = Instant::now() + Duration::from_micros(rng.between(200, 25_000) as u64);
        idle.set_deadline(Some(deadline));
        let got = read(&mut idle, 16);
        let early = deadline.saturating_duration_since(Instant::now());
        Says::Timeout.check("a blocked read", &got, &cx.rules)?;
        check!(early.is_zero(), "the read gave up {early:?} before its deadline");
    }
    Ok(())
}

fn reaches_a_blocked_read<R: ReadEnd + 'static, W: WriteEnd + 'static>(cx: &Cx<R, W>) -> Verdict {
    let (mut reader, _writer) = cx.pair()?;
    for (at_first, then) in [(None, 0), (Some(3_600_000), 0), (None, 10), (Some(3_600_000), 5)] {
        let control = reader.control();
        control.set_deadline(at_first.map(after));
        let read = reading(reader, 16)?;
        read.quiet("nothing was written and its deadline is far away")?;
        control.set_deadline(Some(after(then)));
        cx.step("a blocked read does not hear of its new deadline");
        let Did { end, result } = read.wait()?;
        Says::Timeout.check("the read", &result, &cx.rules)?;
        reader = end;
    }
    Ok(())
}

fn reaches_a_blocked_write<R: ReadEnd + 'static, W: WriteEnd + 'static>(cx: &Cx<R, W>) -> Verdict {
    let (_reader, mut writer) = cx.pair()?;
    cx.block_writes(&mut writer)?;
    for (at_first, then) in [(None, 0), (Some(3_600_000), 0), (None, 10), (Some(3_600_000), 5)] {
        let control = writer.control();
        control.set_deadline(at_first.map(after));
        let write = writing(writer, b"x".to_vec())?;
        write.quiet("nobody reads and its deadline is far away")?;
        control.set_deadline(Some(after(then)));
        cx.step("a blocked write does not hear of its new deadline");
        let Did { end, result } = write.wait()?;
        Says::Timeout.check("the write", &result, &cx.rules)?;
        writer = end;
    }
    Ok(())
}

fn outlive(deadline: Instant) {
    let until = deadline + Duration::from_millis(2);
    while let Some(left) = until.checked_duration_since(Instant::now()) {
        thread::sleep(left);
        if left.is_zero() {
            return;
        }
    }
}

fn can_be_moved_later_while_blocked<R: ReadEnd + 'static, W: WriteEnd + 'static>(
    cx: &Cx<R, W>,
) -> Verdict {
    for cleared in [true, false] {
        let later = || (!cleared).then(|| after(3_600_000));
        // On a slow machine the change may come too late; then the answer says nothing, and it is tried with more time.
        let mut conclusive = false;
        let mut millis = 25;
        while !conclusive && millis < 10_000 {
            let (reader, mut writer) = cx.pair()?;
            let control = reader.control();
            let deadline = after(millis);
            control.set_deadline(Some(deadline));
            let read = reading(reader, 16)?;
            thread::sleep(Duration::from_millis(millis / 4));
            control.set_deadline(later());
            if Instant::now() < deadline {
                conclusive = true;
                outlive(deadline);
                read.quiet("its deadline was moved away in time")?;
                cx.step("the read does not return");
                is_ok("the write", &writer.write(b"bytes"), 5)?;
                is_bytes("the read", &read.wait()?.result, b"bytes")?;
            }
            millis *= 2;
        }
        let (mut conclusive, mut millis) = (false, 25);
        while !conclusive && millis < 10_000 {
            let (mut reader, mut writer) = cx.pair()?;
            let filled = cx.block_writes(&mut writer)? as usize;
            let control = writer.control();
            let deadline = after(millis);
            control.set_deadline(Some(deadline));
            let write = writing(writer, b"bytes".to_vec())?;
            thread::sleep(Duration::from_millis(millis / 4));
            control.set_deadline(later());
            if Instant::now() < deadline {
                conclusive = true;
                outlive(deadline);
                write.quiet("its deadline was moved away in time")?;
                cx.step("the write does not return");
                read_exactly(&mut reader, filled + 5, 4096)?;
                is_ok("the write", &write.wait()?.result, 5)?;
            }
            millis *= 2;
        }
    }
    Ok(())
}

fn loses_against_bytes_that_arrived<R: ReadEnd + 'static, W: WriteEnd + 'static>(
    cx: &Cx<R, W>,
) -> Verdict {
    // Bytes first, then a deadline that has passed: a read that was blocked finds both when it wakes. One that had not
    // begun may time out by right, so single rounds prove nothing, and where many had not, more time is given to begin.
    let rounds = cx.rounds.clamp(8, 24);
    let mut won = 0;
    for begin in [0, 10, 50, 200].map(Duration::from_millis) {
        won = 0;
        for _ in 0..rounds {
            won += u32::from(bytes_win(cx, begin)?);
        }
        if won * 2 > rounds {
            break;
        }
    }
    check!(won * 2 > rounds, "the bytes that arrived first won only {won} of {rounds} times");
    Ok(())
}

/// Whether a read that has had at least `begin` to begin gets the bytes that come before its deadline passes.
fn bytes_win<R: ReadEnd + 'static, W: WriteEnd + 'static>(
    cx: &Cx<R, W>,
    begin: Duration,
) -> Result<bool, String> {
    let (reader, mut writer) = cx.pair()?;
    let control = reader.control();
    let call = reading(reader, 16)?;
    thread::sleep(begin);
    call.quiet("nothing was written")?;
    let wrote = writer.write(b"first");
    control.set_deadline(past());
    is_ok("the write", &wrote, 5)?;
    cx.step("the read does not return");
    let Did { end: mut reader, result } = call.wait()?;
    if result.is_ok() {
        is_bytes("the read", &result, b"first")?;
        return Ok(true);
    }
    Says::Timeout.check("the read", &result, &cx.rules)?;
    check!(cx.rules.capacity().is_some(), "the write was consumed, yet the read timed out");
    reader.set_deadline(None);
    is_bytes("the read after it", &read(&mut reader, 16), b"first")?;
    Ok(false)
}
