//! Many callers of one end: built in, or through the gate.

use std::{io, sync::Arc, thread, time::Instant};

use super::{
    case::{Call, Case, Cx, Show, Verdict, check},
    closing::{READER_ERROR, WRITER_ERROR, act},
    needs,
    suite::{SharedRead, SharedWrite},
    words::Says,
};
use crate::ends::{Control, Gate, ReadEnd, WriteEnd};

pub(super) fn cases<R: ReadEnd + 'static, W: WriteEnd + 'static>() -> Vec<Case<R, W>> {
    vec![
        Case::new(
            "parallel.each_write_is_contiguous",
            "the bytes of each of many parallel writes stand together in the stream",
            needs::parallel,
            |cx| each_write_is_contiguous(cx, built_in),
        ),
        Case::new(
            "parallel.reads_share_the_stream",
            "parallel reads share the stream: every byte goes to one of them, in order",
            needs::parallel,
            |cx| reads_share_the_stream(cx, built_in),
        ),
        Case::new(
            "parallel.close_wakes_every_blocked_call",
            "a close wakes every call that is blocked, not just one",
            needs::parallel,
            close_wakes_every_blocked_call,
        ),
        Case::new(
            "parallel.deadline_wakes_every_blocked_call",
            "a deadline ends every call that is blocked, not just one",
            needs::parallel,
            deadline_wakes_every_blocked_call,
        ),
        Case::new(
            "gate.each_write_is_contiguous",
            "through the gate the bytes of each of many parallel writes stand together",
            needs::always,
            |cx| each_write_is_contiguous(cx, gated),
        ),
        Case::new(
            "gate.reads_share_the_stream",
            "through the gate parallel reads share the stream, every byte once and in order",
            needs::always,
            |cx| reads_share_the_stream(cx, gated),
        ),
        Case::new(
            "gate.closing_does_not_wait_for_the_call_inside",
            "a close or a deadline reaches the call inside the gate, and those that queue behind it",
            needs::always,
            closing_does_not_wait_for_the_call_inside,
        ),
    ]
}

/// Both ends, ready for many callers.
struct Shared {
    reader: Arc<dyn SharedRead>,
    writer: Arc<dyn SharedWrite>,
    read_control: Control,
    write_control: Control,
}

type Share<R, W> = fn(&Cx<R, W>) -> Result<Shared, String>;

fn built_in<R: ReadEnd + 'static, W: WriteEnd + 'static>(cx: &Cx<R, W>) -> Result<Shared, String> {
    let Some((share_reader, share_writer)) = cx.hooks.share else {
        return Err("parallel callers are not built in".into());
    };
    let (reader, writer) = cx.pair()?;
    Ok(Shared {
        read_control: reader.control(),
        write_control: writer.control(),
        reader: share_reader(reader),
        writer: share_writer(writer),
    })
}

fn gated<R: ReadEnd + 'static, W: WriteEnd + 'static>(cx: &Cx<R, W>) -> Result<Shared, String> {
    let (reader, writer) = cx.pair()?;
    let (reader, writer) = (Gate::reader(reader), Gate::writer(writer));
    Ok(Shared {
        read_control: reader.control(),
        write_control: writer.control(),
        reader: Arc::new(reader),
        writer: Arc::new(writer),
    })
}

const WRITERS: u8 = 4;

fn each_write_is_contiguous<R: ReadEnd + 'static, W: WriteEnd + 'static>(
    cx: &Cx<R, W>,
    share: Share<R, W>,
) -> Verdict {
    let records = cx.rounds.min(100) as usize;
    // Longer than the buffer, so that every record needs the reader while it is written.
    let len = cx.rules.capacity().map_or(600, |capacity| capacity.min(20_000) + 100);
    let shared = share(cx)?;
    let mut writers = Vec::new();
    for id in 0..WRITERS {
        let writer = Arc::clone(&shared.writer);
        writers.push(Call::start("a writer", move || -> Verdict {
            for number in 0..records {
                let record = record(id, number as u8, len - number % 7);
                let wrote = writer.write(&record);
                check!(
                    wrote.as_ref().is_ok_and(|n| *n == record.len()),
                    "writer {id} wrote {} bytes, the answer was {wrote:?}",
                    record.len()
                );
            }
            Ok(())
        })?);
    }
    let mut next = [0usize; WRITERS as usize];
    let mut stream = Stream::new(Arc::clone(&shared.reader));
    for at in 0..records * WRITERS as usize {
        cx.step(format!("{at} records came"));
        let head = stream.take(1)?[0];
        let Some(number) = next.get_mut(head as usize) else {
            return Err(format!("record {at} is of writer {head}, which does not exist"));
        };
        let want = record(head, *number as u8, len - *number % 7);
        let got = stream.take(want.len() - 1)?;
        let broken = got.iter().zip(&want[1..]).position(|(got, want)| got != want);
        check!(
            broken.is_none(),
            "record {number} of writer {head} is not in one piece: it is broken at byte {broken:?}"
        );
        *number += 1;
    }
    for writer in writers {
        writer.wait()??;
    }
    cx.note(format!("{} records of {len} bytes", records * WRITERS as usize));
    Ok(())
}

