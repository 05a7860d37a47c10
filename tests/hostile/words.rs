//! Every edge value in every word that a peer can write, in every state that an end can be in.

use std::{
    io::{self, IoSlice, IoSliceMut, Read, Write},
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    thread,
    time::{Duration, Instant},
};

use ringpipe::{Doorbell, Options, Reader, Wait, Writer};

use crate::{
    common::watchdog,
    hostile::{Hostile, Spot, spots},
    report::{Report, scaled},
    sequences::edges,
    verdict::Verdict,
    wire::{Store, side},
};

const CAPACITY: usize = 4096;

/// What both directions are in the middle of when the value is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Fresh,
    /// Bytes lie in both directions, partly taken.
    Half,
    /// Both directions are full.
    Full,
    /// Positions are past the capacity.
    Wrapped,
    /// The peer has closed both ends, with bytes in the ring.
    PeerClosed,
    PeerFailed,
    /// This side has closed both ends.
    Closed,
    /// A message longer than the ring is on its way in both directions.
    LongMessages,
    /// A message was looked at, and not taken.
    Looked,
    /// The peer's process is gone.
    Died,
    /// The ends are made to be polled, and armed.
    Armed,
    /// The reader sleeps.
    ReaderBlocked,
    /// The writer sleeps.
    WriterBlocked,
}

const STATES: [State; 13] = [
    State::Fresh,
    State::Half,
    State::Full,
    State::Wrapped,
    State::PeerClosed,
    State::PeerFailed,
    State::Closed,
    State::LongMessages,
    State::Looked,
    State::Died,
    State::Armed,
    State::ReaderBlocked,
    State::WriterBlocked,
];

fn set_up(state: State) -> (Reader, Writer, Hostile) {
    let doorbell = if state == State::Armed { Doorbell::EventFd } else { Doorbell::Futex };
    let options =
        Options::new().capacity(CAPACITY).wait(Wait::Park).max_message(9000).doorbell(doorbell);
    let (stream, mut hostile) = Hostile::against_acceptor(&options, CAPACITY);
    let (mut reader, mut writer) = stream.split();
    let half = |reader: &mut Reader, writer: &mut Writer, hostile: &Hostile| {
        hostile.publish(&[7; 3000]);
        reader.read_exact(&mut [0; 1000]).unwrap();
        writer.write_all(&[8; 3000]).unwrap();
        hostile.read_pos().set(1000);
    };
    match state {
        State::Fresh | State::Armed | State::ReaderBlocked => {}
        State::Half => half(&mut reader, &mut writer, &hostile),
        State::Full | State::WriterBlocked => {
            hostile.publish(&[7; CAPACITY]);
            writer.write_all(&[8; CAPACITY]).unwrap();
        }
        State::Wrapped => {
            half(&mut reader, &mut writer, &hostile);
            hostile.publish(&[7; 2000]);
            reader.read_exact(&mut [0; 3900]).unwrap();
            writer.write_all(&[8; 2000]).unwrap();
            hostile.read_pos().set(4900);
        }
        State::PeerClosed | State::PeerFailed => {
            half(&mut reader, &mut writer, &hostile);
            for map in [&hostile.files.producer_map, &hostile.files.consumer_map] {
                map.put(side::TEXT, b"no more");
                map.u32(side::LENGTH).set(7);
                map.u32(side::STATE).set(if state == State::PeerClosed { 1 } else { 2 });
            }
        }
        State::Closed => {
            half(&mut reader, &mut writer, &hostile);
            reader.close();
            writer.close_with_error("enough");
        }
        State::LongMessages => {
            hostile.publish(&8000u32.to_le_bytes());
            hostile.publish(&[7; 1000]);
            reader.set_nonblocking(true);
            writer.set_nonblocking(true);
            assert!(reader.recv(&mut [0; 9000]).is_err());
            assert!(writer.send(&[8; 8000]).is_err());
        }
        State::Looked => {
            hostile.publish(&500u32.to_le_bytes());
            hostile.publish(&[7; 500]);
            assert_eq!(reader.next_message().unwrap(), Some(500));
            assert_eq!(reader.peek().unwrap().len(), 504);
        }
        State::Died => {
            half(&mut reader, &mut writer, &hostile);
            hostile.socket = None;
        }
    }
    (reader, writer, hostile)
}

/// Every verb of the reader. Panics for an answer that no peer may cause.
fn read_every_way(reader: &mut Reader) {
    let mut buf = vec![0xee; 9000];
    let check = |result: io::Result<usize>, limit: usize| match result {
        Ok(n) => assert!(n <= limit),
        Err(error) => drop(Verdict::of(&error)),
    };
    check(reader.next_message().map(Option::unwrap_or_default), 9000);
    check(reader.recv(&mut buf[..3]).map(Option::unwrap_or_default), 3);
    check(reader.recv(&mut buf).map(Option::unwrap_or_default), 9000);
    check(reader.read(&mut buf[..1]), 1);
    let (one, two) = buf[..100].split_at_mut(50);
    check(reader.read_vectored(&mut [IoSliceMut::new(one), IoSliceMut::new(two)]), 100);
    match reader.peek() {
        Ok(span) => {
            let len = span.len();
            assert!(len <= CAPACITY && span.copy_to(len / 2, &mut buf) == len - len / 2);
            reader.consume(len / 2);
        }
        Err(error) => drop(Verdict::of(&error)),
    }
    check(reader.try_read(&mut buf), CAPACITY);
    let stats = reader.stats();
    assert!(stats.fill <= CAPACITY as u64 && !format!("{stats:?}").is_empty());
    check(reader.read(&mut buf), CAPACITY);
}

