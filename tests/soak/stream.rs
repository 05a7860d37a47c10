//! One side of a stream: all that one direction carries goes out, all that the other carries comes in, and every byte is
//! compared with the one that was sent.

use std::{
    io::{self, IoSlice, IoSliceMut, Read, Write},
    os::fd::AsFd,
    thread,
};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use ringpipe::{Error, Reader, Stream, Writer, ring::Pollable};

use crate::{
    common::Random,
    plan::{Direction, Ending, MOST, Mode, any_size},
};

/// What a direction ends with that ends with an error.
const CAUSE: &str = "that is all";

/// Both directions at once; gives how many bytes this side has read. `polls` says that it waits for the descriptor.
pub(crate) fn run(stream: Stream, out: &Direction, into: &Direction, polls: bool) -> u64 {
    let (reader, writer) = stream.split();
    thread::scope(|scope| {
        scope.spawn(|| send(writer, out));
        let mut reader =
            if polls { Source::Polled(reader.pollable().unwrap()) } else { Source::Plain(reader) };
        receive(&mut reader, into)
    })
}

/// A reader, with its descriptor or without.
enum Source {
    Plain(Reader),
    Polled(Pollable<Reader>),
}

impl Source {
    fn reader(&mut self) -> &mut Reader {
        match self {
            Self::Plain(reader) => reader,
            Self::Polled(reader) => reader,
        }
    }

    /// Waits until a call would not; at once where the call itself waits.
    fn wait(&self) -> io::Result<()> {
        if let Self::Polled(reader) = self {
            poll(&mut [PollFd::new(reader.as_fd(), PollFlags::POLLIN)], PollTimeout::NONE)?;
        }
        Ok(())
    }
}

fn send(mut writer: Writer, direction: &Direction) {
    let mut left = direction.bytes;
    for piece in direction.pieces() {
        let enough = direction.ending == Ending::Enough;
        if left == 0 && !enough {
            break;
        }
        let n = if enough { piece.len() } else { piece.len().min(left as usize) };
        let result = match direction.mode {
            Mode::Plain => writer.write_all(&piece[..n]),
            Mode::Vectored => write_vectored(&mut writer, &piece[..n]),
            Mode::InPlace => write_in_place(&mut writer, &piece[..n]),
            Mode::Messages => writer.send(&piece[..n]),
        };
        match result {
            Ok(()) => left = left.saturating_sub(n as u64),
            Err(error) if enough && matches!(Error::of(&error), Some(Error::Closed)) => return,
            Err(error) => panic!("{direction:?}: {error:?}"),
        }
    }
    match direction.ending {
        Ending::Close => writer.close(),
        Ending::Error => writer.close_with_error(CAUSE),
        Ending::Finish => writer.finish().unwrap(),
        Ending::Drop | Ending::Enough => {}
    }
}

fn write_vectored(writer: &mut Writer, bytes: &[u8]) -> io::Result<()> {
    let mut done = 0;
    while done < bytes.len() {
        let rest = &bytes[done..];
        let (one, more) = rest.split_at(rest.len() / 3);
        let (two, three) = more.split_at(more.len() / 2);
        done += writer.write_vectored(&[one, two, three].map(IoSlice::new))?;
    }
    Ok(())
}

fn write_in_place(writer: &mut Writer, bytes: &[u8]) -> io::Result<()> {
    let most = writer.capacity();
    for part in bytes.chunks(most) {
        let mut grant = writer.reserve(part.len())?;
        grant.write_all(part)?;
        grant.commit(part.len())?;
    }
    Ok(())
}

/// What is expected, however it is cut into reads.
struct Expected<P> {
    pieces: P,
    piece: &'static [u8],
    seen: u64,
}

impl<P: Iterator<Item = &'static [u8]>> Expected<P> {
    fn check(&mut self, mut got: &[u8]) {
        while !got.is_empty() {
            if self.piece.is_empty() {
                self.piece = self.pieces.next().expect("pieces without end");
            }
            let n = got.len().min(self.piece.len());
            assert!(
                got[..n] == self.piece[..n],
                "other bytes than were sent, behind {}",
                self.seen
            );
            self.piece = &self.piece[n..];
            got = &got[n..];
            self.seen += n as u64;
        }
    }
}

fn receive(source: &mut Source, direction: &Direction) -> u64 {
    let mut expected = Expected { pieces: direction.pieces(), piece: &[], seen: 0 };
    let mut random = Random::new(direction.bytes);
    let mut buf = vec![0; MOST];
    let enough = direction.ending == Ending::Enough;
    let end = loop {
        if enough && expected.seen >= direction.bytes {
            source.reader().close();
            return expected.seen;
        }
        source.wait().unwrap();
        let reader = source.reader();
        let room = any_size(&mut random, MOST).max(1);
        let result = match direction.mode {
            Mode::Plain => reader.read(&mut buf[..room]),
            Mode::Vectored => read_vectored(reader, &mut buf[..room]),
            Mode::InPlace => read_in_place(reader, &mut buf[..room]),
            Mode::Messages => reader.recv(&mut buf).map(|got| got.unwrap_or(0)),
        };
        match result {
            Ok(0) => break Ok(()),
            Ok(n) => expected.check(&buf[..n]),
            Err(error) => break Err(error),
        }
    };
    assert_eq!(expected.seen, direction.bytes, "{direction:?} ended with {end:?}");
    match (direction.ending, end) {
        (Ending::Close | Ending::Drop | Ending::Finish, Ok(())) => {}
        (Ending::Error, Err(error)) if error.to_string() == CAUSE => {}
        (ending, end) => panic!("{ending:?} looks like {end:?}"),
    }
    expected.seen
}

fn read_vectored(reader: &mut Reader, buf: &mut [u8]) -> io::Result<usize> {
    let (one, two) = buf.split_at_mut(buf.len() / 3);
    reader.read_vectored(&mut [one, two].map(IoSliceMut::new))
}

fn read_in_place(reader: &mut Reader, buf: &mut [u8]) -> io::Result<usize> {
    let n = reader.peek()?.copy_to(0, buf);
    reader.consume(n);
    Ok(n)
}
