//! Bytes written and read in place, against the same bytes copied in and out. Both fill and look at every byte, since that is
//! what being spared the copy is for.

use std::{
    hint::black_box,
    io::{Read, Write},
};

use criterion::{BenchmarkId, Criterion, Throughput};

use crate::{
    contenders::{CAPACITY, SIZES},
    pattern::{check, fill},
};

pub(crate) fn group(c: &mut Criterion) {
    let mut group = c.benchmark_group("in_place");
    for size in SIZES {
        group.throughput(Throughput::Bytes(size as u64));
        let (mut reader, mut writer) = ringpipe::ring(CAPACITY).expect("a ring");
        let mut number = 0;
        group.bench_function(BenchmarkId::new("in-place", size), |b| {
            b.iter(|| {
                number += 1;
                let mut grant = writer.reserve(size).expect("room");
                fill(grant.as_mut_slice().expect("both ends are here"), number);
                grant.commit(size).expect("open");
                let span = reader.peek().expect("bytes");
                check(span.as_slice().expect("both ends are here"), number);
                drop(span);
                reader.consume(size);
            });
        });
        let (mut reader, mut writer) = ringpipe::ring(CAPACITY).expect("a ring");
        let (mut message, mut got) = (vec![0; size], vec![0; size]);
        group.bench_function(BenchmarkId::new("copied", size), |b| {
            b.iter(|| {
                number += 1;
                fill(black_box(&mut message), number);
                writer.write_all(&message).expect("room");
                reader.read_exact(&mut got).expect("bytes");
                check(black_box(&got), number);
            });
        });
    }
    group.finish();
}
