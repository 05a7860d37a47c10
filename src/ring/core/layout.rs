//! What lies where in the shared memory of one direction of a ring: the wire format.
//!
//! Two side areas of the same shape, one written by the producer alone and one by the consumer alone, and two
//! doorbell words that both write. Words that different processes write are 128 bytes apart, because
//! the adjacent-line prefetcher of current x86 parts moves lines in pairs (Intel's optimisation manual; the
//! reason crossbeam's `CachePadded` gives for the same number).

use crate::sync::{AtomicU32, AtomicU64, FutexWord};

/// First word of an initialised producer area: `ringpipe` in ASCII, little-endian.
pub(crate) const MAGIC: u64 = u64::from_le_bytes(*b"ringpipe");
/// Changes that an older peer cannot read raise the major version; additions it may ignore raise the minor one.
pub(crate) const VERSION: (u16, u16) = (1, 0);
/// A constant whose bytes tell a peer of another endianness that it is one.
pub(crate) const ENDIAN_MARK: u32 = 0x0102_0304;
/// Bytes of each side area and of the doorbell area: one page, so that each can be its own mapping.
pub(crate) const AREA_SIZE: usize = 4096;
/// Smallest and largest data area in bytes; both are powers of two, as every capacity must be.
#[cfg(not(loom))]
pub(crate) const MIN_CAPACITY: usize = 4096;
// A model fills a ring with one byte.
#[cfg(loom)]
pub(crate) const MIN_CAPACITY: usize = 1;
pub(crate) const MAX_CAPACITY: usize = 1 << 30;
/// Most bytes of text that an error takes across the process border.
pub(crate) const MAX_TEXT: usize = TEXT_WORDS * 8;

#[cfg(not(loom))]
const TEXT_WORDS: usize = 30;
// The models hand over one word of text; each atomic costs the model checker time.
#[cfg(loom)]
const TEXT_WORDS: usize = 1;

/// Values of [`Side::state`].
pub(crate) mod state {
    pub(crate) const OPEN: u32 = 0;
    pub(crate) const CLOSED: u32 = 1;
    pub(crate) const ERROR: u32 = 2;
}

/// One side's area. `producer` and `consumer` have the same shape, and each word has one writer: the side itself.
#[repr(C)]
#[derive(Debug)]
pub(crate) struct Side {
    /// Room for a [`Header`](super::header::Header) on the producer's side; nobody looks at it after the handshake.
    header: Padded<[u64; 8]>,
    /// Producer: bytes ever written. Consumer: bytes ever read. Never reset.
    pub(crate) pos: Padded<AtomicU64>,
    pub(crate) sleep: Padded<Sleep>,
    pub(crate) closing: Closing,
}

/// How a side tells that it sleeps.
#[repr(C)]
#[derive(Debug)]
pub(crate) struct Sleep {
    /// 0 or [`ASKING`] while awake; otherwise the number of this sleep (counted from 1, never repeated), shifted left by
    /// two, with [`PARKED`] or [`ARMED`] in the low bits. A waker rings once per number.
    pub(crate) parked: AtomicU64,
    /// Ring the doorbell when the peer's position has reached this one.
    pub(crate) want: AtomicU64,
    /// The CPU on which this side last waited or rang, plus one; 0 if unknown. A hint for the peer's spinning.
    pub(crate) cpu: AtomicU32,
}

/// Low bits of [`Sleep::parked`]: the side sleeps on its doorbell word.
pub(crate) const PARKED: u64 = 1;
/// [`Sleep::parked`] of a side that is awake and sleeps so often that the peer shall pass a full fence after each publication:
/// a sleep with the number 0, which nobody rings for.
pub(crate) const ASKING: u64 = PARKED;
/// Low bits of [`Sleep::parked`]: the side polls a descriptor, and wants that one rung.
pub(crate) const ARMED: u64 = 2;

/// How a side tells that it is done; the last words it writes.
#[repr(C)]
#[derive(Debug)]
pub(crate) struct Closing {
    /// A value of [`state`].
    pub(crate) state: AtomicU32,
    /// The error's kind by the table in [`closing`](super::closing).
    pub(crate) kind: AtomicU32,
    /// Bytes of text, `0..=MAX_TEXT`.
    pub(crate) length: AtomicU32,
    pub(crate) reserved: AtomicU32,
    /// UTF-8, eight bytes to a little-endian word.
    pub(crate) text: [AtomicU64; TEXT_WORDS],
}

/// The doorbell area: the words that sleepers sleep on. Both sides write both.
#[repr(C)]
#[derive(Debug)]
pub(crate) struct Bells {
    /// Rung for the consumer.
    pub(crate) consumer: Padded<FutexWord>,
    /// Rung for the producer.
    pub(crate) producer: Padded<FutexWord>,
}

/// Keeps its content 128 bytes away from its neighbours.
#[repr(C, align(128))]
#[derive(Debug, Default)]
pub(crate) struct Padded<T>(pub(crate) T);

impl<T> std::ops::Deref for Padded<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl Default for Side {
    fn default() -> Self {
        Self {
            header: Padded([0; 8]),
            pos: Padded(AtomicU64::new(0)),
            sleep: Padded(Sleep {
                parked: AtomicU64::new(0),
                want: AtomicU64::new(0),
                cpu: AtomicU32::new(0),
            }),
            closing: Closing {
                state: AtomicU32::new(state::OPEN),
                kind: AtomicU32::new(0),
                length: AtomicU32::new(0),
                reserved: AtomicU32::new(0),
                text: std::array::from_fn(|_| AtomicU64::new(0)),
            },
        }
    }
}

#[cfg(loom)]
impl Default for Bells {
    fn default() -> Self {
        Self { consumer: Padded(FutexWord::new(0)), producer: Padded(FutexWord::new(0)) }
    }
}

#[cfg(not(loom))]
const _: () = {
    use std::mem::{offset_of, size_of};
    assert!(offset_of!(Side, pos) == 0x080);
    assert!(offset_of!(Side, sleep) == 0x100);
    assert!(offset_of!(Side, sleep) + offset_of!(Sleep, want) == 0x108);
    assert!(offset_of!(Side, sleep) + offset_of!(Sleep, cpu) == 0x110);
    assert!(offset_of!(Side, closing) == 0x180);
    assert!(offset_of!(Side, closing) + offset_of!(Closing, kind) == 0x184);
    assert!(offset_of!(Side, closing) + offset_of!(Closing, length) == 0x188);
    assert!(offset_of!(Side, closing) + offset_of!(Closing, text) == 0x190);
    assert!(size_of::<Side>() == 0x280 && size_of::<Side>() <= AREA_SIZE);
    assert!(offset_of!(Bells, consumer) == 0x000);
    assert!(offset_of!(Bells, producer) == 0x080);
};
