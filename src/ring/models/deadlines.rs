//! Deadlines: they end a blocked call, move under it, and lose nothing.

use std::io::{ErrorKind, Read, Write};

use super::{ALL, beside, ends, expect, explore, let_time_pass, moment, preemptions, write};

#[test]
fn a_deadline_that_passes_ends_a_blocked_read() {
    explore(ALL, || {
        let (mut reader, _writer) = ends(1);
        reader.set_deadline(Some(moment(5).instant()));
        let end = reader.end.clone();
        beside(
            move || let_time_pass(&end, 5),
            || assert_eq!(reader.read(&mut [0]).unwrap_err().kind(), ErrorKind::TimedOut),
        );
    });
}

#[test]
fn a_deadline_set_against_a_blocked_read_ends_it() {
    explore(preemptions(4), || {
        let (mut reader, _writer) = ends(1);
        let (control, end) = (reader.control(), reader.end.clone());
        beside(
            move || {
                control.set_deadline(Some(moment(5).instant()));
                let_time_pass(&end, 5);
            },
            || assert_eq!(reader.read(&mut [0]).unwrap_err().kind(), ErrorKind::TimedOut),
        );
    });
}

#[test]
fn a_deadline_already_past_ends_a_blocked_write() {
    explore(ALL, || {
        let (mut reader, mut writer) = ends(1);
        write(&mut writer, b"a");
        let control = writer.control();
        beside(
            move || control.set_deadline(Some(moment(1).instant())),
            || assert_eq!(writer.write(b"b").unwrap_err().kind(), ErrorKind::TimedOut),
        );
        // Not for good, and nothing of it went in.
        writer.set_deadline(None);
        expect(&mut reader, b"a");
        write(&mut writer, b"c");
        expect(&mut reader, b"c");
    });
}

#[test]
fn a_deadline_cleared_in_time_is_forgotten() {
    explore(preemptions(3), || {
        let (mut reader, mut writer) = ends(1);
        reader.set_deadline(Some(moment(5).instant()));
        let (control, end) = (reader.control(), reader.end.clone());
        let _ends = beside(
            move || {
                control.set_deadline(None);
                let_time_pass(&end, 5);
                write(&mut writer, b"a");
                writer
            },
            || expect(&mut reader, b"a"),
        );
    });
}

#[test]
fn a_deadline_and_a_byte_that_race_lose_nothing() {
    explore(preemptions(3), || {
        let (mut reader, mut writer) = ends(1);
        reader.set_deadline(Some(moment(5).instant()));
        let end = reader.end.clone();
        let time = loom::thread::spawn(move || let_time_pass(&end, 5));
        let (_writer, ()) = beside(
            move || {
                write(&mut writer, b"a");
                writer
            },
            || {
                let mut buf = [0];
                match reader.read(&mut buf) {
                    Ok(n) => assert_eq!((n, &buf), (1, b"a")),
                    Err(error) => {
                        assert_eq!(error.kind(), ErrorKind::TimedOut);
                        reader.set_deadline(None);
                        expect(&mut reader, b"a");
                    }
                }
            },
        );
        time.join().unwrap();
    });
}
