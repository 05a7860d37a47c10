//! Two processes that open streams, use them in every way, close them in every way, and call each other meanwhile, over and
//! over: every byte is compared, and nothing grows.
//!
//! `RINGPIPE_SCALE` multiplies the twenty gigabytes of a CI run, and `RINGPIPE_SOAK_SECONDS` ends it earlier.
//! `RINGPIPE_SEED` is the number of a round, of which all rounds are copies then.

#[path = "soak/calls.rs"]
mod calls;
#[path = "common/child.rs"]
mod child;
mod common;
#[path = "soak/held.rs"]
mod held;
#[path = "soak/plan.rs"]
mod plan;
#[path = "common/report.rs"]
mod report;
#[path = "soak/stream.rs"]
mod stream;

use std::{
    env,
    path::Path,
    process,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use ringpipe::{Listener, Stream};

use calls::Serving;
use child::{other, role};
use common::watchdog;
use held::{Held, NAMES, assert_no_drift};
use plan::Plan;
use report::{Report, scaled};

/// A round that takes longer hangs.
const STUCK: Duration = Duration::from_secs(300);
/// How often to say how far it has got.
const PROGRESS: Duration = Duration::from_secs(10);
/// Rounds at least, so that early can be told from late.
const LEAST_ROUNDS: usize = 40;
const GIGA: u64 = 1_000_000_000;

/// Not a test by itself: what the other process does.
#[test]
fn the_other_process() {
    let Some(role) = role() else { return };
    let directory = Path::new(&role[0]);
    let mut control = Stream::connect(directory.join("control.sock")).unwrap();
    let mut seed = [0; 8];
    while control.reader().recv(&mut seed).unwrap() == Some(8) {
        let plan = Plan::new(u64::from_le_bytes(seed));
        let serving = Serving::start(directory, plan.random.clone());
        control.writer().send(b"ready").unwrap();
        let side = &plan.sides[1];
        let stream = side.options.connect(directory.join("soak.sock")).unwrap();
        let [theirs, ours] = &plan.directions;
        let bytes = stream::run(stream, ours, theirs, side.polls);
        // Until the calls are done as well.
        assert_eq!(control.reader().recv(&mut seed).unwrap(), Some(0));
        serving.end();
        let Held(held) = Held::now();
        let words = [bytes].into_iter().chain(held);
        let report: Vec<u8> = words.flat_map(u64::to_le_bytes).collect();
        control.writer().send(&report).unwrap();
    }
    process::exit(0);
}

/// What one round came to.
struct Round {
    bytes: u64,
    calls: u64,
    /// Of this process and of the other.
    held: [Held; 2],
}

fn round(directory: &Path, control: &mut Stream, seed: u64) -> Round {
    let plan = Plan::new(seed);
    let side = &plan.sides[0];
    let listener = side.options.bind(directory.join("soak.sock")).unwrap();
    control.writer().send(&seed.to_le_bytes()).unwrap();
    assert_eq!(control.reader().recv(&mut [0; 8]).unwrap(), Some(5));
    let enough = AtomicBool::new(false);
    let (read, (calls, called)) = thread::scope(|scope| {
        let calling = scope.spawn(|| calls::call(directory, plan.random.clone(), &enough));
        let [ours, theirs] = &plan.directions;
        let stream = listener.accept().unwrap();
        drop(listener);
        let read = stream::run(stream, ours, theirs, side.polls);
        enough.store(true, Ordering::Relaxed);
        (read, calling.join().unwrap())
    });
    control.writer().send(b"").unwrap();
    let mut report = [0; 48];
    assert_eq!(control.reader().recv(&mut report).unwrap(), Some(48));
    let mut words =
        report.chunks(8).map(|word| u64::from_le_bytes(word.try_into().expect("eight bytes")));
    let theirs = words.next().unwrap_or_default();
    let held = Held(std::array::from_fn(|_| words.next().unwrap_or_default()));
    Round { bytes: read + theirs + called, calls, held: [Held::now(), held] }
}

#[test]
fn over_and_over_every_byte_is_right_and_nothing_grows() {
    let wanted = scaled(20) * GIGA;
    let seconds = env::var("RINGPIPE_SOAK_SECONDS").ok().and_then(|text| text.parse().ok());
    let end = seconds.map(Duration::from_secs);
    let mut report = Report::new("T13", "gigabytes compared");
    let directory = tempfile::tempdir().unwrap();
    let listener = Listener::bind(directory.path().join("control.sock")).unwrap();
    let mut child = other(&directory.path().display().to_string()).spawn().unwrap();
    let mut control = listener.accept().unwrap();
    let start = Instant::now();
    let (mut bytes, mut calls) = (0, 0);
    let mut held = [Vec::new(), Vec::new()];
    let mut said = Duration::ZERO;
    let only: Option<u64> = env::var("RINGPIPE_SEED").ok().and_then(|text| text.parse().ok());
    for seed in (0..).map(|seed| only.unwrap_or(seed)) {
        let elapsed = start.elapsed();
        let over = bytes >= wanted || end.is_some_and(|end| elapsed >= end);
        if over && held[0].len() >= LEAST_ROUNDS {
            break;
        }
        let round = watchdog(STUCK, || round(directory.path(), &mut control, seed));
        bytes += round.bytes;
        calls += round.calls;
        for (all, now) in held.iter_mut().zip(round.held) {
            all.push(now);
        }
        if elapsed >= said + PROGRESS {
            said = elapsed;
            let rate = bytes as f64 / 1e9 / elapsed.as_secs_f64();
            println!(
                "{:.0} s: {} GB, {rate:.2} GB/s, {} rounds, {calls} calls, {:?}",
                elapsed.as_secs_f64(),
                bytes / GIGA,
                held[0].len(),
                round.held
            );
        }
    }
    // The end of the stream is the end of the other process.
    drop(control);
    assert!(child.wait().unwrap().success());
    println!("{NAMES:?}, early and late:");
    for (who, all) in ["this process", "the other process"].iter().zip(&held) {
        let (early, late) = assert_no_drift(who, all);
        println!("{who}: {:?}, {:?}", early.0, late.0);
    }
    report.field("rounds", held[0].len()).field("calls", calls);
    report.done(bytes / GIGA, if end.is_some() { 1 } else { 20 });
}
