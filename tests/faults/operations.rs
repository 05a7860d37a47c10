//! What is done while calls fail: all that makes, uses, closes and hands over a ring.
//!
//! Each either succeeds, and then has seen that every byte was right, or gives the error it met.

use std::{
    cell::Cell,
    io::{self, Read, Write},
    os::{
        fd::{AsFd, AsRawFd},
        unix::net::UnixStream,
    },
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use nix::{
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::wait::{WaitStatus, waitpid},
    unistd::{ForkResult, Pid, fork},
};
use ringpipe::{Doorbell, Error, Options, Reader, Stream, Wait, Writer, ring::Pollable};

use crate::{
    adversity::Adversity,
    arming::paused,
    child::other,
    scene::{Scene, say},
};

/// Bytes of every ring; more than what a process may grow by unnoticed.
const CAPACITY: usize = 1 << 20;
/// Messages of a conversation.
const ROUNDS: usize = 12;

/// Something that is done.
#[derive(Debug)]
pub(crate) struct Operation {
    pub(crate) name: &'static str,
    pub(crate) work: fn(&mut Scene) -> io::Result<()>,
}

impl Operation {
    /// Whether the test itself starts a thread for it.
    pub(crate) fn needs_threads(&self) -> bool {
        [IN_ONE_PROCESS, "closing and deadlines"].contains(&self.name)
    }

    /// Whether a call is the library's own: the standard library relies on its word with a child that it starts.
    pub(crate) fn makes(&self, call: &str) -> bool {
        !(self.name.starts_with("handing over") && call == "recvfrom")
    }
}

const fn operation(name: &'static str, work: fn(&mut Scene) -> io::Result<()>) -> Operation {
    Operation { name, work }
}

/// The operation of which both sides share a process.
pub(crate) const IN_ONE_PROCESS: &str = "a ring between threads";

/// Every operation.
pub(crate) const OPERATIONS: &[Operation] = &[
    operation("a ring", ring),
    operation("a ring that is polled", polled_ring),
    operation("a ring kept in memory", resident_ring),
    operation(IN_ONE_PROCESS, threads),
    operation("a listener", listener),
    operation("a listener where one died", stale_listener),
    operation("accepting", accepting),
    operation("connecting", connecting),
    operation("accepting a polled stream", accepting_polled),
    operation("connecting a polled stream", connecting_polled),
    operation("refusing a stranger", refusing),
    operation("handing over a reader", handing_reader),
    operation("handing over a writer", handing_writer),
    operation("taking up a reader", taking_reader),
    operation("taking up a writer", taking_writer),
    operation("sleeping", sleeping),
    operation("closing and deadlines", closing),
    operation("the death of the peer", death),
    operation("dropping", dropping),
    operation("a forked copy", forking),
];

fn options() -> Options {
    // Sleeps as often as it can, and looks for as long as a peer may take that is slow today.
    Options::new().capacity(CAPACITY).wait(Wait::Park).handshake_timeout(Duration::from_secs(300))
}

fn polled() -> Options {
    options().doorbell(Doorbell::EventFd)
}

/// Message number `round` of a conversation.
fn message(round: usize) -> Vec<u8> {
    let length = [1, 7, 4096, 100_000][round % 4];
    (0..length).map(|at| (at ^ (at >> 8) ^ (round * 31)) as u8).collect()
}

/// The end of a stream where none should be.
fn cut_short() -> io::Error {
    Error::PeerDied { unconsumed: None }.into()
}

/// The next message, if there is one.
fn receive(reader: &mut Reader) -> io::Result<Option<Vec<u8>>> {
    let Some(length) = reader.next_message()? else { return Ok(None) };
    let mut message = vec![0; length];
    assert_eq!(reader.recv(&mut message)?, Some(length));
    Ok(Some(message))
}

/// Sends messages to a peer that [`echo`]es, and checks what comes back.
fn converse(stream: Stream) -> io::Result<()> {
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
fn echo(stream: Stream) -> io::Result<()> {
    let (mut reader, mut writer) = stream.split();
    while let Some(message) = receive(&mut reader)? {
        writer.send(&message)?;
    }
    drop(reader);
    writer.finish()?;
    Ok(())
}

/// Starts a thread of the test's own, before anything fails: the standard library ends the process where it gets no memory
/// for one. The C library keeps the stack of a thread that has ended; a usual one would look like a ring that was left.
fn thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    let (started, start) = mpsc::channel();
    let work = move || {
        started.send(()).unwrap();
        work()
    };
    let thread = thread::Builder::new().stack_size(128 << 10).spawn(work).unwrap();
    start.recv().unwrap();
    thread
}

/// Bytes through a ring with both ends in this thread.
fn through(reader: &mut Reader, writer: &mut Writer) -> io::Result<()> {
    let message = message(3);
    writer.write_all(&message)?;
    let mut back = vec![0; message.len()];
    reader.read_exact(&mut back)?;
    assert!(back == message, "the bytes came out different");
    Ok(())
}

fn ring(scene: &mut Scene) -> io::Result<()> {
    scene.armed(|_| {
        let (mut reader, mut writer) = options().ring()?;
        through(&mut reader, &mut writer)?;
        writer.close();
        assert_eq!(reader.read(&mut [0])?, 0);
        Ok(())
    })
}

fn polled_ring(scene: &mut Scene) -> io::Result<()> {
    scene.armed(|_| {
        let (reader, mut writer) = polled().ring()?;
        let mut reader = reader.pollable()?;
        through(&mut reader, &mut writer)?;
        drop(writer);
        assert!(is_lit(&reader));
        assert_eq!(reader.read(&mut [0])?, 0);
        Ok(())
    })
}

fn resident_ring(scene: &mut Scene) -> io::Result<()> {
    scene.armed(|_| {
        let options = options().capacity(4 << 20).huge_pages(true).prefault(true).lock(true);
        let (mut reader, mut writer) = options.ring()?;
        through(&mut reader, &mut writer)
    })
}

fn threads(scene: &mut Scene) -> io::Result<()> {
    scene.install();
    let (give, take) = mpsc::channel::<(Reader, Writer)>();
    let echo = thread(move || -> io::Result<()> {
        let Ok((mut reader, mut writer)) = take.recv() else { return Ok(()) };
        while let Some(message) = receive(&mut reader)? {
            writer.send(&message)?;
        }
        Ok(())
    });
    let said = scene.armed(|_| {
        let (there, mut to) = options().ring()?;
        let (mut from, back) = options().ring()?;
        assert!(paused(|| give.send((there, back)).is_ok()));
        for round in 0..ROUNDS {
            let message = message(round);
            to.send(&message)?;
            assert!(receive(&mut from)?.ok_or_else(cut_short)? == message);
        }
        to.finish()
    });
    drop(give);
    said.and(echo.join().unwrap())
}

fn listener(scene: &mut Scene) -> io::Result<()> {
    scene.armed(|scene| {
        let path = scene.dir.join("listener");
        let listener = options().bind(&path)?;
        paused(|| UnixStream::connect(&path)).unwrap();
        drop(listener);
        Ok(())
    })
}

fn stale_listener(scene: &mut Scene) -> io::Result<()> {
    let path = scene.dir.join("stale");
    let stale = std::os::unix::net::UnixListener::bind(&path).unwrap();
    drop(stale);
    let result = scene.armed(|_| {
        let listener = options().bind(&path)?;
        paused(|| UnixStream::connect(&path)).unwrap();
        drop(listener);
        Ok(())
    });
    // It was there before.
    if result.is_err() {
        let _ = std::fs::remove_file(&path);
    }
    result
}

fn accepting(scene: &mut Scene) -> io::Result<()> {
    let path = scene.dir.join("accepting");
    let listener = options().bind(&path)?;
    scene.peer(|| {
        // SAFETY: the copy that this process got, which never uses it.
        unsafe { libc::close(listener.as_fd().as_raw_fd()) };
        converse(options().connect(&path)?)
    });
    scene.armed(|_| echo(listener.accept()?))
}

fn connecting(scene: &mut Scene) -> io::Result<()> {
    let path = scene.dir.join("connecting");
    let listener = options().bind(&path)?;
    scene.peer(|| echo(listener.accept()?));
    let result = scene.armed(|_| converse(options().connect(&path)?));
    if result.is_err() {
        // The peer may still wait for somebody.
        drop(UnixStream::connect(&path));
    }
    result
}

fn accepting_polled(scene: &mut Scene) -> io::Result<()> {
    let here = joined(scene, |there| poll_and_converse(polled().connect_on(there)?)).0;
    scene.armed(|_| poll_and_converse(polled().accept_on(here)?))
}

fn connecting_polled(scene: &mut Scene) -> io::Result<()> {
    let here = joined(scene, |there| poll_and_converse(polled().accept_on(there)?)).0;
    scene.armed(|_| poll_and_converse(polled().connect_on(here)?))
}

/// A socket that leads to a peer, which does what `work` says with the other half.
fn joined(scene: &mut Scene, work: impl FnOnce(UnixStream) -> io::Result<()>) -> (UnixStream, Pid) {
    let (here, there) = UnixStream::pair().unwrap();
    let (here, there) = (Cell::new(Some(here)), Cell::new(Some(there)));
    let peer = scene.peer(|| {
        // Whose copy in the peer would keep it from noticing that this process hangs up.
        drop(here.take());
        work(there.take().unwrap())
    });
    (here.take().unwrap(), peer)
}

fn is_lit(end: &impl AsFd) -> bool {
    let mut fds = [PollFd::new(end.as_fd(), PollFlags::POLLIN)];
    paused(|| poll(&mut fds, PollTimeout::ZERO)) == Ok(1)
}

/// Waits until an end may go on.
fn wait_for(end: &impl AsFd) {
    let mut fds = [PollFd::new(end.as_fd(), PollFlags::POLLIN)];
    paused(|| poll(&mut fds, PollTimeout::NONE)).unwrap();
}

/// Both sides send the same bytes and check the other's, without ever being blocked by an end.
fn poll_and_converse(stream: Stream) -> io::Result<()> {
    let (reader, writer) = stream.split();
    let (mut reader, mut writer) = (reader.pollable()?, writer.pollable()?);
    // More than the ring holds, so that each waits for the other's reading.
    let bytes: Vec<u8> = (0..12).flat_map(|_| message(3)).collect();
    let (mut sent, mut got) = (0, 0);
    let mut buf = vec![0; 64 << 10];
    while sent < bytes.len() || got < bytes.len() {
        let mut idle = true;
        if sent < bytes.len() {
            match writer.try_write(&bytes[sent..]) {
                Ok(n) => (sent, idle) = (sent + n, false),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        if got < bytes.len() {
            match reader.try_read(&mut buf) {
                Ok(0) => return Err(cut_short()),
                Ok(n) => {
                    assert!(buf[..n] == bytes[got..got + n], "the bytes came out different");
                    (got, idle) = (got + n, false);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        if idle {
            wait_for_either(&reader, &writer, sent < bytes.len(), got < bytes.len());
        }
    }
    writer.close();
    wait_for(&reader);
    assert_eq!(reader.read(&mut [0])?, 0);
    Ok(())
}

fn wait_for_either(reader: &Pollable<Reader>, writer: &Pollable<Writer>, write: bool, read: bool) {
    let mut fds = Vec::new();
    if read {
        fds.push(PollFd::new(reader.as_fd(), PollFlags::POLLIN));
    }
    if write {
        fds.push(PollFd::new(writer.as_fd(), PollFlags::POLLIN));
    }
    paused(|| poll(&mut fds, PollTimeout::NONE)).unwrap();
}

fn refusing(scene: &mut Scene) -> io::Result<()> {
    for part in [0, 1, 127, 128] {
        let (here, mut there) = UnixStream::pair().unwrap();
        there.write_all(&vec![b'?'; part]).unwrap();
        drop(there);
        let refused = scene.armed(|_| options().accept_on(here)).unwrap_err();
        assert!(!matches!(refused, Error::Timeout), "{refused}");
        if part == 128 {
            return Err(refused.into());
        }
    }
    Ok(())
}

/// The child's role is one of those that [`child`] plays.
fn handing_reader(scene: &mut Scene) -> io::Result<()> {
    scene.armed(|_| {
        let (reader, mut writer) = options().ring()?;
        let child = reader.hand_to(other("read"))?;
        let poured = (|| {
            for round in 0..ROUNDS {
                writer.write_all(&message(round))?;
            }
            writer.finish()
        })();
        drop(writer);
        ended(child, poured)
    })
}

fn handing_writer(scene: &mut Scene) -> io::Result<()> {
    scene.armed(|_| {
        let (mut reader, writer) = options().ring()?;
        let child = writer.hand_to(other("write"))?;
        let drained = expect_messages(&mut reader);
        drop(reader);
        ended(child, drained)
    })
}

/// Reads what [`handing_reader`] writes.
fn expect_messages(reader: &mut Reader) -> io::Result<()> {
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

fn ended(mut child: Child, result: io::Result<()>) -> io::Result<()> {
    let status = child.wait().unwrap();
    if !status.success() {
        say(&format!("wrong the child ended as {status}"));
    }
    result
}

fn taking_reader(scene: &mut Scene) -> io::Result<()> {
    let (reader, mut writer) = options().ring()?;
    let mut child = reader.hand_to(taking(scene, "take-reader"))?;
    let poured = (|| {
        for round in 0..ROUNDS {
            writer.write_all(&message(round))?;
        }
        writer.finish()
    })();
    drop(writer);
    relay(&mut child);
    ended(child, only_typed(poured))
}

fn taking_writer(scene: &mut Scene) -> io::Result<()> {
    let (mut reader, writer) = options().ring()?;
    let mut child = writer.hand_to(taking(scene, "take-writer"))?;
    let drained = expect_messages(&mut reader);
    drop(reader);
    relay(&mut child);
    ended(child, only_typed(drained))
}

/// This process is the peer of the one that faults strike, whose verdict counts.
fn only_typed(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if crate::scene::is_typed(&error) => Ok(()),
        other => other,
    }
}

/// A child that bears what `scene` was to bear.
fn taking(scene: &mut Scene, role: &str) -> Command {
    let adversity = std::mem::replace(&mut scene.adversity, Adversity::none());
    let mut command = other(format!("{role} {}", adversity.to_words()).trim_end());
    command.stderr(Stdio::piped());
    command
}

/// Says what a child says.
fn relay(child: &mut Child) {
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    said.lines().for_each(say);
}

/// The other side of [`handing_reader`] and [`handing_writer`].
pub(crate) fn child(role: &str) {
    let result = match role {
        "read" => options().inherited_reader().map_err(Into::into).and_then(|mut reader| {
            let read = expect_messages(&mut reader);
            reader.close();
            read
        }),
        _ => options().inherited_writer().map_err(Into::into).and_then(pour),
    };
    if let Err(error) = result {
        assert!(crate::scene::is_typed(&error), "{error:?}");
    }
}

fn pour(mut writer: Writer) -> io::Result<()> {
    for round in 0..ROUNDS {
        writer.write_all(&message(round))?;
    }
    writer.finish()?;
    Ok(())
}

/// What [`taking_reader`]'s and [`taking_writer`]'s child does.
pub(crate) fn take_up(role: &str, scene: &mut Scene) -> io::Result<()> {
    scene.takes_a_socket = true;
    scene.armed(|_| match role {
        "take-reader" => {
            let mut reader = options().inherited_reader()?;
            expect_messages(&mut reader)
        }
        _ => pour(options().inherited_writer()?),
    })
}

/// A stream that stands before anything fails; the peer does what `peer` says.
fn standing(
    scene: &mut Scene,
    peer: impl FnOnce(Stream) -> io::Result<()>,
) -> io::Result<(Stream, Pid)> {
    let (here, peer) = joined(scene, |there| peer(options().connect_on(there)?));
    // After the peer, and before the stream's thread.
    scene.install();
    Ok((options().accept_on(here)?, peer))
}

fn sleeping(scene: &mut Scene) -> io::Result<()> {
    let (stream, _) = standing(scene, echo)?;
    scene.armed(|_| converse(stream))
}

fn closing(scene: &mut Scene) -> io::Result<()> {
    // The peer reads to the end, and never says a word.
    let (stream, _) = standing(scene, |stream| {
        let (mut reader, writer) = stream.split();
        io::copy(&mut reader, &mut io::sink())?;
        drop(writer);
        Ok(())
    })?;
    let (mut reader, mut writer) = stream.split();
    let control = reader.control();
    let (move_it, moved) = mpsc::channel();
    // Another thread moves the deadline of a call that sleeps, and then ends it for good.
    let mover = thread(move || {
        moved.recv().unwrap();
        control.set_deadline(Some(Instant::now() + Duration::from_millis(5)));
        moved.recv().unwrap();
        control.close();
    });
    let result = scene.armed(|_| {
        reader.set_deadline(Some(Instant::now() + Duration::from_millis(5)));
        expect(reader.read(&mut [0]), |error| matches!(error, Error::Timeout))?;
        reader.set_deadline(None);
        move_it.send(()).unwrap();
        expect(reader.read(&mut [0]), |error| matches!(error, Error::Timeout))?;
        reader.set_deadline(None);
        move_it.send(()).unwrap();
        expect(reader.read(&mut [0]), |error| matches!(error, Error::Closed))?;
        writer.write_all(&message(3))?;
        writer.finish()
    });
    if result.is_err() {
        // Whatever it still waits for.
        (0..2).for_each(|_| _ = move_it.send(()));
    }
    mover.join().unwrap();
    result
}

/// The error that must come; any other typed one is given on.
fn expect(result: io::Result<usize>, is: impl Fn(&Error) -> bool) -> io::Result<()> {
    match result {
        // The peer went because the tie was cut.
        Ok(0) => Err(cut_short()),
        Ok(n) => panic!("{n} bytes out of nowhere"),
        Err(error) if Error::of(&error).is_some_and(is) => Ok(()),
        Err(error) => Err(error),
    }
}

fn death(scene: &mut Scene) -> io::Result<()> {
    let (here, peer) = joined(scene, |there| {
        let (_reader, mut writer) = options().connect_on(there)?.split();
        writer.write_all(&message(1))?;
        loop {
            thread::park();
        }
    });
    let result = scene.armed(|scene| {
        let (mut reader, mut writer) = options().accept_on(here)?.split();
        let mut last_words = [0; 7];
        reader.read_exact(&mut last_words)?;
        assert!(last_words[..] == message(1));
        paused(|| scene.kill(peer));
        expect(reader.read(&mut [0]), |error| matches!(error, Error::PeerDied { .. }))?;
        // Until the ring is full at the latest.
        let poured = (0..40).try_for_each(|_| writer.write_all(&message(3)));
        expect(poured.map(|()| 0), |error| matches!(error, Error::PeerDied { .. }))
    });
    if result.is_err() {
        scene.kill(peer);
    }
    result
}

fn forking(scene: &mut Scene) -> io::Result<()> {
    let (mut reader, mut writer) = scene.armed(|_| options().ring())?;
    writer.write_all(b"original")?;
    // SAFETY: the child allocates, which the C library allows after fork, and leaves by `_exit`.
    match unsafe { fork() }.unwrap() {
        ForkResult::Child => {
            let forked = |error: io::Error| matches!(Error::of(&error), Some(Error::Forked));
            let told =
                reader.read(&mut [0]).is_err_and(forked) && writer.write(&[0]).is_err_and(forked);
            drop((reader, writer));
            // SAFETY: ends the process without running what belongs to its parent.
            unsafe { libc::_exit(i32::from(!told)) }
        }
        ForkResult::Parent { child } => {
            let status = waitpid(child, None).unwrap();
            assert_eq!(status, WaitStatus::Exited(child, 0), "a copy passes for the original");
        }
    }
    let mut original = [0; 8];
    reader.read_exact(&mut original)?;
    assert_eq!(&original, b"original");
    Ok(())
}

fn dropping(scene: &mut Scene) -> io::Result<()> {
    let (mut stream, _) = standing(scene, echo)?;
    stream.writer().send(&message(2))?;
    assert!(receive(stream.reader())?.ok_or_else(cut_short)? == message(2));
    scene.armed(|_| drop(stream));
    Ok(())
}
