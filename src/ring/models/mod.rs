//! Models: the ends of a ring, run through their interleavings by loom.
//!
//! What runs here is what ships: [`Reader`], [`Writer`] and [`Control`](crate::Control) as they are, with the core,
//! the waiting and the closing behind them. Replaced are the memory (heap, every byte under loom's eye), the futex
//! (a queue behind a lock), `membarrier`, the clock (it moves when the model says so) and the tie to the other process. A lost wake-up
//! shows as a deadlock, a missing ordering as a data race or a broken assertion.
//!
//! `docs/models.md` says which edge of the protocol each model holds, and what it would let through if it were gone.

mod claims;
mod closing;
mod deadlines;
mod death;
mod polling;
mod slices;
mod wakes;

use std::{
    io::{Read, Write},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use loom::{model::Builder, thread};

use super::{Doorbell, Options, Reader, Wait, Writer, doorbell::Bell, wait::Fences};
use crate::{
    error::Error,
    sys::{clock::Moment, membarrier},
};

/// Every interleaving.
const ALL: Option<u32> = None;

/// Every interleaving with at most `at_most` preemptions; `MODEL_PREEMPTIONS` in the environment asks for more.
fn preemptions(at_most: u32) -> Option<u32> {
    let asked = std::env::var("MODEL_PREEMPTIONS").ok().and_then(|asked| asked.parse().ok());
    Some(at_most.max(asked.unwrap_or(0)))
}

/// Runs `model` once for each interleaving, under both ways of fencing, and says how many there were.
#[track_caller]
fn explore(bound: Option<u32>, model: impl Fn() + Send + Sync + 'static) {
    let model = Arc::new(model);
    for fences in [Fences::Both, Fences::Sleeper] {
        membarrier::set_available(fences == Fences::Sleeper);
        let mut builder = Builder::new();
        builder.preemption_bound = bound.map(|bound| bound as usize);
        builder.max_branches = 10_000;
        let executions = Arc::new(AtomicU64::new(0));
        let (count, model) = (executions.clone(), model.clone());
        builder.check(move || {
            count.fetch_add(1, Ordering::Relaxed);
            model();
        });
        let executions = executions.load(Ordering::Relaxed);
        assert!(executions > 1, "a model without alternatives shows nothing");
        let extent = bound.map_or("all interleavings".into(), |n| format!("{n} preemptions"));
        let thread = std::thread::current();
        let name = thread.name().and_then(|name| name.split_once("models::")).unwrap_or_default().1;
        println!("model {name} {executions} executions ({extent}, fences: {fences:?})");
    }
}

/// A ring whose ends go to sleep whenever they would wait, at the beginning of time.
fn ends(capacity: usize) -> (Reader, Writer) {
    // Before any thread starts, so that making the clock orders nothing between them.
    Moment::now();
    Options::new().capacity(capacity).wait(Wait::Park).ring().unwrap()
}

/// The same with descriptors to poll.
fn polled_ends(capacity: usize) -> (Reader, Writer) {
    Moment::now();
    let options = Options::new().capacity(capacity).wait(Wait::Park);
    options.doorbell(Doorbell::EventFd).ring().unwrap()
}

/// Runs `other` on a thread of its own beside `this`, and gives what both return.
///
/// They return the ends they were given: an end that is dropped closes, which would be part of the model.
fn beside<A: 'static, B>(other: impl FnOnce() -> A + 'static, this: impl FnOnce() -> B) -> (A, B) {
    let other = thread::spawn(other);
    let result = this();
    (other.join().unwrap(), result)
}

/// Writes `bytes`, which must all go in.
fn write(writer: &mut Writer, bytes: &[u8]) {
    assert_eq!(writer.write(bytes).unwrap(), bytes.len());
}

/// Reads until `bytes` have come, in this order.
fn expect(reader: &mut Reader, bytes: &[u8]) {
    let mut buf = [0; 4];
    let buf = &mut buf[..bytes.len()];
    reader.read_exact(buf).unwrap();
    assert_eq!(buf, bytes);
}

/// Reads to the end of the stream, however it ends.
fn drain(reader: &mut Reader) -> (Vec<u8>, Result<(), Error>) {
    let mut bytes = Vec::new();
    let mut buf = [0; 4];
    loop {
        match reader.read(&mut buf) {
            Ok(0) => return (bytes, Ok(())),
            Ok(n) => bytes.extend(&buf[..n]),
            Err(error) => return (bytes, Err(Error::of(&error).unwrap().clone())),
        }
    }
}

/// A moment of the model; it begins at 1.
fn moment(nanos: u64) -> Moment {
    Moment::from_nanos(nanos).unwrap()
}

/// Moves the clock on for a thread that sleeps on `end`.
fn let_time_pass(end: &super::end::End, until: u64) {
    let Bell::Futex(bell) = end.own_bell();
    bell.0.let_time_pass(moment(until));
}
