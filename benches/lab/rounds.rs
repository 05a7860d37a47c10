//! Rounds in which every contender has its turn.

use std::{
    os::unix::net::UnixStream,
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use ringpipe::Wait;

use super::{
    bare::{Bare, Flag, InBand, Relay, Sleepy},
    contenders::{self, InPlace, Kernel, Messages, Receive, Send as Transmit},
    pattern::{check, fill},
    pin,
};

const MIB: usize = 1 << 20;
/// The reader's buffer begins with a cache line: how it lies to the ring's lines decides how fast some copies are, and this
/// is the slowest for those that `copy.rs` avoids.
const LINE: usize = 64;

/// How much is measured.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) rounds: usize,
    /// About how long a contender has in each round; zero for hardly anything.
    pub(crate) sample: Duration,
    /// Where the two threads run.
    pub(crate) cpus: (usize, usize),
}

/// Runs one sample of so many messages, and gives how long it took.
pub(crate) type Sample<'a> = Box<dyn FnMut(u64) -> Duration + 'a>;
/// Makes a contender afresh. How long a line takes from one CPU to the other depends on its address as well, by half as much again;
/// so each round has other memory.
pub(crate) type Make<'a> = Box<dyn Fn() -> Sample<'a> + 'a>;

impl Plan {
    /// Has every contender run once a round, and prints the medians; `unit` turns nanoseconds for a message into
    /// what is printed. The first contender is the one the others are compared with.
    pub(crate) fn compare(
        &self,
        title: &str,
        unit: (&str, fn(f64, usize) -> f64),
        size: usize,
        contenders: Vec<(&str, Make<'_>)>,
    ) {
        let mut values = vec![Vec::new(); contenders.len()];
        for round in 0..self.rounds {
            for turn in 0..contenders.len() {
                // Each starts a round in turn, and follows another one.
                let index = (turn + round) % contenders.len();
                let mut run = contenders[index].1();
                let count = self.count(&mut run);
                let took = run(count);
                values[index].push((unit.1)(took.as_nanos() as f64 / count as f64, size));
            }
        }
        println!("{title}, {} rounds", self.rounds);
        if self.sample == Duration::ZERO {
            return;
        }
        let floor = values[0].clone();
        for ((name, _), values) in contenders.iter().zip(&values) {
            let ratios = values.iter().zip(&floor).map(|(value, floor)| value / floor).collect();
            let (low, ratio, high) = quartiles(ratios);
            let value = quartiles(values.clone()).1;
            println!(
                "  {name:24} {value:10.2} {}   x {ratio:5.2}   ({low:.2} to {high:.2})",
                unit.0
            );
        }
    }

    /// How many messages fill a sample.
    fn count(&self, run: &mut Sample<'_>) -> u64 {
        let mut count = 64;
        loop {
            let took = run(count);
            if took >= self.sample / 4 {
                let each = took.as_nanos() as f64 / count as f64;
                return ((self.sample.as_nanos() as f64 / each) as u64).max(64);
            }
            count *= 2;
        }
    }
}

/// First quartile, median, third quartile.
fn quartiles(mut values: Vec<f64>) -> (f64, f64, f64) {
    values.sort_by(f64::total_cmp);
    let at = |part: usize| values[(values.len() - 1) * part / 4];
    (at(1), at(2), at(3))
}

fn gigabytes(nanos: f64, size: usize) -> f64 {
    size as f64 / nanos
}

pub(crate) fn nanoseconds(nanos: f64, _size: usize) -> f64 {
    nanos
}

/// A write and a read of one thread, which waits for nobody.
pub(crate) fn call(plan: &Plan) {
    pin::to(plan.cpus.0);
    for size in [64, 1024] {
        plan.compare(
            &format!("write and read {size} B in one thread"),
            ("ns", nanoseconds),
            size,
            vec![
                ("bare ring", in_turn(|| Bare::<1>::pair(MIB), size)),
                ("ring", in_turn(|| contenders::ring(MIB, Wait::Adaptive), size)),
                ("ring, between strangers", in_turn(|| contenders::stream(MIB).0, size)),
                ("ring, messages", in_turn(|| messages(MIB), size)),
            ],
        );
    }
}

fn messages(capacity: usize) -> (Messages<ringpipe::Writer>, Messages<ringpipe::Reader>) {
    let (writer, reader) = contenders::ring(capacity, Wait::Adaptive);
    (Messages(writer), Messages(reader))
}

/// Between strangers: the reader's pages are mapped for reading only.
fn in_place(capacity: usize) -> (InPlace<ringpipe::Writer>, InPlace<ringpipe::Reader>) {
    let (writer, reader) = contenders::stream(capacity).0;
    (InPlace(writer), InPlace(reader))
}

fn in_turn<'a, T: Transmit + 'a, R: Receive + 'a>(
    make: impl Fn() -> (T, R) + 'a,
    size: usize,
) -> Make<'a> {
    Box::new(move || {
        let (mut to, mut from) = make();
        let (mut message, mut got) = (vec![0; size], vec![0; size]);
        Box::new(move |count| {
            let start = Instant::now();
            for number in 0..count {
                fill(&mut message, number);
                to.send(&message);
                to.flush();
                from.recv(&mut got);
                check(&got, number);
            }
            start.elapsed()
        })
    })
}

