//! The process that lives: what it does for the victim, and what it sees of its death.

use std::{
    hint,
    io::{self, ErrorKind, Read, Write},
    sync::mpsc,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use ringpipe::{Error, Reader, Stream, Writer};

use crate::{
    acts::{Act, CAUSE, PART, RING, bytes},
    tracee::sleeps,
};

/// All that can be seen of the victim, later states being greater.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Saw {
    /// How many came, each the right one; or how many were taken, where the victim reads.
    pub(crate) bytes: usize,
    pub(crate) end: End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum End {
    Died,
    Closed,
    Error,
}

#[derive(Debug)]
pub(crate) struct Survivor {
    act: Act,
    state: State,
}

#[derive(Debug)]
enum State {
    Awake(Box<Ends>),
    /// A thread that sleeps in its call.
    Asleep(JoinHandle<Saw>),
}

#[derive(Debug)]
struct Ends {
    reader: Reader,
    writer: Writer,
    /// What was read, and how many bytes were written.
    got: Vec<u8>,
    sent: usize,
    /// It has closed its reader, over everything that the victim wrote before its own last word.
    closed: bool,
}

impl Survivor {
    /// Does what has to be done before the victim begins.
    pub(crate) fn prepare(act: Act, stream: Stream) -> Self {
        let (reader, writer) = stream.split();
        let mut ends = Ends { reader, writer, got: Vec::new(), sent: 0, closed: false };
        match act {
            Act::Read | Act::ReadOn | Act::CloseReader => ends.send(3 * PART),
            Act::ReadWakes => ends.send(RING),
            _ => {}
        }
        let state = if matches!(act, Act::WriteWakes | Act::ReadWakes | Act::CloseWakes) {
            State::Asleep(fall_asleep(act, ends))
        } else {
            State::Awake(Box::new(ends))
        };
        Self { act, state }
    }

    /// Wakes the victim, which sleeps.
    pub(crate) fn answer(&mut self) {
        // A sleep of less than 80 µs would teach the victim something else, by other instructions; after a
        // millisecond a writer wakes by itself.
        let asleep = Instant::now();
        while asleep.elapsed() < Duration::from_micros(150) {
            hint::spin_loop();
        }
        let State::Awake(ends) = &mut self.state else { unreachable!("the survivor sleeps") };
        match self.act {
            Act::ReadSleeps => ends.send(PART / 2),
            Act::WriteSleeps => ends.take(),
            Act::FinishSleeps => {
                ends.take();
                ends.reader.close();
                ends.closed = true;
            }
            act => unreachable!("nobody sleeps in {act:?}"),
        }
    }

    /// Takes what is left of the victim, which is dead.
    pub(crate) fn saw(self) -> Saw {
        match self.state {
            State::Awake(ends) => ends.saw(self.act),
            State::Asleep(thread) => thread.join().unwrap(),
        }
    }
}

/// Has a thread make the call that the victim is going to wake, and waits until it sleeps.
fn fall_asleep(act: Act, ends: Ends) -> JoinHandle<Saw> {
    let (say, hear) = mpsc::channel();
    let thread = thread::spawn(move || {
        say.send(nix::unistd::gettid()).unwrap();
        ends.saw(act)
    });
    let file = format!("/proc/self/task/{}/syscall", hear.recv().unwrap());
    while !sleeps(&file) {
        thread::yield_now();
    }
    thread
}

impl Ends {
    fn send(&mut self, n: usize) {
        self.writer.write_all(&bytes(self.sent, n)).unwrap();
        self.sent += n;
    }

    /// Reads what is there.
    fn take(&mut self) {
        let mut buf = [0; RING];
        let n = self.reader.read(&mut buf).unwrap();
        self.got.extend(&buf[..n]);
    }

    fn saw(self, act: Act) -> Saw {
        if self.closed {
            return Saw { bytes: self.got.len(), end: End::Closed };
        }
        match act {
            Act::Send => self.receive(),
            _ if act.victim_reads() => self.pour(),
            _ => self.drain(),
        }
    }

    fn drain(mut self) -> Saw {
        let result = self.reader.read_to_end(&mut self.got);
        assert_eq!(self.got, bytes(0, self.got.len()), "not what was written");
        Saw { bytes: self.got.len(), end: end(result.map(drop)) }
    }

    fn receive(mut self) -> Saw {
        let mut buf = [0; RING];
        let mut got = 0;
        let result = loop {
            match self.reader.recv(&mut buf) {
                Ok(Some(n)) => {
                    assert_eq!(buf[..n], bytes(got, PART));
                    got += n;
                }
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        Saw { bytes: got, end: end(result) }
    }

    /// Writes until it is told; what the victim took follows from what it did not.
    fn pour(mut self) -> Saw {
        let error = loop {
            match self.writer.write(&bytes(self.sent, PART)) {
                Ok(n) => self.sent += n,
                Err(error) => break error,
            }
        };
        let unconsumed = match Error::of(&error) {
            Some(Error::PeerDied { unconsumed: Some(unconsumed) }) => *unconsumed as usize,
            // The acts that close take nothing.
            Some(Error::Closed) => self.sent,
            other => panic!("{other:?}"),
        };
        Saw { bytes: self.sent - unconsumed, end: end(Err(error)) }
    }
}

fn end(result: io::Result<()>) -> End {
    let Err(error) = result else { return End::Closed };
    match Error::of(&error) {
        Some(Error::PeerDied { .. }) => End::Died,
        Some(Error::Closed) => End::Closed,
        Some(Error::ClosedWith(cause)) => {
            assert_eq!((error.kind(), &*cause.to_string()), (ErrorKind::Other, CAUSE));
            End::Error
        }
        other => panic!("{other:?}"),
    }
}
