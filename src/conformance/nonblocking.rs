//! Calls that never wait.

use std::{io, thread};

use super::{
    case::{
        Case, Cx, Did, Verdict, check, is_bytes, is_ok, read, read_exactly, reading, same_bytes,
        try_read, writing,
    },
    closing::{READER_CLOSED, READER_ERROR, WRITER_CLOSED, WRITER_ERROR, act},
    needs,
    rng::pattern,
    words::Says,
};
use crate::ends::{ReadEnd, WriteEnd};

pub(super) fn cases<R: ReadEnd + 'static, W: WriteEnd + 'static>() -> Vec<Case<R, W>> {
    vec![
        Case::new(
            "nonblocking.try_read_would_block",
            "try_read of an open pipe that is empty is WouldBlock",
            needs::always,
            try_read_would_block,
        ),
        Case::new(
            "nonblocking.try_write_would_block",
            "try_write without room, or without a reader that waits, is WouldBlock",
            needs::always,
            try_write_would_block,
        ),
        Case::new(
            "nonblocking.try_read_takes_what_is_there",
            "try_read returns bytes as a read does",
            needs::always,
            try_read_takes_what_is_there,
        ),
        Case::new(
            "nonblocking.try_write_takes_what_there_is_room_for",
            "try_write puts in what there is room for, or what a waiting read wants, and counts it",
            needs::always,
            try_write_takes_what_there_is_room_for,
        ),
        Case::new(
            "nonblocking.try_calls_tell_how_it_ended",
            "after either end closed the try calls say what the table says",
            needs::always,
            try_calls_tell_how_it_ended,
        ),
        Case::new(
            "nonblocking.the_switch_makes_calls_return",
            "after set_nonblocking(true) reads and writes never wait",
            needs::always,
            the_switch_makes_calls_return,
        ),
        Case::new(
            "nonblocking.the_switch_goes_back",
            "after set_nonblocking(false) reads and writes wait again",
            needs::always,
            the_switch_goes_back,
        ),
    ]
}

fn try_read_would_block<R: ReadEnd + 'static, W: WriteEnd + 'static>(cx: &Cx<R, W>) -> Verdict {
    let (mut reader, _writer) = cx.pair()?;
    for _ in 0..3 {
        cx.step("try_read waits");
        Says::WouldBlock.check("try_read", &try_read(&mut reader, 16), &cx.rules)?;
    }
    Ok(())
}

fn try_write_would_block<R: ReadEnd + 'static, W: WriteEnd + 'static>(cx: &Cx<R, W>) -> Verdict {
    let (mut reader, mut writer) = cx.pair()?;
    cx.step("try_write waits");
    let filled = cx.block_writes(&mut writer)? as usize;
    for _ in 0..3 {
        Says::WouldBlock.check("try_write", &writer.try_write(b"x"), &cx.rules)?;
    }
    let got = read_exactly(&mut reader, filled, 4096)?;
    same_bytes("what went in before", &got, &pattern(cx.seed, 0, filled))?;
    Says::WouldBlock.check("try_read after it", &try_read(&mut reader, 16), &cx.rules)
}

fn try_read_takes_what_is_there<R: ReadEnd + 'static, W: WriteEnd + 'static>(
    cx: &Cx<R, W>,
) -> Verdict {
    let (mut reader, writer) = cx.pair()?;
    let write = writing(writer, b"ten bytes!".to_vec())?;
    let mut got = Vec::new();
    while got.len() < 10 {
        cx.step(format!("try_read finds only {} of 10 bytes", got.len()));
        match try_read(&mut reader, 4) {
            Ok(bytes) if !bytes.is_empty() => got.extend(bytes),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => thread::yield_now(),
            other => return Err(format!("try_read answered {other:?}")),
        }
    }
    same_bytes("what try_read found", &got, b"ten bytes!")?;
    is_ok("the write", &write.wait()?.result, 10)
}