/// A message there and back between two threads that look without sleeping.
pub(crate) fn trip(plan: &Plan) {
    const SIZE: usize = 64;
    pin::to(plan.cpus.0);
    thread::scope(|scope| {
        let turns = &Turns { scope, cpu: plan.cpus.1 };
        let ring = |wait| move || contenders::ring(MIB, wait);
        let flag = || Flag::pair(SIZE);
        let in_band = || InBand::pair(MIB);
        plan.compare(
            "round trip of 64 B",
            ("ns", nanoseconds),
            SIZE,
            vec![
                ("flag", turns.trip(twice(flag), SIZE)),
                ("flag again", turns.trip(twice(flag), SIZE)),
                ("bare ring", turns.trip(twice(|| Bare::<1>::pair(MIB)), SIZE)),
                ("bare ring, no pause", turns.trip(twice(|| Bare::<0>::pair(MIB)), SIZE)),
                ("bare ring, two pauses", turns.trip(twice(|| Bare::<2>::pair(MIB)), SIZE)),
                ("bare ring, 4 KiB", turns.trip(twice(|| Bare::<1>::pair(4 << 10)), SIZE)),
                ("in band, 60 B", turns.trip(twice(in_band), 56)),
                ("in band, 64 B", turns.trip(twice(in_band), SIZE)),
                ("ring, spinning", turns.trip(twice(ring(Wait::Spin)), SIZE)),
                ("ring", turns.trip(twice(ring(Wait::Adaptive)), SIZE)),
                ("ring, between strangers", turns.trip(|| contenders::stream(MIB), SIZE)),
                ("ring, messages", turns.trip(twice(|| messages(MIB)), SIZE)),
            ],
        );
    });
}

/// The same two ways with both threads on one CPU, where nobody can look while the other runs.
pub(crate) fn one_cpu(plan: &Plan) {
    const SIZE: usize = 64;
    pin::to(plan.cpus.0);
    let pipe = || {
        let (from, to) = std::io::pipe().expect("a pipe");
        (Kernel(to), Kernel(from))
    };
    thread::scope(|scope| {
        let turns = &Turns { scope, cpu: plan.cpus.0 };
        let ring = |wait| move || contenders::ring(MIB, wait);
        plan.compare(
            "round trip of 64 B on one CPU",
            ("ns", nanoseconds),
            SIZE,
            vec![
                ("futex", turns.trip(twice(|| Sleepy::pair(SIZE)), SIZE)),
                ("pipe", turns.trip(twice(pipe), SIZE)),
                ("ring", turns.trip(twice(ring(Wait::Adaptive)), SIZE)),
                ("ring, parking", turns.trip(twice(ring(Wait::Park)), SIZE)),
                ("ring, between strangers", turns.trip(|| contenders::stream(MIB), SIZE)),
            ],
        );
        for size in [SIZE, 4 << 10, 64 << 10] {
            plan.compare(
                &format!("stream of {size} B on one CPU"),
                ("GB/s", gigabytes),
                size,
                vec![
                    ("pipe", turns.one_way(pipe, size)),
                    ("ring", turns.one_way(ring(Wait::Adaptive), size)),
                    ("ring, parking", turns.one_way(ring(Wait::Park), size)),
                ],
            );
        }
    });
}

