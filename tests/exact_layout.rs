//! Which words of shared memory an operation stores: exactly these, found by comparing all of it before and after.
//!
//! A store to a line takes it away from the CPU of the other side. So a message may cost its own lines and one more, and what one
//! side stores must not lie beside what the other one stores or polls. This is the same on every machine.

mod common {
    pub mod hostile;
    pub mod wire;
}

use std::{
    collections::BTreeSet,
    fs,
    io::{ErrorKind, Read, Write},
    os::fd::AsFd,
    time::Duration,
};

use common::{
    hostile::Hostile,
    wire::{Map, PAGE, Store, bells, side},
};
use ringpipe::{Options, Reader, Stream, Wait, Writer};

/// What lies in reach of both processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Area {
    Producer,
    Consumer,
    Bells,
    Data,
}

/// A word that changed: the area, and the offset in it.
type Word = (Area, usize);

/// The processors this runs on move lines in pairs.
const APART: usize = 128;
const CAPACITY: usize = 4096;
const MESSAGE: [u8; 64] = [0xa5; 64];

/// Where the areas of one direction are mapped for looking at.
struct Places<'a>([(Area, &'a Map, usize, usize); 4]);

impl<'a> Places<'a> {
    /// One file, as for two ends in one process.
    fn compact(file: &'a Map, capacity: usize) -> Self {
        Self([
            (Area::Producer, file, 0, PAGE),
            (Area::Consumer, file, PAGE, PAGE),
            (Area::Bells, file, 2 * PAGE, PAGE),
            (Area::Data, file, 3 * PAGE, capacity),
        ])
    }

    /// Three files, as between strangers.
    fn split(producer: &'a Map, consumer: &'a Map, bells: &'a Map, capacity: usize) -> Self {
        Self([
            (Area::Producer, producer, 0, PAGE),
            (Area::Consumer, consumer, 0, PAGE),
            (Area::Bells, bells, 0, PAGE),
            (Area::Data, producer, PAGE, capacity),
        ])
    }

    fn words(&self) -> Vec<(Word, u64)> {
        let area = |&(area, map, start, length): &(Area, &Map, usize, usize)| {
            (0..length)
                .step_by(8)
                .map(|at| ((area, at), map.u64(start + at).now()))
                .collect::<Vec<_>>()
        };
        self.0.iter().flat_map(area).collect()
    }

    /// The words that `operation` changes.
    fn changed_by(&self, operation: impl FnOnce()) -> Vec<Word> {
        let before = self.words();
        operation();
        let both = before.into_iter().zip(self.words());
        both.filter(|(before, after)| before != after).map(|((word, _), _)| word).collect()
    }
}

/// The words of `length` bytes of data from `start` on.
fn data(start: usize, length: usize) -> impl Iterator<Item = Word> {
    (start / 8..(start + length).div_ceil(8)).map(|word| (Area::Data, word * 8))
}

/// A ring of `capacity` with both ends here, and its file. No two tests may have the same capacity, by which it is found.
fn compact(capacity: usize) -> (Reader, Writer, Map) {
    let (reader, writer) = Options::new().capacity(capacity).wait(Wait::Park).ring().unwrap();
    let size = 3 * PAGE + capacity;
    let file = fs::read_dir("/proc/self/fd")
        .unwrap()
        .flatten()
        .filter(|entry| {
            let link = fs::read_link(entry.path()).unwrap_or_default();
            let size_of_it = fs::metadata(entry.path()).map_or(0, |file| file.len());
            link.to_string_lossy().starts_with("/memfd:ringpipe") && size_of_it == size as u64
        })
        .find_map(|entry| fs::File::options().read(true).write(true).open(entry.path()).ok())
        .expect("the ring's file is among the descriptors");
    let map = Map::new(file.as_fd(), size, true).unwrap();
    (reader, writer, map)
}

/// A stream of the library, and its other side in the hands of this test.
fn stream() -> (Stream, Hostile) {
    Hostile::against_acceptor(&Options::new().capacity(CAPACITY).wait(Wait::Park), CAPACITY)
}

/// The direction in which the library writes.
fn outgoing(other: &Hostile) -> Places<'_> {
    Places::split(&other.victim_producer, &other.files.consumer_map, &other.victim_bells, CAPACITY)
}

/// The direction in which the library reads.
fn incoming(other: &Hostile) -> Places<'_> {
    Places::split(
        &other.files.producer_map,
        &other.victim_consumer,
        &other.files.bells_map,
        CAPACITY,
    )
}

const WRITE_POS: Word = (Area::Producer, side::POS);
const READ_POS: Word = (Area::Consumer, side::POS);

#[test]
fn a_write_stores_its_bytes_and_one_word() {
    let (mut stream, other) = stream();
    for (start, length) in [(0, 64), (64, 8), (72, 1000)] {
        let changed = outgoing(&other).changed_by(|| {
            stream.writer().write_all(&vec![0xa5; length]).unwrap();
        });
        let expected: Vec<Word> = [WRITE_POS].into_iter().chain(data(start, length)).collect();
        assert_eq!(changed, expected);
    }
}

#[test]
fn a_read_stores_one_word() {
    let (mut stream, other) = stream();
    for length in [64, 8, 1000] {
        other.publish(&vec![0xa5; length]);
        let changed = incoming(&other).changed_by(|| {
            stream.reader().read_exact(&mut vec![0; length]).unwrap();
        });
        assert_eq!(changed, [READ_POS]);
    }
}

