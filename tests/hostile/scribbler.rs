//! A process that writes random words at full speed while this one works.

use std::{
    io::{Read, Write},
    os::unix::net::{UnixListener, UnixStream},
    process::Child,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    thread,
    time::{Duration, Instant},
};

use ringpipe::{Doorbell, Options, Reader, Wait, Writer};

use crate::{
    child::other,
    common::{Random, watchdog},
    hostile::{Hostile, spots},
    report::{Report, scaled},
    sequences::edges,
    verdict::Verdict,
    wire::{PAGE, Store, bells, side},
};

const CAPACITY: usize = 4096;
/// How long one stream is scribbled over.
const ROUND: Duration = Duration::from_millis(25);

/// What the scribbler does to one stream.
#[derive(Clone, Copy, Debug)]
enum Style {
    /// Any value in any word.
    Anything,
    /// Positions a few bytes off.
    Positions,
    /// Sleep words and bells, with honest traffic.
    Sleep,
    /// Last words that come and go.
    LastWords,
    /// Bytes that change under the reader's eyes, message lengths among them, with honest traffic.
    Bytes,
    /// Doorbells, as fast as they go.
    Bells,
}

const STYLES: [Style; 6] =
    [Style::Anything, Style::Positions, Style::Sleep, Style::LastWords, Style::Bytes, Style::Bells];

/// The scribbling process: connects, scribbles, and connects again, until nobody listens any more.
pub(crate) fn scribble(path: &str, seed: u64) {
    let mut random = Random::new(seed);
    let (spots, edges) = (spots(), edges(CAPACITY as u64));
    while let Ok(socket) = UnixStream::connect(path) {
        let style = STYLES[random.below(STYLES.len())];
        let Ok(hostile) = Hostile::connect(socket, CAPACITY) else { break };
        let end = Instant::now() + ROUND;
        while Instant::now() < end {
            for _ in 0..200 {
                stroke(&hostile, style, &mut random, &spots, &edges);
            }
        }
    }
}

fn stroke(
    hostile: &Hostile,
    style: Style,
    random: &mut Random,
    spots: &[crate::hostile::Spot],
    edges: &[u64],
) {
    let mut value = || match random.below(2) {
        0 => edges[random.below(edges.len())],
        _ => random.next() >> random.below(64),
    };
    match style {
        Style::Anything => {
            let value = value();
            hostile.word(spots[random.below(spots.len())]).set(value);
        }
        Style::Positions => {
            let word = if value() % 2 == 0 { hostile.write_pos() } else { hostile.read_pos() };
            word.set(word.now().wrapping_add(value() % 5).wrapping_sub(value() % 2));
        }
        Style::Sleep => {
            honest(hostile);
            let map =
                [&hostile.files.producer_map, &hostile.files.consumer_map][value() as usize % 2];
            map.u64(side::PARKED).set(value());
            map.u64(side::WANT).set(value());
            map.u32(side::CPU).set(value() as u32 % 4);
            hostile.victim_bells.u32(bells::PRODUCER).set(value() as u32);
            hostile.files.bells_map.u32(bells::CONSUMER).set(value() as u32);
        }
        Style::LastWords => {
            honest(hostile);
            let map =
                [&hostile.files.producer_map, &hostile.files.consumer_map][value() as usize % 2];
            map.u64(side::TEXT + 8 * (value() as usize % 30)).set(value());
            map.u32(side::LENGTH).set(value() as u32);
            map.u32(side::KIND).set(value() as u32 % 40);
            // Seldom, or every stream would be over at once.
            if value() % 1000 == 0 {
                map.u32(side::STATE).set(value() as u32 % 4);
                map.u32(side::STATE).set(0);
            }
        }
        Style::Bytes => {
            honest(hostile);
            let at = value() as usize % (CAPACITY / 4) * 4;
            hostile.files.producer_map.u32(PAGE + at).set(value() as u32 % 300);
        }
        Style::Bells => hostile.ring(),
    }
}

/// Takes what was written, and writes as much as there is room for, without looking at any byte.
fn honest(hostile: &Hostile) {
    hostile.read_pos().set(hostile.victim_write_pos());
    hostile.write_pos().set(hostile.victim_read_pos() + CAPACITY as u64);
    hostile.ring();
}

/// Counts of what the victim saw.
#[derive(Debug, Default)]
struct Seen {
    calls: AtomicU64,
    bytes: AtomicU64,
    timeouts: AtomicU64,
    corrupt: AtomicU64,
    others: AtomicU64,
}

