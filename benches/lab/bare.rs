//! The floors, and rings without ends: nobody closes, dies, sleeps or has a deadline here.

use std::{
    hint::spin_loop,
    ptr,
    sync::{Arc, atomic::Ordering},
};

use super::{
    contenders::{Receive, Send as Transmit},
    memory::{APART, Memory},
};

/// The floor of a round trip: a message, and beside it a flag with its number.
#[derive(Debug)]
pub(crate) struct Flag {
    memory: Arc<Memory>,
    number: u32,
}

impl Flag {
    pub(crate) fn pair(size: usize) -> (Self, Self) {
        let memory = Memory::new((APART + size).next_multiple_of(4096));
        (Self { memory: memory.clone(), number: 0 }, Self { memory, number: 0 })
    }
}

impl Transmit for Flag {
    #[inline]
    fn send(&mut self, message: &[u8]) {
        self.number = self.number.wrapping_add(1);
        self.memory.put(APART, message);
        self.memory.u32(0).store(self.number, Ordering::Release);
    }
}

impl Receive for Flag {
    #[inline]
    fn recv(&mut self, message: &mut [u8]) {
        self.number = self.number.wrapping_add(1);
        while self.memory.u32(0).load(Ordering::Acquire) != self.number {
            spin_loop();
        }
        self.memory.get(APART, message);
    }
}

/// The floor of a round trip between two that sleep: the same with a futex.
#[derive(Debug)]
pub(crate) struct Sleepy(Flag);

impl Sleepy {
    pub(crate) fn pair(size: usize) -> (Self, Self) {
        let (to, from) = Flag::pair(size);
        (Self(to), Self(from))
    }

    fn futex(&self, operation: libc::c_int, value: u32) {
        let word = self.0.memory.u32(0).as_ptr();
        let forever = ptr::null::<libc::timespec>();
        // SAFETY: the word outlives the call. Whatever the call answers, the caller looks again.
        unsafe { libc::syscall(libc::SYS_futex, word, operation, value, forever) };
    }
}

impl Transmit for Sleepy {
    fn send(&mut self, message: &[u8]) {
        self.0.send(message);
        self.futex(libc::FUTEX_WAKE, 1);
    }
}

impl Receive for Sleepy {
    fn recv(&mut self, message: &mut [u8]) {
        while self.0.memory.u32(0).load(Ordering::Acquire) == self.0.number {
            self.futex(libc::FUTEX_WAIT, self.0.number);
        }
        self.0.recv(message);
    }
}

/// The floor of a stream: copied in and copied out by two sides that look at each other only once a segment.
#[derive(Debug)]
pub(crate) struct Relay {
    memory: Arc<Memory>,
    segment: usize,
    /// Segments finished by this side.
    done: u64,
    used: usize,
    /// For the reader: bytes in the current segment; 0 before it has been waited for.
    filled: usize,
}

const SEGMENTS: usize = 8;
const FILLED: usize = 0;
const DRAINED: usize = APART;
const FILLS: usize = 2 * APART;
const DATA: usize = 4096;
/// Pauses between two looks at the other side's progress.
const PAUSES: u32 = 64;

impl Relay {
    pub(crate) fn pair(segment: usize) -> (Self, Self) {
        let memory = Memory::new(DATA + SEGMENTS * segment);
        let side = |memory| Self { memory, segment, done: 0, used: 0, filled: 0 };
        (side(memory.clone()), side(memory))
    }

    fn slot(&self) -> usize {
        (self.done % SEGMENTS as u64) as usize
    }

    fn data(&self) -> usize {
        DATA + self.slot() * self.segment + self.used
    }

    fn wait_until(&self, word: usize, at_least: u64) {
        while self.memory.u64(word).load(Ordering::Acquire) < at_least {
            (0..PAUSES).for_each(|_| spin_loop());
        }
    }

    fn finish(&mut self, word: usize) {
        self.done += 1;
        self.used = 0;
        self.filled = 0;
        self.memory.u64(word).store(self.done, Ordering::Release);
    }
}

impl Transmit for Relay {
    #[inline]
    fn send(&mut self, message: &[u8]) {
        if self.used == 0 {
            self.wait_until(DRAINED, (self.done + 1).saturating_sub(SEGMENTS as u64));
        }
        self.memory.put(self.data(), message);
        self.used += message.len();
        if self.used + message.len() > self.segment {
            self.flush();
        }
    }

    fn flush(&mut self) {
        if self.used > 0 {
            let fill = self.memory.u64(FILLS + APART * self.slot());
            fill.store(self.used as u64, Ordering::Relaxed);
            self.finish(FILLED);
        }
    }
}

