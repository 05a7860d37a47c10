//! The header of a producer's area: written once, checked once.

use super::{
    Corrupt,
    layout::{ENDIAN_MARK, MAGIC, MAX_CAPACITY, MIN_CAPACITY, VERSION},
};

/// Bytes of the header in shared memory; all integers are little-endian.
///
/// ```text
/// +0x00 magic u64   +0x08 major u16   +0x0a minor u16   +0x0c length u32   +0x10 endian mark u32   +0x14 flags u32
/// +0x18 capacity u64   +0x20 data offset u64   +0x28 nonce [u8; 16]   +0x38 CRC-32C of the bytes before u32   +0x3c 0 u32
/// ```
pub(crate) const LENGTH: usize = 64;

/// What a producer says about its area. Private copies are used after the check; the shared one is never read again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    /// Bytes of the data area.
    pub(crate) capacity: u64,
    /// Where the data begins in the producer's object.
    pub(crate) data_offset: u64,
    /// Chosen anew for each direction; the greeting repeats it, so that two rings cannot be mixed up.
    pub(crate) nonce: [u8; 16],
}

impl Header {
    pub(crate) fn to_bytes(self) -> [u8; LENGTH] {
        let mut bytes = [0; LENGTH];
        bytes[0x00..0x08].copy_from_slice(&MAGIC.to_le_bytes());
        bytes[0x08..0x0a].copy_from_slice(&VERSION.0.to_le_bytes());
        bytes[0x0a..0x0c].copy_from_slice(&VERSION.1.to_le_bytes());
        bytes[0x0c..0x10].copy_from_slice(&(LENGTH as u32).to_le_bytes());
        // Native order on purpose: that is what the mark shows.
        bytes[0x10..0x14].copy_from_slice(&ENDIAN_MARK.to_ne_bytes());
        bytes[0x18..0x20].copy_from_slice(&self.capacity.to_le_bytes());
        bytes[0x20..0x28].copy_from_slice(&self.data_offset.to_le_bytes());
        bytes[0x28..0x38].copy_from_slice(&self.nonce);
        let crc = crc32c(&bytes[..0x38]);
        bytes[0x38..0x3c].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// Checks a private copy of the bytes; every one of them is a stranger's.
    pub(crate) fn from_bytes(bytes: &[u8; LENGTH]) -> Result<Self, Corrupt> {
        let u16_at = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
        let u32_at = |at: usize| u32::from_le_bytes(array_at(bytes, at));
        let u64_at = |at: usize| u64::from_le_bytes(array_at(bytes, at));
        let checks = [
            (u64_at(0x00) == MAGIC, "the header does not begin with the magic"),
            (u32_at(0x10) == ENDIAN_MARK.to_le(), "the header was written in another byte order"),
            (u16_at(0x08) == VERSION.0, "the header has another major version"),
            (u32_at(0x0c) as usize >= LENGTH, "the header is too short"),
            (u32_at(0x38) == crc32c(&bytes[..0x38]), "the header's checksum is wrong"),
            (u32_at(0x14) == 0 && u32_at(0x3c) == 0, "the header has flags that are not defined"),
        ];
        if let Some((_, fault)) = checks.iter().find(|(holds, _)| !holds) {
            return Err(Corrupt(fault));
        }
        let header = Self {
            capacity: u64_at(0x18),
            data_offset: u64_at(0x20),
            nonce: array_at(bytes, 0x28),
        };
        let capacity = usize::try_from(header.capacity).unwrap_or(0);
        if !capacity.is_power_of_two() || !(MIN_CAPACITY..=MAX_CAPACITY).contains(&capacity) {
            return Err(Corrupt("the header's capacity is not a power of two within the limits"));
        }
        Ok(header)
    }
}

/// `N` bytes of `bytes` from `at` on.
pub(crate) fn array_at<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut array = [0; N];
    array.copy_from_slice(&bytes[at..at + N]);
    array
}

/// CRC-32C (Castagnoli: reflected polynomial 0x82f63b78), bit by bit: it runs over a few dozen bytes per connection.
pub(crate) fn crc32c(bytes: &[u8]) -> u32 {
    let mut crc = !0u32;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0x82f6_3b78 & (crc & 1).wrapping_neg());
        }
    }
    !crc
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    const GOOD: Header = Header { capacity: 65536, data_offset: 4096, nonce: [7; 16] };

    #[test]
    fn the_checksum_is_the_published_one() {
        // The check value of CRC-32C in the catalogue of parametrised CRC algorithms.
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
    }

    #[test]
    fn a_header_survives_the_crossing() {
        assert_eq!(Header::from_bytes(&GOOD.to_bytes()), Ok(GOOD));
    }

    #[test]
    fn every_flipped_bit_is_refused() {
        for bit in 0..LENGTH * 8 {
            let mut bytes = GOOD.to_bytes();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(Header::from_bytes(&bytes).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn capacities_that_cannot_be_are_refused() {
        for capacity in [0, 1, 3, 2048, 4097, 1 << 31, 1 << 63, u64::MAX] {
            let bytes = Header { capacity, ..GOOD }.to_bytes();
            assert!(Header::from_bytes(&bytes).is_err(), "capacity {capacity}");
        }
    }
}
