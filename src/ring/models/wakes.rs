//! Publishing against parking: who waits for a position is woken by it.

use std::{io::Write, sync::Arc};

use super::{ALL, beside, ends, expect, explore, let_time_pass, preemptions, write};
use crate::{
    ring::{
        Doorbell, Options, Reader, Wait,
        core::layout::{PARKED, Side},
        wait::{Fences, Notifier, Sleeper},
    },
    sync::Ordering,
};

#[test]
fn a_byte_wakes_the_reader() {
    explore(ALL, || {
        let (mut reader, mut writer) = ends(1);
        let _ends = beside(
            move || {
                write(&mut writer, b"a");
                writer
            },
            || expect(&mut reader, b"a"),
        );
    });
}

#[test]
fn room_wakes_the_writer() {
    explore(ALL, || {
        let (mut reader, mut writer) = ends(1);
        write(&mut writer, b"a");
        let _ends = beside(
            move || {
                write(&mut writer, b"b");
                writer
            },
            || expect(&mut reader, b"a"),
        );
        expect(&mut reader, b"b");
    });
}

#[test]
fn two_bytes_pass_through_a_ring_of_one() {
    explore(preemptions(4), || {
        let (mut reader, mut writer) = ends(1);
        let _ends = beside(
            move || {
                write(&mut writer, b"ab");
                writer
            },
            || expect(&mut reader, b"ab"),
        );
    });
}

#[test]
fn two_writes_wake_a_reader_that_sleeps_twice() {
    explore(preemptions(4), || {
        let (mut reader, mut writer) = ends(2);
        let _ends = beside(
            move || {
                write(&mut writer, b"a");
                write(&mut writer, b"b");
                writer
            },
            || {
                expect(&mut reader, b"a");
                expect(&mut reader, b"b");
            },
        );
    });
}

#[test]
fn a_reader_that_asked_for_fences_takes_it_back_before_it_sleeps_without_them() {
    explore(preemptions(3), || {
        let (mut reader, mut writer) = ends(4);
        let _ends = beside(
            move || {
                write(&mut writer, b"a");
                write(&mut writer, b"bc");
                write(&mut writer, b"d");
                writer
            },
            || {
                for byte in [b"a", b"b", b"c", b"d"] {
                    expect(&mut reader, byte);
                }
            },
        );
    });
}

#[test]
fn bytes_wake_a_reader_that_needs_several_of_them() {
    explore(preemptions(3), || {
        let (mut reader, mut writer) = ends(4);
        let _ends = beside(
            move || {
                for byte in [b"a", b"b", b"c"] {
                    write(&mut writer, byte);
                }
                writer
            },
            || {
                assert!(reader.readable(1, true).unwrap() >= 1);
                reader.release(1);
                assert_eq!(reader.readable(2, true).unwrap(), 2);
            },
        );
    });
}

#[test]
fn the_bell_rings_for_what_this_sleep_waits_for_and_not_the_last() {
    explore(ALL, || {
        let fences = Fences::offer(Doorbell::Futex);
        let sleeping = Arc::new(Side::default());
        let seen = sleeping.clone();
        // The first sleep waits for one byte, the second for three.
        let wants = [1, 3];
        beside(
            move || {
                let mut notifier = Notifier::default();
                for pos in 1..=3 {
                    notifier.notify(fences, &seen, pos, |parked| {
                        let number = (parked >> 2) as usize;
                        assert!(wants[number - 1] <= pos, "sleep {number} is rung for at {pos}");
                    });
                }
            },
            || {
                let mut sleeper = Sleeper::default();
                for want in wants {
                    sleeper.announce(&sleeping.sleep, want, PARKED);
                    sleeping.sleep.parked.store(0, Ordering::Relaxed);
                }
            },
        );
    });
}

#[test]
fn a_writer_that_hopes_for_more_takes_what_there_is() {
    explore(ALL, || {
        // A quarter of it are two bytes, and only one is read.
        let (mut reader, mut writer) = ends(8);
        write(&mut writer, b"full");
        write(&mut writer, b"full");
        let end = writer.end.clone();
        let _ends = beside(
            move || {
                expect(&mut reader, b"f");
                let_time_pass(&end, u64::MAX);
                reader
            },
            || write(&mut writer, b"a"),
        );
    });
}

#[test]
fn an_end_that_another_process_takes_over_is_woken() {
    explore(preemptions(4), || {
        let (mut parent, mut writer) = ends(2);
        let _ends = beside(
            move || {
                write(&mut writer, b"a");
                write(&mut writer, b"b");
                writer
            },
            || {
                expect(&mut parent, b"a");
                let areas = parent.core.areas().clone();
                let pos = parent.core.pos();
                let mut child =
                    Reader::new(areas, &Options::new().wait(Wait::Park), parent.end.fences(), pos);
                child.waiting.sleeper.go_on_from(parent.waiting.sleeper.number());
                expect(&mut child, b"b");
                (parent, child)
            },
        );
    });
}

#[test]
fn an_answer_comes_back_through_a_second_ring() {
    explore(preemptions(4), || {
        let (mut requests, mut client) = ends(1);
        let (mut answers, mut server) = ends(1);
        let _ends = beside(
            move || {
                expect(&mut requests, b"q");
                write(&mut server, b"a");
                (requests, server)
            },
            || {
                write(&mut client, b"q");
                expect(&mut answers, b"a");
            },
        );
    });
}

#[test]
fn a_message_wakes_the_reader_once_it_is_whole() {
    explore(ALL, || {
        let (mut reader, mut writer) = ends(8);
        let _ends = beside(
            move || {
                writer.send(b"a").unwrap();
                writer
            },
            || {
                let mut buf = [0; 1];
                assert_eq!(reader.recv(&mut buf).unwrap(), Some(1));
                assert_eq!(&buf, b"a");
            },
        );
    });
}

#[test]
fn in_place_a_byte_wakes_the_reader_and_its_room_the_writer() {
    explore(preemptions(4), || {
        let (mut reader, mut writer) = ends(1);
        let _ends = beside(
            move || {
                for byte in [b"a", b"b"] {
                    let mut grant = writer.reserve(1).unwrap();
                    grant.write_all(byte).unwrap();
                    grant.commit(1).unwrap();
                }
                writer
            },
            || {
                for byte in [b"a", b"b"] {
                    let span = reader.peek().unwrap();
                    let mut got = [0; 1];
                    assert_eq!(span.copy_to(0, &mut got), 1);
                    assert_eq!(&got, byte);
                    reader.consume(1);
                }
            },
        );
    });
}