impl Receive for Relay {
    #[inline]
    fn recv(&mut self, message: &mut [u8]) {
        if self.filled == 0 {
            self.wait_until(FILLED, self.done + 1);
            let fill = self.memory.u64(FILLS + APART * self.slot());
            self.filled = fill.load(Ordering::Relaxed) as usize;
        }
        self.memory.get(self.data(), message);
        self.used += message.len();
        if self.used == self.filled {
            self.finish(DRAINED);
        }
    }
}

/// A ring of bytes with cached positions and tight looking, and nothing else: `PAUSES` between two looks of the reader. Messages
/// have one size, which divides the capacity.
#[derive(Debug)]
pub(crate) struct Bare<const PAUSES: u32> {
    memory: Arc<Memory>,
    capacity: usize,
    pos: u64,
    cached: u64,
}

const WRITE_POS: usize = 0;
const READ_POS: usize = APART;

impl<const PAUSES: u32> Bare<PAUSES> {
    pub(crate) fn pair(capacity: usize) -> (Self, Self) {
        let memory = Memory::new(DATA + capacity);
        let side = |memory| Self { memory, capacity, pos: 0, cached: 0 };
        (side(memory.clone()), side(memory))
    }

    fn offset(&self) -> usize {
        DATA + (self.pos as usize & (self.capacity - 1))
    }
}

impl<const PAUSES: u32> Transmit for Bare<PAUSES> {
    #[inline]
    fn send(&mut self, message: &[u8]) {
        let n = message.len() as u64;
        while self.pos + n > self.cached + self.capacity as u64 {
            self.cached = self.memory.u64(READ_POS).load(Ordering::Acquire);
            if self.pos + n > self.cached + self.capacity as u64 {
                spin_loop();
            }
        }
        self.memory.put(self.offset(), message);
        self.pos += n;
        self.memory.u64(WRITE_POS).store(self.pos, Ordering::Release);
    }
}

impl<const PAUSES: u32> Receive for Bare<PAUSES> {
    #[inline]
    fn recv(&mut self, message: &mut [u8]) {
        let n = message.len() as u64;
        while self.cached < self.pos + n {
            self.cached = self.memory.u64(WRITE_POS).load(Ordering::Acquire);
            if self.cached < self.pos + n {
                (0..PAUSES).for_each(|_| spin_loop());
            }
        }
        self.memory.get(self.offset(), message);
        self.pos += n;
        self.memory.u64(READ_POS).store(self.pos, Ordering::Release);
    }
}

/// Slots of one cache line in which the last word is the signal: 60 bytes of a message, then the number of the lap.
/// A message takes as many lines as it needs, and only the lines themselves travel; the reader says how far it is every
/// quarter of the ring.
#[derive(Debug)]
pub(crate) struct InBand {
    memory: Arc<Memory>,
    lines: u64,
    pos: u64,
    cached: u64,
}

const LINE: usize = 64;
const LOAD: usize = LINE - 4;

impl InBand {
    pub(crate) fn pair(capacity: usize) -> (Self, Self) {
        let memory = Memory::new(DATA + capacity);
        let side = |memory| Self { memory, lines: (capacity / LINE) as u64, pos: 0, cached: 0 };
        (side(memory.clone()), side(memory))
    }

    fn line(&self) -> usize {
        DATA + (self.pos % self.lines) as usize * LINE
    }

    /// Not 0, which is what fresh memory holds.
    fn lap(&self) -> u32 {
        (self.pos / self.lines) as u32 + 1
    }
}

impl Transmit for InBand {
    #[inline]
    fn send(&mut self, message: &[u8]) {
        for part in message.chunks(LOAD) {
            while self.pos - self.cached >= self.lines {
                self.cached = self.memory.u64(READ_POS).load(Ordering::Acquire);
            }
            let line = self.line();
            self.memory.put(line, part);
            self.memory.u32(line + LOAD).store(self.lap(), Ordering::Release);
            self.pos += 1;
        }
    }
}

impl Receive for InBand {
    #[inline]
    fn recv(&mut self, message: &mut [u8]) {
        for part in message.chunks_mut(LOAD) {
            let line = self.line();
            while self.memory.u32(line + LOAD).load(Ordering::Acquire) != self.lap() {
                spin_loop();
            }
            self.memory.get(line, part);
            self.pos += 1;
            if self.pos % (self.lines / 4) == 0 {
                self.memory.u64(READ_POS).store(self.pos, Ordering::Release);
            }
        }
    }
}