fn try_write_takes_what_there_is_room_for<R: ReadEnd + 'static, W: WriteEnd + 'static>(
    cx: &Cx<R, W>,
) -> Verdict {
    if cx.rules.capacity().is_none() {
        for want in [4, 10, 50] {
            let (reader, mut writer) = cx.pair()?;
            let call = reading(reader, want)?;
            let bytes = pattern(cx.seed, 0, 10);
            let n = loop {
                cx.step("try_write does not find the read that waits");
                match writer.try_write(&bytes) {
                    Ok(n) => break n,
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => thread::yield_now(),
                    other => return Err(format!("try_write answered {other:?}")),
                }
            };
            check!(n > 0 && n <= want.min(10), "a read wanted {want} bytes, try_write counts {n}");
            is_bytes("the read", &call.wait()?.result, &bytes[..n])?;
        }
        return Ok(());
    }
    let (mut reader, mut writer) = cx.pair()?;
    let bytes = pattern(cx.seed, 0, cx.too_much()?);
    cx.step("try_write waits");
    let n = match writer.try_write(&bytes) {
        Ok(n) if n > 0 && n < bytes.len() => n,
        other => return Err(format!("try_write of too many bytes answered {other:?}")),
    };
    if cx.rules.capacity_is_exact() {
        check!(
            n == cx.capacity(),
            "there was room for {} bytes, try_write counts {n}",
            cx.capacity()
        );
    }
    same_bytes("what went in", &read_exactly(&mut reader, n, 1000)?, &bytes[..n])?;
    Says::WouldBlock.check("try_read after it", &try_read(&mut reader, 16), &cx.rules)
}

fn try_calls_tell_how_it_ended<R: ReadEnd + 'static, W: WriteEnd + 'static>(
    cx: &Cx<R, W>,
) -> Verdict {
    for row in [WRITER_CLOSED, WRITER_ERROR, READER_CLOSED, READER_ERROR] {
        let (mut reader, mut writer) = cx.pair()?;
        act(row.acts, &reader.control(), &writer.control());
        let after = format!("after {:?}", row.acts);
        let got = try_read(&mut reader, 16);
        row.read.says().check(&format!("try_read {after}"), &got, &cx.rules)?;
        let wrote = writer.try_write(b"x");
        row.write.says().check(&format!("try_write {after}"), &wrote, &cx.rules)?;
    }
    Ok(())
}

fn the_switch_makes_calls_return<R: ReadEnd + 'static, W: WriteEnd + 'static>(
    cx: &Cx<R, W>,
) -> Verdict {
    let (mut reader, mut writer) = cx.pair()?;
    reader.set_nonblocking(true);
    writer.set_nonblocking(true);
    cx.step("a read waits although it must not");
    Says::WouldBlock.check("a read", &read(&mut reader, 16), &cx.rules)?;
    let filled = cx.block_writes(&mut writer)? as usize;
    cx.step("a write waits although it must not");
    Says::WouldBlock.check("a write", &writer.write(b"x"), &cx.rules)?;
    if filled > 0 {
        let mut got = Vec::new();
        while got.len() < filled {
            match read(&mut reader, 4096) {
                Ok(bytes) if !bytes.is_empty() => got.extend(bytes),
                other => {
                    return Err(format!("after {} bytes a read answered {other:?}", got.len()));
                }
            }
        }
        same_bytes("what went in before", &got, &pattern(cx.seed, 0, filled))?;
        is_ok("a write with room", &writer.write(b"room"), 4)?;
        is_bytes("a read of bytes", &read(&mut reader, 16), b"room")?;
    }
    writer.close();
    Says::Eof.check("a read after the close", &read(&mut reader, 16), &cx.rules)
}

fn the_switch_goes_back<R: ReadEnd + 'static, W: WriteEnd + 'static>(cx: &Cx<R, W>) -> Verdict {
    let (mut reader, mut writer) = cx.pair()?;
    reader.set_nonblocking(true);
    writer.set_nonblocking(true);
    cx.step("a read waits although it must not");
    Says::WouldBlock.check("a read", &read(&mut reader, 16), &cx.rules)?;
    let filled = cx.block_writes(&mut writer)? as usize;
    reader.set_nonblocking(false);
    writer.set_nonblocking(false);
    let write = writing(writer, b"waits".to_vec())?;
    write.quiet("nobody has read")?;
    let got = read_exactly(&mut reader, filled + 5, 4096)?;
    same_bytes("the write that waited", &got[filled..], b"waits")?;
    let Did { end: mut writer, result } = write.wait()?;
    is_ok("the write that waited", &result, 5)?;
    let call = reading(reader, 16)?;
    call.quiet("nothing was written")?;
    is_ok("the last write", &writer.write(b"end"), 3)?;
    is_bytes("the read that waited", &call.wait()?.result, b"end")
}
