//! The writer that waits for what became of its bytes.

use std::{
    io::{self, ErrorKind, IoSlice, Read, Write},
    os::fd::AsFd,
    thread,
    time::{Duration, Instant},
};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use ringpipe::{Doorbell, Error, Options, Pollable, Reader, Wait, Writer};

const WAYS: [Wait; 3] = [Wait::Spin, Wait::Adaptive, Wait::Park];

fn ring(wait: Wait) -> (Reader, Writer) {
    Options::new().capacity(4096).wait(wait).ring().unwrap()
}

#[test]
fn finish_returns_once_everything_is_read_and_the_reader_closed() {
    for wait in WAYS {
        let (mut reader, mut writer) = ring(wait);
        writer.write_all(&[7; 3000]).unwrap();
        let reading = thread::spawn(move || {
            let mut all = Vec::new();
            reader.read_to_end(&mut all).unwrap();
            (all.len(), reader)
        });
        writer.set_write_timeout(Some(Duration::from_millis(20))).unwrap();
        let (read, reader) = {
            // The reader has everything and is still open: no answer yet.
            assert_eq!(writer.finish().unwrap_err().kind(), ErrorKind::TimedOut);
            reading.join().unwrap()
        };
        assert_eq!(read, 3000);
        writer.set_write_timeout(None).unwrap();
        drop(reader);
        writer.finish().unwrap();
        assert_eq!(writer.write(b"x").unwrap_err().kind(), ErrorKind::BrokenPipe);
        assert_eq!(writer.finish().unwrap_err().kind(), ErrorKind::BrokenPipe);
    }
}

#[test]
fn nothing_can_be_written_behind_a_finish_that_timed_out() {
    for wait in WAYS {
        let (mut reader, mut writer) = ring(wait);
        writer.write_all(b"all of it").unwrap();
        writer.set_write_timeout(Some(Duration::from_millis(1))).unwrap();
        assert_eq!(writer.finish().unwrap_err().kind(), ErrorKind::TimedOut);
        let behind = [
            writer.write(b"x").map(|_| ()),
            writer.write_all(b"x"),
            writer.try_write(b"x").map(|_| ()),
            writer.write_vectored(&[IoSlice::new(b"x")]).map(|_| ()),
            writer.send(b"x"),
            writer.reserve(1).map(|_| ()),
        ];
        for error in behind.map(Result::unwrap_err) {
            assert!(matches!(Error::of(&error), Some(Error::Closed)), "{error}");
        }
        let mut all = Vec::new();
        reader.read_to_end(&mut all).unwrap();
        assert_eq!(all, b"all of it");
        assert_eq!(writer.finish().unwrap_err().kind(), ErrorKind::TimedOut);
        drop(reader);
        writer.finish().unwrap();
    }
}

#[test]
fn finish_tells_the_error_the_reader_closed_with() {
    for wait in WAYS {
        let (mut reader, mut writer) = ring(wait);
        writer.write_all(b"all of it").unwrap();
        let reading = thread::spawn(move || {
            let mut all = Vec::new();
            reader.read_to_end(&mut all).unwrap();
            reader.close_with_error(std::io::Error::new(ErrorKind::StorageFull, "disk full"));
        });
        let error = writer.finish().unwrap_err();
        assert_eq!(
            (error.kind(), error.to_string().as_str()),
            (ErrorKind::StorageFull, "disk full")
        );
        reading.join().unwrap();
    }
}

#[test]
fn finish_fails_over_bytes_that_were_never_read() {
    let (mut reader, mut writer) = ring(Wait::Park);
    writer.write_all(b"two halves").unwrap();
    reader.read_exact(&mut [0; 5]).unwrap();
    drop(reader);
    let error = writer.finish().unwrap_err();
    assert!(matches!(Error::of(&error), Some(Error::Closed)), "{error}");
}

#[test]
fn a_control_and_a_deadline_end_a_finish_that_waits() {
    let (mut reader, mut writer) = ring(Wait::Park);
    let control = writer.control();
    let finishing = thread::spawn(move || {
        let first = writer.finish().unwrap_err().kind();
        writer.set_deadline(None);
        (first, writer.finish().unwrap_err().kind())
    });
    // The end of the stream tells that the writer has come as far as closing.
    assert_eq!(reader.read(&mut [0]).unwrap(), 0);
    control.set_deadline(Some(Instant::now()));
    while !finishing.is_finished() {
        control.close();
        thread::yield_now();
    }
    let (first, second) = finishing.join().unwrap();
    assert!(matches!(first, ErrorKind::TimedOut | ErrorKind::BrokenPipe), "{first}");
    assert_eq!(second, ErrorKind::BrokenPipe);
    drop(reader);
}

/// There is room all the time, and who polled and called again went round without a pause.
#[test]
fn a_polled_writer_that_finishes_shows_when_the_reader_has_said_its_last_word() {
    let readable = |end: &Pollable<Writer>| {
        poll(&mut [PollFd::new(end.as_fd(), PollFlags::POLLIN)], PollTimeout::ZERO).unwrap() == 1
    };
    let options = Options::new().capacity(4096).doorbell(Doorbell::EventFd);
    let (mut reader, writer) = options.ring().unwrap();
    let mut writer = writer.pollable().unwrap();
    writer.set_nonblocking(true);
    writer.write_all(b"saved").unwrap();
    for _ in 0..2 {
        assert_eq!(writer.finish().unwrap_err().kind(), ErrorKind::WouldBlock);
        assert!(!readable(&writer));
    }
    assert_eq!(io::read_to_string(&mut reader).unwrap(), "saved");
    assert!(!readable(&writer));
    reader.close();
    assert!(readable(&writer));
    writer.finish().unwrap();
}