/// A record says on every byte whose it is and where it is.
fn record(id: u8, number: u8, len: usize) -> Vec<u8> {
    let mut record = vec![id; len];
    for (at, byte) in record.iter_mut().enumerate().skip(1) {
        *byte = id
            .wrapping_mul(61)
            .wrapping_add(number.wrapping_mul(17))
            .wrapping_add((at % 251) as u8);
    }
    record
}

/// Whole pieces out of a shared reader.
struct Stream {
    reader: Arc<dyn SharedRead>,
    ready: Vec<u8>,
}

impl Stream {
    fn new(reader: Arc<dyn SharedRead>) -> Self {
        Self { reader, ready: Vec::new() }
    }

    fn take(&mut self, len: usize) -> Result<Vec<u8>, String> {
        while self.ready.len() < len {
            let mut buf = [0; 4096];
            match self.reader.read(&mut buf) {
                Ok(n) if n > 0 => self.ready.extend(&buf[..n]),
                other => {
                    return Err(format!("a read in the middle of a record answered {other:?}"));
                }
            }
        }
        Ok(self.ready.drain(..len).collect())
    }
}

fn reads_share_the_stream<R: ReadEnd + 'static, W: WriteEnd + 'static>(
    cx: &Cx<R, W>,
    share: Share<R, W>,
) -> Verdict {
    // The stream never goes down: the bytes 0, 1, 2 … each often. So order shows in what every single reader got.
    let each = cx.rounds.min(60) as usize;
    let stream: Vec<u8> = (0..=255u8).flat_map(|byte| vec![byte; each]).collect();
    let shared = share(cx)?;
    let mut readers = Vec::new();
    for id in 0..3 {
        let reader = Arc::clone(&shared.reader);
        readers.push(Call::start("a reader", move || -> io::Result<Vec<u8>> {
            let mut all = Vec::new();
            let mut buf = vec![0; 5 + id * 4];
            loop {
                match reader.read(&mut buf)? {
                    0 => return Ok(all),
                    n => all.extend(&buf[..n]),
                }
                thread::yield_now();
            }
        })?);
    }
    for chunk in stream.chunks(41) {
        cx.step("the readers stopped reading");
        let wrote = shared.writer.write(chunk);
        check!(
            wrote.as_ref().is_ok_and(|n| *n == chunk.len()),
            "a write of {} bytes answered {wrote:?}",
            chunk.len()
        );
    }
    shared.write_control.close();
    let mut counts = [0usize; 256];
    for (id, reader) in readers.into_iter().enumerate() {
        let got = reader.wait()?.map_err(|error| format!("reader {id} failed: {error}"))?;
        check!(got.is_sorted(), "reader {id} got bytes out of order");
        for byte in got {
            counts[byte as usize] += 1;
        }
    }
    let wrong = counts.iter().position(|count| *count != each);
    check!(
        wrong.is_none(),
        "byte {wrong:?} was written {each} times and read {} times",
        wrong.map_or(0, |at| counts[at])
    );
    Ok(())
}

/// Three calls that block on the same end.
fn blocked_reads(shared: &Shared) -> Result<Vec<Call<io::Result<usize>>>, String> {
    (0..3)
        .map(|_| {
            let reader = Arc::clone(&shared.reader);
            Call::start("a read", move || reader.read(&mut [0; 16]))
        })
        .collect()
}

