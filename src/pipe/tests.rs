//! What can be provoked for certain only by looking under the lock.

use std::{
    io::{Read, Write},
    panic::Location,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use super::{
    PipeReader, PipeWriter,
    rendezvous::{End, Rendezvous, Wakes},
};

#[path = "../../tests/common/mod.rs"]
mod common;

pub(super) use common::watchdog;

pub(super) const LIMIT: Duration = Duration::from_secs(60);

/// A pipe whose waits never take part in a diagnosis, so as not to disturb the tests of that.
fn pipe() -> (PipeReader, PipeWriter) {
    let patience = Duration::from_secs(3_600);
    let pipe = Arc::new(Rendezvous::new(Location::caller(), patience));
    (PipeReader::over(pipe.clone()), PipeWriter::over(pipe))
}

#[test]
fn the_turn_goes_to_those_who_wait_before_the_caller_in_a_loop() {
    watchdog(LIMIT, || {
        for _ in 0..100 {
            one_turn();
        }
    });
}

fn one_turn() {
    let (mut reader, writer) = pipe();
    let shared = writer.shared().clone();
    thread::scope(|scope| {
        scope.spawn(|| (&writer).write_all(b"a").and_then(|()| (&writer).write_all(b"c")).unwrap());
        while shared.lock().offer.is_none() {
            thread::yield_now();
        }
        scope.spawn(|| (&writer).write_all(b"b").unwrap());
        while shared.lock().side(End::Writer).queued == 0 {
            thread::yield_now();
        }
        let mut bytes = [0; 3];
        reader.read_exact(&mut bytes).unwrap();
        assert_eq!(&bytes, b"abc");
    });
}

#[test]
fn nothing_is_left_lent_or_held_when_every_call_has_returned() {
    watchdog(LIMIT, busy_then_closed);
}

fn busy_then_closed() {
    let (reader, writer) = pipe();
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| while let Ok(1..) = (&reader).read(&mut [0; 100]) {});
            scope.spawn(|| while (&writer).write(&[1; 333]).is_ok() {});
        }
        while writer.shared().lock().passed < 20_000 {
            thread::yield_now();
        }
        reader.close();
    });
    let mut state = reader.shared().lock();
    assert!(state.offer.is_none() && state.want.is_none() && !state.copying);
    for end in [End::Reader, End::Writer] {
        let side = state.side(end);
        assert!(!side.busy && side.queued == 0 && !side.asleep);
    }
}

/// A deadline that passes, and a close, while the bytes are on their way: the bytes count.
#[test]
fn a_copy_that_has_begun_is_worth_more_than_what_interrupts_it() {
    watchdog(LIMIT, || {
        for round in 0..100 {
            let (reader, writer) = pipe();
            thread::scope(|scope| {
                let read = scope.spawn(|| (&reader).read(&mut [0; 4]));
                let shared = reader.shared();
                // Stands in for a write that has found the blocked read and copies.
                loop {
                    let mut state = shared.lock();
                    if state.want.is_some() {
                        state.copying = true;
                        break;
                    }
                    drop(state);
                    thread::yield_now();
                }
                match round % 3 {
                    0 => reader.set_deadline(Some(Instant::now())),
                    1 => writer.close(),
                    _ => reader.close(),
                }
                for _ in 0..100 {
                    assert!(!read.is_finished(), "its buffer is still being filled");
                    thread::yield_now();
                }
                let mut state = shared.lock();
                state.copying = false;
                state.want.as_mut().expect("the read is blocked").filled = 3;
                let mut wakes = Wakes::default();
                state.rouse(End::Reader, &mut wakes);
                shared.wake(state, wakes);
                assert_eq!(read.join().unwrap().unwrap(), 3);
            });
        }
    });
}
