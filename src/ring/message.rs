//! Whole messages: a length, then the bytes.
//!
//! On the ring a message is its length as a little-endian `u32`, followed by that many bytes. One that fits is published
//! in one piece; one that is longer than the ring streams through it.

use std::io;

use super::{Reader, Writer, in_place::as_uninit, waiting::Failure};
use crate::error::Error;

const HEADER: usize = 4;

impl Writer {
    /// Sends one message: the reader's [`recv`](Reader::recv) gets exactly these bytes, or nothing of them.
    ///
    /// # Blocking
    /// Until there is room for all of it. One that is longer than the ring goes in parts; if the time is up in the middle
    /// of it, the same message has to be sent again, which goes on where it stopped.
    ///
    /// # Errors
    /// `InvalidInput` for a message over the limit of [`Options::max_message`](crate::Options::max_message), or for another one
    /// in the middle of an unfinished one; otherwise as [`Write::write`](io::Write::write).
    ///
    /// ```
    /// let (mut reader, mut writer) = ringpipe::ring(4096)?;
    /// writer.send(b"one")?;
    /// writer.send(b"")?;
    /// writer.close();
    /// let mut buf = [0; 16];
    /// assert_eq!(reader.recv(&mut buf)?, Some(3));
    /// assert_eq!(reader.recv(&mut buf)?, Some(0));
    /// assert_eq!(reader.recv(&mut buf)?, None);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[inline]
    pub fn send(&mut self, message: &[u8]) -> io::Result<()> {
        let total = HEADER as u64 + message.len() as u64;
        let limit = u64::from(self.max_message) + HEADER as u64;
        if self.unfinished.is_none() && total <= limit.min(self.core.capacity()) {
            self.writable(total, true, &mut None)?;
            self.begin()?;
            self.put(0, &(message.len() as u32).to_le_bytes());
            // By memcpy: behind the header it crosses a line, and is quicker over there with the fewest stores.
            self.core.put(HEADER as u64, message);
            self.publish(total);
            self.waiting.stats.messages += 1;
            return Ok(());
        }
        self.send_in_parts(message)
    }

    #[cold]
    fn send_in_parts(&mut self, message: &[u8]) -> io::Result<()> {
        if message.len() as u64 > u64::from(self.max_message) {
            let (len, limit) = (message.len(), self.max_message);
            return Err(Error::invalid(format!(
                "a message of {len} bytes is over the limit of {limit}; raise Options::max_message on both sides"
            ))
            .into());
        }
        let mut sent = match self.unfinished {
            Some((length, sent)) if length == message.len() => sent,
            Some((length, _)) => {
                return Err(Error::invalid(format!(
                    "a message of {length} bytes is not finished; send it again to go on with it"
                ))
                .into());
            }
            None => {
                self.writable(HEADER as u64, true, &mut None)?;
                self.begin()?;
                self.core.put(0, &(message.len() as u32).to_le_bytes());
                self.publish(HEADER as u64);
                0
            }
        };
        while sent < message.len() {
            self.unfinished = Some((message.len(), sent));
            sent += io::Write::write(self, &message[sent..])?;
        }
        self.unfinished = None;
        self.waiting.stats.messages += 1;
        Ok(())
    }
}

impl Reader {
    /// Receives one message into `buf`, and gives its length; `None` is the end of the stream.
    ///
    /// # Blocking
    /// Until the whole message is there.
    ///
    /// # Errors
    /// `InvalidInput` if `buf` is too small, with the length in the text; the message stays for a larger one.
    /// `InvalidData` for a message over the limit of [`Options::max_message`](crate::Options::max_message), and for
    /// a stream that ends inside a message; otherwise as [`Read::read`](io::Read::read).
    #[inline]
    pub fn recv(&mut self, buf: &mut [u8]) -> io::Result<Option<usize>> {
        let Some(len) = self.next_message()? else {
            return Ok(None);
        };
        if len > buf.len() {
            let room = buf.len();
            return Err(Error::invalid(format!(
                "the next message has {len} bytes, the buffer {room}; call recv again with a larger one"
            ))
            .into());
        }
        let total = (HEADER + len) as u64;
        if total > self.core.capacity() {
            return self.recv_in_parts(len, buf).map(Some);
        }
        self.whole(total)?;
        self.core.get(HEADER as u64, as_uninit(&mut buf[..len]));
        self.release(total);
        self.waiting.stats.messages += 1;
        Ok(Some(len))
    }

    /// Waits for the next message's length, and gives it; `None` is the end of the stream. The message stays.
    ///
    /// # Errors
    /// As [`recv`](Self::recv).
    #[inline]
    pub fn next_message(&mut self) -> io::Result<Option<usize>> {
        if let Some((length, _)) = &self.unfinished {
            return Ok(Some(*length));
        }
        if self.readable(HEADER as u64, true)? == 0 {
            return Ok(None);
        }
        self.whole(HEADER as u64)?;
        let mut header = [0; HEADER];
        self.get(0, &mut header);
        // From here on only the private copy counts: the peer may write the shared one again.
        let length = u32::from_le_bytes(header);
        if length > self.max_message {
            return Err(self.failed(Failure::Corrupt(super::core::Corrupt(
                "a message is longer than Options::max_message allows",
            ))));
        }
        Ok(Some(length as usize))
    }

    /// Waits until `total` bytes are there; a stream that ends before is broken off inside a message.
    #[inline]
    fn whole(&mut self, total: u64) -> io::Result<()> {
        if self.readable(total, true)? >= total { Ok(()) } else { Err(self.broken_off()) }
    }

    #[cold]
    fn broken_off(&mut self) -> io::Error {
        // What is left is no message. The writer's own word about the end, if it has one, tells more than ours.
        let left = self.core.cached_available();
        self.release(left);
        match self.readable(1, true) {
            Err(error) => error,
            Ok(_) => self.failed(Failure::Corrupt(super::core::Corrupt(
                "the stream ended inside a message",
            ))),
        }
    }

    /// A message longer than the ring: its parts are kept here until the last one came, so that a deadline between them
    /// loses nothing.
    #[cold]
    fn recv_in_parts(&mut self, len: usize, buf: &mut [u8]) -> io::Result<usize> {
        if self.unfinished.is_none() {
            self.release(HEADER as u64);
            self.unfinished = Some((len, Vec::new()));
        }
        loop {
            let there = self.unfinished.as_ref().map_or(0, |(_, parts)| parts.len());
            if there == len {
                break;
            }
            let available = self.readable(1, true)? as usize;
            if available == 0 {
                return Err(self.broken_off());
            }
            let Some((_, parts)) = &mut self.unfinished else {
                break;
            };
            // Grows by what is there, never by what was announced.
            let n = available.min(len - there);
            parts.resize(there + n, 0);
            self.core.get(0, as_uninit(&mut parts[there..]));
            self.release(n as u64);
        }
        if let Some((_, parts)) = self.unfinished.take() {
            buf[..len].copy_from_slice(&parts);
        }
        self.waiting.stats.messages += 1;
        Ok(len)
    }
}
