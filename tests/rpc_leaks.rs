//! What calls leave behind: nothing. In a process of its own, so that nobody else's threads and descriptors count.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "in a test a panic is the verdict")]

use std::{fs, io, sync::mpsc, thread, time::Duration};

use ringpipe::rpc::{CallOptions, Cancel, Client, Completions};

use crate::setup::{Bare, Scene, against_bare, everywhere, watched};

#[expect(dead_code, reason = "shared with the tests of the rules, which use all of it")]
#[path = "rpc/setup.rs"]
mod setup;

/// Threads and descriptors of this process.
fn counts() -> (usize, usize) {
    let count = |path| fs::read_dir(path).unwrap().count();
    (count("/proc/self/task"), count("/proc/self/fd"))
}

/// Everything callers do to a connection before they leave it.
fn mistreat(scene: &Scene) {
    let client = &scene.client;
    // Abandoned at once, given up by deadline, canceled, announced on a queue that is full.
    for n in 0..900_i64 {
        drop(client.start::<_, i64>("Arith.Wait", &n));
    }
    let short = CallOptions::new().timeout(Duration::from_millis(1));
    for n in 0..5_i64 {
        assert!(client.call_with::<_, i64>("Arith.Wait", &n, &short).is_err());
    }
    let cancel = Cancel::new();
    let full = Completions::new(1).unwrap();
    let options = CallOptions::new().cancel(&cancel).completions(&full);
    let calls: Vec<_> =
        (0..20_i64).map(|n| client.start_with::<_, i64>("Arith.Wait", &n, &options)).collect();
    cancel.cancel();
    for call in calls {
        assert!(call.wait().is_err());
    }
    assert_eq!(client.pending(), 0);

    // Closed in the middle, and left by its server.
    let (other, serving) = scene.another();
    let calls: Vec<_> = (0..20_i64).map(|n| other.start::<_, i64>("Arith.Wait", &n)).collect();
    drop(other);
    for call in calls {
        assert!(call.wait().is_err());
    }
    // Left by a server that dies with all of them in flight, one of them waited for and none of them answered.
    let (ours, Bare { mut reader, writer }) = against_bare(scene.transport);
    let left = Client::new(ours, scene.codec).unwrap();
    thread::scope(|threads| {
        let (die, dying) = mpsc::channel();
        threads.spawn(move || {
            let reading = threads.spawn(move || io::copy(&mut reader, &mut io::sink()).unwrap());
            dying.recv().unwrap();
            drop(writer);
            reading.join().unwrap();
        });
        let calls: Vec<_> = (0..20_i64).map(|n| left.start::<_, i64>("Arith.Wait", &n)).collect();
        let waiting = threads.spawn(|| left.call::<_, i64>("Arith.Wait", &1_i64));
        die.send(()).unwrap();
        for call in calls {
            assert!(call.wait().is_err());
        }
        assert!(waiting.join().unwrap().is_err());
        assert_eq!(left.pending(), 0);
    });
    scene.gate.open();
    serving.join().unwrap();
    // What is late comes now, and is dropped.
    // A call whose deadline passed before it was sent has none.
    while client.dropped_replies() < 920 {
        thread::yield_now();
    }
    assert_eq!(scene.multiply(2, 3), 6);
}

#[test]
fn abandoned_calls_leave_no_thread_no_descriptor_and_no_entry() {
    watched("the first connection", || {
        // Whatever the process sets up once is set up here.
        everywhere(|scene| {
            scene.multiply(1, 1);
        });
    });
    let before = counts();
    everywhere(mistreat);
    assert_eq!(counts(), before, "threads and descriptors after over 17,000 calls given up");
}
