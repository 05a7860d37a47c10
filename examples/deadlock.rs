//! The mistake everybody makes once: both ends of a pipe without a buffer, in one thread.
//!
//! ```text
//! cargo run --example deadlock
//! ```
//! Go says "all goroutines are asleep". Here the call fails, and says which pipe, which call, and what to do.

use std::io::{self, Write};

fn main() -> io::Result<()> {
    let (reader, mut writer) = ringpipe::pipe();
    // Waits for somebody to read, which nobody can.
    let error = writer.write_all(b"to myself").expect_err("a deadlock");
    println!("{:?}: {error}", error.kind());

    // Nothing is broken by it: with a thread for one of the ends, it works.
    let text = std::thread::scope(|threads| {
        threads.spawn(move || writer.write_all(b"to another thread"));
        io::read_to_string(reader)
    })?;
    println!("{text}");
    Ok(())
}
