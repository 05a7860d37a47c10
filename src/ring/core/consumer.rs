//! The consumer's half of the lock-free protocol.

use std::{mem::MaybeUninit, sync::Arc};

use super::{Areas, Corrupt, PeerState, areas::Role, layout::state};
use crate::sync::Ordering;

/// Empties spans and releases them. Knows nothing of waiting.
#[derive(Debug)]
pub(crate) struct Consumer {
    areas: Arc<Areas>,
    /// The read position. The shared word only ever receives it, so that nobody can change it under us.
    pos: u64,
    /// A copy of the producer's write position, in `pos ..= pos + capacity`; it may be stale, which only hides bytes.
    cached_write_pos: u64,
}

impl Consumer {
    /// Goes on at `pos`; 0 for a new ring.
    pub(crate) fn new(areas: Arc<Areas>, pos: u64) -> Self {
        Self { areas, pos, cached_write_pos: pos }
    }

    #[inline(always)]
    pub(crate) fn areas(&self) -> &Arc<Areas> {
        &self.areas
    }

    /// The position of the next byte.
    #[inline(always)]
    pub(crate) fn pos(&self) -> u64 {
        self.pos
    }

    #[inline(always)]
    pub(crate) fn capacity(&self) -> u64 {
        self.areas.data().capacity()
    }

    /// Readable bytes as of the last look; there may be more by now, never fewer.
    #[inline(always)]
    pub(crate) fn cached_available(&self) -> u64 {
        self.cached_write_pos.wrapping_sub(self.pos)
    }

    /// Looks at the producer's position, and gives the readable bytes.
    #[inline]
    pub(crate) fn refresh(&mut self) -> Result<u64, Corrupt> {
        // ORDER(E1): synchronizes with the Release in `Producer::publish`; the bytes before it are visible.
        let write_pos = self.areas.side(Role::Producer).pos.load(Ordering::Acquire);
        let available = write_pos.wrapping_sub(self.pos);
        if available > self.capacity() || available < self.cached_available() {
            return Err(Corrupt("the write position moved backwards, or past the capacity"));
        }
        self.cached_write_pos = write_pos;
        Ok(available)
    }

    /// What the producer said last, and, if it is done, how many of all the bytes it ever published are readable.
    ///
    /// The order is the point: a look at the position *before* the state could miss bytes that were published
    /// between the two, and report the end of the stream over unread data.
    #[inline]
    pub(crate) fn look(&mut self) -> Result<(PeerState, u64), Corrupt> {
        if cfg!(mutant = "position_before_state") {
            let available = self.refresh()?;
            return Ok((PeerState::load(self.areas.side(Role::Producer))?, available));
        }
        // ORDER(E5): synchronizes with the Release in `closing::publish`.
        let state = PeerState::load(self.areas.side(Role::Producer))?;
        Ok((state, self.refresh()?))
    }

    /// Whether [`look`](Self::look) would find `need` bytes or a last word. Changes nothing, and proves nothing: what it
    /// saw is looked at again with the proper ordering.
    #[inline(always)]
    pub(crate) fn worth_a_look(&self, need: u64) -> bool {
        let producer = self.areas.side(Role::Producer);
        producer.pos.load(Ordering::Relaxed).wrapping_sub(self.pos) >= need
            || producer.closing.state.load(Ordering::Relaxed) != state::OPEN
    }

    /// Copies bytes that start `ahead` bytes behind the read position into `buf`, as many as are known to be there,
    /// and gives their number; that many bytes of `buf` are initialised. They stay in the ring until
    /// [`release`](Self::release).
    #[inline(always)]
    pub(crate) fn get(&self, ahead: u64, buf: &mut [MaybeUninit<u8>]) -> usize {
        let there = self.cached_available().saturating_sub(ahead);
        let n = there.min(buf.len() as u64) as usize;
        // SAFETY: this is the consumer, and the `n` bytes at `pos + ahead` are published and not released.
        unsafe { self.areas.data().get(self.pos.wrapping_add(ahead), &mut buf[..n]) };
        n
    }

    /// Fills the whole of `buf` with what starts `ahead` bytes behind the read position.
    ///
    /// # Safety
    /// * `ahead` and the length of `buf` together are at most [`cached_available`](Self::cached_available).
    /// * The data is mirrored.
    #[inline(always)]
    pub(crate) unsafe fn get_whole(&self, ahead: u64, buf: &mut [MaybeUninit<u8>]) {
        debug_assert!(ahead + buf.len() as u64 <= self.cached_available());
        debug_assert!(self.areas.data().is_mirrored());
        // SAFETY: this is the consumer, and the rest is promised.
        unsafe { self.areas.data().get_whole(self.pos.wrapping_add(ahead), buf) };
    }

    /// Gives the space of the next `n` bytes back. Whoever calls must then look whether the producer sleeps.
    #[inline(always)]
    pub(crate) fn release(&mut self, n: u64) {
        debug_assert!(n <= self.cached_available());
        self.pos = self.pos.wrapping_add(n);
        if cfg!(mutant = "read_pos_not_flushed") && self.pos % 2 != 0 {
            return;
        }
        // ORDER(E2): synchronizes with the Acquire in `Producer::refresh`; our copies out of the span are done.
        self.areas.side(Role::Consumer).pos.store(self.pos, Ordering::Release);
    }
}
