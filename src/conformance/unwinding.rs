//! Ends that are dropped by a panic.

use std::panic::resume_unwind;

use super::{
    case::{Call, Case, Cx, Verdict, check, is_ok, read, read_until_end, reading, same_bytes},
    needs,
    words::Says,
};
use crate::ends::{ReadEnd, WriteEnd};

pub(super) fn cases<R: ReadEnd + 'static, W: WriteEnd + 'static>() -> Vec<Case<R, W>> {
    vec![
        Case::new(
            "unwind.a_panicking_writer_is_an_error",
            "a writer dropped by a panic ends the stream with an error, so that it never looks complete",
            needs::always,
            a_panicking_writer_is_an_error,
        ),
        Case::new(
            "unwind.a_panicking_writer_wakes_the_reader",
            "a blocked read is woken when the writer's thread panics",
            needs::always,
            a_panicking_writer_wakes_the_reader,
        ),
        Case::new(
            "unwind.an_earlier_close_stands",
            "a writer that closed before its thread panicked has ended its stream",
            needs::always,
            an_earlier_close_stands,
        ),
        Case::new(
            "unwind.a_panicking_reader_closes",
            "a reader dropped by a panic is closed",
            needs::always,
            a_panicking_reader_closes,
        ),
    ]
}

/// Drops `end` in a thread that unwinds. No panic message is printed, since this is no surprise.
fn drop_unwinding<E: Send + 'static>(end: E) -> Verdict {
    let thread = std::thread::Builder::new()
        .spawn(move || {
            let _end = end;
            resume_unwind(Box::new("on purpose"));
        })
        .map_err(|error| format!("no thread to unwind: {error}"))?;
    check!(thread.join().is_err(), "the thread did not unwind");
    Ok(())
}

fn is_panic_error(got: &std::io::Result<Vec<u8>>) -> Verdict {
    match got {
        Err(error) if error.to_string().contains("panicked") => Ok(()),
        other => Err(format!(
            "after the writer's thread panicked a read answered {other:?} instead of an error that says so"
        )),
    }
}

fn a_panicking_writer_is_an_error<R: ReadEnd + 'static, W: WriteEnd + 'static>(
    cx: &Cx<R, W>,
) -> Verdict {
    let (mut reader, mut writer) = cx.pair()?;
    let written = cx.rules.capacity().map_or(0, |_| 6);
    if written > 0 {
        is_ok("a write", &writer.write(b"before"), written)?;
    }
    drop_unwinding(writer)?;
    cx.step("a read waits although the writer is gone");
    let (got, end) = read_until_end(&mut reader, 4);
    is_panic_error(&end)?;
    same_bytes("what was written before the panic", &got, &b"before"[..written])?;
    is_panic_error(&read(&mut reader, 4))
}

fn a_panicking_writer_wakes_the_reader<R: ReadEnd + 'static, W: WriteEnd + 'static>(
    cx: &Cx<R, W>,
) -> Verdict {
    let (reader, writer) = cx.pair()?;
    let read = reading(reader, 16)?;
    read.quiet("nothing was written")?;
    drop_unwinding(writer)?;
    cx.step("a blocked read sleeps on although the writer is gone");
    is_panic_error(&read.wait()?.result)
}

fn an_earlier_close_stands<R: ReadEnd + 'static, W: WriteEnd + 'static>(cx: &Cx<R, W>) -> Verdict {
    let (mut reader, writer) = cx.pair()?;
    writer.close();
    drop_unwinding(writer)?;
    cx.step("a read waits although the writer closed");
    Says::Eof.check("a read", &read(&mut reader, 16), &cx.rules)
}

fn a_panicking_reader_closes<R: ReadEnd + 'static, W: WriteEnd + 'static>(
    cx: &Cx<R, W>,
) -> Verdict {
    let (reader, mut writer) = cx.pair()?;
    drop_unwinding(reader)?;
    cx.step("a write waits although the reader is gone");
    let write = Call::start("the write", move || writer.write(b"x"))?;
    let wrote = write.wait()?;
    check!(wrote.is_err(), "a write to a reader that is gone answered {wrote:?}");
    Ok(())
}