#[test]
fn a_message_stores_its_length_its_bytes_and_one_word() {
    let (mut stream, other) = stream();
    let changed = outgoing(&other).changed_by(|| stream.writer().send(&MESSAGE).unwrap());
    let expected: Vec<Word> = [WRITE_POS].into_iter().chain(data(0, 4 + 64)).collect();
    assert_eq!(changed, expected);

    other.publish(&64u32.to_le_bytes());
    other.publish(&MESSAGE);
    let changed = incoming(&other).changed_by(|| {
        assert_eq!(stream.reader().recv(&mut [0; 64]).unwrap(), Some(64));
    });
    assert_eq!(changed, [READ_POS]);
}

#[test]
fn what_is_done_in_place_stores_no_byte_that_the_caller_does_not() {
    let (mut reader, mut writer, map) = compact(8192);
    let places = Places::compact(&map, 8192);
    let changed = places.changed_by(|| {
        let mut grant = writer.reserve(4096).unwrap();
        grant.as_mut_slice().unwrap()[..8].copy_from_slice(&MESSAGE[..8]);
        grant.commit(4096).unwrap();
    });
    let expected: Vec<Word> = [WRITE_POS].into_iter().chain(data(0, 8)).collect();
    assert_eq!(changed, expected);

    let changed = places.changed_by(|| {
        assert_eq!(reader.peek().unwrap().as_slice().unwrap()[..8], MESSAGE[..8]);
    });
    assert_eq!(changed, []);
    let changed = places.changed_by(|| reader.consume(4096));
    assert_eq!(changed, [READ_POS]);
}

#[test]
fn two_ends_of_one_process_store_what_strangers_do() {
    let (mut reader, mut writer, map) = compact(16384);
    let places = Places::compact(&map, 16384);
    // Hints that are stored now and then: were they stored now, it would show.
    for area in [0, PAGE] {
        map.u32(area + side::CPU).set(77);
        map.u64(area + side::WANT).set(77);
    }
    let changed = places.changed_by(|| writer.write_all(&MESSAGE).unwrap());
    let expected: Vec<Word> = [WRITE_POS].into_iter().chain(data(0, 64)).collect();
    assert_eq!(changed, expected);
    let changed = places.changed_by(|| reader.read_exact(&mut [0; 64]).unwrap());
    assert_eq!(changed, [READ_POS]);
}

/// The words with which a side says that it sleeps.
fn sleep_of(area: Area) -> BTreeSet<Word> {
    [side::PARKED, side::WANT, side::CPU].map(|at| (area, at)).into()
}

#[test]
fn falling_asleep_stores_the_own_sleep_and_nothing_else() {
    let (mut stream, other) = stream();
    stream.reader().set_read_timeout(Some(Duration::from_millis(2))).unwrap();
    let slept = incoming(&other).changed_by(|| {
        let error = stream.reader().read(&mut [0; 64]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
    });
    assert!(
        !slept.is_empty() && sleep_of(Area::Consumer).is_superset(&slept.iter().copied().collect()),
        "{slept:?}"
    );

    stream.writer().write_all(&[0; CAPACITY]).unwrap();
    stream.writer().set_write_timeout(Some(Duration::from_millis(2))).unwrap();
    let slept = outgoing(&other).changed_by(|| {
        let error = stream.writer().write(&MESSAGE).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
    });
    assert!(
        !slept.is_empty() && sleep_of(Area::Producer).is_superset(&slept.iter().copied().collect()),
        "{slept:?}"
    );
    assert_eq!(stream.reader().stats().parks, 1);
    assert!(stream.writer().stats().parks >= 1);
}

#[test]
fn a_sleep_is_rung_for_once_however_many_messages_follow() {
    let (mut stream, other) = stream();
    for sleep in 1..=3 {
        // The other side falls asleep for the next byte, and takes its time to wake up.
        other.files.consumer_map.u64(side::WANT).set(0);
        other.files.consumer_map.u64(side::PARKED).set(sleep << 2 | 1);
        let rung =
            outgoing(&other).changed_by(|| stream.writer().write_all(&MESSAGE[..8]).unwrap());
        assert!(rung.contains(&(Area::Bells, bells::CONSUMER)), "{rung:?}");
        for _ in 0..10 {
            let changed =
                outgoing(&other).changed_by(|| stream.writer().write_all(&MESSAGE[..8]).unwrap());
            assert!(changed.iter().all(|(area, _)| *area != Area::Bells), "{changed:?}");
        }
        assert_eq!(stream.writer().stats().wakes_sent, sleep);
    }
}

#[test]
fn what_one_side_stores_never_lies_beside_what_the_other_stores_or_polls() {
    // Who stores each word, as the tests above find it, and how often: with every message, or around a sleep.
    let words = [
        ("producer, message", Area::Producer, side::POS),
        ("producer, sleep", Area::Producer, side::PARKED),
        ("producer, sleep", Area::Producer, side::WANT),
        ("producer, sleep", Area::Producer, side::CPU),
        ("producer, end", Area::Producer, side::STATE),
        ("consumer, message", Area::Consumer, side::POS),
        ("consumer, sleep", Area::Consumer, side::PARKED),
        ("consumer, sleep", Area::Consumer, side::WANT),
        ("consumer, sleep", Area::Consumer, side::CPU),
        ("consumer, end", Area::Consumer, side::STATE),
        ("waking the consumer", Area::Bells, bells::CONSUMER),
        ("waking the producer", Area::Bells, bells::PRODUCER),
    ];
    let mut compared = 0;
    for (who, area, at) in words {
        for (other, other_area, other_at) in words {
            if who != other && area == other_area {
                assert_ne!(
                    at / APART,
                    other_at / APART,
                    "{who} at {at:#x}, {other} at {other_at:#x}"
                );
                compared += 1;
            }
        }
    }
    println!("{compared} pairs of words in one area");
    assert!(compared > 20);
}
