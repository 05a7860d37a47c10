//! A dead peer: its death wakes whoever waits, after everything it said.
//!
//! The peer is a thread; the watcher joins it, as the kernel tells of a death only after it, and then tells the end.

use std::{
    io::{Read, Write},
    sync::Arc,
};

use loom::thread;

use super::{ALL, beside, drain, ends, explore, let_time_pass, preemptions, write};
use crate::{
    error::Error,
    ring::{end::End, peer::Link},
};

/// Runs `peer` to its death, and tells `end` of it, as the watcher would.
fn dies<A: 'static>(end: Arc<End>, peer: impl FnOnce() -> A + 'static) -> impl FnOnce() -> A {
    move || {
        let remains = thread::spawn(peer).join().unwrap();
        end.peer_died();
        remains
    }
}

#[test]
fn a_death_wakes_the_reader() {
    explore(ALL, || {
        let (mut reader, _writer) = ends(1);
        let end = reader.end.clone();
        beside(
            move || end.peer_died(),
            || {
                let error = reader.read(&mut [0]).unwrap_err();
                assert!(matches!(Error::of(&error), Some(Error::PeerDied { unconsumed: None })));
            },
        );
    });
}

#[test]
fn what_the_dead_writer_published_is_read_before_its_death() {
    explore(preemptions(3), || {
        let (mut reader, mut writer) = ends(1);
        let death = dies(reader.end.clone(), move || {
            write(&mut writer, b"a");
            writer
        });
        let (_writer, (bytes, ending)) = beside(death, || drain(&mut reader));
        assert_eq!(bytes, b"a");
        assert!(matches!(ending, Err(Error::PeerDied { unconsumed: None })));
    });
}

#[test]
fn a_writer_that_closed_before_it_died_ends_the_stream_cleanly() {
    explore(preemptions(4), || {
        let (mut reader, writer) = ends(1);
        let death = dies(reader.end.clone(), move || {
            writer.close();
            writer
        });
        let (_writer, (bytes, ending)) = beside(death, || drain(&mut reader));
        assert!(bytes.is_empty());
        assert!(ending.is_ok(), "{ending:?}");
    });
}

#[test]
fn a_writer_learns_how_much_its_dead_reader_left() {
    explore(preemptions(3), || {
        let (mut reader, mut writer) = ends(1);
        write(&mut writer, b"a");
        let death = dies(writer.end.clone(), move || {
            super::expect(&mut reader, b"a");
            reader
        });
        let (_reader, ()) = beside(death, || {
            // The room may be found before the death, or with it.
            let first = writer.write(b"b");
            let error = first.and_then(|_| writer.write(b"c")).unwrap_err();
            let Some(Error::PeerDied { unconsumed: Some(left) }) = Error::of(&error) else {
                panic!("{error:?}")
            };
            assert_eq!(*left, writer.stats().fill);
            assert_eq!(*left, writer.core.pos() - 1, "the one that was consumed is counted");
        });
    });
}

#[test]
fn a_death_that_nobody_tells_of_is_found_by_looking() {
    explore(preemptions(4), || {
        let (mut reader, mut writer) = ends(1);
        let link = Arc::new(Link::new());
        reader.end.set_link(link.clone());
        let end = reader.end.clone();
        let (_writer, (bytes, ending)) = beside(
            move || {
                write(&mut writer, b"a");
                link.hang_up();
                let_time_pass(&end, u64::MAX);
                writer
            },
            || drain(&mut reader),
        );
        assert_eq!(bytes, b"a");
        assert!(matches!(ending, Err(Error::PeerDied { .. })));
    });
}
