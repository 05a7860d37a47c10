//! Named tricks, one test each. A trick that once worked stays here under its name.

use std::{
    io::{Read, Write},
    os::{
        fd::{AsFd, AsRawFd},
        unix::net::{UnixDatagram, UnixListener, UnixStream},
    },
    ptr,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    thread,
    time::{Duration, Instant},
};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use ringpipe::{Doorbell, Options, Wait};

use crate::{
    common::watchdog,
    hostile::Hostile,
    verdict::Verdict,
    wire::{self, Map, PAGE, Store, bells, punch, resize, side},
};

const LIMIT: Duration = Duration::from_secs(60);

fn options() -> Options {
    Options::new().capacity(4096).wait(Wait::Park)
}

#[test]
fn a_bell_that_never_stops_ringing_does_not_outlast_a_deadline() {
    watchdog(LIMIT, || {
        for wait in [Wait::Park, Wait::Adaptive] {
            let (stream, hostile) = Hostile::against_acceptor(&options().wait(wait), 4096);
            let (mut reader, mut writer) = stream.split();
            writer.write_all(&[0; 4096]).unwrap();
            let over = AtomicBool::new(false);
            thread::scope(|scope| {
                scope.spawn(|| {
                    let words = [
                        hostile.files.bells_map.u32(bells::CONSUMER),
                        hostile.victim_bells.u32(bells::PRODUCER),
                    ];
                    while !over.load(Relaxed) {
                        for word in words {
                            word.fetch_add(1, Relaxed);
                        }
                    }
                });
                for _ in 0..10 {
                    let soon = Some(Instant::now() + Duration::from_millis(5));
                    reader.set_deadline(soon);
                    let read = reader.read(&mut [0; 8]).unwrap_err();
                    assert_eq!(Verdict::of(&read), Verdict::Timeout);
                    writer.set_write_timeout(Some(Duration::from_millis(5))).unwrap();
                    let write = writer.write(&[0; 8]).unwrap_err();
                    assert_eq!(Verdict::of(&write), Verdict::Timeout);
                }
                over.store(true, Relaxed);
            });
        }
    });
}

#[test]
fn a_peer_that_claims_to_sleep_for_ever_stops_nobody() {
    watchdog(LIMIT, || {
        let (mut stream, hostile) = Hostile::against_acceptor(&options(), 4096);
        let parked = [
            hostile.files.consumer_map.u64(side::PARKED),
            hostile.files.producer_map.u64(side::PARKED),
        ];
        for i in 0..20_000u64 {
            // The same sleep for ever in one half of the rounds, a new one each time in the other.
            let number = if i < 10_000 { 5 } else { i << 2 | 1 };
            parked.iter().for_each(|word| word.set(number));
            stream.write_all(&i.to_le_bytes()).unwrap();
            let pos = hostile.read_pos().now();
            hostile.read_pos().set(pos + 8);
            hostile.publish(&i.to_le_bytes());
            let mut word = [0; 8];
            stream.read_exact(&mut word).unwrap();
            assert_eq!(u64::from_le_bytes(word), i);
        }
        let wakes = stream.writer().stats().wakes_sent;
        assert_eq!(wakes, 10_001, "one wake for each sleep that was claimed");
    });
}

