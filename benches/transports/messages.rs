//! Whole messages, with the border between them kept, against a stream that knows none.

use std::{
    hint::black_box,
    io::{Read, Write},
};

use criterion::{BenchmarkId, Criterion, Throughput};

use crate::contenders::{CAPACITY, SIZES};

pub(crate) fn group(c: &mut Criterion) {
    let mut group = c.benchmark_group("messages");
    for size in SIZES {
        group.throughput(Throughput::Bytes(size as u64));
        let (mut message, mut got) = (vec![0; size], vec![0; size]);
        let mut number = 0u64;
        let (mut reader, mut writer) = ringpipe::ring(CAPACITY).expect("a ring");
        group.bench_function(BenchmarkId::new("send-recv", size), |b| {
            b.iter(|| {
                number += 1;
                message[..8].copy_from_slice(&number.to_le_bytes());
                writer.send(black_box(&message)).expect("room");
                assert_eq!(reader.recv(black_box(&mut got)).expect("a message"), Some(size));
                assert_eq!(got[..8], message[..8]);
            });
        });
        assert!(got == message, "garbled");
        // The least that a stream needs to keep the border: the length first.
        let (mut reader, mut writer) = ringpipe::ring(CAPACITY).expect("a ring");
        group.bench_function(BenchmarkId::new("write-read", size), |b| {
            b.iter(|| {
                number += 1;
                message[..8].copy_from_slice(&number.to_le_bytes());
                writer.write_all(&(size as u32).to_le_bytes()).expect("room");
                writer.write_all(black_box(&message)).expect("room");
                let mut length = [0; 4];
                reader.read_exact(&mut length).expect("a length");
                let length = u32::from_le_bytes(length) as usize;
                reader.read_exact(black_box(&mut got[..length])).expect("bytes");
                assert_eq!(got[..8], message[..8]);
            });
        });
        assert!(got == message, "garbled");
    }
    group.finish();
}
