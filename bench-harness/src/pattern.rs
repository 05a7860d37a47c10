//! What the messages hold: a pattern that is as cheap as copying, and that no mistake of a transport survives.
//!
//! Word `i` of message `n` is `mix(key, direction, n) + i * STEP`. Each word therefore depends on the sample (the key is
//! new for each), on the direction, on the number of the message and on the place in it: a flipped bit, a word of an
//! older message, a swapped or shifted block and a byte that was never written all differ from what is expected. Both
//! loops are one addition and one store or comparison a word, which the compiler turns into vector instructions; they
//! are the same for every transport, and their cost is measured and printed with the results.

use serde::{Deserialize, Serialize};

use crate::report::record::Payload;

/// Odd, so that all words of a message differ; the bits of the golden ratio, so that they look unlike each other.
const STEP: u64 = 0x9E37_79B9_7F4A_7C15;

/// What is left of the payload where only a header is written and compared.
const HEADER: usize = 8;

/// Which way a message goes; an echo of a message is not the answer to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    /// From the initiator to the responder.
    Request,
    /// From the responder to the initiator.
    Reply,
}

/// The contents of every message of one sample.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pattern {
    key: u64,
    /// How many bytes of a message are written and compared at most.
    reach: usize,
}

/// A message that did not arrive as it was sent: the first wrong byte.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Fault {
    /// The number of the message within its sample.
    pub(crate) message: u64,
    /// The first wrong byte in it.
    pub(crate) offset: usize,
    /// What was sent.
    pub(crate) expected: u8,
    /// What arrived.
    pub(crate) found: u8,
}

/// Turns the requests of a sample, one after the other, into their replies.
#[derive(Clone, Debug)]
pub(crate) struct Replier {
    pattern: Pattern,
    next: u64,
    fault: Option<Fault>,
}

impl Replier {
    /// Expects message `first` next.
    pub(crate) fn new(pattern: Pattern, first: u64) -> Self {
        Self { pattern, next: first, fault: None }
    }

    /// Compares every byte of the next request and writes its reply in its place.
    #[inline]
    pub(crate) fn answer(&mut self, message: &mut [u8]) {
        if let Err(wrong) = self.pattern.check(Direction::Request, self.next, message) {
            self.fault.get_or_insert(wrong);
        }
        self.pattern.fill(Direction::Reply, self.next, message);
        self.next += 1;
    }

    /// The first request that did not arrive as it was sent.
    pub(crate) fn fault(&self) -> Option<Fault> {
        self.fault.clone()
    }
}

impl Pattern {
    pub(crate) fn new(key: u64, payload: Payload) -> Self {
        let reach = match payload {
            Payload::Full => usize::MAX,
            Payload::Header => HEADER,
        };
        Self { key, reach }
    }

    /// Writes message `number` into `buf`.
    #[inline]
    pub(crate) fn fill(&self, direction: Direction, number: u64, buf: &mut [u8]) {
        let mut word = self.first_word(direction, number);
        let reach = buf.len().min(self.reach);
        let (words, tail) = buf[..reach].as_chunks_mut::<8>();
        for slot in words {
            *slot = word.to_le_bytes();
            word = word.wrapping_add(STEP);
        }
        for (slot, byte) in tail.iter_mut().zip(word.to_le_bytes()) {
            *slot = byte;
        }
    }

    /// Compares `buf` with message `number`.
    #[inline]
    pub(crate) fn check(&self, direction: Direction, number: u64, buf: &[u8]) -> Result<(), Fault> {
        let mut word = self.first_word(direction, number);
        let mut difference = 0;
        let buf = &buf[..buf.len().min(self.reach)];
        let (words, tail) = buf.as_chunks::<8>();
        for found in words {
            difference |= u64::from_le_bytes(*found) ^ word;
            word = word.wrapping_add(STEP);
        }
        for (found, byte) in tail.iter().zip(word.to_le_bytes()) {
            difference |= u64::from(found ^ byte);
        }
        if difference == 0 { Ok(()) } else { Err(self.locate(direction, number, buf)) }
    }

    #[inline]
    fn first_word(&self, direction: Direction, number: u64) -> u64 {
        let salt = match direction {
            Direction::Request => 0,
            Direction::Reply => 0x5851_F42D_4C95_7F2D,
        };
        mix(self.key ^ salt ^ mix(number))
    }

    #[cold]
    fn locate(&self, direction: Direction, number: u64, buf: &[u8]) -> Fault {
        let mut sent = vec![0; buf.len()];
        self.fill(direction, number, &mut sent);
        let offset = sent.iter().zip(buf).position(|(a, b)| a != b).unwrap_or(0);
        Fault { message: number, offset, expected: sent[offset], found: buf[offset] }
    }
}

/// Spreads every bit of `value` over all bits of the result (the finaliser of SplitMix64; Steele, Lea, Flood 2014).
#[inline]
pub(crate) fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZES: [usize; 7] = [1, 7, 8, 15, 64, 1000, 65_536];

    #[test]
    fn what_was_filled_checks_out() {
        let pattern = Pattern::new(7, Payload::Full);
        for size in SIZES {
            let mut buf = vec![0; size];
            pattern.fill(Direction::Request, 3, &mut buf);
            assert_eq!(pattern.check(Direction::Request, 3, &buf), Ok(()));
        }
    }

    #[test]
    fn any_single_flipped_bit_is_found_at_its_place() {
        let pattern = Pattern::new(7, Payload::Full);
        let mut buf = vec![0; 67];
        pattern.fill(Direction::Reply, 9, &mut buf);
        for offset in 0..buf.len() {
            for bit in 0..8 {
                buf[offset] ^= 1 << bit;
                let fault = pattern.check(Direction::Reply, 9, &buf).unwrap_err();
                assert_eq!((fault.offset, fault.found), (offset, buf[offset]));
                buf[offset] ^= 1 << bit;
            }
        }
    }

    #[test]
    fn a_message_of_another_number_direction_or_sample_is_found() {
        for size in SIZES.into_iter().filter(|size| *size >= 8) {
            let mut buf = vec![0; size];
            Pattern::new(7, Payload::Full).fill(Direction::Request, 3, &mut buf);
            assert!(Pattern::new(7, Payload::Full).check(Direction::Request, 4, &buf).is_err());
            assert!(Pattern::new(7, Payload::Full).check(Direction::Reply, 3, &buf).is_err());
            assert!(Pattern::new(8, Payload::Full).check(Direction::Request, 3, &buf).is_err());
        }
    }

    #[test]
    fn with_the_header_alone_the_rest_is_neither_written_nor_compared() {
        let pattern = Pattern::new(7, Payload::Header);
        let mut buf = [9; 64];
        pattern.fill(Direction::Request, 3, &mut buf);
        assert_eq!(buf[8..], [9; 56]);
        buf[8] = 0;
        assert_eq!(pattern.check(Direction::Request, 3, &buf), Ok(()));
        buf[7] ^= 1;
        assert_eq!(pattern.check(Direction::Request, 3, &buf).unwrap_err().offset, 7);
    }

    #[test]
    fn words_that_changed_places_are_found() {
        let pattern = Pattern::new(1, Payload::Full);
        let mut buf = vec![0; 4096];
        pattern.fill(Direction::Request, 0, &mut buf);
        buf.rotate_left(8);
        assert!(pattern.check(Direction::Request, 0, &buf).is_err());
    }
}
