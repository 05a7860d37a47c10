//! What a write and a read cost without anybody on another CPU.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput};

use crate::contenders::{SIZES, buffered};

pub(crate) fn group(c: &mut Criterion) {
    let mut group = c.benchmark_group("one_thread");
    for size in SIZES {
        group.throughput(Throughput::Bytes(size as u64));
        for (name, make) in buffered(size) {
            let (mut reader, mut writer) = make();
            let (mut message, mut got) = (vec![0; size], vec![0; size]);
            let mut number = 0u64;
            group.bench_function(BenchmarkId::new(name, size), |b| {
                b.iter(|| {
                    number += 1;
                    message[..8].copy_from_slice(&number.to_le_bytes());
                    writer.write_all(black_box(&message)).expect("room");
                    reader.read_exact(black_box(&mut got)).expect("bytes");
                    assert_eq!(got[..8], message[..8]);
                });
            });
            assert!(got == message, "{name}: garbled");
        }
    }
    group.finish();
}
