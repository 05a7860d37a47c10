//! What reads and writes say after either end was closed, in every order.

use super::{
    case::{Call, Case, Cx, Verdict, check, is_ok, read, reading, try_read, writing},
    needs,
    rules::BothClosed,
    words::{Says, Word},
};
use crate::ends::{Control, ReadEnd, WriteEnd};

pub(super) fn cases<R: ReadEnd + 'static, W: WriteEnd + 'static>() -> Vec<Case<R, W>> {
    vec![
        Case::new(
            "close.table.writer_closed",
            "writer closed: read gives the end, write gives closed",
            needs::always,
            |cx| rows(cx, &[WRITER_CLOSED]),
        ),
        Case::new(
            "close.table.writer_closed_with_error",
            "writer closed with e: read gives e, write gives closed",
            needs::always,
            |cx| rows(cx, &[WRITER_ERROR]),
        ),
        Case::new(
            "close.table.writer_closed_with_error_first",
            "writer closed with e, then anything: read gives e, write gives closed",
            needs::always,
            |cx| rows(cx, WRITER_ERROR_THEN),
        ),
        Case::new(
            "close.table.writer_closed_first",
            "writer closed, then with e: read gives the end, write gives closed",
            needs::always,
            |cx| rows(cx, WRITER_CLOSED_THEN),
        ),
        Case::new(
            "close.table.reader_closed",
            "reader closed: read gives closed, write gives closed",
            needs::always,
            |cx| rows(cx, &[READER_CLOSED]),
        ),
        Case::new(
            "close.table.reader_closed_with_error",
            "reader closed with e: read gives closed, write gives e",
            needs::always,
            |cx| rows(cx, &[READER_ERROR]),
        ),
        Case::new(
            "close.table.reader_closed_with_error_first",
            "reader closed with e, then anything: read gives closed, write gives e",
            needs::always,
            |cx| rows(cx, READER_ERROR_THEN),
        ),
        Case::new(
            "close.table.reader_closed_first",
            "reader closed, then with e: read gives closed, write gives closed",
            needs::always,
            |cx| rows(cx, READER_CLOSED_THEN),
        ),
        Case::new(
            "close.table.both_ends",
            "both ends closed, in any order and with any errors: each says closed",
            needs::always,
            both_ends,
        ),
        Case::new(
            "close.results_are_sticky",
            "what ends a stream is said again, for ever",
            needs::always,
            results_are_sticky,
        ),
        Case::new(
            "close.is_idempotent",
            "closing again, from any handle and any thread, changes nothing and never fails",
            needs::always,
            is_idempotent,
        ),
        Case::new(
            "close.is_seen_by_what_starts_after_it",
            "an operation that starts after close returned sees it, on any thread",
            needs::always,
            is_seen_by_what_starts_after_it,
        ),
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

/// One closing act; the number is that of the error.
#[derive(Clone, Copy, Debug)]
pub(super) enum Act {
    CloseWriter,
    FailWriter(u64),
    CloseReader,
    FailReader(u64),
}

use Act::{CloseReader, CloseWriter, FailReader, FailWriter};

/// What a row of the table says a call answers.
#[derive(Clone, Copy, Debug)]
pub(super) enum Answer {
    Eof,
    Closed,
    Error(u64),
}

impl Answer {
    pub(super) fn says(self) -> Says {
        match self {
            Self::Eof => Says::Eof,
            Self::Closed => Says::Closed,
            Self::Error(number) => Says::Word(Word::Marker(number)),
        }
    }
}

/// A row of the closing table.
#[derive(Clone, Copy, Debug)]
pub(super) struct Closed {
    pub(super) acts: &'static [Act],
    pub(super) read: Answer,
    pub(super) write: Answer,
}

const fn row(acts: &'static [Act], read: Answer, write: Answer) -> Closed {
    Closed { acts, read, write }
}

pub(super) const WRITER_CLOSED: Closed = row(&[CloseWriter], Answer::Eof, Answer::Closed);
pub(super) const WRITER_ERROR: Closed = row(&[FailWriter(1)], Answer::Error(1), Answer::Closed);
pub(super) const READER_CLOSED: Closed = row(&[CloseReader], Answer::Closed, Answer::Closed);
pub(super) const READER_ERROR: Closed = row(&[FailReader(1)], Answer::Closed, Answer::Error(1));

const WRITER_ERROR_THEN: &[Closed] = &[
    row(&[FailWriter(1), CloseWriter], Answer::Error(1), Answer::Closed),
    row(&[FailWriter(1), FailWriter(2)], Answer::Error(1), Answer::Closed),
    row(&[FailWriter(1), CloseWriter, FailWriter(2)], Answer::Error(1), Answer::Closed),
    row(&[FailWriter(1), FailWriter(2), FailWriter(3)], Answer::Error(1), Answer::Closed),
];
const WRITER_CLOSED_THEN: &[Closed] = &[
    row(&[CloseWriter, FailWriter(1)], Answer::Eof, Answer::Closed),
    row(&[CloseWriter, CloseWriter, FailWriter(1)], Answer::Eof, Answer::Closed),
];
const READER_ERROR_THEN: &[Closed] = &[
    row(&[FailReader(1), CloseReader], Answer::Closed, Answer::Error(1)),
    row(&[FailReader(1), FailReader(2)], Answer::Closed, Answer::Error(1)),
    row(&[FailReader(1), CloseReader, FailReader(2)], Answer::Closed, Answer::Error(1)),
    row(&[FailReader(1), FailReader(2), FailReader(3)], Answer::Closed, Answer::Error(1)),
];
const READER_CLOSED_THEN: &[Closed] = &[
    row(&[CloseReader, FailReader(1)], Answer::Closed, Answer::Closed),
    row(&[CloseReader, CloseReader, FailReader(1)], Answer::Closed, Answer::Closed),
];

/// Performs the acts through controls.
pub(super) fn act(acts: &[Act], reader: &Control, writer: &Control) {
    for act in acts {
        match act {
            CloseWriter => writer.close(),
            FailWriter(number) => writer.close_with_error(Word::Marker(*number).error()),
            CloseReader => reader.close(),
            FailReader(number) => reader.close_with_error(Word::Marker(*number).error()),
        }
    }
}

fn act_on_ends<R: ReadEnd, W: WriteEnd>(acts: &[Act], reader: &R, writer: &W) {
    for act in acts {
        match act {
            CloseWriter => writer.close(),
            FailWriter(number) => writer.close_with_error(Word::Marker(*number).error()),
            CloseReader => reader.close(),
            FailReader(number) => reader.close_with_error(Word::Marker(*number).error()),
        }
    }
}

fn rows<R: ReadEnd + 'static, W: WriteEnd + 'static>(cx: &Cx<R, W>, rows: &[Closed]) -> Verdict {
    for row in rows {
        for through_controls in [false, true] {
            for write_first in [false, true] {
                let (mut reader, mut writer) = cx.pair()?;
                if through_controls {
                    act(row.acts, &reader.control(), &writer.control());
                } else {
                    act_on_ends(row.acts, &reader, &writer);
                }
                let after = format!("after {:?}", row.acts);
                if write_first {
                    cx.step(format!("a write {after} waits"));
                    let wrote = writer.write(b"x");
                    row.write.says().check(&format!("a write {after}"), &wrote, &cx.rules)?;
                }
                cx.step(format!("a read {after} waits"));
                let got = read(&mut reader, 16);
                row.read.says().check(&format!("a read {after}"), &got, &cx.rules)?;
                cx.step(format!("a write {after} waits"));
                let wrote = writer.write(b"x");
                row.write.says().check(&format!("a write {after}"), &wrote, &cx.rules)?;
            }
        }
    }
    Ok(())
}

fn both_ends<R: ReadEnd + 'static, W: WriteEnd + 'static>(cx: &Cx<R, W>) -> Verdict {
    for writer_act in [CloseWriter, FailWriter(1)] {
        for reader_act in [CloseReader, FailReader(2)] {
            for acts in [
                vec![writer_act, reader_act],
                vec![reader_act, writer_act],
                vec![reader_act, writer_act, FailReader(3), FailWriter(4)],
            ] {
                let (mut reader, mut writer) = cx.pair()?;
                act(&acts, &reader.control(), &writer.control());
                let mut reads = vec![Says::Closed];
                let mut writes = vec![Says::Closed];
                if cx.rules.both_closed == BothClosed::FirstWordStays {
                    reads.push(match writer_act {
                        FailWriter(number) => Answer::Error(number).says(),
                        _ => Says::Eof,
                    });
                    if let FailReader(number) = reader_act {
                        writes.push(Answer::Error(number).says());
                    }
                }
                for _ in 0..2 {
                    cx.step(format!("a call after {acts:?} waits"));
                    let got = read(&mut reader, 16);
                    Says::check_any(&reads, &format!("a read after {acts:?}"), &got, &cx.rules)?;
                    let wrote = writer.write(b"x");
                    Says::check_any(
                        &writes,
                        &format!("a write after {acts:?}"),
                        &wrote,
                        &cx.rules,
                    )?;
                }
            }
        }
    }
    Ok(())
}

fn results_are_sticky<R: ReadEnd + 'static, W: WriteEnd + 'static>(cx: &Cx<R, W>) -> Verdict {
    for row in [WRITER_CLOSED, WRITER_ERROR, READER_CLOSED, READER_ERROR] {
        let (mut reader, mut writer) = cx.pair()?;
        act_on_ends(row.acts, &reader, &writer);
        for time in 0..50 {
            let what = format!("call {time} after {:?}", row.acts);
            cx.step(format!("{what} waits"));
            let got = match time % 2 {
                0 => read(&mut reader, 16),
                _ => try_read(&mut reader, 16),
            };
            row.read.says().check(&what, &got, &cx.rules)?;
            let wrote = match time % 2 {
                0 => writer.write(b"x"),
                _ => writer.try_write(b"x"),
            };
            row.write.says().check(&what, &wrote, &cx.rules)?;
        }
    }
    Ok(())
}

fn is_idempotent<R: ReadEnd + 'static, W: WriteEnd + 'static>(cx: &Cx<R, W>) -> Verdict {
    let (mut reader, mut writer) = cx.pair()?;
    let (control, again) = (writer.control(), writer.control());
    cx.step("closing the writer again does not return");
    let closers: Vec<Call<()>> = (0..4)
        .map(|_| {
            let control = control.clone();
            Call::start("the closing", move || {
                for _ in 0..25 {
                    control.close();
                }
            })
        })
        .collect::<Result<_, _>>()?;
    for closer in closers {
        closer.wait()?;
    }
    writer.close();
    again.close_with_error("too late");
    Says::Eof.check("a read", &read(&mut reader, 16), &cx.rules)?;
    cx.step("closing the reader again does not return");
    for _ in 0..25 {
        reader.close();
        reader.control().close();
    }
    let got = read(&mut reader, 16);
    let both = [Says::Closed, Says::Eof];
    match cx.rules.both_closed {
        BothClosed::Closed => Says::Closed.check("a read", &got, &cx.rules)?,
        BothClosed::FirstWordStays => Says::check_any(&both, "a read", &got, &cx.rules)?,
    }
    Says::Closed.check("a write", &writer.write(b"x"), &cx.rules)
}

fn is_seen_by_what_starts_after_it<R: ReadEnd + 'static, W: WriteEnd + 'static>(
    cx: &Cx<R, W>,
) -> Verdict {
    for round in 0..cx.rounds {
        let (mut reader, mut writer) = cx.pair()?;
        let row = [WRITER_CLOSED, WRITER_ERROR, READER_CLOSED, READER_ERROR][round as usize % 4];
        let (controls, closes) = ((reader.control(), writer.control()), row.acts);
        Call::start("the closing", move || act(closes, &controls.0, &controls.1))?.wait()?;
        cx.step("a call that started after a close waits");
        row.read.says().check("a read", &read(&mut reader, 16), &cx.rules)?;
        row.write.says().check("a write", &writer.write(b"x"), &cx.rules)?;
    }
    Ok(())
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
