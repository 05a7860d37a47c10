//! Deadlines, cancellation, abandonment: who leaves, leaves nothing behind and holds nobody up.

use std::{
    io::Read,
    net::Shutdown,
    thread,
    time::{Duration, Instant},
};

use ringpipe::rpc::{Bytes, CallError, CallOptions, Cancel, Client, Codec, Connection};

use crate::setup::{against_socket, everywhere, read_all, read_frame, watched, write_frame};

fn soon() -> CallOptions {
    CallOptions::new().timeout(Duration::from_millis(20))
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
fn a_deadline_that_has_passed_sends_nothing() {
    watched("passed deadline", || {
        let (ours, mut theirs) = against_socket();
        let client = Client::new(ours, Codec::Bin).unwrap();
        let passed = CallOptions::new().deadline(Instant::now());
        for _ in 0..2 {
            let error = client.call_with::<_, i64>("A.B", &1, &passed).unwrap_err();
            assert!(matches!(error, CallError::Deadline));
            let error = client.start_with::<_, i64>("A.B", &1, &passed).wait().unwrap_err();
            assert!(matches!(error, CallError::Deadline));
        }
        drop(client);
        assert!(read_all(&mut theirs).is_empty());
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

#[test]
fn a_reply_on_the_wire_wins_over_close() {
    watched("reply on the wire", || {
        let (ours, mut theirs) = against_socket();
        let client = Client::new(ours, Codec::Bin).unwrap();
        thread::scope(|threads| {
            let waiting = threads.spawn(|| client.call::<_, u8>("A.B", &1_u8));
            let frame = read_frame(&mut theirs);
            write_frame(&mut theirs, &[frame[0], 0, 9]);
            assert_eq!(waiting.join().unwrap().unwrap(), 9);
        });
        client.close().unwrap();
    });
}

/// A client whose server does not read, with one call stuck in the middle of its frame.
fn stuck_in_the_middle(
    test: impl FnOnce(&Client, std::os::unix::net::UnixStream) + Send + 'static,
) {
    watched("stuck in the middle", || {
        let (ours, theirs) = against_socket();
        let client = Client::new(ours, Codec::Bin).unwrap();
        let large = Bytes::from(vec![7; 4 << 20]);
        let error = client.call_with::<_, i64>("A.Large", &large, &soon()).unwrap_err();
        assert!(matches!(error, CallError::Deadline), "{error:?}");
        assert_eq!(client.pending(), 0);
        test(&client, theirs);
    });
}

#[test]
fn a_frame_whose_caller_left_is_finished_and_one_that_was_queued_is_never_sent() {
    stuck_in_the_middle(|client, mut theirs| {
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
            let large = read_frame(&mut theirs);
            assert_eq!(&large[1..9], b"\x07A.Large");
            assert!(large[13..].iter().all(|&byte| byte == 7));
            let frame = read_frame(&mut theirs);
            assert_eq!(&frame[1..8], b"\x06A.Next");
            write_frame(&mut theirs, &[frame[0], 0, 5]);
            assert_eq!(next.join().unwrap().unwrap(), 5);
        });
    });
}

#[test]
fn closing_ends_a_frame_that_nobody_reads() {
    stuck_in_the_middle(|client, theirs| {
        client.close().unwrap();
        drop(theirs);
    });
}

#[test]
fn a_server_that_hangs_up_ends_a_frame_that_nobody_reads() {
    stuck_in_the_middle(|client, theirs| {
        thread::scope(|threads| {
            let queued = threads.spawn(|| client.call::<_, i64>("A.Queued", &1));
            until(|| client.pending() == 1);
            drop(theirs);
            assert!(queued.join().unwrap().unwrap_err().is_safe_to_retry());
        });
        assert!(client.close().is_err());
    });
}

#[test]
fn a_write_that_failed_before_its_first_byte_says_that_it_can_be_repeated() {
    watched("not sent", || {
        let (ours, mut theirs) = against_socket();
        let client = Client::new(ours, Codec::Bin).unwrap();
        let earlier = client.start::<_, u8>("A.Earlier", &1_u8);
        let frame = read_frame(&mut theirs);
        theirs.shutdown(Shutdown::Read).unwrap();
        thread::scope(|threads| {
            let failing = threads.spawn(|| client.call::<_, u8>("A.Failing", &1_u8));
            // The reply of the earlier call is on its way while the write fails.
            write_frame(&mut theirs, &[frame[0], 0, 3]);
            let error = failing.join().unwrap().unwrap_err();
            assert!(matches!(error, CallError::NotSent(_)), "{error:?}");
            assert!(error.is_safe_to_retry());
        });
        assert_eq!(earlier.wait().unwrap(), 3, "and it is not lost");
        let later = client.call::<_, u8>("A.Later", &1_u8).unwrap_err();
        assert!(matches!(later, CallError::ShutDown), "{later:?}");
    });
}

#[test]
fn a_server_that_never_answers_holds_up_nothing_but_its_callers() {
    watched("never answers", || {
        let (ours, mut theirs) = against_socket();
        let client = Client::new(ours, Codec::Json).unwrap();
        for _ in 0..20 {
            let error = client
                .call_with::<_, i64>(
                    "A.B",
                    &1,
                    &CallOptions::new().timeout(Duration::from_millis(2)),
                )
                .unwrap_err();
            assert!(matches!(error, CallError::Deadline));
        }
        assert_eq!(client.pending(), 0);
        client.close().unwrap();
        let mut text = String::new();
        theirs.read_to_string(&mut text).unwrap();
        assert_eq!(text.lines().count(), 20);
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
