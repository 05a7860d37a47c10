//! What goes with the pipe: scope, tee, many writers, copy, and two pipes as a connection.

mod common;

use std::{
    fmt,
    io::{self, BufReader, BufWriter, ErrorKind, Read, Write},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use common::watchdog;
use ringpipe::{
    Error, Gate, ReadEnd, WriteEnd,
    pipe::{self, Duplex, MultiWriter, WriterPanicked, duplex, pipe, scope, tee},
};

const LIMIT: Duration = Duration::from_secs(60);

#[derive(Debug, PartialEq, Eq)]
struct Fault(u32);

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "fault {}", self.0)
    }
}

impl std::error::Error for Fault {}

#[test]
fn a_scope_gives_both_results_and_ends_the_stream() {
    watchdog(LIMIT, || {
        let words = ["a", "b", "c"];
        let (written, text) = scope(
            |writer| {
                for word in words {
                    writer.write_all(word.as_bytes())?;
                }
                Ok::<_, io::Error>(words.len())
            },
            |reader| io::read_to_string(reader).unwrap(),
        );
        assert_eq!((written.unwrap(), text.as_str()), (3, "abc"));
    });
}

#[test]
fn a_scope_hands_the_writers_error_to_reader_and_caller() {
    watchdog(LIMIT, || {
        let (written, read) = scope(
            |writer| {
                writer.write_all(b"49 documents").unwrap();
                Err::<(), _>(Fault(50))
            },
            |reader| {
                let mut text = Vec::new();
                let error = reader.read_to_end(&mut text).unwrap_err();
                assert_eq!(text, b"49 documents");
                error
            },
        );
        let written = io::Error::from(written.unwrap_err());
        let (a, b) = (Error::cause::<Fault>(&written), Error::cause::<Fault>(&read));
        assert_eq!((a, b), (Some(&Fault(50)), Some(&Fault(50))));
        assert!(std::ptr::eq(a.unwrap(), b.unwrap()));
    });
}

#[test]
fn a_panicking_writer_of_a_scope_reaches_the_reader_then_the_caller() {
    watchdog(LIMIT, || {
        let seen = AtomicBool::new(false);
        let panic = catch_unwind(AssertUnwindSafe(|| {
            scope(
                |writer| -> io::Result<()> {
                    writer.write_all(b"half")?;
                    panic!("on purpose");
                },
                |reader| {
                    let error = reader.read_to_end(&mut Vec::new()).unwrap_err();
                    assert_eq!(Error::cause(&error), Some(&WriterPanicked));
                    seen.store(true, Ordering::SeqCst);
                },
            )
        }))
        .unwrap_err();
        assert_eq!(panic.downcast_ref(), Some(&"on purpose"));
        assert!(seen.load(Ordering::SeqCst));
    });
}

#[test]
fn a_reader_that_leaves_a_scope_early_wakes_its_writer() {
    watchdog(LIMIT, || {
        for _ in 0..200 {
            let (written, first) = scope(
                |writer| writer.write_all(&[7; 1000]),
                |reader| {
                    let mut byte = [0];
                    reader.read_exact(&mut byte).unwrap();
                    byte[0]
                },
            );
            assert_eq!(first, 7);
            assert_eq!(io::Error::from(written.unwrap_err()).kind(), ErrorKind::BrokenPipe);
        }
    });
}

#[test]
fn a_panicking_reader_of_a_scope_wakes_its_writer_and_goes_on_panicking() {
    watchdog(LIMIT, || {
        let ended = AtomicBool::new(false);
        let panic = catch_unwind(AssertUnwindSafe(|| {
            scope(
                |writer| {
                    let result = writer.write_all(b"nobody reads this");
                    ended.store(true, Ordering::SeqCst);
                    result
                },
                |_| panic!("on purpose"),
            )
        }))
        .unwrap_err();
        assert_eq!(panic.downcast_ref(), Some(&"on purpose"));
        assert!(ended.load(Ordering::SeqCst), "the writer's thread outlived the scope");
    });
}

#[test]
fn a_tee_writes_exactly_what_it_read() {
    let mut copy = Vec::new();
    let mut tee = tee(&b"twice the same"[..], &mut copy);
    let mut first = [0; 5];
    tee.read_exact(&mut first).unwrap();
    assert_eq!(io::read_to_string(&mut tee).unwrap(), " the same");
    let (rest, copy) = tee.into_inner();
    assert_eq!((rest.len(), copy.as_slice()), (0, b"twice the same".as_slice()));
}

