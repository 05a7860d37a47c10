//! Two processes and a stream between them that carries bytes both ways.

use std::{
    path::Path,
    process::Child,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use ringpipe::{Control, Doorbell, Options, Stream, Wait};

use crate::{
    child::other,
    flow::{Calls, Tally, receive, send},
    storm::{Hit, Storm, handled},
};

/// Kinds of ends, by number.
pub(crate) const KINDS: usize = 4;

/// Ends of one page, so that both sides wait for each other all the time.
fn options(kind: usize) -> Options {
    let wait = [Wait::Park, Wait::Adaptive][kind % 2];
    let doorbell = [Doorbell::Futex, Doorbell::EventFd][kind / 2 % 2];
    Options::new().capacity(4096).wait(wait).doorbell(doorbell)
}

/// What goes out, and what comes in.
#[derive(Debug, Default)]
pub(crate) struct Tallies {
    pub(crate) out: Tally,
    pub(crate) into: Tally,
    enough: AtomicBool,
}

impl Tallies {
    /// Looks now and then until both directions have got as far as `far` says of each.
    pub(crate) fn wait_until(&self, far: impl Fn(&Tally, usize) -> bool) {
        let directions = [&self.out, &self.into];
        while !directions.iter().enumerate().all(|(at, direction)| far(direction, at)) {
            assert!(directions.iter().all(|direction| !direction.is_over()), "a direction failed");
            thread::sleep(Duration::from_micros(50));
        }
    }

    pub(crate) fn bytes(&self) -> [u64; 2] {
        [self.out.bytes(), self.into.bytes()]
    }

    pub(crate) fn timeouts(&self) -> [u64; 2] {
        [self.out.timeouts(), self.into.timeouts()]
    }
}

/// Says on its end that it is enough.
struct Enough<'a>(&'a AtomicBool);

impl Drop for Enough<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Starts another process, has bytes flow both ways between it and this one, and calls `disturb` meanwhile; then sees to it that
/// every byte has come. `signals` is how many interrupt each process at least.
pub(crate) fn with_other_process(
    kind: usize,
    signals: u64,
    calls: Calls,
    disturb: impl FnOnce(&Tallies, &Child, [Control; 2]),
) -> Tallies {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("meet");
    let storm = (signals > 0).then(Storm::start);
    let hit = storm.as_ref().map(Storm::hit_me);
    let listener = options(kind).bind(&path).unwrap();
    let role = format!("flow {} {kind} {signals}", path.display());
    let mut child = other(&role).spawn().unwrap();
    let (reader, writer) = listener.accept().unwrap().split();
    drop(hit);
    let controls = [reader.control(), writer.control()];
    let tallies = Tallies::default();
    thread::scope(|scope| {
        let storm = storm.as_ref();
        let tallies = &tallies;
        let enough = || tallies.enough.load(Ordering::Relaxed);
        scope.spawn(move || {
            let _hit = storm.map(Storm::hit_me);
            send(writer, calls, 1, &tallies.out, enough);
        });
        scope.spawn(move || {
            let _hit = storm.map(Storm::hit_me);
            receive(reader, calls, 2, &tallies.into);
        });
        // A test that fails has to come to its end as well.
        let _enough = Enough(&tallies.enough);
        disturb(tallies, &child, controls);
    });
    assert!(child.wait().unwrap().success(), "the other process failed");
    tallies
}

/// The other process: sends until everything has come, and it was interrupted often enough.
pub(crate) fn other_side(path: impl AsRef<Path>, kind: usize, signals: u64) {
    let storm = (signals > 0).then(Storm::start);
    let storm = storm.as_ref();
    let hit: Option<Hit<'_>> = storm.map(Storm::hit_me);
    let stream: Stream = options(kind).connect(path).unwrap();
    drop(hit);
    let (reader, writer) = stream.split();
    let tallies = Tallies::default();
    thread::scope(|scope| {
        let tallies = &tallies;
        let enough = || tallies.into.is_over() && handled() >= signals;
        scope.spawn(move || {
            let _hit = storm.map(Storm::hit_me);
            send(writer, Calls::OfAnyKind, 3, &tallies.out, enough);
        });
        let _hit = storm.map(Storm::hit_me);
        receive(reader, Calls::OfAnyKind, 4, &tallies.into);
    });
}
