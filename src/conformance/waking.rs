//! Closing against calls that are blocked.

use super::{
    case::{Call, Case, Cx, Verdict, check, reading, writing},
    closing::{Closed, READER_CLOSED, READER_ERROR, WRITER_CLOSED, WRITER_ERROR, act},
    needs,
    words::Says,
};
use crate::ends::{ReadEnd, WriteEnd};

const ROWS: [Closed; 4] = [WRITER_CLOSED, WRITER_ERROR, READER_CLOSED, READER_ERROR];

pub(super) fn cases<R: ReadEnd + 'static, W: WriteEnd + 'static>() -> Vec<Case<R, W>> {
    vec![
        Case::new(
            "close.wakes_a_blocked_read",
            "a close of either end wakes a blocked read with what the table says",
            needs::always,
            wakes_a_blocked_read,
        ),
        Case::new(
            "close.wakes_a_blocked_write",
            "a close of either end wakes a blocked write with what the table says",
            needs::always,
            wakes_a_blocked_write,
        ),
        Case::new(
            "close.never_blocks",
            "closing returns although a call of the same end is blocked",
            needs::always,
            never_blocks,
        ),
        Case::new(
            "close.may_race_with_calls",
            "a call that races with a close sees it or not, and nothing else",
            needs::always,
            may_race_with_calls,
        ),
    ]
}

fn wakes_a_blocked_read<R: ReadEnd + 'static, W: WriteEnd + 'static>(cx: &Cx<R, W>) -> Verdict {
    for round in 0..cx.rounds.clamp(4, 12) {
        let row = ROWS[round as usize % ROWS.len()];
        let (reader, writer) = cx.pair()?;
        let (ours, theirs) = (reader.control(), writer.control());
        let read = reading(reader, 16)?;
        // Every third time the close may come before the read has begun: the answer is the same.
        if round % 3 != 2 {
            read.quiet("nothing was written or closed")?;
        }
        act(row.acts, &ours, &theirs);
        cx.step(format!("a blocked read sleeps on after {:?}", row.acts));
        let got = read.wait()?.result;
        row.read.says().check(&format!("a blocked read after {:?}", row.acts), &got, &cx.rules)?;
        drop(writer);
    }
    Ok(())
}

fn wakes_a_blocked_write<R: ReadEnd + 'static, W: WriteEnd + 'static>(cx: &Cx<R, W>) -> Verdict {
    for round in 0..cx.rounds.clamp(4, 12) {
        let row = ROWS[round as usize % ROWS.len()];
        let (reader, mut writer) = cx.pair()?;
        let (ours, theirs) = (reader.control(), writer.control());
        cx.block_writes(&mut writer)?;
        let write = writing(writer, b"x".to_vec())?;
        if round % 3 != 2 {
            write.quiet("nobody read or closed")?;
        }
        act(row.acts, &ours, &theirs);
        cx.step(format!("a blocked write sleeps on after {:?}", row.acts));
        let wrote = write.wait()?.result;
        row.write.says().check(
            &format!("a blocked write after {:?}", row.acts),
            &wrote,
            &cx.rules,
        )?;
        drop(reader);
    }
    Ok(())
}

fn never_blocks<R: ReadEnd + 'static, W: WriteEnd + 'static>(cx: &Cx<R, W>) -> Verdict {
    for with_error in [false, true] {
        let (reader, writer) = cx.pair()?;
        let control = reader.control();
        let read = reading(reader, 16)?;
        read.quiet("nothing was written or closed")?;
        cx.step("closing waits for the blocked read");
        if with_error {
            control.close_with_error("e");
        } else {
            control.close();
        }
        Says::Closed.check("the read", &read.wait()?.result, &cx.rules)?;
        drop(writer);

        let (reader, mut writer) = cx.pair()?;
        let control = writer.control();
        cx.block_writes(&mut writer)?;
        let write = writing(writer, b"x".to_vec())?;
        write.quiet("nobody read or closed")?;
        cx.step("closing waits for the blocked write");
        if with_error {
            control.close_with_error("e");
        } else {
            control.close();
        }
        Says::Closed.check("the write", &write.wait()?.result, &cx.rules)?;
        drop(reader);
    }
    Ok(())
}

fn may_race_with_calls<R: ReadEnd + 'static, W: WriteEnd + 'static>(cx: &Cx<R, W>) -> Verdict {
    for round in 0..cx.rounds {
        let row = ROWS[round as usize % ROWS.len()];
        let (reader, writer) = cx.pair()?;
        let (ours, theirs) = (reader.control(), writer.control());
        let closing = Call::start("the closing", move || act(row.acts, &ours, &theirs))?;
        let write = writing(writer, b"race".to_vec())?;
        let read = reading(reader, 16)?;
        cx.step(format!("a call that races with {:?} does not return", row.acts));
        closing.wait()?;
        let (got, wrote) = (read.wait()?.result, write.wait()?.result);
        match &got {
            Ok(bytes) if !bytes.is_empty() => {
                check!(b"race".starts_with(bytes), "the read answered {bytes:?}");
                let all = cx.rules.capacity().is_some();
                check!(
                    wrote.as_ref().is_ok_and(|n| *n == bytes.len() || (all && *n == 4)),
                    "{} bytes were read, the write answered {wrote:?}",
                    bytes.len()
                );
            }
            _ => {
                row.read.says().check("the read", &got, &cx.rules)?;
                if cx.rules.capacity().is_none() || wrote.is_err() {
                    row.write.says().check("the write", &wrote, &cx.rules)?;
                }
            }
        }
    }
    Ok(())
}
