//! A message there and back between two threads that wait as they do by default, or without ever sleeping.

use std::{
    io::{Read, Write},
    thread,
    time::{Duration, Instant},
};

use criterion::{BenchmarkId, Criterion};

use crate::{
    contenders::{Pair, contenders},
    pattern::{check, fill},
};

pub(crate) fn group(c: &mut Criterion) {
    let mut group = c.benchmark_group("two_threads/round_trip");
    for (name, make) in contenders().into_iter().filter(|(name, _)| *name != "ring-park") {
        group.bench_function(BenchmarkId::new(name, 64), |b| {
            b.iter_custom(|rounds| between_threads(make(), make(), rounds));
        });
    }
    group.finish();
}

/// So many round trips of 64 bytes with a thread that is started for them.
pub(crate) fn between_threads((there, send): Pair, (back, answer): Pair, rounds: u64) -> Duration {
    let other = thread::spawn(move || echo(there, answer, rounds));
    let took = ask(send, back, rounds);
    other.join().expect("the echo");
    took
}

/// Sends `rounds` messages, each when the answer to the last one is checked, and gives the time.
pub(crate) fn ask(mut send: impl Write, mut back: impl Read, rounds: u64) -> Duration {
    let mut message = [0; 64];
    let start = Instant::now();
    for number in 0..rounds {
        fill(&mut message, number);
        send.write_all(&message).expect("a message");
        back.read_exact(&mut message).expect("an answer");
        check(&message, number);
    }
    start.elapsed()
}

/// The other side of [`ask`], which looks at what it gets as well.
pub(crate) fn echo(mut there: impl Read, mut answer: impl Write, rounds: u64) {
    let mut message = [0; 64];
    for number in 0..rounds {
        there.read_exact(&mut message).expect("a message");
        check(&message, number);
        answer.write_all(&message).expect("an answer");
    }
}
