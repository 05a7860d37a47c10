//! The shared-memory ring of this project, one for each direction, through `Read` and `Write`.

use std::{
    io::{self, Read, Write},
    os::unix::net::UnixStream,
};

use ringpipe::{Options, Reader, Stream, Writer};

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
    let (stream, facts) = stream(case, role, meet)?;
    let (reader, writer) = stream.split();
    Ok(Ring { reader, writer, facts })
}

/// This side of a ring stream that waits as the row says.
pub(super) fn stream(case: &Case, role: Role, meet: &UnixStream) -> io::Result<(Stream, Facts)> {
    let wait = match case.row.wait {
        Wait::Block => ringpipe::Wait::Park,
        Wait::Adaptive => ringpipe::Wait::Adaptive,
        Wait::Spin => ringpipe::Wait::Spin,
    };
    let options = Options::new().wait(wait);
    let options = match case.buffer {
        Some(buffer) => options.capacity(buffer.0),
        None => options,
    };
    let meet = meet.try_clone()?;
    let stream = match role {
        Role::Initiator => options.accept_on(meet),
        Role::Responder => options.connect_on(meet),
    };
    let mut stream = doing(stream, "making a ring")?;
    let capacity = stream.writer().stats().capacity;
    Ok((stream, Facts::from([("capacity".to_owned(), capacity.to_string())])))
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