#[test]
fn a_tee_into_a_pipe_fails_with_the_reason_its_reader_gave() {
    watchdog(LIMIT, || {
        let (reader, writer) = pipe();
        let thread = thread::spawn(move || {
            let mut reader = reader;
            reader.read_exact(&mut [0; 4]).unwrap();
            reader.close_with_error(Fault(4));
        });
        let mut tee = tee(io::repeat(1), writer);
        let error = io::copy(&mut tee, &mut io::sink()).unwrap_err();
        assert_eq!(Error::cause(&error), Some(&Fault(4)));
        thread.join().unwrap();
    });
}

#[test]
fn a_tee_does_not_trust_a_reader_that_counts_wrongly() {
    struct Liar;
    impl Read for Liar {
        fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
            Ok(buf.len() + 1)
        }
    }
    let mut copy = Vec::new();
    tee(Liar, &mut copy).read(&mut [0; 4]).unwrap_err();
    assert!(copy.is_empty());
}

#[test]
fn many_writers_stop_at_the_first_that_fails() {
    watchdog(LIMIT, || {
        let (reader, writer) = pipe();
        reader.close_with_error(Fault(1));
        let (mut first, mut last) = (Vec::new(), Vec::new());
        let mut failing = &writer;
        let mut all = MultiWriter::new([
            &mut first as &mut dyn Write,
            &mut failing as &mut dyn Write,
            &mut last as &mut dyn Write,
        ]);
        let error = all.write_all(b"x").unwrap_err();
        assert_eq!(Error::cause(&error), Some(&Fault(1)));
        all.flush().unwrap();
        assert_eq!(all.into_inner().len(), 3);
        assert_eq!((first.as_slice(), last.as_slice()), (b"x".as_slice(), b"".as_slice()));
        assert_eq!(MultiWriter::<Vec<u8>>::new([]).write(b"abc").unwrap(), 3);
    });
}

#[test]
fn a_pipe_is_not_copied_into_itself() {
    watchdog(LIMIT, || {
        let (reader, writer) = pipe();
        let error = pipe::copy(&reader, &writer).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(matches!(Error::of(&error), Some(Error::Invalid(_))));
        assert!(reader.reads_from(&writer));

        let (far_reader, far_writer) = pipe();
        assert!(!reader.reads_from(&far_writer));
        thread::scope(|scope| {
            scope.spawn(|| {
                (&writer).write_all(&[9; 100_000]).unwrap();
                writer.close();
            });
            let copied = scope.spawn(|| {
                let n = pipe::copy(&reader, &far_writer).unwrap();
                far_writer.close();
                n
            });
            let mut all = Vec::new();
            (&far_reader).read_to_end(&mut all).unwrap();
            assert_eq!((copied.join().unwrap(), all.len()), (100_000, 100_000));
        });
    });
}

#[test]
fn a_buffer_joins_what_the_pipe_would_hand_over_one_by_one() {
    watchdog(LIMIT, || {
        let (written, (writes, bytes)) = scope(
            |writer| {
                let mut writer = BufWriter::new(writer);
                (0..=255).try_for_each(|byte| writer.write_all(&[byte]))?;
                writer.flush()
            },
            |reader| {
                let mut sizes = Vec::new();
                let mut buf = [0; 1024];
                while let n @ 1.. = reader.read(&mut buf).unwrap() {
                    sizes.push(n);
                }
                (sizes.len(), sizes.iter().sum::<usize>())
            },
        );
        written.unwrap();
        assert_eq!((writes, bytes), (1, 256));
        let (_, lines) = scope(
            |writer| writer.write_all(b"one\ntwo\n"),
            |reader| io::BufRead::lines(BufReader::new(reader)).count(),
        );
        assert_eq!(lines, 2);
    });
}

#[test]
fn a_duplex_speaks_both_ways_at_once() {
    watchdog(LIMIT, || {
        let (client, server) = duplex();
        let echo = thread::spawn(move || {
            let (reader, writer) = server.split();
            pipe::copy(&reader, &writer)
        });
        let sent: Vec<u8> = (0..100_000_u32).map(|i| (i % 251) as u8).collect();
        let got = thread::scope(|scope| {
            scope.spawn(|| {
                (&client).write_all(&sent).unwrap();
                (&client).flush().unwrap();
                // All is said; the answer is still to come.
                client.writer().close();
            });
            let mut got = Vec::new();
            (&client).read_to_end(&mut got).unwrap();
            got
        });
        assert!(got == sent);
        assert_eq!(echo.join().unwrap().unwrap(), 100_000);
    });
}

