//! Reads and writes with several buffers.

use std::io::{IoSlice, IoSliceMut};

use super::{
    case::{Call, Case, Cx, Verdict, check, is_ok, read_exactly, same_bytes, writing},
    needs,
    rng::pattern,
};
use crate::ends::{ReadEnd, WriteEnd};

pub(super) fn cases<R: ReadEnd + 'static, W: WriteEnd + 'static>() -> Vec<Case<R, W>> {
    vec![
        Case::new(
            "vectored.a_read_fills_buffers_in_order",
            "a vectored read fills its buffers one after the other and counts exactly what it put in",
            needs::always,
            a_read_fills_buffers_in_order,
        ),
        Case::new(
            "vectored.a_write_counts_what_it_took",
            "a vectored write takes its buffers one after the other and counts exactly what it took",
            needs::always,
            a_write_counts_what_it_took,
        ),
    ]
}

fn a_read_fills_buffers_in_order<R: ReadEnd + 'static, W: WriteEnd + 'static>(
    cx: &Cx<R, W>,
) -> Verdict {
    for lens in [[3, 4, 5], [0, 7, 2], [1, 0, 90], [40, 40, 40]] {
        let (mut reader, writer) = cx.pair()?;
        let bytes = pattern(cx.seed, 0, 60);
        let write = writing(writer, bytes.clone())?;
        let mut got = Vec::new();
        while got.len() < bytes.len() {
            cx.step(format!("a vectored read waits after {} of 60 bytes", got.len()));
            let mut bufs = lens.map(|len| vec![0u8; len]);
            let mut slices: Vec<_> = bufs.iter_mut().map(|buf| IoSliceMut::new(buf)).collect();
            match reader.read_vectored(&mut slices) {
                Ok(n) if n > 0 && n <= lens.iter().sum() => {
                    let flat: Vec<u8> = bufs.concat();
                    got.extend(&flat[..n]);
                }
                other => return Err(format!("a vectored read into {lens:?} answered {other:?}")),
            }
        }
        same_bytes("what vectored reads put in", &got, &bytes)?;
        is_ok("the write", &write.wait()?.result, 60)?;
    }
    Ok(())
}

fn a_write_counts_what_it_took<R: ReadEnd + 'static, W: WriteEnd + 'static>(
    cx: &Cx<R, W>,
) -> Verdict {
    for lens in [[3, 4, 5], [0, 7, 2], [1, 0, 90], [40, 40, 40]] {
        let (mut reader, mut writer) = cx.pair()?;
        let all: usize = lens.iter().sum();
        let bytes = pattern(cx.seed, 0, all);
        let theirs = bytes.clone();
        let write = Call::start("the writer", move || -> Verdict {
            let mut at = 0;
            while at < theirs.len() {
                // What is left of each buffer after the first `at` bytes were taken.
                let mut start = 0;
                let slices: Vec<_> = lens
                    .iter()
                    .map(|len| {
                        let end = start + len;
                        let slice = IoSlice::new(&theirs[at.clamp(start, end)..end]);
                        start = end;
                        slice
                    })
                    .collect();
                match writer.write_vectored(&slices) {
                    Ok(n) if n > 0 && n <= theirs.len() - at => at += n,
                    other => return Err(format!("a vectored write answered {other:?}")),
                }
            }
            writer.close();
            Ok(())
        })?;
        cx.step("what vectored writes counted does not arrive");
        let got = read_exactly(&mut reader, all, 1000)?;
        same_bytes("what vectored writes counted", &got, &bytes)?;
        write.wait()??;
        check!(
            matches!(reader.read(&mut [0; 8]), Ok(0)),
            "more bytes came than vectored writes counted"
        );
    }
    Ok(())
}
