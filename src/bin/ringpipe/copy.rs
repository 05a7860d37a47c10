//! The two directions: standard input to the ring, and the ring to standard output.

use std::{
    fs::File,
    io::{self, ErrorKind, Read, Write},
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    sync::atomic::{AtomicU64, Ordering},
};

use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::eventfd::{EfdFlags, EventFd},
};
use ringpipe::{Error, Reader, Stats, Writer};

/// Bytes that one call reads or writes at most.
const CHUNK: usize = 256 << 10;
/// Milliseconds between two looks at whether the peer is still there, once nothing more can come from it and nothing comes
/// from standard input. Nobody tells us that an idle writer's reader closed.
const LOOK_EVERY: u8 = 100;

/// How a direction ended.
#[derive(Debug)]
pub(crate) enum Ending {
    /// With the end of its input, all of it delivered.
    Clean,
    /// By a failure of this process's standard input or output, which the peer has been told in these words.
    Failed(String),
    /// By what the peer said, or by its death.
    Peer(io::Error),
    /// Because it was told to stop.
    Stopped,
}

/// A direction that is over.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) ending: Ending,
    pub(crate) stats: Stats,
}

/// What the sending thread has to know while it waits for input. Set, then [ring](Nudge::ring).
#[derive(Debug)]
pub(crate) struct Nudge {
    bell: EventFd,
    orders: AtomicU64,
}

/// Nothing more comes from the peer: do not wait for input that it will not read.
pub(crate) const PEER_IS_DONE: u64 = 1;
/// The session is over.
pub(crate) const STOP: u64 = 2;

impl Nudge {
    pub(crate) fn new() -> nix::Result<Self> {
        let flags = EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK;
        Ok(Self { bell: EventFd::from_flags(flags)?, orders: AtomicU64::new(0) })
    }

    pub(crate) fn ring(&self, order: u64) {
        self.orders.fetch_or(order, Ordering::Release);
        let _ = self.bell.write(1);
    }

    fn has(&self, order: u64) -> bool {
        self.orders.load(Ordering::Acquire) & order != 0
    }
}

/// What waiting for input came to.
enum Input {
    Ready,
    /// Nothing yet.
    Idle,
    Stop,
}

/// Copies `input` to the ring, and waits for the peer's word about what became of it.
pub(crate) fn send(input: &File, mut writer: Writer, nudge: &Nudge, sent: &AtomicU64) -> Done {
    let ending = send_all(input, &mut writer, nudge, sent);
    if let Ending::Failed(text) = &ending {
        writer.close_with_error(text.as_str());
    }
    Done { ending, stats: writer.stats() }
}

fn send_all(mut input: &File, writer: &mut Writer, nudge: &Nudge, sent: &AtomicU64) -> Ending {
    let mut buf = vec![0; CHUNK];
    loop {
        match wait_for_input(input.as_fd(), nudge) {
            Ok(Input::Ready) => {}
            Ok(Input::Stop) => return Ending::Stopped,
            // A reservation of nothing fails exactly when the peer will not read.
            Ok(Input::Idle) if writer.reserve(0).is_err() => break,
            Ok(Input::Idle) => continue,
            Err(e) => return Ending::Failed(format!("waiting for standard input: {e}")),
        }
        let n = match input.read(&mut buf) {
            Ok(0) => break,
            Ok(n) => n,
            Err(e) if matches!(e.kind(), ErrorKind::Interrupted | ErrorKind::WouldBlock) => {
                continue;
            }
            Err(e) => return Ending::Failed(format!("reading standard input: {e}")),
        };
        if let Err(error) = writer.write_all(&buf[..n]) {
            return of_the_stream(error, nudge);
        }
        sent.fetch_add(n as u64, Ordering::Relaxed);
    }
    match writer.finish() {
        Ok(()) => Ending::Clean,
        Err(error) => of_the_stream(error, nudge),
    }
}

/// Copies the ring to `output`, and closes that at the end, so that whoever reads it sees the end as well.
pub(crate) fn receive(mut reader: Reader, output: OwnedFd, received: &AtomicU64) -> Done {
    let ending = receive_all(&mut reader, output.into(), received);
    if let Ending::Failed(text) = &ending {
        reader.close_with_error(text.as_str());
    }
    // Dropping the reader closes it without an error, which is what the peer's `finish` waits for.
    Done { ending, stats: reader.stats() }
}

fn receive_all(reader: &mut Reader, mut output: File, received: &AtomicU64) -> Ending {
    let mut buf = vec![0; CHUNK];
    loop {
        let n = match reader.read(&mut buf) {
            Ok(0) => break,
            Ok(n) => n,
            Err(error) => match Error::of(&error) {
                // The other direction failed. What is in the ring is still good; more need not come.
                Some(Error::Timeout) => {
                    reader.set_deadline(None);
                    reader.set_nonblocking(true);
                    continue;
                }
                // This end was closed by the session, or there is no more to be had without waiting.
                Some(Error::Closed) | None => return Ending::Stopped,
                Some(_) => return Ending::Peer(error),
            },
        };
        if let Err(e) = write_all(&mut output, &buf[..n]) {
            return Ending::Failed(format!("writing standard output: {e}"));
        }
        received.fetch_add(n as u64, Ordering::Relaxed);
    }
    // Some file systems tell only now that there was no room.
    match nix::unistd::close(output) {
        Ok(()) | Err(Errno::EINTR) => Ending::Clean,
        Err(e) => Ending::Failed(format!("closing standard output: {e}")),
    }
}

/// A failure to write: the peer's doing, unless this side closed the end while the call was running.
fn of_the_stream(error: io::Error, nudge: &Nudge) -> Ending {
    if nudge.has(STOP) { Ending::Stopped } else { Ending::Peer(error) }
}

fn wait_for_input(input: BorrowedFd<'_>, nudge: &Nudge) -> Result<Input, Errno> {
    loop {
        if nudge.has(STOP) {
            return Ok(Input::Stop);
        }
        let mut ready = [
            PollFd::new(input, PollFlags::POLLIN),
            PollFd::new(nudge.bell.as_fd(), PollFlags::POLLIN),
        ];
        let done = nudge.has(PEER_IS_DONE);
        let timeout = if done { PollTimeout::from(LOOK_EVERY) } else { PollTimeout::NONE };
        match poll(&mut ready, timeout) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(e) => return Err(e),
        }
        if ready[1].any() == Some(true) {
            let _ = nudge.bell.read();
            continue;
        }
        if ready[0].any() == Some(true) {
            return Ok(Input::Ready);
        }
        if done {
            return Ok(Input::Idle);
        }
    }
}

/// As the method of that name, but for a descriptor that somebody else has set not to block, as terminals often are.
fn write_all(output: &mut File, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match output.write(bytes) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(n) => bytes = &bytes[n..],
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) if e.kind() == ErrorKind::WouldBlock => {
                let _ =
                    poll(&mut [PollFd::new(output.as_fd(), PollFlags::POLLOUT)], PollTimeout::NONE);
            }
            Err(e) => return Err(e),
        }
    }
    Ok(())
}
