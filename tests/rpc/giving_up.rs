//! Deadlines, cancellation, abandonment: who leaves, leaves nothing behind and holds nobody up.

use std::{
    io::{Read, Write},
    net::Shutdown,
    panic::{self, AssertUnwindSafe},
    thread,
    time::{Duration, Instant},
};

use ringpipe::rpc::{
    Bytes, Call, CallError, CallOptions, Cancel, Client, Codec, Completions, Connection,
};

use crate::setup::{
    Args, Bare, Transport, against_bare, everywhere, hush, over_every_transport, read_all,
    read_frame, reply_to, watched,
};

/// Long enough for a request to leave before it is over, short enough to be waited for.
fn soon() -> CallOptions {
    CallOptions::new().timeout(Duration::from_millis(100))
}

/// Waits until replies that are on their way have arrived.
fn until(mut condition: impl FnMut() -> bool) {
    while !condition() {
        thread::yield_now();
    }
}

#[test]
fn a_deadline_ends_the_call_and_not_the_connection() {
    everywhere(|scene| {
        let error = scene.client.call_with::<_, i64>("Arith.Wait", &1, &soon()).unwrap_err();
        assert!(matches!(error, CallError::Deadline), "{error:?}");
        assert_eq!(scene.client.pending(), 0);
        assert_eq!(scene.multiply(2, 3), 6);
        let started = scene.client.start_with::<_, i64>("Arith.Wait", &1, &soon());
        assert!(matches!(started.wait().unwrap_err(), CallError::Deadline));
        assert_eq!(scene.client.pending(), 0);
        scene.gate.open();
        until(|| scene.client.dropped_replies() == 2);
        assert_eq!(scene.multiply(2, 3), 6);
    });
}

#[test]
fn a_deadline_ends_a_started_call_that_nobody_waits_for() {
    everywhere(|scene| {
        let done = Completions::new(8).unwrap();
        let options = CallOptions::new().timeout(Duration::from_millis(10)).completions(&done);
        let mut call = scene.client.start_with::<_, i64>("Arith.Wait", &1, &options);
        assert_eq!(done.next(), call.id());
        assert!(matches!(call.poll().unwrap().unwrap_err(), CallError::Deadline));
        assert_eq!(scene.client.pending(), 0);
    });
}

#[test]
fn a_started_call_that_cannot_be_written_tells_when_it_is_waited_for() {
    everywhere(|scene| {
        let (client, serving) = scene.another_within(1000);
        let large = Bytes::from(vec![1; 2000]);
        let call = client.start::<_, Bytes>("Arith.Echo", &large);
        assert!(call.is_complete());
        assert!(matches!(call.wait().unwrap_err(), CallError::Encode(_)));
        client.call::<_, ()>("Arith.Nothing", &()).unwrap();
        drop(client);
        serving.join().unwrap();
    });
}

#[test]
fn a_deadline_that_has_passed_sends_nothing() {
    over_every_transport(|transport| {
        let (ours, Bare { mut reader, writer }) = against_bare(transport);
        let client = Client::new(ours, Codec::Bin).unwrap();
        let passed = CallOptions::new().deadline(Instant::now());
        for _ in 0..2 {
            let error = client.call_with::<_, i64>("A.B", &1, &passed).unwrap_err();
            assert!(matches!(error, CallError::Deadline));
            let error = client.start_with::<_, i64>("A.B", &1, &passed).wait().unwrap_err();
            assert!(matches!(error, CallError::Deadline));
        }
        drop(client);
        drop(writer);
        assert!(read_all(&mut reader).is_empty());
    });
}

#[test]
fn canceling_ends_calls_that_wait_and_calls_that_were_started() {
    everywhere(|scene| {
        let cancel = Cancel::new();
        let options = CallOptions::new().cancel(&cancel);
        let started = scene.client.start_with::<_, i64>("Arith.Wait", &1, &options);
        thread::scope(|threads| {
            let waiting =
                threads.spawn(|| scene.client.call_with::<_, i64>("Arith.Wait", &2, &options));
            scene.gate.wait_for(2);
            cancel.cancel();
            let error = waiting.join().unwrap().unwrap_err();
            assert!(matches!(error, CallError::Canceled), "{error:?}");
        });
        assert!(matches!(started.wait().unwrap_err(), CallError::Canceled));
        let late = scene.client.call_with::<_, i64>("Arith.Wait", &3, &options).unwrap_err();
        assert!(matches!(late, CallError::Canceled));
        assert_ne!(CallError::Canceled.to_string(), CallError::Deadline.to_string());
        scene.gate.open();
        until(|| scene.client.dropped_replies() == 2);
        assert_eq!(scene.multiply(2, 3), 6);
    });
}