#[test]
fn sealed_files_can_be_neither_resized_nor_punched_nor_mapped_for_writing() {
    let (mut stream, hostile) = Hostile::against_acceptor(&options(), 4096);
    let sizes = [PAGE + 4096, PAGE, PAGE];
    for (i, (fd, size)) in hostile.victim_fds.iter().zip(sizes).enumerate() {
        let is_bells = i == 1;
        let fd = fd.as_fd();
        for other in [0, size - 1, size - 4096, size + 1, size + 4096] {
            assert!(resize(fd, other).is_err(), "descriptor {i} resized to {other}");
        }
        assert!(wire::seal(fd, libc::F_SEAL_WRITE).is_err(), "descriptor {i} sealed");
        assert!(wire::allocate(fd, 0, 0, size + 4096).is_err());
        assert_eq!(punch(fd, 0, PAGE).is_ok(), is_bells, "descriptor {i} punched");
        assert_eq!(Map::new(fd, size, true).is_ok(), is_bells, "descriptor {i} mapped");
        // SAFETY: the buffer is valid for its length.
        let written = unsafe { libc::pwrite(fd.as_raw_fd(), [0u8; 8].as_ptr().cast(), 8, 0x80) };
        assert_eq!(written == 8, is_bells, "descriptor {i} written");
        // SAFETY: a fresh mapping of the file, changed and unmapped here, and not touched between.
        unsafe {
            let fd = fd.as_raw_fd();
            let map = libc::mmap(ptr::null_mut(), size, libc::PROT_READ, libc::MAP_SHARED, fd, 0);
            assert_ne!(map, libc::MAP_FAILED);
            let writable = libc::mprotect(map, size, libc::PROT_READ | libc::PROT_WRITE) == 0;
            assert_eq!(writable, is_bells, "descriptor {i} made writable");
            let removed = libc::madvise(map, size, libc::MADV_REMOVE) == 0;
            assert_eq!(removed, is_bells, "descriptor {i} removed");
            libc::munmap(map, size);
        }
    }
    // The bells are empty now, and that does no harm.
    hostile.publish(b"still here");
    let mut word = [0; 10];
    stream.read_exact(&mut word).unwrap();
    assert_eq!(&word, b"still here");
    stream.write_all(b"so are we").unwrap();
    assert_eq!(hostile.victim_write_pos(), 9);
}

#[test]
fn a_sleeper_whose_bell_was_punched_away_is_still_woken() {
    watchdog(LIMIT, || {
        let (mut stream, hostile) = Hostile::against_acceptor(&options(), 4096);
        thread::scope(|scope| {
            let sleeper = scope.spawn(|| {
                let mut word = [0; 4];
                stream.read_exact(&mut word).unwrap();
                word
            });
            while hostile.victim_consumer.u64(side::PARKED).now() <= side::AWAKE {
                thread::yield_now();
            }
            for _ in 0..100 {
                punch(hostile.files.bells.as_fd(), 0, PAGE).unwrap();
            }
            hostile.publish(b"wake");
            hostile.ring();
            assert_eq!(&sleeper.join().unwrap(), b"wake");
        });
    });
}

#[test]
fn a_message_whose_length_changes_after_it_was_told_stays_within_the_buffer() {
    let (stream, hostile) = Hostile::against_acceptor(&options().max_message(3000), 4096);
    let (mut reader, _writer) = stream.split();
    hostile.publish(&100u32.to_le_bytes());
    hostile.publish(&[7; 2000]);
    assert_eq!(reader.next_message().unwrap(), Some(100));
    let mut buf = [0xee; 128];
    for longer in [129u32, 1000, 3000] {
        hostile.put_at(0, &longer.to_le_bytes());
        let error = reader.recv(&mut buf[..100]).unwrap_err();
        assert_eq!(Verdict::of(&error), Verdict::Invalid);
        assert_eq!(buf, [0xee; 128]);
    }
    hostile.put_at(0, &90u32.to_le_bytes());
    assert_eq!(reader.recv(&mut buf[..100]).unwrap(), Some(90));
    assert_eq!((buf[89], buf[90]), (7, 0xee));
}

#[test]
fn a_length_that_flickers_while_messages_are_received_gives_one_of_its_values() {
    watchdog(LIMIT, || {
        let (stream, hostile) = Hostile::against_acceptor(&options().max_message(200), 4096);
        let (mut reader, _writer) = stream.split();
        reader.set_nonblocking(true);
        hostile.publish(&40u32.to_le_bytes());
        hostile.publish(&[7; 4000]);
        let over = AtomicBool::new(false);
        let word = hostile.files.producer_map.u32(PAGE);
        let mut seen = [0; 2];
        thread::scope(|scope| {
            scope.spawn(|| {
                while !over.load(Relaxed) {
                    word.store(40, Relaxed);
                    word.store(60, Relaxed);
                }
            });
            // Which of the two is seen how often is up to the processors.
            let mut rounds = 0;
            while rounds < 100_000 || seen.contains(&0) {
                rounds += 1;
                match reader.next_message() {
                    Ok(Some(40)) => seen[0] += 1,
                    Ok(Some(60)) => seen[1] += 1,
                    other => panic!("{other:?}"),
                }
                let mut buf = [0xee; 60];
                match reader.recv(&mut buf[..20]) {
                    Err(error) => assert_eq!(Verdict::of(&error), Verdict::Invalid),
                    other => panic!("{other:?}"),
                }
                assert_eq!(buf, [0xee; 60]);
            }
            // Room for the shorter one alone.
            let mut buf = [0xee; 60];
            while let Err(error) = reader.recv(&mut buf[..50]) {
                assert_eq!(Verdict::of(&error), Verdict::Invalid);
            }
            assert_eq!((buf[40], hostile.victim_read_pos()), (0xee, 44));
            over.store(true, Relaxed);
        });
    });
}

