//! What two ends say to each other, and how they see that it came through.

use std::{
    io::{self, Read, Write},
    sync::mpsc,
    thread::{self, JoinHandle},
    time::Duration,
};

use ringpipe::{Error, Options, Reader, Stream, Wait, Writer};

/// Bytes of every ring; more than what a process may grow by unnoticed.
const CAPACITY: usize = 1 << 20;
/// Messages of a conversation.
pub(crate) const ROUNDS: usize = 12;

pub(crate) fn options() -> Options {
    // Sleeps as often as it can, and looks for as long as a peer may take that is slow today.
    Options::new().capacity(CAPACITY).wait(Wait::Park).handshake_timeout(Duration::from_secs(300))
}

/// Message number `round` of a conversation.
pub(crate) fn message(round: usize) -> Vec<u8> {
    let length = [1, 7, 4096, 100_000][round % 4];
    (0..length).map(|at| (at ^ (at >> 8) ^ (round * 31)) as u8).collect()
}

/// The end of a stream where none should be.
pub(crate) fn cut_short() -> io::Error {
    Error::PeerDied { unconsumed: None }.into()
}

/// The next message, if there is one.
pub(crate) fn receive(reader: &mut Reader) -> io::Result<Option<Vec<u8>>> {
    let Some(length) = reader.next_message()? else { return Ok(None) };
    let mut message = vec![0; length];
    assert_eq!(reader.recv(&mut message)?, Some(length));
    Ok(Some(message))
}

/// Sends messages to a peer that [`echo`]es, and checks what comes back.
pub(crate) fn converse(stream: Stream) -> io::Result<()> {
    let (mut reader, mut writer) = stream.split();
    for round in 0..ROUNDS {
        let message = message(round);
        writer.send(&message)?;
        let back = receive(&mut reader)?.ok_or_else(cut_short)?;
        assert!(back == message, "message {round} came back different");
    }
    writer.finish()?;
    assert!(receive(&mut reader)?.is_none(), "a message that nobody sent");
    Ok(())
}

/// Sends back what comes, until nothing more does.
pub(crate) fn echo(stream: Stream) -> io::Result<()> {
    let (mut reader, mut writer) = stream.split();
    while let Some(message) = receive(&mut reader)? {
        writer.send(&message)?;
    }
    drop(reader);
    writer.finish()?;
    Ok(())
}

/// Bytes through a ring with both ends in this thread.
pub(crate) fn through(reader: &mut Reader, writer: &mut Writer) -> io::Result<()> {
    let message = message(3);
    writer.write_all(&message)?;
    let mut back = vec![0; message.len()];
    reader.read_exact(&mut back)?;
    assert!(back == message, "the bytes came out different");
    Ok(())
}

pub(crate) fn pour(mut writer: Writer) -> io::Result<()> {
    for round in 0..ROUNDS {
        writer.write_all(&message(round))?;
    }
    writer.finish()?;
    Ok(())
}

/// Reads what [`handing_reader`] writes.
pub(crate) fn expect_messages(reader: &mut Reader) -> io::Result<()> {
    for round in 0..ROUNDS {
        let message = message(round);
        let mut got = vec![0; message.len()];
        let mut at = 0;
        while at < got.len() {
            match reader.read(&mut got[at..])? {
                0 => return Err(cut_short()),
                n => at += n,
            }
        }
        assert!(got == message, "message {round} came out different");
    }
    assert_eq!(reader.read(&mut [0])?, 0);
    Ok(())
}

/// The error that must come; any other typed one is given on.
pub(crate) fn expect(result: io::Result<usize>, is: impl Fn(&Error) -> bool) -> io::Result<()> {
    match result {
        // The peer went because the tie was cut.
        Ok(0) => Err(cut_short()),
        Ok(n) => panic!("{n} bytes out of nowhere"),
        Err(error) if Error::of(&error).is_some_and(is) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Starts a thread of the test's own, before anything fails: the standard library ends the process where it gets no memory
/// for one. The C library keeps the stack of a thread that has ended; a usual one would look like a ring that was left.
pub(crate) fn thread<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> JoinHandle<T> {
    let (started, start) = mpsc::channel();
    let work = move || {
        started.send(()).unwrap();
        work()
    };
    let thread = thread::Builder::new().stack_size(128 << 10).spawn(work).unwrap();
    start.recv().unwrap();
    thread
}
