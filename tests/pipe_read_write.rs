//! How reads and writes of the in-memory pipe meet.

mod common;

use std::{
    io::{self, ErrorKind, IoSlice, IoSliceMut, Read, Write},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use common::watchdog;
use ringpipe::{PipeReader, PipeWriter, pipe};

const LIMIT: Duration = Duration::from_secs(60);

/// Returns once a read is blocked: only then does an empty write meet one without waiting.
fn until_a_read_is_blocked(writer: &PipeWriter) {
    while writer.try_write(&[]).is_err() {
        thread::yield_now();
    }
}

#[test]
fn two_messages_and_a_close_arrive_as_one_text() {
    watchdog(LIMIT, || {
        let (mut reader, mut writer) = pipe();
        let thread = thread::spawn(move || {
            writer.write_all(b"hello from the other side\n")?;
            writer.write_all(b"this is the second message\n")
        });
        let mut text = Vec::new();
        assert_eq!(io::copy(&mut reader, &mut text).unwrap(), 53);
        assert_eq!(text, b"hello from the other side\nthis is the second message\n");
        thread.join().unwrap().unwrap();
    });
}

#[test]
fn a_write_returns_only_when_its_last_byte_was_read() {
    watchdog(LIMIT, || {
        let (mut reader, mut writer) = pipe();
        let returned = Arc::new(AtomicBool::new(false));
        let flag = returned.clone();
        let thread = thread::spawn(move || {
            let n = writer.write(b"abcde").unwrap();
            flag.store(true, Ordering::SeqCst);
            n
        });
        for expected in b"abcd" {
            let mut byte = [0];
            assert_eq!(reader.read(&mut byte).unwrap(), 1);
            assert_eq!(byte[0], *expected);
            for _ in 0..100 {
                assert!(!returned.load(Ordering::SeqCst));
                thread::yield_now();
            }
        }
        assert_eq!(reader.read(&mut [0; 9]).unwrap(), 1);
        assert_eq!(thread.join().unwrap(), 5);
        assert!(returned.load(Ordering::SeqCst));
    });
}

#[test]
fn a_read_never_joins_two_writes() {
    watchdog(LIMIT, || {
        let (mut reader, mut writer) = pipe();
        let thread = thread::spawn(move || {
            for len in 1..=500 {
                writer.write_all(&vec![len as u8; len]).unwrap();
            }
        });
        for len in 1..=500_usize {
            // Alternately a buffer that is too large and one that takes the write in three pieces.
            let mut left = len;
            while left > 0 {
                let mut buf = vec![0; if len % 2 == 0 { 1000 } else { len.div_ceil(3) }];
                let n = reader.read(&mut buf).unwrap();
                assert_eq!(n, left.min(buf.len()));
                assert!(buf[..n].iter().all(|&byte| byte == len as u8));
                left -= n;
            }
        }
        assert_eq!(reader.read(&mut [0; 8]).unwrap(), 0);
        thread.join().unwrap();
    });
}

#[test]
fn a_blocked_read_gets_the_next_write_up_to_its_buffer() {
    watchdog(LIMIT, || {
        let (reader, mut writer) = pipe();
        let thread = thread::spawn(move || {
            let mut buf = [0; 3];
            let first = (&reader).read(&mut buf).unwrap();
            (first, buf, reader)
        });
        until_a_read_is_blocked(&writer);
        let rest = thread::spawn(move || writer.write(b"abcde").unwrap());
        let (first, buf, mut reader) = thread.join().unwrap();
        assert_eq!((first, &buf), (3, b"abc"));
        let mut buf = [0; 8];
        assert_eq!(reader.read(&mut buf).unwrap(), 2);
        assert_eq!(&buf[..2], b"de");
        assert_eq!(rest.join().unwrap(), 5);
    });
}

#[test]
fn an_empty_buffer_reads_nothing_at_once_in_any_state() {
    watchdog(LIMIT, || {
        let (mut reader, writer) = pipe();
        assert_eq!(reader.read(&mut []).unwrap(), 0);
        assert_eq!(reader.try_read(&mut []).unwrap(), 0);
        assert_eq!(reader.read_vectored(&mut [IoSliceMut::new(&mut [])]).unwrap(), 0);
        writer.close_with_error("broken");
        assert_eq!(reader.read(&mut []).unwrap(), 0);
        assert!(reader.read(&mut [0]).is_err());
    });
}

#[test]
fn an_empty_write_meets_a_read_that_goes_on_waiting() {
    watchdog(LIMIT, || {
        // The read comes first.
        let (mut reader, mut writer) = pipe();
        let thread = thread::spawn(move || {
            let mut buf = [0; 4];
            let n = reader.read(&mut buf).unwrap();
            (n, buf, reader)
        });
        until_a_read_is_blocked(&writer);
        assert_eq!(writer.write(&[]).unwrap(), 0);
        assert_eq!(writer.write(b"x").unwrap(), 1);
        let (n, buf, mut reader) = thread.join().unwrap();
        assert_eq!((n, buf[0]), (1, b'x'));

        // The empty write comes first, or not: the read never sees it.
        for _ in 0..500 {
            let thread = thread::spawn(move || {
                assert_eq!(writer.write(&[]).unwrap(), 0);
                assert_eq!(writer.write_vectored(&[]).unwrap(), 0);
                assert_eq!(writer.write(b"y").unwrap(), 1);
                writer
            });
            assert_eq!(reader.read(&mut [0; 4]).unwrap(), 1);
            writer = thread.join().unwrap();
        }
    });
}

#[test]
fn an_empty_write_waits_for_its_read() {
    watchdog(LIMIT, || {
        let (reader, mut writer) = pipe();
        writer.set_write_timeout(Some(Duration::from_millis(2))).unwrap();
        assert_eq!(writer.write(&[]).unwrap_err().kind(), ErrorKind::TimedOut);
        writer.set_write_timeout(None).unwrap();
        let thread = thread::spawn(move || (writer.write(&[]).unwrap(), writer));
        // A read that may not wait meets it as well as any other.
        while !thread.is_finished() {
            let error = reader.try_read(&mut [0]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::WouldBlock);
        }
        assert_eq!(thread.join().unwrap().0, 0);
    });
}

#[test]
fn vectored_calls_scatter_and_gather_one_write() {
    watchdog(LIMIT, || {
        let (mut reader, mut writer) = pipe();
        let thread = thread::spawn(move || {
            let parts = [b"ab".as_slice(), b"", b"cdef", b"g"].map(IoSlice::new);
            let n = writer.write_vectored(&parts).unwrap();
            writer.write_all(b"next").unwrap();
            n
        });
        let (mut a, mut b, mut c) = ([0; 1], [0; 0], [0; 3]);
        let n =
            reader.read_vectored(&mut [&mut a[..], &mut b, &mut c].map(IoSliceMut::new)).unwrap();
        assert_eq!((n, &a, &c), (4, b"a", b"bcd"));
        let (mut a, mut b) = ([0; 2], [0; 9]);
        let n = reader.read_vectored(&mut [&mut a[..], &mut b].map(IoSliceMut::new)).unwrap();
        assert_eq!((n, &a, b[0]), (3, b"ef", b'g'));
        let mut buf = [0; 9];
        assert_eq!(reader.read(&mut buf).unwrap(), 4);
        assert_eq!(thread.join().unwrap(), 7);
    });
}

#[test]
fn trying_never_waits_and_takes_what_a_blocked_call_offers() {
    watchdog(LIMIT, || {
        let (reader, writer) = pipe();
        let would_block = |error: io::Error| error.kind() == ErrorKind::WouldBlock;
        assert!(reader.try_read(&mut [0; 4]).is_err_and(would_block));
        assert!(writer.try_write(b"abc").is_err_and(would_block));
        assert!(writer.try_write(b"").is_err_and(would_block));

        let blocked = thread::spawn({
            let mut writer = writer;
            move || {
                writer.write_all(b"hello").unwrap();
                writer
            }
        });
        let mut got = Vec::new();
        let mut buf = [0; 3];
        while got.len() < 5 {
            match reader.try_read(&mut buf) {
                Ok(n) => got.extend_from_slice(&buf[..n]),
                Err(error) => assert!(would_block(error)),
            }
        }
        assert_eq!(got, b"hello");
        let writer = blocked.join().unwrap();

        let blocked = thread::spawn({
            let mut reader = reader;
            move || {
                let mut buf = [0; 3];
                (reader.read(&mut buf).unwrap(), buf)
            }
        });
        let n = loop {
            match writer.try_write(b"world") {
                Ok(n) => break n,
                Err(error) => assert!(would_block(error)),
            }
        };
        assert_eq!(n, 3);
        assert_eq!(blocked.join().unwrap(), (3, *b"wor"));
        let error = writer.try_write(b"ld").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BrokenPipe);
    });
}

