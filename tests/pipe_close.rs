//! What each end of the in-memory pipe answers once something was closed.

mod common;

use std::{
    fmt,
    io::{self, ErrorKind, Read, Write},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Weak,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use common::watchdog;
use ringpipe::{
    Error, PipeReader, PipeWriter, ReadEnd, WriteEnd, error::Cause, pipe, pipe::WriterPanicked,
};

const LIMIT: Duration = Duration::from_secs(60);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Reason(u32);

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "reason {}", self.0)
    }
}

impl std::error::Error for Reason {}

#[derive(Clone, Copy, Debug)]
enum Step {
    WriterCloses,
    WriterFails(u32),
    ReaderCloses,
    ReaderFails(u32),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Answer {
    Open,
    EndOfStream,
    Closed,
    Failed(u32),
}

fn answer(result: io::Result<usize>) -> Answer {
    match result {
        Ok(0) => Answer::EndOfStream,
        Ok(n) => panic!("{n} bytes from nowhere"),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Answer::Open,
        Err(error) => match (Error::of(&error), Error::cause::<Reason>(&error)) {
            (Some(Error::Closed), None) => {
                assert_eq!(error.kind(), ErrorKind::BrokenPipe);
                assert_eq!(error.to_string(), "read/write on closed pipe");
                Answer::Closed
            }
            (Some(Error::ClosedWith(_)), Some(Reason(n))) => {
                assert_eq!(error.to_string(), format!("reason {n}"));
                Answer::Failed(*n)
            }
            _ => panic!("{error:?}"),
        },
    }
}

/// The closing table, written down a second time: who closed first, and with what.
fn expected(steps: &[Step]) -> (Answer, Answer) {
    let (mut reader, mut writer) = (None, None);
    for step in steps {
        match *step {
            Step::WriterCloses => writer = writer.or(Some(None)),
            Step::WriterFails(n) => writer = writer.or(Some(Some(n))),
            Step::ReaderCloses => reader = reader.or(Some(None)),
            Step::ReaderFails(n) => reader = reader.or(Some(Some(n))),
        }
    }
    match (reader, writer) {
        (None, None) => (Answer::Open, Answer::Open),
        (None, Some(None)) => (Answer::EndOfStream, Answer::Closed),
        (None, Some(Some(n))) => (Answer::Failed(n), Answer::Closed),
        (Some(None), None) => (Answer::Closed, Answer::Closed),
        (Some(Some(n)), None) => (Answer::Closed, Answer::Failed(n)),
        (Some(_), Some(_)) => (Answer::Closed, Answer::Closed),
    }
}

#[test]
fn every_order_of_closing_gives_what_the_table_says() {
    watchdog(LIMIT, || {
        let mut cases = 0;
        for len in 0..=4 {
            for code in 0..4_u32.pow(len) {
                let steps: Vec<Step> = (0..len)
                    .map(|i| match code / 4_u32.pow(i) % 4 {
                        0 => Step::WriterCloses,
                        1 => Step::WriterFails(i),
                        2 => Step::ReaderCloses,
                        _ => Step::ReaderFails(i),
                    })
                    .collect();
                check(&steps);
                cases += 1;
            }
        }
        assert_eq!(cases, 1 + 4 + 16 + 64 + 256);
    });
}

fn check(steps: &[Step]) {
    let (mut reader, mut writer) = pipe();
    for done in 0..=steps.len() {
        let (read, write) = expected(&steps[..done]);
        // Asked more than once: an answer never wears out.
        for _ in 0..2 {
            assert_eq!(answer(reader.try_read(&mut [0; 4])), read, "{steps:?}");
            assert_eq!(answer(writer.try_write(b"x")), write, "{steps:?}");
            if read != Answer::Open {
                assert_eq!(answer(reader.read(&mut [0; 4])), read, "{steps:?}");
                assert_eq!(answer(writer.write(b"x")), write, "{steps:?}");
                // An empty write is a write: on a closed pipe it fails.
                assert_eq!(answer(writer.write(b"")), write, "{steps:?}");
            }
        }
        match steps.get(done) {
            Some(Step::WriterCloses) if done % 2 == 0 => WriteEnd::control(&writer).close(),
            Some(Step::WriterCloses) => writer.close(),
            Some(&Step::WriterFails(n)) if done % 2 == 0 => {
                writer.control().close_with_error(Reason(n))
            }
            Some(&Step::WriterFails(n)) => writer.close_with_error(Reason(n)),
            Some(Step::ReaderCloses) if done % 2 == 0 => ReadEnd::control(&reader).close(),
            Some(Step::ReaderCloses) => reader.close(),
            Some(&Step::ReaderFails(n)) if done % 2 == 0 => {
                reader.control().close_with_error(Reason(n))
            }
            Some(&Step::ReaderFails(n)) => reader.close_with_error(Reason(n)),
            None => {}
        }
    }
}

#[test]
fn an_error_keeps_its_kind_its_type_and_its_identity() {
    let (mut reader, writer) = pipe();
    writer.close_with_error(io::Error::new(ErrorKind::InvalidData, Reason(7)));
    let (one, two) = (reader.read(&mut [0]).unwrap_err(), reader.read(&mut [0]).unwrap_err());
    assert_eq!(one.kind(), ErrorKind::InvalidData);
    let (one, two) =
        (Error::cause::<io::Error>(&one).unwrap(), Error::cause::<io::Error>(&two).unwrap());
    assert!(std::ptr::eq(one, two));
    assert_eq!(one.get_ref().unwrap().downcast_ref(), Some(&Reason(7)));
}

#[test]
fn an_error_of_kind_interrupted_cannot_trap_a_caller_that_retries() {
    watchdog(LIMIT, || {
        let (mut reader, writer) = pipe();
        writer.close_with_error(io::Error::new(ErrorKind::Interrupted, "again and again"));
        let error = reader.read_to_end(&mut Vec::new()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Other);
        assert_eq!(error.to_string(), "again and again");
    });
}

/// Blocks a read and a write in turn, closes with `close`, and returns what the blocked calls gave.
fn interrupt(
    close: impl Fn(&PipeReader, &PipeWriter),
) -> (io::Result<usize>, io::Result<usize>, io::Result<usize>) {
    let (reader, writer) = pipe();
    let read = thread::scope(|scope| {
        let blocked = scope.spawn(|| (&reader).read(&mut [0; 4]));
        while writer.try_write(&[]).is_err() {
            thread::yield_now();
        }
        close(&reader, &writer);
        blocked.join().unwrap()
    });

    let (reader, writer) = pipe();
    let (write, again) = thread::scope(|scope| {
        let blocked = scope.spawn(|| {
            let first = (&writer).write(b"abc");
            (first, (&writer).write(b"c"))
        });
        // Once one byte is out, the write is blocked with the other two.
        assert_eq!((&reader).read(&mut [0]).unwrap(), 1);
        close(&reader, &writer);
        blocked.join().unwrap()
    });
    (read, write, again)
}

#[test]
fn closing_wakes_whoever_is_blocked_on_either_side() {
    watchdog(LIMIT, || {
        for _ in 0..200 {
            let (read, write, again) = interrupt(|_, writer| writer.close());
            assert_eq!(answer(read), Answer::EndOfStream);
            assert_eq!(write.unwrap(), 1);
            assert_eq!(answer(again), Answer::Closed);

            let (read, write, again) = interrupt(|_, writer| writer.close_with_error(Reason(1)));
            assert_eq!(answer(read), Answer::Failed(1));
            assert_eq!(write.unwrap(), 1);
            assert_eq!(answer(again), Answer::Closed);

            let (read, write, again) = interrupt(|reader, _| reader.close());
            assert_eq!(answer(read), Answer::Closed);
            assert_eq!(write.unwrap(), 1);
            assert_eq!(answer(again), Answer::Closed);

            let (read, write, again) = interrupt(|reader, _| reader.close_with_error(Reason(2)));
            assert_eq!(answer(read), Answer::Closed);
            assert_eq!(write.unwrap(), 1);
            assert_eq!(answer(again), Answer::Failed(2));
        }
    });
}

#[test]
fn a_close_after_the_last_write_returned_loses_nothing() {
    watchdog(LIMIT, || {
        for round in 0..1_000_usize {
            let (mut reader, mut writer) = pipe();
            let thread = thread::spawn(move || {
                writer.write_all(&vec![7; 1 + round % 97]).unwrap();
                writer.close();
            });
            let mut all = Vec::new();
            reader.read_to_end(&mut all).unwrap();
            assert_eq!(all.len(), 1 + round % 97);
            thread.join().unwrap();
        }
    });
}

#[test]
fn closing_wakes_those_who_wait_for_their_turn() {
    watchdog(LIMIT, || {
        for round in 0..200 {
            let (reader, writer) = pipe();
            thread::scope(|scope| {
                let reads: Vec<_> =
                    (0..3).map(|_| scope.spawn(|| (&reader).read(&mut [0; 4]))).collect();
                if round % 2 == 0 {
                    while writer.try_write(&[]).is_err() {
                        thread::yield_now();
                    }
                }
                writer.close_with_error(Reason(round));
                for read in reads {
                    assert_eq!(answer(read.join().unwrap()), Answer::Failed(round));
                }
            });
        }
    });
}

#[test]
fn dropping_an_end_closes_it_for_the_blocked_other_one() {
    watchdog(LIMIT, || {
        let (mut reader, writer) = pipe();
        let read = thread::spawn(move || reader.read(&mut [0; 4]));
        while writer.try_write(&[]).is_err() {
            thread::yield_now();
        }
        // A control does not keep its end open.
        let control = writer.control();
        drop(writer);
        assert_eq!(read.join().unwrap().unwrap(), 0);
        control.close_with_error(Reason(1));

        let (mut reader, mut writer) = pipe();
        let write = thread::spawn(move || writer.write_all(b"abc"));
        assert_eq!(reader.read(&mut [0]).unwrap(), 1);
        drop(reader);
        assert_eq!(write.join().unwrap().unwrap_err().kind(), ErrorKind::BrokenPipe);
    });
}

#[test]
fn the_last_of_many_handles_closes_the_end() {
    let (reader, writer) = pipe();
    let writer = Arc::new(writer);
    let other = writer.clone();
    drop(writer);
    assert_eq!(answer(reader.try_read(&mut [0])), Answer::Open);
    drop(other);
    assert_eq!(answer(reader.try_read(&mut [0])), Answer::EndOfStream);
}

#[test]
fn a_writer_dropped_by_a_panic_is_an_error_and_not_the_end() {
    watchdog(LIMIT, || {
        let (mut reader, mut writer) = pipe();
        let thread = thread::spawn(move || {
            writer.write_all(b"half of it").unwrap();
            panic!("on purpose");
        });
        let mut text = Vec::new();
        let error = reader.read_to_end(&mut text).unwrap_err();
        assert_eq!(text, b"half of it");
        assert_eq!(error.to_string(), "writer panicked");
        assert_eq!(Error::cause(&error), Some(&WriterPanicked));
        thread.join().unwrap_err();
    });
}

#[test]
fn a_writer_that_said_it_was_finished_before_the_panic_was_finished() {
    let (mut reader, writer) = pipe();
    catch_unwind(AssertUnwindSafe(|| {
        let writer = writer;
        writer.close();
        panic!("on purpose");
    }))
    .unwrap_err();
    assert_eq!(reader.read(&mut [0]).unwrap(), 0);
}

#[test]
fn a_reader_dropped_by_a_panic_just_closes() {
    let (reader, mut writer) = pipe();
    catch_unwind(AssertUnwindSafe(|| {
        let _reader = reader;
        panic!("on purpose");
    }))
    .unwrap_err();
    assert_eq!(answer(writer.write(b"x")), Answer::Closed);
}

/// An error that uses the pipe while it is dropped, which must not meet the pipe's own lock.
#[derive(Debug)]
struct Meddler {
    writer: Weak<PipeWriter>,
    dropped: Arc<AtomicUsize>,
}

impl fmt::Display for Meddler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.writer.upgrade() {
            Some(writer) => write!(f, "{:?}", writer.write_timeout()),
            None => f.write_str("gone"),
        }
    }
}

