//! Branches of a stream: what is read is also written, what is written goes to many.

use std::io::{self, Read, Write};

/// Reads from `reader` and writes all of it to `writer` as well, as Go's `io.TeeReader`.
///
/// There is no buffer: a read returns only after `writer` took what was read. So if `writer` is one end of a
/// [`pipe`](super::pipe()) whose reader stalls, reading stalls; if that reader closes with an error, reading fails with it.
///
/// ```
/// use std::io::{self, Read};
/// let mut copy = Vec::new();
/// let mut tee = ringpipe::pipe::tee(&b"both get this"[..], &mut copy);
/// assert_eq!(io::read_to_string(&mut tee)?, "both get this");
/// assert_eq!(copy, b"both get this");
/// # io::Result::Ok(())
/// ```
pub fn tee<R: Read, W: Write>(reader: R, writer: W) -> Tee<R, W> {
    Tee { reader, writer }
}

/// A reader that writes what it reads to a second place; made by [`tee`].
#[derive(Debug)]
pub struct Tee<R, W> {
    reader: R,
    writer: W,
}

impl<R, W> Tee<R, W> {
    /// The reader and the writer.
    pub fn into_inner(self) -> (R, W) {
        (self.reader, self.writer)
    }
}

/// # Errors
/// Those of the reader, and those of the writer. When the writer fails, the bytes of this read have left the reader
/// and are lost: the two branches can no longer be equal.
impl<R: Read, W: Write> Read for Tee<R, W> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.reader.read(buf)?;
        match buf.get(..n) {
            Some(read) => self.writer.write_all(read)?,
            None => {
                return Err(io::Error::other("a reader returned more bytes than its buffer holds"));
            }
        }
        Ok(n)
    }
}

/// Writes everything to each of its writers, in their order, as Go's `io.MultiWriter`.
///
/// Each write is passed on whole. The first writer that fails ends it with its error: those before it have got the bytes, those
/// after it have not. A writer that blocks holds up the others. Use `Box<dyn Write>` for writers of different types.
///
/// ```
/// use std::io::Write;
/// let (mut a, mut b) = (Vec::new(), Vec::new());
/// let mut both = ringpipe::pipe::MultiWriter::new([&mut a, &mut b]);
/// both.write_all(b"twice")?;
/// assert_eq!((a, b), (b"twice".to_vec(), b"twice".to_vec()));
/// # std::io::Result::Ok(())
/// ```
#[derive(Debug)]
pub struct MultiWriter<W> {
    writers: Vec<W>,
}

impl<W> MultiWriter<W> {
    /// A writer to all of `writers`; with none, it takes everything and keeps nothing.
    pub fn new(writers: impl IntoIterator<Item = W>) -> Self {
        Self { writers: writers.into_iter().collect() }
    }

    /// The writers, in their order.
    pub fn into_inner(self) -> Vec<W> {
        self.writers
    }
}

impl<W: Write> Write for MultiWriter<W> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        for writer in &mut self.writers {
            writer.write_all(buf)?;
        }
        Ok(buf.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writers.iter_mut().try_for_each(Write::flush)
    }
}