/// Every verb of the writer.
fn write_every_way(writer: &mut Writer) {
    let buf = [0xdd; 9000];
    let check = |result: io::Result<usize>, limit: usize| match result {
        Ok(n) => assert!(n <= limit),
        Err(error) => drop(Verdict::of(&error)),
    };
    check(writer.send(&buf[..8000]).map(|()| 0), 0);
    check(writer.send(&buf[..10]).map(|()| 0), 0);
    check(writer.write(&buf[..1]), 1);
    check(writer.write_vectored(&[IoSlice::new(&buf[..50]), IoSlice::new(&buf[..50])]), 100);
    match writer.reserve(200) {
        Ok(mut grant) => {
            assert_eq!(grant.write(&buf).unwrap(), 200);
            check(grant.commit(100).map(|()| 0), 0);
        }
        Err(error) => drop(Verdict::of(&error)),
    }
    check(writer.try_write(&buf), 9000);
    let stats = writer.stats();
    assert!(stats.fill <= CAPACITY as u64 && !format!("{stats:?}").is_empty());
    check(writer.write(&buf), 9000);
}

/// Two looks after a final answer give the same one.
fn assert_sticky(reader: &mut Reader, writer: &mut Writer) {
    let mut last = None;
    for _ in 0..3 {
        let now = match reader.try_read(&mut [0; 1]) {
            Ok(0) => Some(Verdict::Closed),
            Ok(_) => None,
            Err(error) => Some(Verdict::of(&error)).filter(|verdict| verdict.is_final()),
        };
        assert!(last.is_none() || last == now, "the reader said {last:?}, then {now:?}");
        last = now;
    }
    let mut last = None;
    for _ in 0..3 {
        let now = writer.try_write(&[0; 1]).err().map(|error| Verdict::of(&error));
        let now = now.filter(|verdict| verdict.is_final());
        assert!(last.is_none() || last == now, "the writer said {last:?}, then {now:?}");
        last = now;
    }
}

fn one_case(state: State, spot: Spot, value: u64) {
    let (mut reader, mut writer, hostile) = set_up(state);
    match state {
        State::ReaderBlocked => while_blocked(&hostile, spot, value, || {
            reader.set_read_timeout(Some(Duration::from_micros(700))).unwrap();
            let read = reader.read(&mut [0; 64]);
            read.is_err_and(|error| Verdict::of(&error) == Verdict::Timeout)
        }),
        State::WriterBlocked => while_blocked(&hostile, spot, value, || {
            writer.set_write_timeout(Some(Duration::from_micros(700))).unwrap();
            let write = writer.write(&[0; 64]);
            write.is_err_and(|error| Verdict::of(&error) == Verdict::Timeout)
        }),
        _ => hostile.word(spot).set(value),
    }
    reader.set_nonblocking(true);
    writer.set_nonblocking(true);
    read_every_way(&mut reader);
    write_every_way(&mut writer);
    hostile.ring();
    read_every_way(&mut reader);
    write_every_way(&mut writer);
    if state != State::Died {
        assert_sticky(&mut reader, &mut writer);
    }
    let past = Instant::now().checked_sub(Duration::from_secs(1));
    reader.set_deadline(past);
    writer.set_deadline(past);
    read_every_way(&mut reader);
    write_every_way(&mut writer);
}

/// Stores the value once the other thread sleeps in `call`; which may also end by itself, and then says so.
fn while_blocked(hostile: &Hostile, spot: Spot, value: u64, call: impl FnOnce() -> bool + Send) {
    thread::scope(|scope| {
        let blocked = scope.spawn(call);
        let parked =
            [hostile.victim_consumer.u64(side::PARKED), hostile.victim_producer.u64(side::PARKED)];
        while parked.iter().all(|parked| parked.now() <= side::AWAKE) && !blocked.is_finished() {
            std::hint::spin_loop();
        }
        hostile.word(spot).set(value);
        hostile.ring();
        blocked.join().unwrap();
    });
}

#[test]
fn every_edge_value_in_every_word_in_every_state_is_survived() {
    let (spots, edges) = (spots(), edges(CAPACITY as u64));
    let mut report = Report::new("T9b", "words stored");
    let cases: Vec<(State, Spot, u64)> = STATES
        .iter()
        .flat_map(|&state| spots.iter().map(move |&spot| (state, spot)))
        .flat_map(|(state, spot)| edges.iter().map(move |&value| (state, spot, value)))
        // All of them, but where everything takes longer, as under a sanitizer.
        .step_by((1000 / scaled(1000).min(1000)) as usize)
        .collect();
    let next = AtomicU64::new(0);
    watchdog(Duration::from_secs(600), || {
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    while let Some(&(state, spot, value)) =
                        cases.get(next.fetch_add(1, Relaxed) as usize)
                    {
                        let case = std::panic::AssertUnwindSafe(|| one_case(state, spot, value));
                        if let Err(panic) = std::panic::catch_unwind(case) {
                            eprintln!("in {state:?}, {value:#x} in {spot:?}");
                            std::panic::resume_unwind(panic);
                        }
                    }
                });
            }
        });
    });
    report.field("states", STATES.len()).field("spots", spots.len()).field("values", edges.len());
    report.done(cases.len() as u64, (STATES.len() * spots.len() * 30) as u64);
}
