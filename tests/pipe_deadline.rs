//! Deadlines and timeouts of the in-memory pipe.

mod common;

use std::{
    io::{self, ErrorKind, Read, Write},
    thread,
    time::{Duration, Instant},
};

use common::watchdog;
use ringpipe::{Error, pipe};

const LIMIT: Duration = Duration::from_secs(60);
const FAR: Duration = Duration::from_secs(3600);

fn timed_out<T>(result: io::Result<T>) -> bool {
    result.is_err_and(|error| {
        error.kind() == ErrorKind::TimedOut && matches!(Error::of(&error), Some(Error::Timeout))
    })
}

#[test]
fn a_deadline_in_the_past_fails_a_call_even_where_data_is_there() {
    watchdog(LIMIT, || {
        let (mut reader, mut writer) = pipe();
        let thread = thread::spawn(move || {
            writer.write_all(b"abc").unwrap();
            writer
        });
        let mut byte = [0];
        reader.read_exact(&mut byte).unwrap();
        // Two more bytes are offered.
        reader.set_deadline(Some(Instant::now()));
        assert!(timed_out(reader.read(&mut byte)));
        assert!(timed_out(reader.try_read(&mut byte)));
        reader.set_deadline(None);
        let mut rest = [0; 2];
        reader.read_exact(&mut rest).unwrap();
        assert_eq!(&rest, b"bc");
        let writer = thread.join().unwrap();

        writer.set_deadline(Some(Instant::now()));
        thread::scope(|scope| {
            let blocked = scope.spawn(|| (&reader).read(&mut [0; 4]).unwrap());
            assert!(timed_out((&writer).write(b"x")));
            assert!(timed_out(writer.try_write(b"x")));
            assert!(timed_out((&writer).write(b"")));
            writer.set_deadline(None);
            assert_eq!((&writer).write(b"x").unwrap(), 1);
            assert_eq!(blocked.join().unwrap(), 1);
        });
    });
}

#[test]
fn a_closed_pipe_says_so_even_after_the_deadline() {
    let (mut reader, mut writer) = pipe();
    reader.set_deadline(Some(Instant::now()));
    writer.set_deadline(Some(Instant::now()));
    assert!(timed_out(reader.read(&mut [0])));
    writer.close();
    assert_eq!(reader.read(&mut [0]).unwrap(), 0);
    assert_eq!(writer.write(b"x").unwrap_err().kind(), ErrorKind::BrokenPipe);
}

#[test]
fn a_deadline_ends_a_blocked_call_not_before_its_time() {
    watchdog(LIMIT, || {
        let (mut reader, mut writer) = pipe();
        for _ in 0..5 {
            let deadline = Instant::now() + Duration::from_millis(5);
            reader.set_deadline(Some(deadline));
            assert!(timed_out(reader.read(&mut [0])));
            assert!(Instant::now() >= deadline);
            let deadline = Instant::now() + Duration::from_millis(5);
            writer.set_deadline(Some(deadline));
            assert!(timed_out(writer.write(b"x")));
            assert!(Instant::now() >= deadline);
        }
    });
}

#[test]
fn a_deadline_may_be_moved_or_cleared_while_a_call_is_blocked() {
    watchdog(LIMIT, || {
        for _ in 0..100 {
            let (reader, writer) = pipe();
            thread::scope(|scope| {
                let control = reader.control();
                let blocked = scope.spawn(|| (&reader).read(&mut [0]));
                while writer.try_write(&[]).is_err() {
                    thread::yield_now();
                }
                // From never to soon.
                control.set_deadline(Some(Instant::now() + Duration::from_micros(100)));
                assert!(timed_out(blocked.join().unwrap()));

                // From far away to now, then from there to never.
                control.set_deadline(Some(Instant::now() + FAR));
                let blocked = scope.spawn(|| (&reader).read(&mut [0]));
                while writer.try_write(&[]).is_err() {
                    thread::yield_now();
                }
                control.set_deadline(Some(Instant::now()));
                assert!(timed_out(blocked.join().unwrap()));

                control.set_deadline(Some(Instant::now() + FAR));
                let blocked = scope.spawn(|| (&reader).read(&mut [0]));
                while writer.try_write(&[]).is_err() {
                    thread::yield_now();
                }
                control.set_deadline(None);
                (&writer).write_all(b"x").unwrap();
                assert_eq!(blocked.join().unwrap().unwrap(), 1);
            });
        }
    });
}