#[test]
fn a_nonblocking_end_tries_until_it_is_set_back() {
    watchdog(LIMIT, || {
        let (mut reader, mut writer) = pipe();
        reader.set_nonblocking(true);
        writer.set_nonblocking(true);
        assert_eq!(reader.read(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock);
        assert_eq!(writer.write(b"x").unwrap_err().kind(), ErrorKind::WouldBlock);
        writer.set_nonblocking(false);
        reader.set_nonblocking(false);
        let thread = thread::spawn(move || writer.write(b"x").unwrap());
        assert_eq!(reader.read(&mut [0]).unwrap(), 1);
        assert_eq!(thread.join().unwrap(), 1);
    });
}

#[test]
fn a_busy_end_makes_trying_fail_rather_than_wait() {
    watchdog(LIMIT, || {
        let (reader, writer) = pipe();
        thread::scope(|scope| {
            let blocked = scope.spawn(|| (&reader).read(&mut [0]).unwrap());
            until_a_read_is_blocked(&writer);
            assert_eq!(reader.try_read(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock);
            (&writer).write_all(b"x").unwrap();
            assert_eq!(blocked.join().unwrap(), 1);
        });
    });
}

#[test]
fn the_bytes_of_parallel_writes_stay_together() {
    const WRITERS: u8 = 4;
    const RECORDS: usize = 300;
    watchdog(LIMIT, || {
        let (mut reader, writer) = pipe();
        thread::scope(|scope| {
            let writer = Arc::new(writer);
            for id in 0..WRITERS {
                let writer = writer.clone();
                scope.spawn(move || {
                    let mut random = common::Random::new(u64::from(id) + 1);
                    for sequence in 0..RECORDS as u16 {
                        let len = 1 + random.below(300);
                        let mut record = vec![id; len + 5];
                        record[1..3].copy_from_slice(&sequence.to_le_bytes());
                        record[3..5].copy_from_slice(&(len as u16).to_le_bytes());
                        (&*writer).write_all(&record).unwrap();
                    }
                });
            }
            drop(writer);
            let mut next = [0; WRITERS as usize];
            let mut records = 0;
            let mut header = [0; 5];
            while reader.read(&mut header[..1]).unwrap() > 0 {
                reader.read_exact(&mut header[1..]).unwrap();
                let sequence = u16::from_le_bytes([header[1], header[2]]);
                let len = u16::from_le_bytes([header[3], header[4]]);
                let mut body = vec![0; usize::from(len)];
                reader.read_exact(&mut body).unwrap();
                assert!(body.iter().all(|&byte| byte == header[0]));
                assert_eq!(sequence, next[usize::from(header[0])]);
                next[usize::from(header[0])] += 1;
                records += 1;
            }
            assert_eq!(records, usize::from(WRITERS) * RECORDS);
        });
    });
}

#[test]
fn parallel_reads_partition_the_stream() {
    const READERS: usize = 4;
    const BYTES: u64 = 200_000;
    watchdog(LIMIT, || {
        let (reader, mut writer) = pipe();
        let counts = thread::scope(|scope| {
            let readers: Vec<_> = (0..READERS)
                .map(|id| {
                    let mut reader: &PipeReader = &reader;
                    scope.spawn(move || {
                        let mut random = common::Random::new(id as u64 + 9);
                        let mut counts = [0_u64; 256];
                        let mut buf = [0; 64];
                        loop {
                            let room = 1 + random.below(buf.len());
                            let n = reader.read(&mut buf[..room]).unwrap();
                            if n == 0 {
                                return counts;
                            }
                            // What one read got is a contiguous piece of the stream.
                            for pair in buf[..n].windows(2) {
                                assert_eq!(pair[1], pair[0].wrapping_add(1));
                            }
                            for &byte in &buf[..n] {
                                counts[usize::from(byte)] += 1;
                            }
                        }
                    })
                })
                .collect();
            let stream: Vec<u8> = (0..BYTES).map(|i| i as u8).collect();
            let mut random = common::Random::new(5);
            let mut rest = &stream[..];
            while !rest.is_empty() {
                let n = rest.len().min(1 + random.below(200));
                writer.write_all(&rest[..n]).unwrap();
                rest = &rest[n..];
            }
            writer.close();
            readers.into_iter().fold([0; 256], |mut sum, reader| {
                for (sum, count) in sum.iter_mut().zip(reader.join().unwrap()) {
                    *sum += count;
                }
                sum
            })
        });
        for (byte, count) in counts.iter().enumerate() {
            assert_eq!(*count, (BYTES + 255 - byte as u64) / 256, "{byte}");
        }
    });
}

#[test]
fn a_caller_in_a_loop_does_not_starve_the_others() {
    watchdog(LIMIT, || {
        let (mut reader, writer) = pipe();
        let (greedy, modest) = (Arc::new(writer), Arc::new(AtomicBool::new(false)));
        thread::scope(|scope| {
            scope.spawn({
                let (writer, done) = (greedy.clone(), modest.clone());
                move || {
                    while !done.load(Ordering::Relaxed) {
                        (&*writer).write_all(b"a").unwrap();
                    }
                }
            });
            scope.spawn({
                let (writer, done) = (greedy, modest);
                move || {
                    for _ in 0..200 {
                        (&*writer).write_all(b"b").unwrap();
                    }
                    done.store(true, Ordering::Relaxed);
                }
            });
            let mut modest = 0;
            let mut byte = [0];
            while reader.read(&mut byte).unwrap() > 0 {
                modest += usize::from(byte[0] == b'b');
            }
            assert_eq!(modest, 200);
        });
    });
}

#[test]
fn an_end_is_send_sync_and_prints_where_it_was_made() {
    fn shareable<T: Send + Sync + std::panic::UnwindSafe + std::panic::RefUnwindSafe>(_: &T) {}
    let (reader, writer) = pipe();
    shareable(&reader);
    shareable(&writer);
    writer.close_with_error("why");
    let text = format!("{reader:?} {writer:?}");
    assert!(text.contains(file!()) && text.contains("why"), "{text}");
}
