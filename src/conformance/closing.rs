//! What reads and writes say after either end was closed, in every order.

use super::{
    case::{Call, Case, Cx, Verdict, read, try_read},
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
