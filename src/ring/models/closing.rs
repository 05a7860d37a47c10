//! Closing: it wakes both sides, the first word wins, and nothing acknowledged is lost.

use std::io::{Error as IoError, ErrorKind, Read, Write};

use super::{ALL, beside, drain, ends, expect, explore, preemptions, write};
use crate::error::Error;

/// An error as a closer gives it; one word of text is what a model hands over.
fn worn(text: &'static str) -> IoError {
    IoError::new(ErrorKind::InvalidData, text)
}

/// The kind and text that came across.
fn word(error: &IoError) -> (ErrorKind, String) {
    assert!(matches!(Error::of(error), Some(Error::ClosedWith(_))), "{error:?}");
    (error.kind(), error.to_string())
}

#[test]
fn a_close_wakes_the_reader() {
    explore(ALL, || {
        let (mut reader, writer) = ends(1);
        let _ends = beside(
            move || {
                writer.close();
                writer
            },
            || assert_eq!(reader.read(&mut [0]).unwrap(), 0),
        );
    });
}

#[test]
fn a_close_wakes_the_writer() {
    explore(ALL, || {
        let (reader, mut writer) = ends(1);
        write(&mut writer, b"a");
        let _ends = beside(
            move || {
                reader.close();
                reader
            },
            || {
                let error = writer.write(b"b").unwrap_err();
                assert!(matches!(Error::of(&error), Some(Error::Closed)));
            },
        );
    });
}

#[test]
fn what_was_written_before_a_close_is_read_before_the_end() {
    explore(preemptions(4), || {
        let (mut reader, mut writer) = ends(2);
        let _ends = beside(
            move || {
                write(&mut writer, b"a");
                writer.close();
                writer
            },
            || {
                let (bytes, ending) = drain(&mut reader);
                assert_eq!(bytes, b"a");
                assert!(ending.is_ok());
            },
        );
    });
}

#[test]
fn an_error_arrives_whole_and_after_the_last_byte() {
    explore(preemptions(4), || {
        let (mut reader, mut writer) = ends(2);
        let _ends = beside(
            move || {
                write(&mut writer, b"a");
                writer.close_with_error(worn("bad"));
                writer
            },
            || {
                expect(&mut reader, b"a");
                let error = reader.read(&mut [0]).unwrap_err();
                assert_eq!(word(&error), (ErrorKind::InvalidData, "bad".into()));
            },
        );
    });
}

#[test]
fn a_reader_that_closes_with_an_error_fails_the_blocked_write_with_it() {
    explore(ALL, || {
        let (reader, mut writer) = ends(1);
        write(&mut writer, b"a");
        let _ends = beside(
            move || {
                reader.close_with_error(worn("full"));
                reader
            },
            || {
                let error = writer.write(b"b").unwrap_err();
                assert_eq!(word(&error), (ErrorKind::InvalidData, "full".into()));
            },
        );
    });
}

#[test]
fn a_close_on_its_own_side_wakes_a_blocked_read() {
    explore(ALL, || {
        let (mut reader, _writer) = ends(1);
        let control = reader.control();
        beside(
            move || control.close(),
            || {
                let error = reader.read(&mut [0]).unwrap_err();
                assert!(matches!(Error::of(&error), Some(Error::Closed)));
            },
        );
    });
}

#[test]
fn a_close_on_its_own_side_wakes_a_blocked_write() {
    explore(ALL, || {
        let (_reader, mut writer) = ends(1);
        write(&mut writer, b"a");
        let control = writer.control();
        beside(
            move || control.close(),
            || {
                let error = writer.write(b"b").unwrap_err();
                assert!(matches!(Error::of(&error), Some(Error::Closed)));
            },
        );
    });
}

#[test]
fn a_write_that_was_acknowledged_in_the_middle_of_a_close_is_read() {
    explore(preemptions(3), || {
        let (mut reader, mut writer) = ends(1);
        let control = writer.control();
        let closer = loom::thread::spawn(move || control.close());
        let ((_writer, acknowledged), (bytes, ending)) = beside(
            move || {
                let acknowledged = writer.write(b"a").is_ok();
                (writer, acknowledged)
            },
            || drain(&mut reader),
        );
        closer.join().unwrap();
        assert!(ending.is_ok());
        assert!(!acknowledged || bytes == b"a", "acknowledged, and lost");
    });
}

#[test]
fn of_two_errors_one_arrives_and_stays() {
    explore(ALL, || {
        let (mut reader, writer) = ends(1);
        let (one, two) = (writer.control(), writer.control());
        let closer = loom::thread::spawn(move || one.close_with_error(worn("one")));
        let ((), (_kind, text)) = beside(
            move || two.close_with_error(worn("two")),
            || {
                let error = reader.read(&mut [0]).unwrap_err();
                let again = reader.read(&mut [0]).unwrap_err();
                assert_eq!(word(&error), word(&again));
                word(&error)
            },
        );
        closer.join().unwrap();
        assert!(["one", "two"].contains(&&*text));
    });
}

#[test]
fn both_sides_may_close_at_once() {
    explore(ALL, || {
        let (mut reader, mut writer) = ends(1);
        let control = reader.control();
        let _ends = beside(
            move || {
                let acknowledged = writer.write(b"a").is_ok();
                writer.close();
                let error = writer.write(b"b").unwrap_err();
                assert!(matches!(Error::of(&error), Some(Error::Closed)));
                (writer, acknowledged)
            },
            || {
                control.close();
                let error = reader.read(&mut [0]).unwrap_err();
                assert!(matches!(Error::of(&error), Some(Error::Closed)));
            },
        );
    });
}
