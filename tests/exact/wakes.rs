use std::{
    io::{Read, Write},
    thread,
    time::Duration,
};

use ringpipe::{Options, Wait};

use super::figures::figure;
use crate::common::watchdog;

const MESSAGES: usize = 20_000;
const LIMIT: Duration = Duration::from_secs(300);

/// Streams through a small ring, so that both sides sleep again and again; gives `(wakes, sleeps)` each way.
fn stream(wait: Wait) -> [(u64, u64); 2] {
    let (mut reader, mut writer) = Options::new().capacity(4096).wait(wait).ring().unwrap();
    let writing = thread::spawn(move || {
        for _ in 0..MESSAGES {
            writer.write_all(&[7; 64]).unwrap();
        }
        writer.stats()
    });
    let mut message = [0; 64];
    for _ in 0..MESSAGES {
        reader.read_exact(&mut message).unwrap();
        assert_eq!(message, [7; 64]);
    }
    // Before the writer is dropped: the close rings in any case, and is no message.
    let read = reader.stats();
    let wrote = writing.join().unwrap();
    [(wrote.wakes_sent, read.parks), (read.wakes_sent, wrote.parks)]
}

#[test]
fn no_sleep_is_woken_twice() {
    watchdog(LIMIT, || {
        let mut too_many = 0;
        for wait in [Wait::Park, Wait::Adaptive] {
            for (wakes, sleeps) in stream(wait) {
                println!("{wait:?}: {MESSAGES} messages, {sleeps} sleeps, {wakes} wakes");
                too_many += wakes.saturating_sub(sleeps);
            }
        }
        figure("P9", "wakes beyond one for each sleep", too_many, 0);
    });
}