#[test]
fn a_side_of_a_duplex_closes_and_times_out_as_one() {
    watchdog(LIMIT, || {
        let (mut a, mut b) = duplex();
        a.set_deadline(Some(Instant::now()));
        assert_eq!(a.read(&mut [0]).unwrap_err().kind(), ErrorKind::TimedOut);
        assert_eq!(a.write(b"x").unwrap_err().kind(), ErrorKind::TimedOut);
        a.set_deadline(None);
        a.close_with_error(Fault(3));
        for error in [b.read(&mut [0]).unwrap_err(), b.write(b"x").unwrap_err()] {
            assert_eq!(Error::cause(&error), Some(&Fault(3)));
        }

        let (a, mut b) = duplex();
        let control = a.control();
        let blocked = thread::spawn(move || {
            let mut a = a;
            a.read_vectored(&mut [io::IoSliceMut::new(&mut [0])])
        });
        control.set_deadline(Some(Instant::now()));
        assert_eq!(blocked.join().unwrap().unwrap_err().kind(), ErrorKind::TimedOut);
        // The thread dropped its side.
        assert_eq!(b.read(&mut [0]).unwrap(), 0);
        assert_eq!(
            b.write_vectored(&[io::IoSlice::new(b"x")]).unwrap_err().kind(),
            ErrorKind::BrokenPipe
        );

        let (a, mut b) = duplex();
        a.reader().close_with_error(Fault(4));
        let error = b.write(b"x").unwrap_err();
        assert_eq!(Error::cause(&error), Some(&Fault(4)), "one direction alone");
        b.close();
        let (reader, writer) = duplex().0.split();
        Duplex::new(reader, writer).flush().unwrap();
    });
}

#[test]
fn the_traits_reach_the_same_pipe_as_the_methods() {
    fn by_traits<R: ReadEnd, W: WriteEnd>(mut reader: R, mut writer: W) {
        reader.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
        assert_eq!(reader.read_timeout(), Some(Duration::from_millis(1)));
        writer.set_write_timeout(Some(Duration::from_millis(1))).unwrap();
        assert_eq!(writer.write_timeout(), Some(Duration::from_millis(1)));
        assert_eq!(reader.read(&mut [0]).unwrap_err().kind(), ErrorKind::TimedOut);
        assert_eq!(writer.write(b"x").unwrap_err().kind(), ErrorKind::TimedOut);
        reader.set_deadline(Some(Instant::now()));
        assert_eq!(reader.try_read(&mut [0]).unwrap_err().kind(), ErrorKind::TimedOut);
        reader.set_deadline(None);
        assert_eq!(reader.try_read(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock);
        writer.set_nonblocking(true);
        reader.set_nonblocking(true);
        assert_eq!(writer.try_write(b"x").unwrap_err().kind(), ErrorKind::WouldBlock);
        assert_eq!(writer.write(b"x").unwrap_err().kind(), ErrorKind::WouldBlock);
        assert_eq!(reader.read(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock);
        writer.close_with_error(Fault(2));
        let error = reader.read(&mut [0]).unwrap_err();
        assert_eq!(Error::cause(&error), Some(&Fault(2)));
        reader.close();
        assert_eq!(writer.write(b"x").unwrap_err().kind(), ErrorKind::BrokenPipe);
    }
    watchdog(LIMIT, || {
        let (reader, writer) = pipe();
        by_traits(reader, writer);
    });
}

#[test]
fn a_gate_gives_an_end_to_many_threads_and_back_again() {
    watchdog(LIMIT, || {
        let (reader, writer) = pipe();
        let (reader, writer) = (Gate::reader(reader), Gate::writer(writer));
        let taken = thread::scope(|scope| {
            let readers: Vec<_> = (0..2)
                .map(|_| {
                    scope.spawn(|| {
                        let mut taken = 0;
                        let mut buf = [0; 100];
                        loop {
                            match (&reader).read(&mut buf).unwrap() {
                                0 => return taken,
                                n => taken += n,
                            }
                        }
                    })
                })
                .collect();
            thread::scope(|writers| {
                for byte in 0..4 {
                    let mut writer = &writer;
                    writers.spawn(move || {
                        writer.write_all(&[byte; 1000]).unwrap();
                        writer.flush().unwrap();
                    });
                }
            });
            writer.control().close();
            readers.into_iter().map(|reader| reader.join().unwrap()).sum::<usize>()
        });
        assert_eq!(taken, 4000);
        assert_eq!(format!("{:?}", reader.control()), "Control { .. }");
        // The ends themselves are as they were.
        assert_eq!(writer.into_inner().write(b"x").unwrap_err().kind(), ErrorKind::BrokenPipe);
        assert_eq!(reader.into_inner().read(&mut [0]).unwrap(), 0);
    });
}
