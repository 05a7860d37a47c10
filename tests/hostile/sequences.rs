//! Random sequences of calls of the victim and of what a peer can do to the words it shares, with a model of what must
//! come out. Single-threaded, so that a seed is a run.

use std::{
    env,
    io::{IoSlice, IoSliceMut, Read, Write},
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use nix::{
    sched::{CpuSet, sched_getaffinity, sched_setaffinity},
    unistd::Pid,
};
use ringpipe::{Doorbell, Options, Reader, Stream, Wait, Writer};

use crate::{
    child::other,
    common::{Random, watchdog},
    hostile::{Hostile, Page, Spot, spots},
    report::{Report, scaled},
    verdict::Verdict,
    wire::{Header, PAGE, Store, punch, side},
};

/// Executions before a stream is replaced even though it still works.
const MOST_PER_STREAM: u32 = 24;
const MAX_MESSAGE: u32 = 6000;
/// What a driving process says at its end, behind a number.
const STREAMS: &str = " streams were needed";

/// Values at which arithmetic goes wrong, for a ring of `capacity` bytes.
pub(crate) fn edges(capacity: u64) -> Vec<u64> {
    let mut edges = Vec::new();
    for power in [0, capacity, 2 * capacity, 1 << 31, 1 << 32, 1 << 62, 1 << 63] {
        for near in [-2i64, -1, 0, 1, 2] {
            edges.push(power.wrapping_add_signed(near));
        }
    }
    edges.extend([3, 4, 7, 240, 241, 0x5555_5555_5555_5555, 0xaaaa_aaaa_aaaa_aaaa, u64::MAX / 2]);
    edges.sort_unstable();
    edges.dedup();
    edges
}

/// The victim, and what the words it writes must say.
struct Run {
    reader: Reader,
    writer: Writer,
    hostile: Hostile,
    random: Random,
    spots: Arc<[Spot]>,
    edges: Arc<[u64]>,
    /// The farthest positions that the hostile side could claim with any right.
    claimed_write: u64,
    claimed_read: u64,
    reader_said: Option<Verdict>,
    writer_said: Option<Verdict>,
    /// The end of the stream was told.
    reader_saw_end: bool,
    /// Prints each step.
    traced: bool,
    buffer: Vec<u8>,
    expected: Vec<u8>,
}

impl Run {
    fn new(mut random: Random, spots: Arc<[Spot]>, edges: Arc<[u64]>, traced: bool) -> Self {
        let wait = [Wait::Park, Wait::Adaptive, Wait::Spin][random.below(3)];
        let doorbell = if random.below(4) == 0 { Doorbell::EventFd } else { Doorbell::Futex };
        let options =
            Options::new().capacity(4096).wait(wait).doorbell(doorbell).max_message(MAX_MESSAGE);
        let (stream, hostile) = if random.below(16) == 0 {
            Hostile::against_connector(&options, 4096)
        } else {
            let offers = random.below(2) as u32;
            Hostile::against_acceptor_with(&options, Header { offers, ..Header::honest(4096) })
        };
        let (reader, writer) = Stream::split(stream);
        Self {
            reader,
            writer,
            hostile,
            random,
            spots,
            edges,
            claimed_write: 0,
            claimed_read: 0,
            reader_said: None,
            writer_said: None,
            reader_saw_end: false,
            traced,
            buffer: vec![0; 10_000],
            expected: vec![0; 10_000],
        }
    }

    fn note(&mut self, step: impl FnOnce() -> String) {
        if self.traced {
            println!("  {}", step());
        }
    }

    /// Notes how far the hostile side could say it is, after it may have said so.
    fn claim(&mut self) {
        let (read, written) = (self.victim_read(), self.victim_written());
        let write_pos = self.hostile.write_pos().now();
        if write_pos.wrapping_sub(read) <= self.hostile.capacity as u64 {
            self.claimed_write = self.claimed_write.max(write_pos);
        }
        let read_pos = self.hostile.read_pos().now();
        if read_pos <= written {
            self.claimed_read = self.claimed_read.max(read_pos);
        }
    }

    fn victim_read(&self) -> u64 {
        self.hostile.victim_read_pos()
    }

    fn victim_written(&self) -> u64 {
        self.hostile.victim_write_pos()
    }

    /// One thing that the hostile side does.
    fn attack(&mut self) {
        match self.random.below(20) {
            0..=4 => {
                let n = 1 + self.random.below(2000);
                let there = self.hostile.write_pos().now().wrapping_sub(self.victim_read());
                if there <= 4096 - n as u64 {
                    let mut bytes = vec![0; n];
                    self.random.fill(&mut bytes);
                    if self.random.below(2) == 0 && n >= 4 {
                        let length = self.random.below(n) as u32;
                        bytes[..4].copy_from_slice(&length.to_le_bytes());
                    }
                    self.note(|| format!("publish {n}"));
                    self.hostile.publish(&bytes);
                }
            }
            5..=7 => {
                let fill = self.victim_written().wrapping_sub(self.hostile.read_pos().now());
                if fill > 0 && fill <= 4096 {
                    let n = 1 + self.random.below(fill as usize) as u64;
                    self.note(|| format!("release {n}"));
                    self.hostile.read_pos().set(self.hostile.read_pos().now().wrapping_add(n));
                }
            }
            8..=10 => {
                // Sleep words and bells: they must never matter to anything but wakes.
                let spot = loop {
                    let spot = self.spots[self.random.below(self.spots.len())];
                    let bells = matches!(spot.page, Page::OwnBells | Page::VictimsBells);
                    if bells || (side::PARKED..side::STATE).contains(&spot.at) {
                        break spot;
                    }
                };
                let value = self.value();
                self.note(|| format!("{spot:?} = {value:#x}"));
                self.hostile.word(spot).set(value);
            }
            11 | 12 => {
                let near = self.random.below(9) as i64 - 4;
                let (word, name) = if self.random.below(2) == 0 {
                    (self.hostile.write_pos(), "write_pos")
                } else {
                    (self.hostile.read_pos(), "read_pos")
                };
                word.set(word.now().wrapping_add_signed(near));
                self.note(|| format!("{name} += {near}"));
            }
            13 | 14 => {
                let spot = self.spots[self.random.below(self.spots.len())];
                let value = self.value();
                self.note(|| format!("{spot:?} = {value:#x}"));
                self.hostile.word(spot).set(value);
            }
            15 => {
                // A record of last words full of lies, behind a plausible state.
                let map = if self.random.below(2) == 0 {
                    &self.hostile.files.producer_map
                } else {
                    &self.hostile.files.consumer_map
                };
                map.u64(side::TEXT).set(self.random.next());
                map.u32(side::LENGTH).set(self.edges[self.random.below(self.edges.len())] as u32);
                map.u32(side::KIND).set(self.random.below(40) as u32);
                let state = self.random.below(3) as u32;
                map.u32(side::STATE).set(state);
                self.note(|| format!("state {state}"));
            }
            16 | 17 => {
                let at = self.random.below(4096);
                let mut bytes = [0; 16];
                self.random.fill(&mut bytes);
                self.hostile.put_at(at as u64, &bytes);
                self.note(|| format!("scribble at {at}"));
            }
            18 => {
                self.note(|| "ring".into());
                self.hostile.ring();
            }
            _ => match self.random.below(8) {
                0 => {
                    self.note(|| "punch a hole into the bells".into());
                    punch(std::os::fd::AsFd::as_fd(&self.hostile.files.bells), 0, PAGE).unwrap();
                }
                1 => {
                    self.note(|| "talk on the socket".into());
                    if let Some(socket) = &mut self.hostile.socket {
                        let _ = socket.write(&[0; 40]);
                    }
                }
                2 => {
                    self.note(|| "die".into());
                    self.hostile.socket = None;
                }
                _ => {}
            },
        }
        self.claim();
    }

    fn value(&mut self) -> u64 {
        if self.random.below(2) == 0 {
            self.edges[self.random.below(self.edges.len())]
        } else {
            self.random.next() >> self.random.below(64)
        }
    }

    /// One call of the victim's reader or writer.
    fn call(&mut self) {
        match self.random.below(8) {
            0..=3 => self.read(),
            4..=6 => self.write(),
            _ => self.settings(),
        }
    }

    fn settings(&mut self) {
        let past = Instant::now().checked_sub(Duration::from_secs(1));
        let soon = Instant::now().checked_add(Duration::from_micros(30));
        match self.random.below(40) {
            0..=4 => self.reader.set_deadline(past),
            5..=9 => self.writer.set_deadline(past),
            10 => self.reader.set_deadline(soon),
            11 => self.writer.set_deadline(soon),
            12..=22 => self.reader.set_deadline(None),
            23..=33 => self.writer.set_deadline(None),
            34..=36 => {
                let _ = format!("{:?} {:?}", self.reader.stats(), self.writer.stats());
            }
            37 => {
                self.note(|| "close the reader".into());
                self.reader.close();
                self.reader_said = Some(Verdict::Closed);
                self.reader_saw_end = false;
            }
            38 => {
                self.note(|| "close the writer".into());
                self.writer.close_with_error("enough");
                self.writer_said = Some(Verdict::Closed);
            }
            _ => {}
        }
    }

    /// Lets a few of the calls wait; the rest must answer at once.
    fn prepare_to_block(&mut self) {
        let waits = self.random.below(64) == 0;
        let micros = 1 + self.random.below(60) as u64;
        self.reader.set_nonblocking(!waits);
        self.writer.set_nonblocking(!waits);
        self.reader.set_read_timeout(Some(Duration::from_micros(micros))).unwrap();
        self.writer.set_write_timeout(Some(Duration::from_micros(micros))).unwrap();
    }

    fn read(&mut self) {
        self.prepare_to_block();
        let before = self.victim_read();
        let size = match self.random.below(4) {
            0 => self.random.below(8),
            1 => self.random.below(10_000),
            _ => self.random.below(600),
        };
        let mut buffer = std::mem::take(&mut self.buffer);
        let buf = &mut buffer[..size];
        buf.fill(0xee);
        let how = self.random.below(8);
        // What came, and from how far behind the position at the start.
        let mut verbatim = None;
        let said = match how {
            0 | 1 => self.reader.read(buf).map(|n| verbatim = Some((n, 0))),
            2 | 3 => self.reader.try_read(buf).map(|n| verbatim = Some((n, 0))),
            4 => {
                let (one, two) = buf.split_at_mut(size / 3);
                let mut parts = [IoSliceMut::new(one), IoSliceMut::new(two)];
                self.reader.read_vectored(&mut parts).map(|n| verbatim = Some((n, 0)))
            }
            5 => match self.reader.peek() {
                Err(error) => Err(error),
                Ok(span) => {
                    assert!(
                        span.as_slice().is_none(),
                        "a stream gave a slice of a stranger's memory"
                    );
                    let there = span.len();
                    let n = span.copy_to(0, buf);
                    assert_eq!(n, there.min(size));
                    let consumed = if n == 0 { 0 } else { self.random.below(n + 1) };
                    self.check_bytes(before, &buf[..n]);
                    self.reader.consume(consumed);
                    assert_eq!(self.victim_read(), before + consumed as u64);
                    if there == 0 {
                        verbatim = Some((0, 0));
                    }
                    Ok(())
                }
            },
            6 => self.reader.recv(buf).map(|message| match message {
                None => verbatim = Some((0, 0)),
                Some(n) => {
                    assert!(n as u32 <= MAX_MESSAGE && n <= size);
                    // A message longer than the ring was collected over several calls.
                    if n + 4 <= 4096 {
                        assert_eq!(self.victim_read(), before + n as u64 + 4);
                        self.check_bytes(before + 4, &buf[..n]);
                    }
                }
            }),
            _ => self.reader.next_message().map(|message| match message {
                None => verbatim = Some((0, 0)),
                Some(n) => assert!(n as u32 <= MAX_MESSAGE),
            }),
        };
        self.note(|| format!("read {how} of {size}: {said:?} {verbatim:?}"));
        let after = self.victim_read();
        assert!(after.wrapping_sub(before) <= 4096, "read {how} went from {before} to {after}");
        assert_eq!(after, self.reader.stats().bytes);
        assert!(after <= self.claimed_write, "read {after} of {}", self.claimed_write);
        if let Some((n, _)) = verbatim {
            assert!(n <= size);
            if how <= 4 {
                assert_eq!(after, before + n as u64);
                self.check_bytes(before, &buf[..n]);
            }
            assert!(buf[n..].iter().all(|&byte| byte == 0xee) || how > 4);
        }
        match said {
            Ok(()) => {
                let end = verbatim.is_some_and(|(n, _)| n == 0) && (size > 0 || how > 4);
                if how <= 4 && size > 0 {
                    let said = self.reader_said;
                    assert!(said.is_none(), "read {how} succeeds after {said:?}");
                    assert!(end || !self.reader_saw_end, "data after the end");
                }
                self.reader_saw_end |= end && how <= 4;
            }
            Err(error) => {
                let verdict = Verdict::of(&error);
                if how <= 4 {
                    assert_eq!(after, before, "a failed read moved the position");
                    assert!(!self.reader_saw_end, "{error} after the end");
                    if let Some(said) = self.reader_said {
                        assert_eq!(verdict, said, "read {how}");
                    }
                }
                if verdict.is_final() {
                    self.reader_said.get_or_insert(verdict);
                }
            }
        }
        self.buffer = buffer;
        self.claim();
    }

    /// Asserts that `got` is what lies in the shared memory from `pos` on.
    fn check_bytes(&mut self, pos: u64, got: &[u8]) {
        let got = &got[..got.len().min(4096)];
        let expected = &mut self.expected[..got.len()];
        self.hostile.get_own(pos, expected);
        assert!(got == expected, "other bytes than those at {pos}");
    }

    fn write(&mut self) {
        self.prepare_to_block();
        let before = self.victim_written();
        let size = match self.random.below(4) {
            0 => self.random.below(8),
            1 => self.random.below(10_000),
            _ => self.random.below(600),
        };
        let mut buffer = std::mem::take(&mut self.buffer);
        let buf = &mut buffer[..size];
        self.random.fill(buf);
        let how = self.random.below(8);
        let mut verbatim = None;
        let said = match how {
            0 | 1 => self.writer.write(buf).map(|n| verbatim = Some(n)),
            2 | 3 => self.writer.try_write(buf).map(|n| verbatim = Some(n)),
            4 => {
                let (one, two) = buf.split_at(size / 3);
                let parts = [IoSlice::new(one), IoSlice::new(two)];
                self.writer.write_vectored(&parts).map(|n| verbatim = Some(n))
            }
            5 | 6 => {
                let commit = self.random.below(3) > 0;
                match self.writer.reserve(size) {
                    Err(error) => Err(error),
                    Ok(mut grant) => {
                        assert!(grant.as_mut_slice().is_none(), "a slice of shared memory");
                        let half = &buf[..size / 2];
                        grant.write_all(half).unwrap();
                        assert!(grant.write(buf).unwrap() <= size - half.len());
                        if commit {
                            grant.commit(half.len()).map(|()| verbatim = Some(half.len()))
                        } else {
                            drop(grant);
                            verbatim = Some(0);
                            Ok(())
                        }
                    }
                }
            }
            _ => self.writer.send(buf),
        };
        self.note(|| format!("write {how} of {size}: {said:?} {verbatim:?}"));
        let after = self.victim_written();
        assert!(after - before <= size as u64 + 4, "write {how} went from {before} to {after}");
        assert_eq!(after, self.writer.stats().bytes);
        // A lie that was ahead of the writer may have come true meanwhile.
        self.claim();
        let room_ends = self.claimed_read + 4096;
        assert!(after <= room_ends, "wrote up to {after} over bytes before {room_ends}");
        if let Some(n) = verbatim {
            assert!(n <= size);
            assert_eq!(after, before + n as u64, "write {how}");
            // What went round the ring lies over what went before.
            let last = n.min(4096);
            let expected = &mut self.expected[..last];
            self.hostile.get_victims(after - last as u64, expected);
            assert!(buf[n - last..n] == *expected, "other bytes than those written at {before}");
        }
        match said {
            Ok(()) => {
                if how <= 4 && size > 0 {
                    let said = self.writer_said;
                    assert!(said.is_none(), "write {how} succeeds after {said:?}");
                }
            }
            Err(error) => {
                let verdict = Verdict::of(&error);
                if how <= 4 {
                    assert_eq!(after, before, "a failed write moved the position");
                    if let Some(said) = self.writer_said {
                        assert_eq!(verdict, said, "write {how}");
                    }
                }
                if verdict.is_final() {
                    self.writer_said.get_or_insert(verdict);
                }
            }
        }
        self.buffer = buffer;
        self.claim();
    }

    fn execute(&mut self) {
        let steps = 3 + self.random.below(8);
        for _ in 0..steps {
            self.attack();
            self.call();
        }
    }

    fn is_over(&self) -> bool {
        (self.reader_said.is_some() || self.reader_saw_end) && self.writer_said.is_some()
    }
}

/// Runs executions from `seed` on until `count` are done, and gives how many streams that took.
fn drive(seed: u64, count: u64, now: &AtomicU64, traced: bool) -> u64 {
    let (spots, edges): (Arc<[_]>, Arc<[_]>) = (spots().into(), edges(4096).into());
    let (mut done, mut streams) = (0, 0);
    while done < count {
        let stream = seed + streams;
        now.store(stream, Relaxed);
        let mut run = Run::new(Random::new(stream), spots.clone(), edges.clone(), traced);
        for _ in 0..MOST_PER_STREAM {
            run.execute();
            done += 1;
            if run.is_over() {
                break;
            }
        }
        streams += 1;
    }
    streams
}

/// What a driving process does: its share, on a CPU of its own. How many streams that took, it says on its standard error.
pub(crate) fn drive_on(cpu: usize, seed: u64, count: u64) {
    let mut cpus = CpuSet::new();
    cpus.set(cpu).unwrap();
    // Without it the share is done all the same.
    let _ = sched_setaffinity(Pid::from_raw(0), &cpus);
    let now = AtomicU64::new(seed);
    let limit = Duration::from_secs(600 + count / 500);
    let driven = watchdog(limit, || {
        thread::scope(|scope| scope.spawn(|| drive(seed, count, &now, false)).join())
    });
    let streams = driven.unwrap_or_else(|_| panic!("RINGPIPE_SEED={} shows it", now.load(Relaxed)));
    eprintln!("{streams}{STREAMS}");
}

/// One process a CPU, since what takes longest is memory that is mapped and goes, of which threads hear from each other.
#[test]
fn no_sequence_of_calls_and_lies_gives_anything_but_data_and_errors() {
    if let Ok(seed) = env::var("RINGPIPE_SEED") {
        drive(seed.parse().unwrap(), 1, &AtomicU64::new(0), true);
        return;
    }
    let total = scaled(1_000_000);
    let mut report = Report::new("T9a", "executions");
    let allowed = sched_getaffinity(Pid::from_raw(0)).unwrap();
    let cpus: Vec<_> = (0..CpuSet::count()).filter(|&cpu| allowed.is_set(cpu).unwrap()).collect();
    let share = total.div_ceil(cpus.len() as u64);
    let drivers: Vec<_> = cpus
        .iter()
        .map(|cpu| {
            let role = format!("drive {cpu} {} {share}", (*cpu as u64) << 40);
            other(&role).stderr(Stdio::piped()).spawn().unwrap()
        })
        .collect();
    let mut streams = 0;
    for driver in drivers {
        let driven = driver.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&driven.stderr);
        assert!(driven.status.success(), "a driver ended with {}:\n{said}", driven.status);
        let told = said.lines().find_map(|line| line.strip_suffix(STREAMS));
        streams += told.and_then(|streams| streams.parse::<u64>().ok()).expect(&said);
    }
    report.field("streams", streams).done(share * cpus.len() as u64, 1_000_000);
}
