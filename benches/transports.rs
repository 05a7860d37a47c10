//! The ring and the in-memory pipe beside the kernel's pipe and Unix socket, in the same groups, so that ratios can be taken
//! within one run.
//!
//! Every byte that is written is derived from its message's number, and every byte that is read is checked.
//! `docs/performance.md` says how to read the figures; `ipc-bench` measures between processes.

#![expect(clippy::incompatible_msrv, reason = "benches are built with a current compiler")]

use std::{
    hint::black_box,
    io::{Read, Write},
    os::unix::net::UnixStream,
    thread,
    time::{Duration, Instant},
};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use ringpipe::{Options, Wait};

const SIZES: [usize; 3] = [64, 4096, 65536];
const CAPACITY: usize = 1 << 20;

type End<T> = Box<T>;
type Make = fn() -> Pair;
type Pair = (End<dyn Read + Send>, End<dyn Write + Send>);

/// The contenders of the two-thread groups, by name.
fn contenders() -> Vec<(&'static str, Make)> {
    vec![
        ("ring", || ring(Wait::Adaptive)),
        ("ring-spin", || ring(Wait::Spin)),
        ("ring-park", || ring(Wait::Park)),
        ("pipe-in-memory", || {
            let (reader, writer) = ringpipe::pipe();
            (Box::new(reader), Box::new(writer))
        }),
        ("kernel-pipe", || {
            let (reader, writer) = std::io::pipe().expect("a pipe");
            (Box::new(reader), Box::new(writer))
        }),
        ("unix-socket", || {
            let (a, b) = UnixStream::pair().expect("a socket pair");
            (Box::new(a), Box::new(b))
        }),
    ]
}

fn ring(wait: Wait) -> Pair {
    let (reader, writer) = Options::new().capacity(CAPACITY).wait(wait).ring().expect("a ring");
    (Box::new(reader), Box::new(writer))
}