#[test]
fn abandoned_calls_leave_no_entry_and_their_replies_are_dropped() {
    everywhere(|scene| {
        for n in 0..50 {
            drop(scene.client.start::<_, i64>("Arith.Wait", &n));
        }
        assert_eq!(scene.client.pending(), 0);
        scene.gate.open();
        until(|| scene.client.dropped_replies() == 50);
        assert_eq!(scene.multiply(2, 3), 6);
    });
}

#[test]
fn a_reply_that_has_arrived_wins_over_close_cancel_and_deadline() {
    everywhere(|scene| {
        let (client, serving) = scene.another();
        let cancel = Cancel::new();
        let options = CallOptions::new().cancel(&cancel);
        scene.gate.open();
        let mut call = client.start_with::<_, i64>("Arith.Wait", &7, &options);
        until(|| call.is_complete());
        cancel.cancel();
        call.cancel();
        client.close().unwrap();
        // The time is over, and the result is there all the same.
        assert_eq!(call.wait_until(Instant::now()).unwrap().unwrap(), 7);
        serving.join().unwrap();
    });
}

/// A started call whose reply is on the wire, where nobody has read it.
fn replied<T>(
    transport: Transport,
    deadline: Option<Instant>,
    test: impl FnOnce(&Client, Call<u8>) -> T,
) -> T {
    let (ours, Bare { mut reader, mut writer }) = against_bare(transport);
    let client = Client::new(ours, Codec::Bin).unwrap();
    let none = CallOptions::new();
    let options = deadline.map_or(none.clone(), |deadline| none.deadline(deadline));
    thread::scope(|threads| {
        let server = threads.spawn(move || {
            let mut head = [0; 5];
            // Nothing comes of a call that was out of time before it could be sent, and nobody takes what comes after a close.
            if reader.read_exact(&mut head).is_ok() {
                let _ = writer.write_all(&[3, 0, 0, 0, head[4], 0, 9]);
            }
            reader
        });
        let call = client.start_with::<_, u8>("A.B", &1_u8, &options);
        if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            // Lest the server waits for what was never sent.
            let _ = client.close();
        }
        let reader = server.join().unwrap();
        let outcome = test(&client, call);
        let _ = client.close();
        drop(reader);
        outcome
    })
}

/// Runs `round` several times, and wants it to give `true` in some.
///
/// For what holds as long as threads of ours run within some milliseconds, which a loaded machine may not have them do.
fn in_some_rounds(what: &str, round: impl Fn() -> bool) {
    const ROUNDS: usize = 12;
    const ENOUGH: usize = 4;
    let mut held = 0;
    for _ in 0..ROUNDS {
        held += usize::from(round());
        if held == ENOUGH {
            return;
        }
    }
    panic!("{what}: only in {held} of {ROUNDS} rounds");
}

#[test]
fn a_reply_on_the_wire_wins_over_close_cancellation_and_deadline() {
    // In the rounds in which the client's own thread has just begun to read, the reply is in its hands and may come too late.
    let won = |result: Result<u8, CallError>, otherwise: fn(&CallError) -> bool| match result {
        Ok(reply) => reply == 9,
        Err(error) => {
            assert!(otherwise(&error), "{error:?}");
            false
        }
    };
    over_every_transport(move |transport| {
        if matches!(transport, Transport::Memory | Transport::Untimed) {
            // Nothing is on the wire of a pipe without a buffer, and without time-outs somebody reads all the time.
            return;
        }
        in_some_rounds("closed", || {
            replied(transport, None, |client, call| {
                let _ = client.close();
                won(call.wait(), |error| matches!(error, CallError::ShutDown))
            })
        });
        in_some_rounds("canceled", || {
            replied(transport, None, |_, mut call| {
                call.cancel();
                // The client's thread may have the reply, and not have handed it over yet.
                until(|| call.is_complete());
                won(call.poll().unwrap(), |error| matches!(error, CallError::Canceled))
            })
        });
        for look in [|mut call: Call<u8>| call.wait_until(Instant::now()).unwrap(), Call::wait] {
            in_some_rounds("out of time", || {
                let deadline = Instant::now() + Duration::from_millis(50);
                replied(transport, Some(deadline), |_, call| {
                    until(|| Instant::now() >= deadline);
                    won(look(call), |error| {
                        matches!(error, CallError::Deadline | CallError::ShutDown)
                    })
                })
            });
        }
    });
}