#[test]
fn a_deadline_reaches_a_call_that_waits_for_its_turn() {
    watchdog(LIMIT, || {
        let (reader, writer) = pipe();
        thread::scope(|scope| {
            let calls: Vec<_> = (0..3).map(|_| scope.spawn(|| (&reader).read(&mut [0]))).collect();
            while writer.try_write(&[]).is_err() {
                thread::yield_now();
            }
            reader.set_deadline(Some(Instant::now() + Duration::from_millis(1)));
            for call in calls {
                assert!(timed_out(call.join().unwrap()));
            }
        });
        reader.set_deadline(None);
        thread::scope(|scope| {
            let blocked = scope.spawn(|| (&reader).read(&mut [0]).unwrap());
            (&writer).write_all(b"x").unwrap();
            assert_eq!(blocked.join().unwrap(), 1);
        });
    });
}

#[test]
fn a_timed_out_write_says_exactly_how_much_went() {
    watchdog(LIMIT, || {
        for taken in 0..=5_usize {
            let (reader, writer) = pipe();
            writer.set_deadline(Some(Instant::now() + FAR));
            thread::scope(|scope| {
                let write = scope.spawn(|| ((&writer).write(b"abcde"), (&writer).write(b"f")));
                for _ in 0..taken {
                    (&reader).read_exact(&mut [0]).unwrap();
                }
                writer.set_deadline(Some(Instant::now()));
                let (first, second) = write.join().unwrap();
                match taken {
                    0 => assert!(timed_out(first)),
                    n => assert_eq!(first.unwrap(), n),
                }
                assert!(timed_out(second));
            });
            // Nothing is lost: the rest goes through once there is time again.
            writer.set_deadline(None);
            thread::scope(|scope| {
                scope.spawn(|| (&writer).write_all(&b"abcde"[taken..]).unwrap());
                let mut rest = vec![0; 5 - taken];
                (&reader).read_exact(&mut rest).unwrap();
                assert_eq!(rest, &b"abcde"[taken..]);
            });
        }
    });
}

#[test]
fn a_timeout_counts_from_the_start_of_each_call() {
    watchdog(LIMIT, || {
        let (mut reader, mut writer) = pipe();
        let timeout = Duration::from_millis(3);
        reader.set_read_timeout(Some(timeout)).unwrap();
        writer.set_write_timeout(Some(timeout)).unwrap();
        assert_eq!(reader.read_timeout(), Some(timeout));
        assert_eq!(writer.write_timeout(), Some(timeout));
        for _ in 0..3 {
            let start = Instant::now();
            assert!(timed_out(reader.read(&mut [0])));
            assert!(start.elapsed() >= timeout);
            let start = Instant::now();
            assert!(timed_out(writer.write(b"x")));
            assert!(start.elapsed() >= timeout);
        }
        reader.set_read_timeout(None).unwrap();
        assert_eq!(reader.read_timeout(), None);
        // A timeout never fails a call that need not wait, and the earlier one of two limits counts.
        writer.set_write_timeout(Some(FAR)).unwrap();
        writer.set_deadline(Some(Instant::now() + timeout));
        assert!(timed_out(writer.write(b"x")));
        writer.set_deadline(Some(Instant::now() + FAR));
        writer.set_write_timeout(Some(timeout)).unwrap();
        assert!(timed_out(writer.write(b"x")));
        // So large that no clock reaches it.
        writer.set_write_timeout(Some(Duration::MAX)).unwrap();
        writer.set_deadline(None);
        let thread = thread::spawn(move || writer.write(b"x").unwrap());
        assert_eq!(reader.read(&mut [0]).unwrap(), 1);
        assert_eq!(thread.join().unwrap(), 1);
    });
}

#[test]
fn a_timeout_of_zero_is_refused_with_the_way_out() {
    let (reader, writer) = pipe();
    for error in [
        reader.set_read_timeout(Some(Duration::ZERO)).unwrap_err(),
        writer.set_write_timeout(Some(Duration::ZERO)).unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.to_string().contains("None"), "{error}");
    }
    assert_eq!((reader.read_timeout(), writer.write_timeout()), (None, None));
}

#[test]
fn a_deadline_of_one_end_leaves_the_other_end_alone() {
    watchdog(LIMIT, || {
        let (mut reader, mut writer) = pipe();
        reader.set_deadline(Some(Instant::now()));
        let thread = thread::spawn(move || writer.write(b"abc"));
        assert!(timed_out(reader.read(&mut [0; 3])));
        reader.set_deadline(None);
        assert_eq!(reader.read(&mut [0; 3]).unwrap(), 3);
        assert_eq!(thread.join().unwrap().unwrap(), 3);
    });
}
