//! The ring of this project through `reserve` and `peek`: the message is written where it will be read, and read there.

use std::{
    io::{self, Write},
    os::unix::net::UnixStream,
};

use ringpipe::{Reader, Writer};

use super::{Link, Role, ring, unsupported};
use crate::{case::Case, control::Facts, units::Size};

/// Both directions of a ring stream.
#[derive(Debug)]
pub(super) struct InPlace {
    reader: Reader,
    writer: Writer,
}

pub(super) fn open(case: &Case, role: Role, meet: &UnixStream) -> io::Result<InPlace> {
    let (reader, writer) = ring::stream(&ring::options(case), role, meet)?.split();
    let room = Size(writer.capacity());
    if case.size > room {
        return Err(unsupported(format!(
            "a message of {} does not lie in a ring of {room} in one piece; --buffer gives it more",
            case.size
        )));
    }
    Ok(InPlace { reader, writer })
}

impl Link for InPlace {
    fn send(&mut self, message: &[u8]) -> io::Result<()> {
        let mut grant = self.writer.reserve(message.len())?;
        grant.write_all(message)?;
        grant.commit(message.len())
    }

    fn recv(&mut self, message: &mut [u8]) -> io::Result<()> {
        let copied = self.reader.peek()?.copy_to(0, message);
        self.reader.consume(copied);
        whole(copied, message.len())
    }

    #[inline]
    fn send_with(&mut self, buffer: &mut [u8], fill: impl FnOnce(&mut [u8])) -> io::Result<()> {
        let mut grant = self.writer.reserve(buffer.len())?;
        // SAFETY: the peer is this very program, whose reader touches nothing that is not published.
        let place = unsafe { grant.as_mut_slice_trusting() };
        fill(place.ok_or_else(|| unsupported("this ring is not mapped twice"))?);
        grant.commit(buffer.len())
    }

    #[inline]
    fn recv_with(&mut self, buffer: &mut [u8], look: impl FnOnce(&[u8])) -> io::Result<()> {
        let size = buffer.len();
        let span = self.reader.peek()?;
        whole(span.len(), size)?;
        // SAFETY: the peer is this very program, whose writer touches nothing that is published.
        look(unsafe { &span.as_slice_trusting()[..size] });
        self.reader.consume(size);
        Ok(())
    }

    fn facts(&self) -> Facts {
        ring::facts(&self.writer)
    }
}

/// The writer commits whole messages, so a part of one is the end of the stream, or a defect.
fn whole(there: usize, size: usize) -> io::Result<()> {
    if there < size { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
}