#[test]
fn the_reply_of_a_call_that_nobody_waits_for_is_read_all_the_same() {
    everywhere(|scene| {
        let call = scene.client.start::<_, i64>("Arith.Multiply", &Args { a: 6, b: 7 });
        // Counting does not read, so this is somebody else's doing.
        until(|| scene.client.pending() == 0);
        assert_eq!(call.wait().unwrap(), 42);
    });
}

#[test]
fn calls_may_be_started_without_end_before_the_first_is_waited_for() {
    everywhere(|scene| {
        let bytes = Bytes::from(vec![7; 2000]);
        // Their replies fill whatever lies between, so somebody has to read while this writes.
        let calls: Vec<_> =
            (0..400).map(|_| scene.client.start::<_, Bytes>("Arith.Echo", &bytes)).collect();
        for call in calls {
            assert_eq!(call.wait().unwrap(), bytes);
        }
    });
}

#[test]
fn a_caller_reads_although_calls_that_take_long_were_started() {
    everywhere(|scene| {
        let long: Vec<_> = (0..3).map(|n| scene.client.start::<_, i64>("Arith.Wait", &n)).collect();
        scene.gate.wait_for(3);
        thread::scope(|threads| {
            for a in 0..3 {
                threads.spawn(move || {
                    for b in 0..100 {
                        assert_eq!(scene.multiply(a, b), a * b);
                    }
                });
            }
        });
        assert_eq!(scene.client.pending(), 3);
        scene.gate.open();
        for (n, call) in (0..).zip(long) {
            assert_eq!(call.wait().unwrap(), n);
        }
    });
}

/// Panics when it is written.
struct Unwritable;

impl serde::Serialize for Unwritable {
    fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        panic!("number 1")
    }
}

/// Panics when it is read.
#[derive(Debug)]
struct Unreadable;

impl<'de> serde::Deserialize<'de> for Unreadable {
    fn deserialize<D: serde::Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        panic!("number 2")
    }
}

#[test]
fn a_callers_types_may_panic_and_leave_nothing_behind() {
    hush();
    everywhere(|scene| {
        let client = &scene.client;
        let args = Args { a: 2, b: 3 };
        for round in 0..5 {
            let attempts: [&dyn Fn(); 4] = [
                &|| drop(client.call::<_, i64>("Arith.Multiply", &Unwritable)),
                &|| drop(client.start::<_, i64>("Arith.Multiply", &Unwritable)),
                &|| drop(client.call::<_, Unreadable>("Arith.Multiply", &args)),
                &|| drop(client.start::<_, Unreadable>("Arith.Multiply", &args).wait()),
            ];
            for attempt in attempts {
                panic::catch_unwind(AssertUnwindSafe(attempt)).unwrap_err();
                assert_eq!(client.pending(), 0);
                assert_eq!(scene.multiply(round, 3), round * 3);
            }
        }
    });
}

/// Makes a call whose caller leaves in the middle of its frame. Without a buffer in between somebody has to `take` the
/// beginning first, however long that takes.
fn leave_in_the_middle(client: &Client, transport: Transport, take: impl FnOnce()) {
    let large = Bytes::from(vec![7; 8 << 20]);
    if transport == Transport::Memory {
        let cancel = Cancel::new();
        let options = CallOptions::new().cancel(&cancel);
        let call = client.start_with::<_, i64>("A.Large", &large, &options);
        take();
        cancel.cancel();
        assert!(matches!(call.wait().unwrap_err(), CallError::Canceled));
    } else {
        let error = client.call_with::<_, i64>("A.Large", &large, &soon()).unwrap_err();
        assert!(matches!(error, CallError::Deadline), "{error:?}");
    }
    assert!(client.pending() <= 1, "at most the one before it");
}

/// A client whose server does not read, with one call stuck in the middle of its frame.
fn stuck_in_the_middle(test: impl Fn(&Client, Bare) + Send + Sync + 'static) {
    over_every_transport(move |transport| {
        if transport == Transport::Untimed {
            // Whether a write is stuck cannot be told there.
            return;
        }
        let (ours, mut bare) = against_bare(transport);
        let client = Client::new(ours, Codec::Bin).unwrap();
        let mut beginning = Vec::new();
        leave_in_the_middle(&client, transport, || {
            beginning.resize(4, 0);
            bare.reader.read_exact(&mut beginning).unwrap();
        });
        // What was taken comes first again.
        let rest = std::mem::replace(&mut bare.reader, Box::new(std::io::empty()));
        bare.reader = Box::new(std::io::Cursor::new(beginning).chain(rest));
        assert_eq!(client.pending(), 0);
        test(&client, bare);
    });
}