impl std::error::Error for Meddler {}

impl Drop for Meddler {
    fn drop(&mut self) {
        if let Some(writer) = self.writer.upgrade() {
            writer.close();
            writer.set_deadline(None);
        }
        self.dropped.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn an_error_may_use_the_pipe_while_it_is_shown_and_dropped() {
    watchdog(LIMIT, || {
        let (mut reader, writer) = pipe();
        let (writer, dropped) = (Arc::new(writer), Arc::new(AtomicUsize::new(0)));
        let meddler = || Meddler { writer: Arc::downgrade(&writer), dropped: dropped.clone() };
        reader.close_with_error(meddler());
        reader.close_with_error(meddler());
        assert_eq!(dropped.load(Ordering::SeqCst), 1);
        assert_eq!((&*writer).write(b"x").unwrap_err().kind(), ErrorKind::BrokenPipe);
        assert_eq!(answer(reader.read(&mut [0])), Answer::Closed);
        assert!(!format!("{reader:?}").is_empty());
    });
}

#[test]
fn every_error_tells_its_kind_its_words_and_what_lies_behind_it() {
    let reason = || Error::ClosedWith(Cause::new(Reason(7)));
    let disk = || Error::ClosedWith(Cause::new(io::Error::new(ErrorKind::StorageFull, "disk")));
    let interrupted = || Error::ClosedWith(Cause::new(io::Error::from(ErrorKind::Interrupted)));
    let mut told = 0;
    for (error, kind, words) in [
        (Error::Closed, ErrorKind::BrokenPipe, "read/write on closed pipe"),
        (reason(), ErrorKind::Other, "reason 7"),
        (disk(), ErrorKind::StorageFull, "disk"),
        // Everybody tries again after `Interrupted`.
        (interrupted(), ErrorKind::Other, "operation interrupted"),
        (
            Error::PeerDied { unconsumed: None },
            ErrorKind::UnexpectedEof,
            "the writing process died before it closed the stream",
        ),
        (
            Error::PeerDied { unconsumed: Some(9) },
            ErrorKind::BrokenPipe,
            "the reading process died with 9 bytes not consumed",
        ),
        (Error::Timeout, ErrorKind::TimedOut, "the deadline passed"),
        (Error::Deadlock("all wait".into()), ErrorKind::Deadlock, "all wait"),
        (
            Error::Corrupt("a position"),
            ErrorKind::InvalidData,
            "the peer corrupted the shared memory: a position",
        ),
        (Error::Refused("version 2".into()), ErrorKind::InvalidData, "version 2"),
        (
            Error::Capacity { asked: 5000, nearest: 8192 },
            ErrorKind::InvalidInput,
            "capacity 5000 is not a power of two from 4096 to 1073741824; the nearest that works is 8192",
        ),
        (Error::Invalid("an empty path".into()), ErrorKind::InvalidInput, "an empty path"),
        (
            Error::Forked,
            ErrorKind::Unsupported,
            "this end belongs to the process before fork; create or connect a new one in the child",
        ),
        (Error::Unsupported("no futex".into()), ErrorKind::Unsupported, "no futex"),
    ] {
        assert_eq!(error.kind(), kind, "{words}");
        assert_eq!(error.to_string(), words);
        let behind = std::error::Error::source(&error).map(ToString::to_string);
        let is_closers = matches!(error, Error::ClosedWith(_));
        assert_eq!(behind.as_deref(), is_closers.then_some(words), "{words}");
        // With `?` it becomes an I/O error, which keeps all of that.
        let wrapped = io::Error::from(error);
        assert_eq!((wrapped.kind(), wrapped.to_string().as_str()), (kind, words));
        assert_eq!(Error::of(&wrapped).map(Error::kind), Some(kind));
        assert!(is_closers || Error::cause::<Reason>(&wrapped).is_none());
        told += 1;
    }
    assert_eq!(told, 14);
    // What the system says of its own code stands behind what was being done.
    let code = 2;
    let system = io::Error::from_raw_os_error(code);
    let error = Error::Os { doing: "opening x".into(), code };
    assert_eq!(error.kind(), system.kind());
    assert_eq!(error.to_string(), format!("opening x: {system}"));
}
