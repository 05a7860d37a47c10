//! The bytes themselves, under sizes of every kind.

use std::io::{self, BufRead, BufReader};

use super::{
    case::{Call, Case, Cx, Verdict, check, is_bytes, is_ok, read, read_exactly, same_bytes},
    needs,
    rng::pattern,
    words::Says,
};
use crate::ends::{ReadEnd, WriteEnd};

pub(super) fn cases<R: ReadEnd + 'static, W: WriteEnd + 'static>() -> Vec<Case<R, W>> {
    vec![
        Case::new(
            "integrity.random_sizes",
            "every byte arrives once, unchanged and in order, whatever the sizes of reads and writes",
            needs::always,
            random_sizes,
        ),
        Case::new(
            "integrity.every_small_size_at_every_place",
            "bytes are right for every small size, wherever in the buffer they lie",
            needs::buffer,
            every_small_size_at_every_place,
        ),
        Case::new(
            "integrity.pipes_do_not_mix",
            "bytes and closes of one pipe never reach another",
            needs::always,
            pipes_do_not_mix,
        ),
        Case::new(
            "integrity.ends_move_between_threads",
            "each call may come from another thread",
            needs::always,
            ends_move_between_threads,
        ),
        Case::new(
            "integrity.the_standard_adapters_work",
            "io::copy, read_to_end, lines, read_exact and write_all behave as they do on a file",
            needs::always,
            the_standard_adapters_work,
        ),
    ]
}

fn random_sizes<R: ReadEnd + 'static, W: WriteEnd + 'static>(cx: &Cx<R, W>) -> Verdict {
    let large = cx.capacity().min(20_000) * 3;
    let streams = cx.rounds.div_ceil(8);
    let total = 150_000u64;
    for round in 0..streams {
        let (mut reader, mut writer) = cx.pair()?;
        let (mut theirs, seed) = (cx.rng(round), cx.seed ^ u64::from(round));
        let write = Call::start("the writer", move || -> Verdict {
            let mut at = 0;
            while at < total {
                let len = size(&mut theirs, large).min((total - at) as usize);
                is_ok("a write", &writer.write(&pattern(seed, at, len)), len)?;
                at += len as u64;
            }
            Ok(())
        })?;
        let mut rng = cx.rng(round + 1000);
        let mut at = 0;
        loop {
            cx.step(format!("stream {round}: {at} of {total} bytes came"));
            match read(&mut reader, size(&mut rng, large)) {
                Ok(bytes) if bytes.is_empty() => break,
                Ok(bytes) => {
                    let what = format!("stream {round} from byte {at} on");
                    same_bytes(&what, &bytes, &pattern(seed, at, bytes.len()))?;
                    at += bytes.len() as u64;
                }
                Err(error) => return Err(format!("at byte {at} a read failed: {error}")),
            }
        }
        write.wait()??;
        check!(at == total, "the stream ended after {at} of {total} bytes");
    }
    cx.note(format!("{streams} streams of {total} bytes"));
    Ok(())
}

/// Mostly small, sometimes larger than any buffer.
fn size(rng: &mut super::rng::Rng, large: usize) -> usize {
    match rng.between(0, 9) {
        0 => rng.between(1, 9),
        1..=5 => rng.between(1, 900),
        6..=8 => rng.between(100, 5000),
        _ => rng.between(1, large),
    }
}

fn every_small_size_at_every_place<R: ReadEnd + 'static, W: WriteEnd + 'static>(
    cx: &Cx<R, W>,
) -> Verdict {
    let (mut reader, mut writer) = cx.pair()?;
    let most = cx.capacity().min(260);
    let mut at = 0;
    // Two turns of sizes 1, 2, 3 …: their sums come by every place of a small ring, and over its border.
    for len in (1..=most).chain(1..=most) {
        let bytes = pattern(cx.seed, at, len);
        cx.step(format!("a write of {len} bytes waits although there is room"));
        is_ok("a write", &writer.write(&bytes), len)?;
        is_bytes("its read", &read(&mut reader, len), &bytes)?;
        at += len as u64;
    }
    cx.note(format!("{} sizes", most * 2));
    Ok(())
}

