//! The throughput floor of everything that copies twice: two processes fill and drain eight segments of shared
//! memory, and look at each other's progress only once a segment.

use std::{
    io,
    os::unix::net::UnixStream,
    sync::atomic::{AtomicU64, Ordering},
};

use super::{
    Link, Role,
    shared::{APART, Shared},
};
use crate::case::Case;

const SEGMENTS: usize = 8;
/// With eight of them the two sides stay out of each other's first- and second-level caches.
const SEGMENT: usize = 256 << 10;
/// Pauses between two looks: a poll takes the line away from the side that is about to write it.
const PAUSES: u32 = 64;

/// One side of the relay.
#[derive(Debug)]
pub(super) struct Relay {
    memory: Shared,
    segment: usize,
    /// Segments finished by this side.
    done: u64,
    /// Bytes put into, or taken out of, the current segment.
    used: usize,
    /// For the reader: bytes that the current segment holds; 0 before it has been waited for.
    filled: usize,
}

/// Offsets: how many segments were filled, how many were drained, and the fill of each segment.
const FILLED: usize = 0;
const DRAINED: usize = APART;
const FILLS: usize = 2 * APART;
const DATA: usize = 4096;

pub(super) fn open(case: &Case, role: Role, meet: &UnixStream) -> io::Result<Relay> {
    let segment = (SEGMENT.max(case.size.0)).next_multiple_of(4096);
    let memory = Shared::open(role, meet, DATA + SEGMENTS * segment)?;
    Ok(Relay { memory, segment, done: 0, used: 0, filled: 0 })
}

impl Relay {
    fn slot(&self) -> usize {
        (self.done % SEGMENTS as u64) as usize
    }

    fn data(&self) -> usize {
        DATA + self.slot() * self.segment + self.used
    }

    fn fill(&self) -> &AtomicU64 {
        self.memory.u64(FILLS + APART * self.slot())
    }

    fn wait_until(&self, word: usize, at_least: u64) {
        // ORDER: acquires the segment from the store that finished it on the other side.
        while self.memory.u64(word).load(Ordering::Acquire) < at_least {
            for _ in 0..PAUSES {
                std::hint::spin_loop();
            }
        }
    }

    fn finish(&mut self, word: usize) {
        self.done += 1;
        self.used = 0;
        self.filled = 0;
        // ORDER: releases the segment to `wait_until` on the other side.
        self.memory.u64(word).store(self.done, Ordering::Release);
    }
}

impl Link for Relay {
    fn send(&mut self, message: &[u8]) -> io::Result<()> {
        if self.used == 0 {
            self.wait_until(DRAINED, (self.done + 1).saturating_sub(SEGMENTS as u64));
        }
        self.memory.put(self.data(), message);
        self.used += message.len();
        if self.used + message.len() > self.segment { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.used > 0 {
            self.fill().store(self.used as u64, Ordering::Relaxed);
            self.finish(FILLED);
        }
        Ok(())
    }

    fn recv(&mut self, message: &mut [u8]) -> io::Result<()> {
        if self.filled == 0 {
            self.wait_until(FILLED, self.done + 1);
            self.filled = self.fill().load(Ordering::Relaxed) as usize;
        }
        self.memory.get(self.data(), message);
        self.used += message.len();
        if self.used == self.filled {
            self.finish(DRAINED);
        }
        Ok(())
    }
}