#[test]
fn a_frame_whose_caller_left_is_finished_and_one_that_was_queued_is_never_sent() {
    stuck_in_the_middle(|client, Bare { mut reader, mut writer }| {
        let error = client.call_with::<_, i64>("A.Queued", &1, &soon()).unwrap_err();
        assert!(matches!(error, CallError::Deadline), "{error:?}");
        let cancel = Cancel::new();
        thread::scope(|threads| {
            let options = CallOptions::new().cancel(&cancel);
            let queued =
                threads.spawn(move || client.call_with::<_, i64>("A.Canceled", &1, &options));
            until(|| client.pending() == 1);
            cancel.cancel();
            assert!(matches!(queued.join().unwrap().unwrap_err(), CallError::Canceled));
        });
        assert_eq!(client.pending(), 0);
        // Now the server reads: one whole frame, and the next call's right behind it.
        thread::scope(|threads| {
            let next = threads.spawn(|| client.call::<_, u8>("A.Next", &1_u8));
            let large = read_frame(&mut reader);
            assert_eq!(&large[1..9], b"\x07A.Large");
            assert!(large[13..].iter().all(|&byte| byte == 7));
            let frame = read_frame(&mut reader);
            assert_eq!(&frame[1..8], b"\x06A.Next");
            assert!(frame[0] > large[0], "a number is not used again");
            reply_to(&frame, &[5], &mut writer);
            assert_eq!(next.join().unwrap().unwrap(), 5);
        });
    });
}

#[test]
fn closing_ends_a_frame_that_nobody_reads() {
    stuck_in_the_middle(|client, bare| {
        client.close().unwrap();
        drop(bare);
    });
}

#[test]
fn a_server_that_hangs_up_ends_a_frame_that_nobody_reads() {
    stuck_in_the_middle(|client, bare| {
        thread::scope(|threads| {
            let queued = threads.spawn(|| client.call::<_, i64>("A.Queued", &1));
            until(|| client.pending() == 1);
            drop(bare);
            assert!(queued.join().unwrap().unwrap_err().is_safe_to_retry());
        });
        assert!(client.close().is_err());
    });
}

/// Whether a reply that was on its way when a write failed was delivered. It is, if it arrives within some milliseconds.
fn arrived_in_time(result: Result<u8, CallError>) -> bool {
    match result {
        Ok(reply) => reply == 3,
        Err(error) => {
            assert!(matches!(error, CallError::Broken(_) | CallError::UnexpectedEof), "{error:?}");
            false
        }
    }
}

#[test]
fn a_reply_on_its_way_is_delivered_though_half_a_frame_was_all_that_could_be_written() {
    let round = |transport| {
        let (ours, Bare { mut reader, mut writer }) = against_bare(transport);
        let client = Client::new(ours, Codec::Bin).unwrap();
        let arrived = thread::scope(|threads| {
            let server = threads.spawn(move || {
                let earlier = read_frame(&mut reader);
                reader.read_exact(&mut [0; 4]).unwrap();
                (reader, earlier)
            });
            let earlier = client.start::<_, u8>("A.Earlier", &1_u8);
            leave_in_the_middle(&client, transport, || {
                while !server.is_finished() {
                    thread::yield_now();
                }
            });
            let (reader, request) = server.join().unwrap();
            let said = threads.spawn(move || {
                reply_to(&request, &[3], &mut writer);
                writer
            });
            drop(reader);
            let arrived = arrived_in_time(earlier.wait());
            // In memory nobody would take it any more.
            let _ = client.close();
            drop(said.join());
            arrived
        });
        until(|| matches!(client.call::<_, u8>("A.Later", &1_u8), Err(CallError::ShutDown)));
        arrived
    };
    over_every_transport(move |transport| {
        // Over TCP nobody hears that the other side reads no more, and without time-outs not that a write is stuck.
        if !matches!(transport, Transport::Tcp | Transport::Untimed) {
            in_some_rounds("half a frame", || round(transport));
        }
    });
}

