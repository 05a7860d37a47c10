//! Writing and reading without a copy of one's own: spans of the ring itself.

use std::{
    cell::Cell,
    fmt,
    io::{self, Write},
    mem::MaybeUninit,
};

use super::{
    Reader, Writer,
    core::{areas::Areas, producer::STORED},
};
use crate::error::Error;

/// Free space in the ring, to be filled and then published with [`commit`](Self::commit).
///
/// Made by [`Writer::reserve`]. It is a [`Write`] that copies in, and it can never write more than it reserved. Dropped
/// without a commit, it publishes nothing.
#[derive(Debug)]
pub struct Grant<'a> {
    writer: &'a mut Writer,
    len: usize,
    filled: usize,
    view: View,
}

impl Writer {
    /// Waits until `len` bytes are free, and gives them to be written in place.
    ///
    /// # Errors
    /// `InvalidInput` if `len` is more than the ring holds; otherwise as [`Write::write`].
    ///
    /// ```
    /// use std::io::{Read, Write};
    /// let (mut reader, mut writer) = ringpipe::ring(4096)?;
    /// let mut grant = writer.reserve(100)?;
    /// write!(grant, "{} {}", "in", "place")?;
    /// let filled = grant.filled();
    /// grant.commit(filled)?;
    /// writer.close();
    /// let mut text = String::new();
    /// reader.read_to_string(&mut text)?;
    /// assert_eq!(text, "in place");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn reserve(&mut self, len: usize) -> io::Result<Grant<'_>> {
        if len > self.capacity() {
            let capacity = self.capacity();
            return Err(Error::invalid(format!(
                "{len} bytes cannot be reserved in a ring of {capacity}; write them in parts"
            ))
            .into());
        }
        self.writable(len as u64, true, &mut None)?;
        Ok(Grant { writer: self, len, filled: 0, view: View::default() })
    }
}

impl Grant<'_> {
    /// Bytes reserved.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing was reserved.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes written through [`Write`] so far.
    pub fn filled(&self) -> usize {
        self.filled
    }

    /// Publishes the first `len` bytes, whatever they hold, and gives the rest back.
    ///
    /// # Errors
    /// `BrokenPipe` if this end was closed meanwhile.
    ///
    /// # Panics
    /// If `len` is more than was reserved.
    pub fn commit(self, len: usize) -> io::Result<()> {
        assert!(len <= self.len, "{len} bytes cannot be committed of {} reserved", self.len);
        if len > 0 {
            self.writer.begin()?;
            self.writer.publish(len as u64);
        }
        Ok(())
    }

    /// The reserved bytes as a slice, if both ends of the ring are in this process and have never left it. What they hold is
    /// not specified, but for what was written through [`Write`] and through earlier slices of this grant.
    pub fn as_mut_slice(&mut self) -> Option<&mut [u8]> {
        if !self.view.enter(self.writer.core.areas()) {
            return None;
        }
        // SAFETY: the other end is safe code of this process, which does not touch a span that is not published, and the
        // view keeps the ring from leaving the process for as long as the grant lives.
        unsafe { self.as_mut_slice_trusting() }
    }

    /// The reserved bytes as a slice, although another process can reach them. `None` if they are not in one piece, which
    /// happens only with memory that is not mapped twice.
    ///
    /// # Safety
    /// * For as long as the slice lives, the peer process neither writes the reserved bytes nor has them written; a
    ///   peer that runs this library does not, one that you do not trust may.
    pub unsafe fn as_mut_slice_trusting(&mut self) -> Option<&mut [u8]> {
        if self.len as u64 > STORED {
            self.claim();
        }
        let (data, pos) = (self.writer.core.areas().data(), self.writer.core.pos());
        if data.contiguous(pos, self.len) < self.len {
            return None;
        }
        // SAFETY: the span is reserved, in one piece and initialised: the file began as zeros. Nobody else has it, by the
        // caller's promise.
        Some(unsafe { std::slice::from_raw_parts_mut(data.at(pos).as_ptr(), self.len) })
    }
}

impl Grant<'_> {
    /// Before the first store to so many bytes.
    #[cold]
    fn claim(&mut self) {
        if self.filled == 0 {
            self.writer.core.claim(self.len as u64);
        }
    }
}

