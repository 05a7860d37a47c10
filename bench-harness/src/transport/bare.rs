//! The floor of everything that is a ring of bytes: positions, each side's copy of the other's, tight looking, and nothing
//! else. Nobody closes here, dies, sleeps, has a deadline or is checked.

use std::{io, os::unix::net::UnixStream, sync::atomic::Ordering};

use super::{
    Link, Role,
    shared::{APART, Shared},
};
use crate::case::Case;

/// What a ring of this project has unless it is told otherwise.
const CAPACITY: usize = 1 << 20;

/// Offsets in a lane: how much was written, how much was read, and the bytes.
const WRITTEN: usize = 0;
const READ: usize = APART;
const DATA: usize = 4096;

/// One side of two rings.
#[derive(Debug)]
pub(super) struct Bare {
    memory: Shared,
    capacity: usize,
    /// Where the lane of the other side and the lane of this side begin.
    theirs: usize,
    ours: usize,
    received: Progress,
    sent: Progress,
}

/// How far this side is, and how far it knows the other to be.
#[derive(Debug, Default)]
struct Progress {
    here: u64,
    there: u64,
}

pub(super) fn open(case: &Case, role: Role, meet: &UnixStream) -> io::Result<Bare> {
    let capacity = case.buffer.map_or(CAPACITY, |buffer| buffer.0);
    let capacity = capacity.max(case.size.0).max(DATA).next_power_of_two();
    let lane = DATA + capacity;
    let memory = Shared::open(role, meet, 2 * lane)?;
    let (theirs, ours) = if role == Role::Initiator { (lane, 0) } else { (0, lane) };
    let (received, sent) = Default::default();
    Ok(Bare { memory, capacity, theirs, ours, received, sent })
}

impl Bare {
    /// Waits until the word at `offset` is at least `at_least`, and says what it is.
    #[inline]
    fn wait_until(&self, offset: usize, at_least: u64) -> u64 {
        loop {
            // ORDER: acquires from the store in `send` what it wrote, and from that in `recv` that it has read.
            let value = self.memory.u64(offset).load(Ordering::Acquire);
            if value >= at_least {
                return value;
            }
            std::hint::spin_loop();
        }
    }

    /// Where a position lies in a lane, and how many of `len` bytes are there before its end.
    #[inline]
    fn place(&self, position: u64, len: usize) -> (usize, usize) {
        let offset = position as usize & (self.capacity - 1);
        (DATA + offset, len.min(self.capacity - offset))
    }
}

impl Link for Bare {
    #[inline]
    fn send(&mut self, message: &[u8]) -> io::Result<()> {
        let end = self.sent.here + message.len() as u64;
        let needed = end.saturating_sub(self.capacity as u64);
        if self.sent.there < needed {
            self.sent.there = self.wait_until(self.ours + READ, needed);
        }
        let (place, first) = self.place(self.sent.here, message.len());
        self.memory.put(self.ours + place, &message[..first]);
        if first < message.len() {
            self.memory.put(self.ours + DATA, &message[first..]);
        }
        self.sent.here = end;
        // ORDER: releases the message to the reader's `wait_until`.
        self.memory.u64(self.ours + WRITTEN).store(end, Ordering::Release);
        Ok(())
    }

    #[inline]
    fn recv(&mut self, message: &mut [u8]) -> io::Result<()> {
        let end = self.received.here + message.len() as u64;
        if self.received.there < end {
            self.received.there = self.wait_until(self.theirs + WRITTEN, end);
        }
        let (place, first) = self.place(self.received.here, message.len());
        let (head, tail) = message.split_at_mut(first);
        self.memory.get(self.theirs + place, head);
        if !tail.is_empty() {
            self.memory.get(self.theirs + DATA, tail);
        }
        self.received.here = end;
        // ORDER: releases the room to the writer's `wait_until`, after the bytes were copied out.
        self.memory.u64(self.theirs + READ).store(end, Ordering::Release);
        Ok(())
    }
}