fn pipes_do_not_mix<R: ReadEnd + 'static, W: WriteEnd + 'static>(cx: &Cx<R, W>) -> Verdict {
    let pipes = 4;
    let mut readers = Vec::new();
    let mut writes = Vec::new();
    for id in 0..pipes {
        let (reader, mut writer) = cx.pair()?;
        readers.push(reader);
        writes.push(Call::start("a writer", move || -> Verdict {
            for at in 0..20 {
                is_ok("a write", &writer.write(&pattern(id, at * 10, 10)), 10)?;
            }
            Ok(())
        })?);
    }
    for (id, reader) in readers.iter_mut().enumerate() {
        cx.step(format!("pipe {id} stands still"));
        let got = read_exactly(reader, 200, 9)?;
        same_bytes(&format!("pipe {id}"), &got, &pattern(id as u64, 0, 200))?;
        Says::Eof.check(&format!("the end of pipe {id}"), &read(reader, 9), &cx.rules)?;
    }
    for write in writes {
        write.wait()??;
    }
    Ok(())
}

fn ends_move_between_threads<R: ReadEnd + 'static, W: WriteEnd + 'static>(
    cx: &Cx<R, W>,
) -> Verdict {
    let (mut reader, mut writer) = cx.pair()?;
    for round in 0..10 {
        let bytes = pattern(cx.seed, round * 50, 50);
        let write = super::case::writing(writer, bytes.clone())?;
        let call = Call::start("the read", move || {
            let got = read_exactly(&mut reader, 50, 20);
            (reader, got)
        })?;
        cx.step(format!("round {round} does not end"));
        let (back, got) = call.wait()?;
        same_bytes("what came", &got?, &bytes)?;
        let did = write.wait()?;
        is_ok("the write", &did.result, 50)?;
        (reader, writer) = (back, did.end);
    }
    Ok(())
}

fn the_standard_adapters_work<R: ReadEnd + 'static, W: WriteEnd + 'static>(
    cx: &Cx<R, W>,
) -> Verdict {
    let failed = |what: &str, error: io::Error| format!("{what} failed: {error}");
    let bytes = pattern(cx.seed, 0, 30_000);

    let (mut reader, mut writer) = cx.pair()?;
    let source = bytes.clone();
    let copy = Call::start("io::copy", move || io::copy(&mut &source[..], &mut writer))?;
    let mut got = Vec::new();
    cx.step("read_to_end of an io::copy does not end");
    reader.read_to_end(&mut got).map_err(|error| failed("read_to_end", error))?;
    same_bytes("read_to_end of an io::copy", &got, &bytes)?;
    let copied = copy.wait()?.map_err(|error| failed("io::copy", error))?;
    check!(copied == 30_000, "io::copy counts {copied}");

    let (reader, mut writer) = cx.pair()?;
    let write = Call::start("the writer", move || -> io::Result<()> {
        writeln!(writer, "first")?;
        writer.write_all(b"sec")?;
        writer.write_all(b"ond\nlast")?;
        writer.flush()
    })?;
    cx.step("reading lines does not end");
    let lines = BufReader::new(reader)
        .lines()
        .collect::<io::Result<Vec<_>>>()
        .map_err(|error| failed("lines", error))?;
    check!(lines == ["first", "second", "last"], "the lines are {lines:?}");
    write.wait()?.map_err(|error| failed("write_all", error))?;

    let (mut reader, mut writer) = cx.pair()?;
    let write = Call::start("the writer", move || writer.write_all(b"abc"))?;
    cx.step("read_exact of too many bytes does not end");
    let short = reader.read_exact(&mut [0; 4]);
    check!(
        short.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::UnexpectedEof),
        "read_exact of a stream that was too short answered {short:?}"
    );
    write.wait()?.map_err(|error| failed("write_all", error))?;

    let (reader, mut writer) = cx.pair()?;
    drop(reader);
    let wrote = writer.write_all(b"abc");
    check!(
        wrote.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::BrokenPipe),
        "write_all to nobody answered {wrote:?}"
    );
    Ok(())
}
