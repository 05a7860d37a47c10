//! The in-memory pipe of this project between two threads, one for each direction: as it is, and between a `BufWriter`
//! and a `BufReader`. The pipe has no buffer, so each write meets a read; what a buffer buys shows in the distance.

use std::io::{self, BufReader, BufWriter, Read, Write};

use ringpipe::{PipeReader, PipeWriter, pipe};

use super::Link;

/// One side of two pipes.
#[derive(Debug)]
pub(super) struct Memory<R, W> {
    reader: R,
    writer: W,
}

/// Both sides, the initiator's first.
pub(super) fn open() -> (Memory<PipeReader, PipeWriter>, Memory<PipeReader, PipeWriter>) {
    let (request_reader, request_writer) = pipe();
    let (reply_reader, reply_writer) = pipe();
    (
        Memory { reader: reply_reader, writer: request_writer },
        Memory { reader: request_reader, writer: reply_writer },
    )
}

type Buffered = Memory<BufReader<PipeReader>, BufWriter<PipeWriter>>;

/// The same with the buffers of the standard library, of the size that they have by themselves.
pub(super) fn open_buffered() -> (Buffered, Buffered) {
    let buffered = |side: Memory<PipeReader, PipeWriter>| Memory {
        reader: BufReader::new(side.reader),
        writer: BufWriter::new(side.writer),
    };
    let (ours, theirs) = open();
    (buffered(ours), buffered(theirs))
}

impl<R: Read + Send, W: Write + Send> Link for Memory<R, W> {
    #[inline]
    fn send(&mut self, message: &[u8]) -> io::Result<()> {
        self.writer.write_all(message)
    }

    #[inline]
    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }

    #[inline]
    fn recv(&mut self, message: &mut [u8]) -> io::Result<()> {
        self.reader.read_exact(message)
    }
}