/// Messages one way between two threads.
pub(crate) fn stream(plan: &Plan, size: usize) {
    pin::to(plan.cpus.0);
    let capacity = MIB.max(size);
    thread::scope(|scope| {
        let turns = &Turns { scope, cpu: plan.cpus.1 };
        let relay = |segment: usize| move || Relay::pair(segment.max(size));
        let ring = |capacity| move || contenders::ring(capacity, Wait::Adaptive);
        let socket = || {
            let (to, from) = UnixStream::pair().expect("a socket pair");
            (Kernel(to), Kernel(from))
        };
        plan.compare(
            &format!("stream of {size} B"),
            ("GB/s", gigabytes),
            size,
            vec![
                ("relay", turns.one_way(relay(256 << 10), size)),
                ("relay again", turns.one_way(relay(256 << 10), size)),
                ("relay, 128 KiB in all", turns.one_way(relay(16 << 10), size)),
                ("bare ring", turns.one_way(move || Bare::<1>::pair(capacity), size)),
                ("ring", turns.one_way(ring(capacity), size)),
                ("ring, 64 KiB", turns.one_way(ring(64 << 10), size)),
                ("ring, 256 KiB", turns.one_way(ring(256 << 10), size)),
                ("ring, 4 MiB", turns.one_way(ring(4 * MIB), size)),
                (
                    "ring, between strangers",
                    turns.one_way(move || contenders::stream(capacity).0, size),
                ),
                ("ring, messages", turns.one_way(move || messages(capacity), size)),
                ("ring, in place", turns.one_way(move || in_place(capacity), size)),
                ("Unix socket", turns.one_way(socket, size)),
            ],
        );
    });
}

/// A way there and a way back.
type Both<T, R> = ((T, R), (T, R));

fn twice<T, R>(make: impl Fn() -> (T, R)) -> impl Fn() -> Both<T, R> {
    move || (make(), make())
}

/// The other thread of each contender, which sleeps in a channel until its turn comes.
#[derive(Debug)]
struct Turns<'scope, 'env> {
    scope: &'scope thread::Scope<'scope, 'env>,
    cpu: usize,
}

impl<'scope> Turns<'scope, '_> {
    fn one_way<'a, T, R>(&'a self, make: impl Fn() -> (T, R) + 'a, size: usize) -> Make<'a>
    where
        T: Transmit + 'scope,
        R: Receive + Send + 'scope,
        'scope: 'a,
    {
        Box::new(move || {
            let (mut to, mut from) = make();
            let (mut message, mut next) = (vec![0; size], 0);
            let other = self.other(move |number, count| {
                let mut memory = vec![0; size + LINE];
                let aligned = memory.as_ptr().align_offset(LINE);
                let message = &mut memory[aligned..aligned + size];
                for number in number..number + count {
                    from.recv_number(number, message);
                }
            });
            Box::new(move |count| {
                let first = next;
                next += count;
                other(first, count, &mut || {
                    for number in first..first + count {
                        to.send_number(number, &mut message);
                    }
                    to.flush();
                })
            })
        })
    }

    fn trip<'a, T, R>(&'a self, make: impl Fn() -> Both<T, R> + 'a, size: usize) -> Make<'a>
    where
        T: Transmit + Send + 'scope,
        R: Receive + Send + 'scope,
        'scope: 'a,
    {
        Box::new(move || {
            let ((mut to, mut read), (mut answer, mut from)) = make();
            let (mut message, mut next) = (vec![0; size], 0);
            let other = self.other(move |_, count| {
                let mut message = vec![0; size];
                for _ in 0..count {
                    read.recv(&mut message);
                    answer.send(&message);
                    answer.flush();
                }
            });
            Box::new(move |count| {
                let first = next;
                next += count;
                other(first, count, &mut || {
                    for number in first..first + count {
                        fill(&mut message, number);
                        to.send(&message);
                        to.flush();
                        from.recv(&mut message);
                        check(&message, number);
                    }
                })
            })
        })
    }

    /// Has a thread on the other CPU run `work` beside each call of what is returned. The time is from both being ready
    /// to both being done.
    fn other(
        &self,
        mut work: impl FnMut(u64, u64) + Send + 'scope,
    ) -> impl Fn(u64, u64, &mut dyn FnMut()) -> Duration + 'scope {
        let (start, started) = mpsc::channel();
        let (ready, is_ready) = mpsc::channel();
        let (done, is_done) = mpsc::channel();
        let cpu = self.cpu;
        self.scope.spawn(move || {
            pin::to(cpu);
            while let Ok((number, count)) = started.recv() {
                ready.send(()).expect("the main thread");
                work(number, count);
                done.send(Instant::now()).expect("the main thread");
            }
        });
        move |number, count, work| {
            start.send((number, count)).expect("the other thread");
            is_ready.recv().expect("the other thread");
            let began = Instant::now();
            work();
            let ours = Instant::now();
            let theirs = is_done.recv().expect("the other thread");
            ours.max(theirs) - began
        }
    }
}
