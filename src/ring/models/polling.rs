//! Polled ends: the descriptor shows whatever a call would find.

use std::io::{ErrorKind, Read};

use super::{ALL, beside, explore, polled_ends, preemptions, write};
use crate::{error::Error, ring::Reader};

/// Reads as an event loop does: until it would block, then polls.
fn poll_and_drain(reader: &mut Reader) -> (Vec<u8>, Result<(), Error>) {
    let end = reader.end.clone();
    let (mut bytes, mut buf) = (Vec::new(), [0; 1]);
    loop {
        match reader.try_read(&mut buf) {
            Ok(0) => return (bytes, Ok(())),
            Ok(_) => bytes.push(buf[0]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => end.light().unwrap().poll(),
            Err(error) => return (bytes, Err(Error::of(&error).unwrap().clone())),
        }
    }
}

#[test]
fn a_byte_and_a_close_light_the_reader() {
    explore(preemptions(3), || {
        let (mut reader, mut writer) = polled_ends(1);
        let _ends = beside(
            move || {
                write(&mut writer, b"a");
                writer.close();
                writer
            },
            || {
                let (bytes, ending) = poll_and_drain(&mut reader);
                assert_eq!(bytes, b"a");
                assert!(ending.is_ok());
            },
        );
    });
}

#[test]
fn room_lights_the_writer() {
    explore(preemptions(4), || {
        let (mut reader, mut writer) = polled_ends(1);
        write(&mut writer, b"a");
        let end = writer.end.clone();
        let _ends = beside(
            move || {
                super::expect(&mut reader, b"a");
                reader
            },
            || {
                while let Err(error) = writer.try_write(b"b") {
                    assert_eq!(error.kind(), ErrorKind::WouldBlock);
                    end.light().unwrap().poll();
                }
            },
        );
    });
}

#[test]
fn a_close_on_its_own_side_lights_the_reader() {
    explore(ALL, || {
        let (mut reader, _writer) = polled_ends(1);
        let control = reader.control();
        let ((), (_, ending)) = beside(move || control.close(), || poll_and_drain(&mut reader));
        assert!(matches!(ending, Err(Error::Closed)));
    });
}

#[test]
fn a_death_lights_the_reader_after_the_last_byte() {
    explore(preemptions(3), || {
        let (mut reader, mut writer) = polled_ends(1);
        let end = reader.end.clone();
        let (_writer, (bytes, ending)) = beside(
            move || {
                write(&mut writer, b"a");
                end.peer_died();
                writer
            },
            || poll_and_drain(&mut reader),
        );
        assert_eq!(bytes, b"a");
        assert!(matches!(ending, Err(Error::PeerDied { unconsumed: None })));
    });
}

#[test]
fn a_polled_end_may_block_as_well() {
    explore(preemptions(3), || {
        let (mut reader, mut writer) = polled_ends(1);
        let _ends = beside(
            move || {
                write(&mut writer, b"ab");
                writer.close();
                writer
            },
            || {
                super::expect(&mut reader, b"a");
                let (bytes, ending) = poll_and_drain(&mut reader);
                assert_eq!(bytes, b"b");
                assert!(ending.is_ok());
            },
        );
    });
}
