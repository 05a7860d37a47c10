//! The shared-memory ring of this project, one for each direction: through `Read` and `Write`, and as an event loop uses
//! it, which polls a descriptor and then takes what is there.

use std::{
    io::{self, Read, Write},
    os::{fd::AsFd, unix::net::UnixStream},
};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use ringpipe::{Doorbell, Options, Pollable, Reader, Stream, Writer};

use super::{Link, Role, doing};
use crate::{
    case::{Case, Wait},
    control::Facts,
};

/// Both directions of a ring stream.
#[derive(Debug)]
pub(super) struct Ring {
    reader: Reader,
    writer: Writer,
    facts: Facts,
}

pub(super) fn open(case: &Case, role: Role, meet: &UnixStream) -> io::Result<Ring> {
    Ok(Ring::new(stream(&options(case), role, meet)?))
}

/// What the row asks of a ring.
pub(super) fn options(case: &Case) -> Options {
    let options = Options::new().wait(match case.row.wait {
        Wait::Block => ringpipe::Wait::Park,
        Wait::Adaptive => ringpipe::Wait::Adaptive,
        Wait::Spin => ringpipe::Wait::Spin,
    });
    match case.buffer {
        Some(buffer) => options.capacity(buffer.0),
        None => options,
    }
}

/// This side of a stream of two rings.
pub(super) fn stream(options: &Options, role: Role, meet: &UnixStream) -> io::Result<Stream> {
    let meet = meet.try_clone()?;
    let stream = match role {
        Role::Initiator => options.accept_on(meet),
        Role::Responder => options.connect_on(meet),
    };
    doing(stream, "making a ring")
}

/// The capacity that a ring has.
pub(super) fn facts(writer: &Writer) -> Facts {
    Facts::from([("capacity".to_owned(), writer.capacity().to_string())])
}

impl Ring {
    pub(super) fn new(stream: Stream) -> Self {
        let (reader, writer) = stream.split();
        let facts = facts(&writer);
        Self { reader, writer, facts }
    }
}

impl Link for Ring {
    #[inline]
    fn send(&mut self, message: &[u8]) -> io::Result<()> {
        self.writer.write_all(message)
    }

    #[inline]
    fn recv(&mut self, message: &mut [u8]) -> io::Result<()> {
        self.reader.read_exact(message)
    }

    fn facts(&self) -> Facts {
        self.facts.clone()
    }
}

/// Both directions of a ring stream, each with a descriptor to poll.
#[derive(Debug)]
pub(super) struct Polled {
    reader: Pollable<Reader>,
    writer: Pollable<Writer>,
}

pub(super) fn open_polled(case: &Case, role: Role, meet: &UnixStream) -> io::Result<Polled> {
    let stream = stream(&options(case).doorbell(Doorbell::EventFd), role, meet)?;
    let (reader, writer) = stream.split();
    Ok(Polled { reader: reader.pollable()?, writer: writer.pollable()? })
}

/// Polls `end` until it shows that there is something to do.
fn wait_for(end: &impl AsFd) -> io::Result<()> {
    match poll(&mut [PollFd::new(end.as_fd(), PollFlags::POLLIN)], PollTimeout::NONE) {
        Ok(_) | Err(nix::errno::Errno::EINTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

impl Link for Polled {
    fn send(&mut self, mut message: &[u8]) -> io::Result<()> {
        while !message.is_empty() {
            match self.writer.try_write(message) {
                Ok(taken) => message = &message[taken..],
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => wait_for(&self.writer)?,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn recv(&mut self, mut message: &mut [u8]) -> io::Result<()> {
        while !message.is_empty() {
            match self.reader.try_read(message) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(given) => message = &mut message[given..],
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => wait_for(&self.reader)?,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn facts(&self) -> Facts {
        facts(&self.writer)
    }
}