#[test]
fn a_message_over_the_limit_is_corrupt_for_ever() {
    for length in [3001u32, 1 << 31, u32::MAX] {
        let (stream, hostile) = Hostile::against_acceptor(&options().max_message(3000), 4096);
        let (mut reader, _writer) = stream.split();
        hostile.publish(&length.to_le_bytes());
        hostile.publish(&[7; 2000]);
        for _ in 0..3 {
            let error = reader.recv(&mut vec![0; 9000]).unwrap_err();
            assert_eq!(Verdict::of(&error), Verdict::Corrupt);
            let error = reader.read(&mut [0; 10]).unwrap_err();
            assert_eq!(
                Verdict::of(&error),
                Verdict::Corrupt,
                "bytes of a corrupt stream were read"
            );
        }
    }
}

#[test]
fn a_corrupt_ring_takes_no_more_bytes_even_where_there_was_room() {
    let (stream, hostile) = Hostile::against_acceptor(&options(), 4096);
    let (_reader, mut writer) = stream.split();
    writer.write_all(&[1; 3000]).unwrap();
    hostile.read_pos().set(3001);
    // More than the room that is known of, so that it looks.
    let error = writer.reserve(2000).unwrap_err();
    assert_eq!(Verdict::of(&error), Verdict::Corrupt);
    hostile.read_pos().set(3000);
    let error = writer.write(&[1; 1]).unwrap_err();
    assert_eq!(Verdict::of(&error), Verdict::Corrupt);
}

#[test]
fn hanging_up_the_socket_is_death_after_the_last_byte() {
    watchdog(LIMIT, || {
        let (mut stream, hostile) = Hostile::against_acceptor(&options(), 4096);
        hostile.publish(b"last");
        hostile.socket.as_ref().unwrap().shutdown(std::net::Shutdown::Write).unwrap();
        let mut got = Vec::new();
        let error = stream.read_to_end(&mut got).unwrap_err();
        assert_eq!((got.as_slice(), Verdict::of(&error)), (&b"last"[..], Verdict::PeerDied));
    });
}

#[test]
fn a_peer_that_talks_on_the_socket_without_end_is_neither_dead_nor_heard() {
    let (mut stream, mut hostile) = Hostile::against_acceptor(&options(), 4096);
    let socket = hostile.socket.as_mut().unwrap();
    socket.set_nonblocking(true).unwrap();
    while socket.write(&[0; 4096]).is_ok() {}
    hostile.publish(b"alive");
    let mut word = [0; 5];
    stream.read_exact(&mut word).unwrap();
    stream.reader().set_nonblocking(true);
    let error = stream.read(&mut word).unwrap_err();
    assert_eq!(Verdict::of(&error), Verdict::WouldBlock);
}

fn is_readable(fd: &impl AsFd, timeout: impl Into<PollTimeout>) -> bool {
    poll(&mut [PollFd::new(fd.as_fd(), PollFlags::POLLIN)], timeout.into()).unwrap() == 1
}

/// Takes apart the connection of a datagram socket, for everybody who holds it.
fn disconnect(fd: &impl AsRawFd) {
    // SAFETY: an all-zero address is valid; its family is the unspecified one.
    let done = unsafe {
        let nowhere: libc::sockaddr = std::mem::zeroed();
        libc::connect(fd.as_raw_fd(), &raw const nowhere, size_of_val(&nowhere) as u32)
    };
    assert_eq!(done, 0, "{}", std::io::Error::last_os_error());
}

