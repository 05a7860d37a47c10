//! Chunks, closes, deadlines and threads at random: what went in came out, and what came out was counted.

mod common;

use std::{
    collections::hash_map::DefaultHasher,
    hash::Hasher,
    io::{ErrorKind, IoSlice, IoSliceMut, Read, Write},
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

use common::{Random, watchdog};
use ringpipe::{PipeReader, PipeWriter, pipe};

const LIMIT: Duration = Duration::from_secs(240);

/// The byte at a place of the stream; no two neighbourhoods of it are alike.
fn byte_at(place: usize) -> u8 {
    ((place as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 56) as u8
}

fn piece(from: usize, len: usize) -> Vec<u8> {
    (from..from + len).map(byte_at).collect()
}

#[test]
fn random_chunks_on_both_sides_keep_every_byte() {
    const BYTES: usize = 24 << 20;
    watchdog(LIMIT, || {
        for (seed, largest) in [(1, 9), (2, 700), (3, 200_000)] {
            let bytes = if largest < 100 { BYTES / 64 } else { BYTES };
            let (mut reader, mut writer) = pipe();
            let thread = thread::spawn(move || {
                let mut random = Random::new(seed);
                let (mut sum, mut left) = (DefaultHasher::new(), bytes);
                let mut data = vec![0; largest];
                while left > 0 {
                    let len = left.min(1 + random.below(largest));
                    random.fill(&mut data[..len]);
                    sum.write(&data[..len]);
                    let (a, b) = data[..len].split_at(random.below(len + 1));
                    match random.below(3) {
                        0 => {
                            let n = writer.write_vectored(&[IoSlice::new(a), IoSlice::new(b)]);
                            assert_eq!(n.unwrap(), len);
                        }
                        _ => assert_eq!(writer.write(&data[..len]).unwrap(), len),
                    }
                    left -= len;
                }
                // One write at a time, so the sums are over the same pieces of bytes, however they are cut.
                sum.finish()
            });
            let mut random = Random::new(seed + 100);
            let (mut sum, mut total) = (DefaultHasher::new(), 0);
            let mut data = vec![0; largest];
            loop {
                let len = 1 + random.below(largest);
                let n = if random.below(3) == 0 {
                    let (a, b) = data[..len].split_at_mut(random.below(len + 1));
                    reader.read_vectored(&mut [IoSliceMut::new(a), IoSliceMut::new(b)])
                } else {
                    reader.read(&mut data[..len])
                };
                match n.unwrap() {
                    0 => break,
                    n => {
                        sum.write(&data[..n]);
                        total += n;
                    }
                }
            }
            assert_eq!(total, bytes);
            assert_eq!(sum.finish(), thread.join().unwrap());
        }
    });
}

/// Reads until the stream ends or fails, checking each byte and telling `seen`; the number of bytes.
fn read_all(mut reader: &PipeReader, random: &mut Random, seen: &AtomicUsize) -> usize {
    let mut buf = [0; 300];
    let mut place = 0;
    loop {
        let room = 1 + random.below(buf.len());
        match reader.read(&mut buf[..room]) {
            Ok(0) => return place,
            Ok(n) => {
                assert_eq!(buf[..n], piece(place, n));
                place += n;
                seen.store(place, Ordering::Relaxed);
            }
            Err(error) if error.kind() == ErrorKind::TimedOut => {}
            Err(_) => return place,
        }
    }
}

/// Writes until `stop` or a failure; the number of bytes that the writes said were taken.
fn write_all(mut writer: &PipeWriter, random: &mut Random, stop: &AtomicBool) -> usize {
    let mut place = 0;
    while !stop.load(Ordering::Relaxed) {
        let data = piece(place, random.below(400));
        match writer.write(&data) {
            Ok(n) => place += n,
            Err(error) if error.kind() == ErrorKind::TimedOut => {}
            Err(_) => break,
        }
    }
    place
}

#[test]
fn racing_closes_never_separate_what_was_written_from_what_was_read() {
    const ROUNDS: u64 = 3_000;
    watchdog(LIMIT, || {
        let mut random = Random::new(11);
        let (mut bytes, mut rounds) = (0, 0);
        for round in 0..ROUNDS {
            let (reader, writer) = pipe();
            let (never, seen) = (AtomicBool::new(false), AtomicUsize::new(0));
            let (sent, got) = thread::scope(|scope| {
                let sent = scope.spawn(|| write_all(&writer, &mut Random::new(round), &never));
                let got = scope.spawn(|| read_all(&reader, &mut Random::new(round + 1), &seen));
                // At once in some rounds, in the middle of the stream in the others.
                let place = random.below(4) * random.below(500);
                while seen.load(Ordering::Relaxed) < place {
                    std::hint::spin_loop();
                }
                match random.below(4) {
                    0 => writer.close(),
                    1 => writer.close_with_error("stop"),
                    2 => reader.close(),
                    _ => reader.close_with_error("stop"),
                }
                (sent.join().unwrap(), got.join().unwrap())
            });
            assert_eq!(sent, got, "round {round}");
            bytes += sent;
            rounds += u64::from(sent > 0);
        }
        // A race that always ends before the first byte would show nothing.
        assert!(rounds > ROUNDS / 2, "{bytes} bytes in {rounds} rounds");
    });
}

#[test]
fn racing_timeouts_never_lose_or_repeat_a_byte() {
    watchdog(LIMIT, || {
        let (reader, writer) = pipe();
        let stop = AtomicBool::new(false);
        let (sent, got, timeouts) = thread::scope(|scope| {
            let sent = scope.spawn(|| {
                let sent = write_all(&writer, &mut Random::new(21), &stop);
                writer.close();
                sent
            });
            let got = scope.spawn(|| read_all(&reader, &mut Random::new(22), &AtomicUsize::new(0)));
            // Moves the deadlines of both ends about, through the past as well.
            let mut random = Random::new(23);
            let until = Instant::now() + Duration::from_secs(4);
            let mut moves = 0_u64;
            while Instant::now() < until {
                let deadline = match random.below(4) {
                    0 => None,
                    1 => Some(Instant::now()),
                    _ => Some(Instant::now() + Duration::from_micros(random.below(200) as u64)),
                };
                match random.below(2) {
                    0 => reader.set_deadline(deadline),
                    _ => writer.set_deadline(deadline),
                }
                moves += 1;
            }
            reader.set_deadline(None);
            writer.set_deadline(None);
            stop.store(true, Ordering::Relaxed);
            (sent.join().unwrap(), got.join().unwrap(), moves)
        });
        assert_eq!(sent, got);
        assert!(sent > 0 && timeouts > 1_000, "{sent} bytes, {timeouts} moves");
    });
}

#[test]
fn calls_with_tiny_timeouts_of_their_own_keep_the_stream_whole() {
    watchdog(LIMIT, || {
        let (reader, writer) = pipe();
        reader.set_read_timeout(Some(Duration::from_micros(20))).unwrap();
        writer.set_write_timeout(Some(Duration::from_micros(30))).unwrap();
        let stop = AtomicBool::new(false);
        thread::scope(|scope| {
            let sent = scope.spawn(|| {
                let sent = write_all(&writer, &mut Random::new(31), &stop);
                writer.close();
                sent
            });
            let got = scope.spawn(|| read_all(&reader, &mut Random::new(32), &AtomicUsize::new(0)));
            thread::sleep(Duration::from_secs(2));
            stop.store(true, Ordering::Relaxed);
            assert_eq!(sent.join().unwrap(), got.join().unwrap());
        });
    });
}

#[test]
fn many_callers_that_wait_try_and_time_out_share_one_stream() {
    const CALLERS: usize = 4;
    watchdog(LIMIT, || {
        let (reader, writer) = pipe();
        let stop = AtomicBool::new(false);
        let (sent, got) = thread::scope(|scope| {
            let writers: Vec<_> = (0..CALLERS)
                .map(|id| {
                    let (stop, mut writer) = (&stop, &writer);
                    scope.spawn(move || {
                        let mut random = Random::new(40 + id as u64);
                        let mut sent = 0;
                        while !stop.load(Ordering::Relaxed) {
                            let data = vec![1; random.below(500)];
                            let result = match random.below(4) {
                                0 => writer.try_write(&data),
                                _ => writer.write(&data),
                            };
                            match result {
                                Ok(n) => sent += n,
                                Err(error) => assert!(matches!(
                                    error.kind(),
                                    ErrorKind::WouldBlock | ErrorKind::TimedOut
                                )),
                            }
                        }
                        sent
                    })
                })
                .collect();
            let readers: Vec<_> = (0..CALLERS)
                .map(|id| {
                    let mut reader = &reader;
                    scope.spawn(move || {
                        let mut random = Random::new(50 + id as u64);
                        let mut buf = [0; 600];
                        let mut got = 0;
                        loop {
                            let room = 1 + random.below(600);
                            let result = match random.below(4) {
                                0 => reader.try_read(&mut buf[..room]),
                                _ => reader.read(&mut buf[..room]),
                            };
                            match result {
                                Ok(0) => return got,
                                Ok(n) => {
                                    assert!(buf[..n].iter().all(|&byte| byte == 1));
                                    buf[..n].fill(0);
                                    got += n;
                                }
                                Err(error) => assert!(matches!(
                                    error.kind(),
                                    ErrorKind::WouldBlock | ErrorKind::TimedOut
                                )),
                            }
                        }
                    })
                })
                .collect();
            let mut random = Random::new(60);
            let until = Instant::now() + Duration::from_secs(3);
            while Instant::now() < until {
                let deadline =
                    Some(Instant::now() + Duration::from_micros(random.below(300) as u64));
                let deadline = deadline.filter(|_| random.below(3) > 0);
                match random.below(2) {
                    0 => reader.set_deadline(deadline),
                    _ => writer.set_deadline(deadline),
                }
                thread::yield_now();
            }
            reader.set_deadline(None);
            writer.set_deadline(None);
            stop.store(true, Ordering::Relaxed);
            let sent: usize = writers.into_iter().map(|writer| writer.join().unwrap()).sum();
            writer.close();
            let got: usize = readers.into_iter().map(|reader| reader.join().unwrap()).sum();
            (sent, got)
        });
        assert_eq!(sent, got);
        assert!(sent > 0);
    });
}

/// The rule that makes lending sound: whatever ends a write, its buffer is not read afterwards. The buffer is
/// overwritten the moment the write returns; a copy that still ran would deliver the new bytes.
#[test]
fn no_copy_outlives_the_write_it_reads_from() {
    const LEN: usize = 1 << 20;
    watchdog(LIMIT, || {
        let mut partial = 0;
        for round in 0..400_u64 {
            let (reader, writer) = pipe();
            thread::scope(|scope| {
                let write = scope.spawn(|| {
                    let mut data = vec![1_u8; LEN];
                    let sent = (&writer).write(&data).unwrap_or(0);
                    data.fill(2);
                    drop(data);
                    sent
                });
                let read = scope.spawn(|| {
                    let mut data = vec![0_u8; LEN / 2];
                    let mut got = 0;
                    while let Ok(n @ 1..) = (&reader).read(&mut data) {
                        assert!(data[..n].iter().all(|&byte| byte == 1));
                        // The other direction: the buffer belongs to its reader again.
                        data.fill(3);
                        got += n;
                    }
                    got
                });
                let mut random = Random::new(round);
                for _ in 0..random.below(20_000) {
                    std::hint::spin_loop();
                }
                match round % 3 {
                    0 => writer.set_deadline(Some(Instant::now())),
                    1 => writer.close(),
                    _ => reader.close(),
                }
                let sent = write.join().unwrap();
                writer.close();
                assert_eq!(read.join().unwrap(), sent);
                partial += u32::from(sent > 0);
            });
        }
        assert!(partial > 0);
    });
}
