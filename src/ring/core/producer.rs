//! The producer's half of the lock-free protocol.

use std::sync::Arc;

use super::{Areas, Corrupt, PeerState, areas::Role, layout::state};
use crate::sync::Ordering;

/// Fills spans and publishes them. Knows nothing of waiting and of closing.
#[derive(Debug)]
pub(crate) struct Producer {
    areas: Arc<Areas>,
    /// The write position. The shared word only ever receives it, so that nobody can change it under us.
    pos: u64,
    /// A copy of the consumer's read position, in `pos - capacity ..= pos`; it may be stale, which only hides room.
    cached_read_pos: u64,
    /// Where what was [claimed](Self::claim) last ends. Behind `pos`, nothing is claimed.
    claimed: u64,
}

impl Producer {
    /// Goes on at `pos`, where `read_pos` bytes were consumed; both are 0 for a new ring.
    pub(crate) fn new(areas: Arc<Areas>, pos: u64, read_pos: u64) -> Self {
        debug_assert!(pos.wrapping_sub(read_pos) <= areas.data().capacity());
        Self { areas, pos, cached_read_pos: read_pos, claimed: pos }
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

    /// Published bytes that were not yet released when last looked.
    #[inline(always)]
    pub(crate) fn cached_fill(&self) -> u64 {
        self.pos.wrapping_sub(self.cached_read_pos)
    }

    /// Free bytes as of the last look; there may be more by now, never fewer.
    #[inline(always)]
    pub(crate) fn cached_room(&self) -> u64 {
        self.capacity() - self.cached_fill()
    }

    /// Looks at the consumer's position, and gives the free bytes.
    #[inline]
    pub(crate) fn refresh(&mut self) -> Result<u64, Corrupt> {
        // ORDER(E2): synchronizes with the Release in `Consumer::release`; the span before it may be overwritten.
        let read_pos = self.areas.side(Role::Consumer).pos.load(Ordering::Acquire);
        let fill = self.pos.wrapping_sub(read_pos);
        // A fill beyond what we published is a position ahead of ours; one above the last is a step backwards.
        if fill > self.cached_fill() {
            return Err(Corrupt("the read position moved backwards, or past the write position"));
        }
        self.cached_read_pos = read_pos;
        Ok(self.capacity() - fill)
    }

    /// What the consumer said last.
    pub(crate) fn peer_state(&self) -> Result<PeerState, Corrupt> {
        PeerState::load(self.areas.side(Role::Consumer))
    }

    /// Whether the consumer has not said that it is done.
    #[inline(always)]
    pub(crate) fn peer_is_open(&self) -> bool {
        self.areas.side(Role::Consumer).closing.state.load(Ordering::Relaxed) == state::OPEN
    }

    /// Whether [`refresh`](Self::refresh) would find `need` free bytes, or the consumer has said a last word. Changes
    /// nothing, and proves nothing: what it saw is looked at again with the proper ordering.
    #[inline(always)]
    pub(crate) fn worth_a_look(&self, need: u64) -> bool {
        let read_pos = self.areas.side(Role::Consumer).pos.load(Ordering::Relaxed);
        let fill = self.pos.wrapping_sub(read_pos);
        fill > self.capacity() || self.capacity() - fill >= need || !self.peer_is_open()
    }

    /// Copies as much of `bytes` as the room known of takes to `ahead` bytes behind the write position, and gives its
    /// length. Nothing of it is visible to the consumer before [`publish`](Self::publish).
    #[inline(always)]
    pub(crate) fn put(&mut self, ahead: u64, bytes: &[u8]) -> usize {
        let room = self.cached_room().saturating_sub(ahead);
        let n = room.min(bytes.len() as u64) as usize;
        // SAFETY: this is the producer, and the `n` bytes at `pos + ahead` lie within the room.
        unsafe { self.areas.data().put(self.pos.wrapping_add(ahead), &bytes[..n]) };
        n
    }

    /// Copies the whole of `bytes` to `ahead` bytes behind the write position.
    ///
    /// # Safety
    /// * `ahead` and the length of `bytes` together are at most [`cached_room`](Self::cached_room).
    /// * The data is mirrored.
    #[inline(always)]
    pub(crate) unsafe fn put_whole(&mut self, ahead: u64, bytes: &[u8]) {
        debug_assert!(ahead + bytes.len() as u64 <= self.cached_room());
        debug_assert!(self.areas.data().is_mirrored());
        // SAFETY: this is the producer, and the rest is promised.
        unsafe { self.areas.data().put_whole(self.pos.wrapping_add(ahead), bytes) };
    }

    /// Makes the next `n` bytes readable. Whoever calls must then look whether the consumer sleeps.
    #[inline(always)]
    pub(crate) fn publish(&mut self, n: u64) {
        debug_assert!(n <= self.cached_room());
        self.pos = self.pos.wrapping_add(n);
        // ORDER(E1): synchronizes with the Acquire in `Consumer::refresh`; the bytes copied above are visible to it.
        self.areas.side(Role::Producer).pos.store(self.pos, PUBLISH);
        if n <= SHORT {
            // The reader has the line from the last lap. To take it away takes as long as a position travels, and in a
            // conversation there is time now, and none when the next message is due.
            self.areas.data().fetch(self.pos);
        }
    }

    /// Claims what comes next, whenever a stream of short messages comes into another block of [`AHEAD`]. To be called
    /// behind a publication of `n` bytes, when nobody waits for anything.
    #[inline(always)]
    pub(crate) fn claim_next(&mut self, n: u64) {
        if (self.pos ^ self.pos.wrapping_sub(n)) >= AHEAD {
            self.claim_block(n);
        }
    }

    #[cold]
    fn claim_block(&mut self, n: u64) {
        if n <= STORED && self.capacity() >= 4 * AHEAD {
            // A position that is wrong comes up again with the next look.
            let room = self.refresh().unwrap_or(0);
            self.claim(if cfg!(mutant = "claim_past_room") { AHEAD } else { room.min(AHEAD) });
        }
    }

    /// Takes the lines of the next `n` bytes, for which there is room, away from the consumer's processor, all at once
    /// and without what is in them: whoever stores to them one after the other waits for each of them to be sent. What was
    /// claimed before stays as it is.
    pub(crate) fn claim(&mut self, n: u64) {
        debug_assert!(n <= self.cached_room() || cfg!(mutant = "claim_past_room"));
        let claimed = self.claimed.wrapping_sub(self.pos);
        let claimed = if claimed > self.capacity() { 0 } else { claimed };
        if claimed < n {
            let from = self.pos.wrapping_add(claimed);
            // SAFETY: this is the producer, and the `n` bytes at `pos` lie within the room.
            unsafe { self.areas.data().claim(from, (n - claimed) as usize) };
            self.claimed = self.pos.wrapping_add(n);
        }
    }
}

/// So much is claimed at a time: enough for its start to cost nothing, and little beside a private cache (`docs/performance.md`).
const AHEAD: u64 = if cfg!(loom) { 2 } else { 64 << 10 };
/// Longest message that is stored word by word. A longer one is written by an instruction that claims lines by itself.
pub(crate) const STORED: u64 = 8 << 10;

/// Longest publication after which the next line is fetched; in a stream of longer ones the processor is ahead by itself.
const SHORT: u64 = 128;

const PUBLISH: Ordering =
    if cfg!(mutant = "write_pos_relaxed") { Ordering::Relaxed } else { Ordering::Release };