#[test]
fn a_switch_that_was_taken_apart_hides_neither_a_close_nor_a_death() {
    watchdog(LIMIT, || {
        for dies in [true, false] {
            let options = options().doorbell(Doorbell::EventFd);
            let (stream, mut hostile) = Hostile::against_acceptor(&options, 4096);
            let (reader, writer) = stream.split();
            let mut reader = reader.pollable().unwrap();
            let control = reader.control();
            hostile.switches().iter().for_each(disconnect);
            // Taking it apart shows as an error on the other side once.
            while is_readable(&reader, 0u8) {
                let error = reader.try_read(&mut [0; 1]).unwrap_err();
                assert_eq!(Verdict::of(&error), Verdict::WouldBlock);
            }
            let expected = if dies {
                hostile.socket = None;
                Verdict::PeerDied
            } else {
                control.close();
                Verdict::Closed
            };
            assert!(is_readable(&reader, PollTimeout::NONE));
            let error = reader.try_read(&mut [0; 1]).unwrap_err();
            assert_eq!(Verdict::of(&error), expected);
            assert!(is_readable(&reader, 0u8), "an end that has ended is readable for ever");
            drop(writer);
        }
    });
}

#[test]
fn a_switch_rung_without_end_costs_looks_and_nothing_else() {
    watchdog(LIMIT, || {
        let options = options().doorbell(Doorbell::EventFd);
        let (stream, hostile) = Hostile::against_acceptor(&options, 4096);
        let (reader, _writer) = stream.split();
        let mut reader = reader.pollable().unwrap();
        let over = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                while !over.load(Relaxed) {
                    for switch in hostile.switches() {
                        // SAFETY: one byte from a valid buffer.
                        unsafe {
                            libc::send(
                                switch.as_raw_fd(),
                                [0u8].as_ptr().cast(),
                                1,
                                libc::MSG_DONTWAIT,
                            )
                        };
                    }
                }
            });
            for i in 0..1000u64 {
                let _ = reader.try_read(&mut [0; 8]);
                hostile.publish(&i.to_le_bytes());
                assert!(is_readable(&reader, PollTimeout::NONE));
                let mut word = [0; 8];
                reader.read_exact(&mut word).unwrap();
                assert_eq!(u64::from_le_bytes(word), i);
            }
            over.store(true, Relaxed);
        });
    });
}

#[test]
fn switches_of_every_kind_are_refused_or_harmless() {
    watchdog(LIMIT, || {
        let (stream_a, stream_b) = UnixStream::pair().unwrap();
        let (datagram_a, _datagram_b) = UnixDatagram::pair().unwrap();
        let (lonely, gone) = UnixStream::pair().unwrap();
        drop(gone);
        let dir = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(dir.path().join("listener")).unwrap();
        let unbound = UnixDatagram::unbound().unwrap();
        let (full, _unread) = UnixStream::pair().unwrap();
        full.set_nonblocking(true).unwrap();
        while (&full).write(&[0; 4096]).is_ok() {}
        full.set_nonblocking(false).unwrap();
        let sockets = [
            stream_a.as_fd(),
            stream_b.as_fd(),
            datagram_a.as_fd(),
            lonely.as_fd(),
            listener.as_fd(),
            unbound.as_fd(),
            full.as_fd(),
        ];
        for socket in sockets {
            let (there, here) = UnixStream::pair().unwrap();
            let files = wire::Files::honest(4096);
            let hello = wire::greeting(wire::HELLO, files.header, [0; 16]);
            let [a, b, c] = files.fds();
            wire::send(&here, &hello, &[a, b, c, socket, socket]).unwrap();
            let mut stream = options().accept_on(there).unwrap();
            // Each write finds a peer that wants its descriptor rung. One that cannot be rung is hung up on.
            for i in 0..1000u64 {
                files.consumer_map.u64(side::PARKED).set(i << 2 | 2);
                if let Err(error) = stream.write_all(&[0; 4]) {
                    assert_eq!(Verdict::of(&error), Verdict::PeerDied);
                    break;
                }
            }
        }
    });
}