impl Write for Grant<'_> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let n = buf.len().min(self.len - self.filled);
        self.writer.core.put(self.filled as u64, &buf[..n]);
        self.filled += n;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Published bytes, still in the ring. Made by [`Reader::peek`]; [`Reader::consume`] gives their space back.
pub struct Span<'a> {
    reader: &'a Reader,
    len: usize,
    view: View,
}

impl Reader {
    /// Waits until something is readable, and gives what is, in one piece. An empty span is the end of the stream.
    ///
    /// # Errors
    /// As [`Read::read`](io::Read::read).
    ///
    /// ```
    /// use std::io::Write;
    /// let (mut reader, mut writer) = ringpipe::ring(4096)?;
    /// writer.write_all(b"key=value")?;
    /// let mut key = [0; 3];
    /// assert_eq!(reader.peek()?.copy_to(0, &mut key), 3);
    /// reader.consume(4);
    /// assert_eq!(reader.peek()?.as_slice(), Some(&b"value"[..]));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn peek(&mut self) -> io::Result<Span<'_>> {
        let there = self.readable(1, true)?;
        let len = self.core.areas().data().contiguous(self.core.pos(), there as usize);
        Ok(Span { reader: self, len, view: View::default() })
    }

    /// Gives the space of the next `len` bytes back to the writer.
    ///
    /// # Panics
    /// If `len` is more than the last [`peek`](Self::peek) or read showed to be there.
    pub fn consume(&mut self, len: usize) {
        let there = self.core.cached_available();
        assert!(len as u64 <= there, "{len} bytes cannot be consumed of {there} that are there");
        if len > 0 {
            self.release(len as u64);
        }
    }
}

impl<'a> Span<'a> {
    /// Bytes that are there.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether the stream has ended.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Copies bytes from `offset` on into `buf`, and gives how many: as many as there are and fit. What was copied
    /// is private from then on; copy first and check afterwards.
    pub fn copy_to(&self, offset: usize, buf: &mut [u8]) -> usize {
        let there = self.len.saturating_sub(offset).min(buf.len());
        self.reader.core.get(offset as u64, as_uninit(&mut buf[..there]))
    }

    /// The bytes as a slice, if both ends of the ring are in this process and have never left it.
    pub fn as_slice(&self) -> Option<&[u8]> {
        if !self.view.enter(self.reader.core.areas()) {
            return None;
        }
        // SAFETY: the other end is safe code of this process, which does not touch a published span before it is
        // released, and the view keeps the ring from leaving the process for as long as the span lives.
        Some(unsafe { self.as_slice_trusting() })
    }

    /// The bytes as a slice, although another process can reach them.
    ///
    /// # Safety
    /// * For as long as the slice lives, the peer process does not write the published bytes; one that runs this library
    ///   does not, one that you do not trust may.
    pub unsafe fn as_slice_trusting(&self) -> &[u8] {
        let start = self.reader.core.areas().data().at(self.reader.core.pos());
        // SAFETY: published, not released while `reader` is borrowed, in one piece, and not written, as the caller promises.
        unsafe { std::slice::from_raw_parts(start.as_ptr(), self.len) }
    }
}

impl fmt::Debug for Span<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Span").field("len", &self.len).finish_non_exhaustive()
    }
}

/// `buf` as memory that a copy may fill.
pub(super) fn as_uninit(buf: &mut [u8]) -> &mut [MaybeUninit<u8>] {
    // SAFETY: the same memory and length; only initialised bytes are ever written to it.
    unsafe { &mut *(std::ptr::from_mut(buf) as *mut [MaybeUninit<u8>]) }
}

/// Holds the ring in this process while a slice of it is out.
#[derive(Default)]
struct View(Cell<Option<std::sync::Arc<Areas>>>);

impl View {
    /// Whether the ring has not left the process; from now on it cannot until the view is dropped.
    fn enter(&self, areas: &std::sync::Arc<Areas>) -> bool {
        let held = self.0.take();
        let entered = held.is_some() || areas.presence().enter();
        self.0.set(if entered { held.or_else(|| Some(areas.clone())) } else { None });
        entered
    }
}

impl Drop for View {
    fn drop(&mut self) {
        if let Some(areas) = self.0.take() {
            areas.presence().leave();
        }
    }
}

impl fmt::Debug for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("View")
    }
}