impl Seen {
    /// Counts an answer; false if it is final.
    fn count(&self, answer: std::io::Result<usize>, end_is_zero: bool) -> bool {
        self.calls.fetch_add(1, Relaxed);
        match answer {
            Ok(0) if end_is_zero => false,
            Ok(n) => {
                self.bytes.fetch_add(n as u64, Relaxed);
                true
            }
            Err(error) => {
                let verdict = Verdict::of(&error);
                let count = match verdict {
                    Verdict::Timeout => &self.timeouts,
                    Verdict::Corrupt => &self.corrupt,
                    _ => &self.others,
                };
                count.fetch_add(1, Relaxed);
                !verdict.is_final()
            }
        }
    }
}

fn read_on(mut reader: Reader, random: &mut Random, seen: &Seen) {
    let mut buf = [0; 6000];
    let end = Instant::now() + ROUND;
    reader.set_read_timeout(Some(Duration::from_millis(2))).unwrap();
    while Instant::now() < end {
        let size = 1 + random.below(buf.len() - 1);
        let goes_on = match random.below(6) {
            0 => seen.count(reader.recv(&mut buf).map(Option::unwrap_or_default), false),
            1 => seen.count(reader.next_message().map(Option::unwrap_or_default), false),
            2 => {
                let span = reader.peek().map(|span| span.copy_to(0, &mut buf[..size]));
                let peeked = span.as_ref().map_or(0, |n| *n);
                reader.consume(peeked);
                seen.count(span, true)
            }
            3 => seen.count(reader.try_read(&mut buf[..size]), true),
            _ => seen.count(reader.read(&mut buf[..size]), true),
        };
        if !goes_on {
            break;
        }
    }
}

fn write_on(mut writer: Writer, random: &mut Random, seen: &Seen) {
    let buf = [0xdd; 6000];
    let end = Instant::now() + ROUND;
    writer.set_write_timeout(Some(Duration::from_millis(2))).unwrap();
    while Instant::now() < end {
        let size = 1 + random.below(buf.len() - 1);
        let goes_on = match random.below(5) {
            0 => seen.count(writer.send(&buf[..size]).map(|()| 0), false),
            1 => {
                let grant = writer.reserve(size.min(CAPACITY));
                seen.count(grant.and_then(|grant| grant.commit(size / 2 % 64).map(|()| 0)), false)
            }
            2 => seen.count(writer.try_write(&buf[..size]), true),
            _ => seen.count(writer.write(&buf[..size]), true),
        };
        if !goes_on {
            break;
        }
    }
}

#[test]
fn a_process_that_scribbles_at_full_speed_gets_nowhere() {
    let seconds = scaled(30);
    let mut report = Report::new("T9c", "calls");
    let seen = Seen::default();
    let mut streams = 0u64;
    watchdog(Duration::from_secs(60 + 2 * seconds), || {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("scribbler.sock");
        let listener = UnixListener::bind(&path).unwrap();
        let scribblers: Vec<Child> = (0..2)
            .map(|seed| other(&format!("scribble {} {seed}", path.display())).spawn().unwrap())
            .collect();
        let mut random = Random::new(99);
        let end = Instant::now() + Duration::from_secs(seconds);
        while Instant::now() < end {
            let wait = [Wait::Park, Wait::Adaptive, Wait::Spin][random.below(3)];
            let doorbell = [Doorbell::Futex, Doorbell::EventFd][random.below(2)];
            let options =
                Options::new().capacity(CAPACITY).wait(wait).doorbell(doorbell).max_message(5000);
            let (socket, _) = listener.accept().unwrap();
            let (reader, writer) = options.accept_on(socket).unwrap().split();
            let (mut one, mut two) = (Random::new(random.next()), Random::new(random.next()));
            thread::scope(|scope| {
                scope.spawn(|| read_on(reader, &mut one, &seen));
                scope.spawn(|| write_on(writer, &mut two, &seen));
            });
            streams += 1;
        }
        drop(listener);
        for mut scribbler in scribblers {
            assert!(scribbler.wait().unwrap().success());
        }
    });
    let now = |count: &AtomicU64| count.load(Relaxed);
    report.field("streams", streams).field("bytes", now(&seen.bytes));
    report.field("timeouts", now(&seen.timeouts)).field("corrupt", now(&seen.corrupt));
    report.field("others", now(&seen.others)).field("scribbled_seconds", seconds);
    report.done(now(&seen.calls), 1000);
}
