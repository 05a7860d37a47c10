//! Ends that are dropped, and what a close leaves behind.

use super::{
    case::{Case, Cx, Verdict, check, is_ok, read, reading, try_read, writing},
    closing::{Answer, READER_CLOSED, READER_ERROR, WRITER_CLOSED, WRITER_ERROR, act},
    needs,
    words::{Says, Word},
};
use crate::ends::{ReadEnd, WriteEnd};

pub(super) fn cases<R: ReadEnd + 'static, W: WriteEnd + 'static>() -> Vec<Case<R, W>> {
    vec![
        Case::new(
            "close.dropping_the_writer_closes_it",
            "dropping the writer closes it, and an error given before stands",
            needs::always,
            dropping_the_writer_closes_it,
        ),
        Case::new(
            "close.dropping_the_reader_closes_it",
            "dropping the reader closes it, and an error given before stands",
            needs::always,
            dropping_the_reader_closes_it,
        ),
        Case::new(
            "close.a_control_does_not_keep_its_end_open",
            "an end that is dropped closes although a control of it lives, and the control does no harm later",
            needs::always,
            a_control_does_not_keep_its_end_open,
        ),
        Case::new(
            "close.loses_the_unread_rest_of_a_write",
            "without a buffer a close by either end ends a blocked write, and its unread rest is lost",
            needs::lost,
            loses_the_unread_rest_of_a_write,
        ),
        Case::new(
            "close.forgets_what_a_closed_reader_left",
            "a reader that closed gets nothing any more, whatever was written",
            needs::always,
            forgets_what_a_closed_reader_left,
        ),
    ]
}
fn dropping_the_writer_closes_it<R: ReadEnd + 'static, W: WriteEnd + 'static>(
    cx: &Cx<R, W>,
) -> Verdict {
    for (error, says) in [(None, Says::Eof), (Some(3), Answer::Error(3).says())] {
        for blocked in [false, true] {
            let (mut reader, writer) = cx.pair()?;
            if let Some(number) = error {
                writer.close_with_error(Word::Marker(number).error());
            }
            let got = if blocked && error.is_none() {
                let read = reading(reader, 16)?;
                read.quiet("the writer lives")?;
                drop(writer);
                cx.step("a blocked read sleeps on although the writer was dropped");
                read.wait()?.result
            } else {
                drop(writer);
                cx.step("a read waits although the writer was dropped");
                read(&mut reader, 16)
            };
            says.check("a read", &got, &cx.rules)?;
        }
    }
    Ok(())
}

fn dropping_the_reader_closes_it<R: ReadEnd + 'static, W: WriteEnd + 'static>(
    cx: &Cx<R, W>,
) -> Verdict {
    for (error, says) in [(None, Says::Closed), (Some(3), Answer::Error(3).says())] {
        for blocked in [false, true] {
            let (reader, mut writer) = cx.pair()?;
            if let Some(number) = error {
                reader.close_with_error(Word::Marker(number).error());
            }
            let wrote = if blocked && error.is_none() {
                cx.block_writes(&mut writer)?;
                let write = writing(writer, b"x".to_vec())?;
                write.quiet("the reader lives")?;
                drop(reader);
                cx.step("a blocked write sleeps on although the reader was dropped");
                write.wait()?.result
            } else {
                drop(reader);
                cx.step("a write waits although the reader was dropped");
                writer.write(b"x")
            };
            says.check("a write", &wrote, &cx.rules)?;
        }
    }
    Ok(())
}

fn a_control_does_not_keep_its_end_open<R: ReadEnd + 'static, W: WriteEnd + 'static>(
    cx: &Cx<R, W>,
) -> Verdict {
    let (mut reader, writer) = cx.pair()?;
    let control = writer.control();
    let clone = control.clone();
    drop(writer);
    cx.step("a read waits although the writer was dropped");
    Says::Eof.check("a read", &read(&mut reader, 16), &cx.rules)?;
    control.close_with_error("too late");
    clone.set_deadline(None);
    Says::Eof.check("a read after a late error", &read(&mut reader, 16), &cx.rules)?;

    let (reader, mut writer) = cx.pair()?;
    let control = reader.control();
    drop(reader);
    cx.step("a write waits although the reader was dropped");
    Says::Closed.check("a write", &writer.write(b"x"), &cx.rules)?;
    control.close_with_error("too late");
    Says::Closed.check("a write after a late error", &writer.write(b"x"), &cx.rules)?;
    drop((control, writer));
    check!(cx.pair().is_ok(), "no fresh pair can be made afterwards");
    Ok(())
}

fn loses_the_unread_rest_of_a_write<R: ReadEnd + 'static, W: WriteEnd + 'static>(
    cx: &Cx<R, W>,
) -> Verdict {
    for row in [WRITER_CLOSED, WRITER_ERROR, READER_CLOSED, READER_ERROR] {
        for taken in [0, 4] {
            let (mut reader, writer) = cx.pair()?;
            let (ours, theirs) = (reader.control(), writer.control());
            let write = writing(writer, b"0123456789".to_vec())?;
            if taken > 0 {
                let got = read(&mut reader, taken);
                super::case::is_bytes("the read", &got, b"0123")?;
            }
            write.quiet("not all of it was read")?;
            act(row.acts, &ours, &theirs);
            cx.step(format!("a call waits although {:?}", row.acts));
            row.read.says().check("the read", &read(&mut reader, 16), &cx.rules)?;
            let did = write.wait()?;
            if taken > 0 {
                is_ok("the write", &did.result, taken)?;
            } else {
                row.write.says().check("the write", &did.result, &cx.rules)?;
            }
        }
    }
    Ok(())
}

fn forgets_what_a_closed_reader_left<R: ReadEnd + 'static, W: WriteEnd + 'static>(
    cx: &Cx<R, W>,
) -> Verdict {
    let (mut reader, mut writer) = cx.pair()?;
    if cx.rules.capacity().is_some() {
        is_ok("a write", &writer.write(b"left"), 4)?;
    }
    reader.close();
    cx.step("a read of a reader that closed waits");
    for _ in 0..3 {
        Says::Closed.check("a read", &read(&mut reader, 16), &cx.rules)?;
        Says::Closed.check("a try_read", &try_read(&mut reader, 16), &cx.rules)?;
    }
    Ok(())
}
