//! The first program of every introduction to `io.Pipe`: one thread writes two messages, another copies them to its output.
//!
//! ```text
//! cargo run --example hello
//! ```

use std::{
    io::{self, Write},
    thread,
};

fn main() -> io::Result<()> {
    let (mut reader, mut writer) = ringpipe::pipe();
    let (copied, sent) = thread::scope(|threads| {
        let sender = threads.spawn(move || {
            writer.write_all(b"hello from the other side\n")?;
            writer.write_all(b"this is the second message\n")
            // Dropping the writer closes it, and so ends the copy.
        });
        let copied = io::copy(&mut reader, &mut io::stdout());
        (copied, sender.join())
    });
    println!("{} bytes", copied?);
    sent.expect("the sender does not panic")
}
