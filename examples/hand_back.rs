//! A result handed from one thread to another, of whom either may be first and either may have left.
//!
//! ```text
//! cargo run --example hand_back
//! ```
//! In Go this is a channel with room for one, so that the sender is never stuck with a receiver who has gone. A
//! [`Slot`] says more: whether the receiver was still there, and if not, the result comes back.

use std::{error::Error, fs, io, sync::Arc, thread};

use ringpipe::{pipe::scope, rpc::Slot};

const ROUNDS: usize = 1000;

fn main() -> Result<(), Box<dyn Error>> {
    let threads_before = threads()?;
    in_either_order()?;
    to_nobody();
    // A thread that has been waited for is off the list a moment later.
    while threads()? != threads_before {
        thread::yield_now();
    }
    println!("threads: as many as before");
    Ok(())
}

fn threads() -> io::Result<usize> {
    Ok(fs::read_dir("/proc/self/task")?.count())
}

/// A writer in a thread tells how many bytes it wrote; the one who waits for that is sometimes first and sometimes
/// last.
fn in_either_order() -> Result<(), Box<dyn Error>> {
    let mut taken = 0;
    for round in 0..ROUNDS {
        let result = Arc::new(Slot::new());
        let bytes = thread::scope(|threads| {
            let writer_side = Arc::clone(&result);
            threads.spawn(move || {
                let (written, copied) = scope(
                    |writer| io::copy(&mut &b"to be counted"[..], writer),
                    |reader| io::copy(reader, &mut io::sink()),
                );
                // Never blocks, whether or not somebody waits.
                let done = writer_side.complete(copied.and(written.map_err(io::Error::from)));
                assert!(done.is_ok(), "the one who waits is there");
            });
            if round % 2 == 0 {
                // The result comes before anybody waits for it.
                while !result.is_complete() {
                    thread::yield_now();
                }
            }
            result.wait()
        })?;
        assert_eq!(bytes, 13);
        taken += 1;
    }
    println!("in either order: {taken} results taken");
    Ok(())
}

/// Nobody takes the result: it comes back to the one who brought it, who owns it and releases it.
fn to_nobody() {
    let mut came_back = 0;
    for number in 0..ROUNDS {
        let slot = Slot::new();
        assert_eq!(slot.abandon(), None);
        let returned = slot.complete(vec![number]);
        assert_eq!(returned, Err(vec![number]));
        came_back += 1;
    }
    println!("to nobody: {came_back} results came back");
}