#[test]
fn a_write_that_failed_before_its_first_byte_says_that_it_can_be_repeated() {
    let round = |transport| {
        let (ours, Bare { mut reader, mut writer }) = against_bare(transport);
        let client = Client::new(ours, Codec::Bin).unwrap();
        let arrived = thread::scope(|threads| {
            let request = threads.spawn(move || {
                let request = read_frame(&mut reader);
                drop(reader);
                request
            });
            let earlier = client.start::<_, u8>("A.Earlier", &1_u8);
            let request = request.join().unwrap();
            let failing = threads.spawn(|| client.call::<_, u8>("A.Failing", &1_u8));
            // The reply of the earlier call is on its way while the write fails.
            let said = threads.spawn(move || {
                reply_to(&request, &[3], &mut writer);
                writer
            });
            let error = failing.join().unwrap().unwrap_err();
            assert!(matches!(error, CallError::NotSent(_)), "{error:?}");
            assert!(error.is_safe_to_retry());
            let arrived = arrived_in_time(earlier.wait());
            let _ = client.close();
            drop(said.join());
            arrived
        });
        let later = client.call::<_, u8>("A.Later", &1_u8).unwrap_err();
        assert!(matches!(later, CallError::ShutDown), "{later:?}");
        arrived
    };
    over_every_transport(move |transport| {
        // Over TCP the bytes leave, and the answer to them is a reset.
        if transport != Transport::Tcp {
            in_some_rounds("nothing of a frame", || round(transport));
        }
    });
}

#[test]
fn a_server_that_never_answers_holds_up_nothing_but_its_callers() {
    everywhere(|scene| {
        let (ours, Bare { mut reader, writer }) = against_bare(scene.transport);
        let client = Client::new(ours, scene.codec).unwrap();
        thread::scope(|threads| {
            let read = threads.spawn(move || read_all(&mut reader));
            for _ in 0..20 {
                let options = CallOptions::new().timeout(Duration::from_millis(2));
                let error = client.call_with::<_, i64>("A.B", &1, &options).unwrap_err();
                assert!(matches!(error, CallError::Deadline));
            }
            assert_eq!(client.pending(), 0);
            assert_eq!(scene.multiply(2, 3), 6);
            client.close().unwrap();
            drop(writer);
            let said = read.join().unwrap();
            assert!(said.windows(3).filter(|part| part == b"A.B").count() <= 20);
        });
    });
}

#[test]
fn after_the_end_nothing_is_written() {
    everywhere(|scene| {
        let (ours, Bare { mut reader, writer }) = against_bare(scene.transport);
        let client = Client::new(ours, scene.codec).unwrap();
        client.close().unwrap();
        for _ in 0..3 {
            let error = client.call::<_, i64>("A.B", &1).unwrap_err();
            assert!(matches!(error, CallError::ShutDown), "{error:?}");
            let error = client.start::<_, i64>("A.B", &1).wait().unwrap_err();
            assert!(matches!(error, CallError::ShutDown), "{error:?}");
        }
        drop(writer);
        assert!(read_all(&mut reader).is_empty());
    });
}

#[test]
fn a_caller_whose_deadline_passes_hands_the_reading_on() {
    everywhere(|scene| {
        thread::scope(|threads| {
            // The first to wait reads for all; it leaves while the others still wait.
            let leaver =
                threads.spawn(|| scene.client.call_with::<_, i64>("Arith.Wait", &1, &soon()));
            scene.gate.wait_for(1);
            let stayers: Vec<_> = (0..4)
                .map(|n| threads.spawn(move || scene.client.call::<_, i64>("Arith.Wait", &n)))
                .collect();
            assert!(leaver.join().unwrap().is_err());
            scene.gate.wait_for(5);
            scene.gate.open();
            for (n, stayer) in (0..).zip(stayers) {
                assert_eq!(stayer.join().unwrap().unwrap(), n);
            }
        });
        until(|| scene.client.dropped_replies() == 1);
    });
}

#[test]
fn a_transport_of_ones_own_is_hung_up_once() {
    watched("hung up once", || {
        let (a, b) = std::os::unix::net::UnixStream::pair().unwrap();
        let (count, counted) = std::sync::mpsc::channel();
        let closer = a.try_clone().unwrap();
        let connection = Connection::from_streams(a.try_clone().unwrap(), a, move || {
            count.send(()).unwrap();
            closer.shutdown(Shutdown::Both).unwrap();
        });
        let client = Client::new(connection, Codec::Bin).unwrap();
        client.close().unwrap();
        drop(client);
        assert_eq!(counted.iter().count(), 1);
        drop(b);
    });
}
