//! Bytes that have arrived and are not yet understood.

use std::{io, ops::Range};

use super::super::connection::{Input, Until};

/// What a fresh buffer holds; two pages take any small call, and many of them at once.
const START: usize = 8 << 10;
/// What an empty buffer may keep after a large frame went through it.
const KEEP: usize = 1 << 20;

/// Empties a frame that has left. Of a large one nothing is kept: idle connections must not hold what each once sent.
#[inline]
pub(crate) fn retire(frame: &mut Vec<u8>) {
    if frame.capacity() > KEEP {
        *frame = Vec::new();
    } else {
        frame.clear();
    }
}

/// Grows with what arrives, never with what is announced: it is at most twice as large as the bytes in it.
#[derive(Debug)]
pub(crate) struct Buffer {
    data: Vec<u8>,
    // data[start..end] has arrived and is not consumed.
    start: usize,
    end: usize,
    limit: usize,
}

impl Buffer {
    /// A buffer for frames of at most `limit` bytes.
    pub(crate) fn new(limit: usize) -> Self {
        Self { data: vec![0; START], start: 0, end: 0, limit }
    }

    #[inline]
    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    /// What has arrived and is not consumed.
    #[inline]
    pub(crate) fn unread(&self) -> &[u8] {
        &self.data[self.start..self.end]
    }

    /// Takes the first `n` unread bytes as a frame; they stay in place until the next [`fill`](Self::fill).
    #[inline]
    pub(crate) fn consume(&mut self, n: usize) -> Range<usize> {
        let range = self.start..self.start + n.min(self.end - self.start);
        self.start = range.end;
        range
    }

    /// Bytes of a consumed frame.
    #[inline]
    pub(crate) fn slice(&self, range: &Range<usize>) -> &[u8] {
        &self.data[range.clone()]
    }

    /// Reads more; frames consumed before are gone then.
    #[inline]
    pub(crate) fn fill(&mut self, input: &mut dyn Input, until: Until) -> io::Result<usize> {
        self.fill_with(|buf| input.read(buf, until))
    }

    /// The same from anything that reads.
    #[inline]
    pub(crate) fn fill_with(
        &mut self,
        read: impl FnOnce(&mut [u8]) -> io::Result<usize>,
    ) -> io::Result<usize> {
        if self.start == self.end {
            self.start = 0;
            self.end = 0;
            if self.data.len() > KEEP {
                self.data = vec![0; START];
            }
        } else if self.end == self.data.len() {
            if self.start > self.data.len() / 2 {
                self.data.copy_within(self.start..self.end, 0);
                self.end -= self.start;
                self.start = 0;
            } else {
                self.data.resize(self.data.len() * 2, 0);
            }
        }
        let room = &mut self.data[self.end..];
        // A reader that claims more than it was given must not be believed.
        let n = read(room)?.min(room.len());
        self.end += n;
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Chunks(Vec<u8>, usize);

    impl Input for Chunks {
        fn read(&mut self, buf: &mut [u8], _: Until) -> io::Result<usize> {
            let n = buf.len().min(self.0.len()).min(self.1);
            buf[..n].copy_from_slice(&self.0[..n]);
            self.0.drain(..n);
            Ok(n)
        }
    }

    #[test]
    fn bytes_come_out_as_they_went_in_whatever_the_chunks_and_frames() {
        let sent: Vec<u8> = (0..100_000_u32).map(|i| i as u8).collect();
        for chunk in [1000, 8191, 50_000] {
            for frame in [1, 700, 9000, 40_000] {
                let mut input = Chunks(sent.clone(), chunk);
                let mut buffer = Buffer::new(1 << 20);
                let mut got = Vec::new();
                while buffer.fill(&mut input, Until::Forever).unwrap() > 0 {
                    while buffer.unread().len() >= frame {
                        let range = buffer.consume(frame);
                        got.extend_from_slice(buffer.slice(&range));
                    }
                }
                got.extend_from_slice(buffer.unread());
                assert_eq!(got, sent, "chunk {chunk}, frame {frame}");
            }
        }
    }

    #[test]
    fn a_frame_that_has_left_keeps_room_for_small_ones() {
        let mut frame = vec![1; KEEP];
        retire(&mut frame);
        assert_eq!((frame.len(), frame.capacity()), (0, KEEP));
        let mut frame = vec![1; KEEP + 1];
        retire(&mut frame);
        assert_eq!(frame.capacity(), 0);
    }

    #[test]
    fn room_follows_what_arrived_and_is_given_back() {
        let mut input = Chunks(vec![7; 5 << 20], usize::MAX);
        let mut buffer = Buffer::new(64 << 20);
        while buffer.fill(&mut input, Until::Forever).unwrap() > 0 {
            assert!(buffer.data.len() <= 2 * buffer.unread().len().max(START));
        }
        buffer.consume(5 << 20);
        assert_eq!(buffer.fill(&mut input, Until::Forever).unwrap(), 0);
        assert_eq!(buffer.data.len(), START);
    }
}