/// Fills a message with what its number says; one multiplication for eight bytes.
fn fill(message: &mut [u8], number: u64) {
    for (i, word) in message.chunks_exact_mut(8).enumerate() {
        word.copy_from_slice(
            &(number ^ i as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes(),
        );
    }
}

fn check(message: &[u8], number: u64) {
    let mut wrong = 0;
    for (i, word) in message.chunks_exact(8).enumerate() {
        let expected = (number ^ i as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes();
        wrong |= u64::from_le_bytes(word.try_into().expect("eight bytes"))
            ^ u64::from_le_bytes(expected);
    }
    assert_eq!(wrong, 0, "message {number} arrived garbled");
}

/// What a write and a read cost without anybody on another CPU.
fn one_thread(c: &mut Criterion) {
    let mut group = c.benchmark_group("one_thread");
    for size in SIZES {
        group.throughput(Throughput::Bytes(size as u64));
        let (mut message, mut got) = (vec![0; size], vec![0; size]);
        let (mut reader, mut writer) = ringpipe::ring(CAPACITY).expect("a ring");
        let mut number = 0;
        group.bench_function(BenchmarkId::new("ring", size), |b| {
            b.iter(|| {
                number += 1;
                message[..8].copy_from_slice(&u64::to_le_bytes(number));
                writer.write_all(black_box(&message)).expect("room");
                reader.read_exact(black_box(&mut got)).expect("bytes");
                assert_eq!(got[..8], message[..8]);
            });
        });
        assert!(got == message);
        let (mut reader, mut writer) = ringpipe::ring(CAPACITY).expect("a ring");
        group.bench_function(BenchmarkId::new("ring-in-place", size), |b| {
            b.iter(|| {
                number += 1;
                let mut grant = writer.reserve(size).expect("room");
                let slice = grant.as_mut_slice().expect("both ends are here");
                slice[..8].copy_from_slice(&number.to_le_bytes());
                black_box(slice);
                grant.commit(size).expect("open");
                let span = reader.peek().expect("bytes");
                assert_eq!(
                    black_box(span.as_slice()).expect("both ends are here")[..8],
                    number.to_le_bytes()
                );
                reader.consume(size);
            });
        });
        let (mut reader, mut writer) = ringpipe::ring(CAPACITY).expect("a ring");
        group.bench_function(BenchmarkId::new("ring-message", size), |b| {
            b.iter(|| {
                number += 1;
                message[..8].copy_from_slice(&u64::to_le_bytes(number));
                writer.send(black_box(&message)).expect("room");
                assert_eq!(reader.recv(black_box(&mut got)).expect("a message"), Some(size));
                assert_eq!(got[..8], message[..8]);
            });
        });
        if size <= 4096 {
            let (mut reader, mut writer) = std::io::pipe().expect("a pipe");
            group.bench_function(BenchmarkId::new("kernel-pipe", size), |b| {
                b.iter(|| {
                    writer.write_all(black_box(&message)).expect("room");
                    reader.read_exact(black_box(&mut got)).expect("bytes");
                });
            });
            assert!(got == message);
        }
    }
    group.finish();
}

/// A message there and back between two threads.
fn round_trip(c: &mut Criterion) {
    let mut group = c.benchmark_group("round_trip");
    for (name, make) in contenders() {
        group.bench_function(BenchmarkId::new(name, 64), |b| {
            b.iter_custom(|rounds| {
                let ((mut there, mut send), (mut back, mut answer)) = (make(), make());
                let echo = thread::spawn(move || {
                    let mut message = [0; 64];
                    for _ in 0..rounds {
                        there.read_exact(&mut message).expect("a message");
                        answer.write_all(&message).expect("an answer");
                    }
                });
                let mut message = [0; 64];
                let start = Instant::now();
                for number in 0..rounds {
                    fill(&mut message, number);
                    send.write_all(&message).expect("a message");
                    back.read_exact(&mut message).expect("an answer");
                    check(&message, number);
                }
                let took = start.elapsed();
                echo.join().expect("the echo");
                took
            });
        });
    }
    group.finish();
}

/// Bytes one way between two threads, from the first written to the last checked.
fn stream(c: &mut Criterion) {
    let mut group = c.benchmark_group("stream");
    for size in SIZES {
        group.throughput(Throughput::Bytes(size as u64));
        for (name, make) in contenders() {
            group.bench_function(BenchmarkId::new(name, size), |b| {
                b.iter_custom(|messages| one_way(make(), size, messages));
            });
        }
    }
    group.finish();
}

fn one_way((mut reader, mut writer): Pair, size: usize, messages: u64) -> Duration {
    let start = Instant::now();
    let sink = thread::spawn(move || {
        let mut message = vec![0; size];
        for number in 0..messages {
            reader.read_exact(&mut message).expect("a message");
            check(&message, number);
        }
        start.elapsed()
    });
    let mut message = vec![0; size];
    for number in 0..messages {
        fill(&mut message, number);
        writer.write_all(&message).expect("room");
    }
    sink.join().expect("the sink")
}

/// From nothing to the first byte on the other side.
fn set_up(c: &mut Criterion) {
    let mut group = c.benchmark_group("set_up");
    // The in-memory pipe has no buffer, so it cannot hold a first byte.
    let buffered = ["ring", "kernel-pipe", "unix-socket"];
    for (name, make) in contenders().into_iter().filter(|(name, _)| buffered.contains(name)) {
        group.bench_function(name, |b| {
            b.iter(|| {
                let (mut reader, mut writer) = make();
                writer.write_all(&[7]).expect("room");
                let mut byte = [0];
                reader.read_exact(&mut byte).expect("a byte");
                assert_eq!(byte, [7]);
            });
        });
    }
    group.finish();
}

fn settings() -> Criterion {
    Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
}

criterion_group! { name = benches; config = settings(); targets = one_thread, round_trip, stream, set_up }
criterion_main!(benches);
