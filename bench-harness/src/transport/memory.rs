//! The in-memory pipe of this project between two threads, one for each direction.

use std::io::{self, Read, Write};

use ringpipe::{PipeReader, PipeWriter, pipe};

use super::Link;

/// One side of two pipes.
#[derive(Debug)]
pub(super) struct Memory {
    reader: PipeReader,
    writer: PipeWriter,
}

/// Both sides, the initiator's first.
pub(super) fn open() -> (Memory, Memory) {
    let (request_reader, request_writer) = pipe();
    let (reply_reader, reply_writer) = pipe();
    (
        Memory { reader: reply_reader, writer: request_writer },
        Memory { reader: request_reader, writer: reply_writer },
    )
}

impl Link for Memory {
    #[inline]
    fn send(&mut self, message: &[u8]) -> io::Result<()> {
        self.writer.write_all(message)
    }

    #[inline]
    fn recv(&mut self, message: &mut [u8]) -> io::Result<()> {
        self.reader.read_exact(message)
    }
}
