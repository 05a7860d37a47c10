//! Bytes one way between two threads, from the first message that is there to the last one checked.

use std::{
    io::{Read, Write},
    thread,
    time::{Duration, Instant},
};

use criterion::{BenchmarkId, Criterion, Throughput};

use crate::{
    contenders::{Pair, SIZES, contenders},
    pattern::{check, fill},
};

/// A stream that flows waits too rarely for the way of waiting to matter.
const NOT_HERE: [&str; 2] = ["ring-spin", "ring-park"];

pub(crate) fn group(c: &mut Criterion) {
    let mut group = c.benchmark_group("two_threads/stream");
    for size in SIZES {
        group.throughput(Throughput::Bytes(size as u64));
        for (name, make) in contenders().into_iter().filter(|(name, _)| !NOT_HERE.contains(name)) {
            group.bench_function(BenchmarkId::new(name, size), |b| {
                b.iter_custom(|messages| one_way(make(), size, messages));
            });
        }
    }
    group.finish();
}

fn one_way((reader, writer): Pair, size: usize, messages: u64) -> Duration {
    let sink = thread::spawn(move || drain(reader, size, messages));
    pour(writer, size, messages + 1);
    sink.join().expect("the sink")
}

/// Writes so many messages.
pub(crate) fn pour(mut writer: impl Write, size: usize, messages: u64) {
    let mut message = vec![0; size];
    for number in 0..messages {
        fill(&mut message, number);
        writer.write_all(&message).expect("room");
    }
}

/// Reads one message and then so many more, checks each, and gives the time from the first one on.
pub(crate) fn drain(mut reader: impl Read, size: usize, messages: u64) -> Duration {
    let mut message = vec![0; size];
    let mut next = |number| {
        reader.read_exact(&mut message).expect("a message");
        check(&message, number);
    };
    next(0);
    let start = Instant::now();
    (1..=messages).for_each(next);
    start.elapsed()
}