fn blocked_writes(shared: &Shared, len: usize) -> Result<Vec<Call<io::Result<usize>>>, String> {
    (0..3)
        .map(|_| {
            let writer = Arc::clone(&shared.writer);
            Call::start("a write", move || writer.write(&vec![7; len]))
        })
        .collect()
}

fn all_quiet<T: Show + Send + 'static>(calls: &[Call<T>]) -> Verdict {
    calls.iter().try_for_each(|call| call.quiet("nothing happened on the pipe"))
}

fn close_wakes_every_blocked_call<R: ReadEnd + 'static, W: WriteEnd + 'static>(
    cx: &Cx<R, W>,
) -> Verdict {
    for _ in 0..cx.rounds.min(4) {
        for row in [WRITER_ERROR, READER_ERROR] {
            let shared = built_in(cx)?;
            let calls = blocked_reads(&shared)?;
            all_quiet(&calls)?;
            act(row.acts, &shared.read_control, &shared.write_control);
            for call in calls {
                cx.step(format!("a blocked read sleeps on after {:?}", row.acts));
                row.read.says().check("a blocked read", &call.wait()?, &cx.rules)?;
            }

            let shared = built_in(cx)?;
            let calls = blocked_writes(&shared, cx.too_much()?)?;
            all_quiet(&calls)?;
            act(row.acts, &shared.read_control, &shared.write_control);
            for call in calls {
                cx.step(format!("a blocked write sleeps on after {:?}", row.acts));
                let wrote = call.wait()?;
                // With a buffer one of them may have put bytes in before it was cut short.
                if !(cx.rules.capacity().is_some() && wrote.is_ok()) {
                    row.write.says().check("a blocked write", &wrote, &cx.rules)?;
                }
            }
        }
    }
    Ok(())
}

fn deadline_wakes_every_blocked_call<R: ReadEnd + 'static, W: WriteEnd + 'static>(
    cx: &Cx<R, W>,
) -> Verdict {
    for _ in 0..cx.rounds.min(4) {
        let shared = built_in(cx)?;
        let calls = blocked_reads(&shared)?;
        all_quiet(&calls)?;
        shared.read_control.set_deadline(Some(Instant::now()));
        for call in calls {
            cx.step("a blocked read sleeps on although its deadline passed");
            Says::Timeout.check("a blocked read", &call.wait()?, &cx.rules)?;
        }
        let calls = blocked_writes(&shared, cx.too_much()?)?;
        all_quiet(&calls)?;
        shared.write_control.set_deadline(Some(Instant::now()));
        for call in calls {
            cx.step("a blocked write sleeps on although its deadline passed");
            let wrote = call.wait()?;
            if !(cx.rules.capacity().is_some() && wrote.is_ok()) {
                Says::Timeout.check("a blocked write", &wrote, &cx.rules)?;
            }
        }
    }
    Ok(())
}

fn closing_does_not_wait_for_the_call_inside<R: ReadEnd + 'static, W: WriteEnd + 'static>(
    cx: &Cx<R, W>,
) -> Verdict {
    let shared = gated(cx)?;
    let calls = blocked_reads(&shared)?;
    all_quiet(&calls)?;
    cx.step("setting a deadline waits for the call inside the gate");
    shared.read_control.set_deadline(Some(Instant::now()));
    for call in calls {
        cx.step("a read at the gate sleeps on although its deadline passed");
        Says::Timeout.check("a read at the gate", &call.wait()?, &cx.rules)?;
    }
    shared.read_control.set_deadline(None);
    let calls = blocked_writes(&shared, cx.too_much()?)?;
    all_quiet(&calls)?;
    cx.step("closing waits for the call inside the gate");
    shared.write_control.close();
    let mut answers = Vec::new();
    for call in calls {
        cx.step("a write at the gate sleeps on although its end was closed");
        answers.push(call.wait()?);
    }
    let cut = answers.iter().filter(|answer| answer.is_ok()).count();
    check!(
        cut == 0 || (cut == 1 && cx.rules.capacity().is_some()),
        "the writes at the gate answered {answers:?}"
    );
    for answer in answers.iter().filter(|answer| answer.is_err()) {
        Says::Closed.check("a write at the gate", answer, &cx.rules)?;
    }
    Ok(())
}
