//! The two messages of the handshake.
//!
//! ```text
//! +0x00 magic u64 "ringmeet"   +0x08 major u16   +0x0a minor u16   +0x0c length u32 (128)   +0x10 endian mark u32
//! +0x14 kind u32 (1 hello, 2 welcome, 3 refusal, 4 handover)   +0x18 capacity u64   +0x20 data offset u64
//! +0x28 nonce [u8; 16]   +0x38 [u8; 16]: the hello's nonce in a welcome; in a handover the number of sleeps u64, zeros
//! u64; else zeros
//! +0x48 text of a refusal, zero-padded [u8; 48]   +0x78 flags u32   +0x7c CRC-32C of the bytes before u32
//! ```
//! Flag 1 in a hello and in a welcome: the sender is registered for `membarrier(GLOBAL_EXPEDITED)` and can call it; if both
//! are, the side that goes to sleep has the fences of both. In a handover: that is what the two ends do.
//!
//! A hello and a welcome carry three descriptors: the sender's producer file, its doorbell file, its consumer file. A
//! sender that polls its ends adds two sockets: one to make its reader's descriptor readable, one for its writer's. A handover
//! carries one, the compact file, and is the only message of its socket.

use std::sync::Arc;

use crate::{
    error::Error,
    ring::core::{
        header::{Header, array_at, crc32c},
        layout::{ENDIAN_MARK, VERSION},
    },
    ring::wait::Fences,
};

/// Bytes of a greeting.
pub(super) const LENGTH: usize = 128;
/// Descriptors that a hello and a welcome carry, without and with those of a sender that polls.
pub(super) const FILES: usize = 3;
pub(super) const FILES_AND_SWITCHES: usize = FILES + 2;
const MAGIC: u64 = u64::from_le_bytes(*b"ringmeet");
/// Flag: the sender can fence for both sides, and be fenced by the other.
const SLEEPER_FENCES: u32 = 1;
const TEXT: std::ops::Range<usize> = 0x48..0x78;

/// What one side tells the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Greeting {
    /// The connecting side's memory.
    Hello(Offer),
    /// The accepting side's memory, and the nonce of the hello it answers.
    Welcome(Offer, [u8; 16]),
    /// An existing ring, for a child.
    Handover(Handover),
    /// Why there will be no stream.
    Refusal(Box<str>),
}

/// What a side brings to a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Offer {
    pub(super) header: Header,
    pub(super) fences: Fences,
}

/// What a child needs to know of the end it takes up, beside the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Handover {
    pub(crate) header: Header,
    pub(crate) fences: Fences,
    /// How often the end has slept: the numbers of its sleeps go on from there.
    pub(crate) sleeps: u64,
}

impl Greeting {
    pub(super) fn to_bytes(&self) -> [u8; LENGTH] {
        let mut bytes = [0; LENGTH];
        let (kind, offer, answered) = match self {
            Self::Hello(offer) => (1u32, Some(*offer), None),
            Self::Welcome(offer, nonce) => (2, Some(*offer), Some(*nonce)),
            Self::Refusal(_) => (3, None, None),
            Self::Handover(Handover { header, fences, sleeps }) => {
                let offer = Offer { header: *header, fences: *fences };
                (4, Some(offer), Some(u128::from(*sleeps).to_le_bytes()))
            }
        };
        bytes[0x00..0x08].copy_from_slice(&MAGIC.to_le_bytes());
        bytes[0x08..0x0a].copy_from_slice(&VERSION.0.to_le_bytes());
        bytes[0x0a..0x0c].copy_from_slice(&VERSION.1.to_le_bytes());
        bytes[0x0c..0x10].copy_from_slice(&(LENGTH as u32).to_le_bytes());
        bytes[0x10..0x14].copy_from_slice(&ENDIAN_MARK.to_ne_bytes());
        bytes[0x14..0x18].copy_from_slice(&kind.to_le_bytes());
        if let Some(Offer { header, fences }) = offer {
            let flags = if fences == Fences::Sleeper { SLEEPER_FENCES } else { 0 };
            bytes[0x78..0x7c].copy_from_slice(&flags.to_le_bytes());
            bytes[0x18..0x20].copy_from_slice(&header.capacity.to_le_bytes());
            bytes[0x20..0x28].copy_from_slice(&header.data_offset.to_le_bytes());
            bytes[0x28..0x38].copy_from_slice(&header.nonce);
        }
        if let Some(field) = answered {
            bytes[0x38..0x48].copy_from_slice(&field);
        }
        if let Self::Refusal(text) = self {
            let fits = text.bytes().zip(&mut bytes[TEXT]);
            fits.for_each(|(from, to)| *to = from);
        }
        let crc = crc32c(&bytes[..0x7c]);
        bytes[0x7c..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// Checks a stranger's bytes. The version comes first, so that another one is called by its name.
    pub(super) fn from_bytes(bytes: &[u8; LENGTH]) -> Result<Self, Error> {
        let refused = |text: String| Err(Error::Refused(Arc::from(text)));
        let u16_at = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
        let u32_at = |at: usize| u32::from_le_bytes(array_at(bytes, at));
        let u64_at = |at: usize| u64::from_le_bytes(array_at(bytes, at));
        if u64_at(0x00) != MAGIC {
            return refused("the peer does not speak ringpipe".into());
        }
        if u32_at(0x10) != ENDIAN_MARK.to_le() {
            return refused("the peer has another byte order".into());
        }
        let (major, minor) = (u16_at(0x08), u16_at(0x0a));
        if major != VERSION.0 {
            let (own_major, own_minor) = VERSION;
            return refused(format!(
                "the peer speaks version {major}.{minor} of the protocol, this side {own_major}.{own_minor}"
            ));
        }
        if u32_at(0x0c) as usize != LENGTH {
            return refused(format!("the greeting announces {} bytes, not {LENGTH}", u32_at(0x0c)));
        }
        if u32_at(0x7c) != crc32c(&bytes[..0x7c]) {
            return refused("the greeting's checksum is wrong".into());
        }
        let header = Header {
            capacity: u64_at(0x18),
            data_offset: u64_at(0x20),
            nonce: array_at(bytes, 0x28),
        };
        let fences = match u32_at(0x78) {
            0 => Fences::Both,
            SLEEPER_FENCES => Fences::Sleeper,
            flags => return refused(format!("the greeting has unknown flags, {flags:#x}")),
        };
        let offer = Offer { header, fences };
        let answered: [u8; 16] = array_at(bytes, 0x38);
        match u32_at(0x14) {
            1 => Ok(Self::Hello(offer)),
            2 => Ok(Self::Welcome(offer, answered)),
            3 => {
                let text = bytes[TEXT].split(|byte| *byte == 0).next().unwrap_or_default();
                Ok(Self::Refusal(String::from_utf8_lossy(text).escape_debug().to_string().into()))
            }
            4 => Ok(Self::Handover(Handover { header, fences, sleeps: u64_at(0x38) })),
            kind => refused(format!("the greeting is of an unknown kind, {kind}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: Header = Header { capacity: 4096, data_offset: 4096, nonce: [9; 16] };
    const OFFER: Offer = Offer { header: HEADER, fences: Fences::Sleeper };

    #[test]
    fn greetings_survive_the_crossing() {
        for greeting in [
            Greeting::Hello(OFFER),
            Greeting::Welcome(Offer { fences: Fences::Both, ..OFFER }, [3; 16]),
            Greeting::Refusal("no".into()),
            Greeting::Handover(Handover { header: HEADER, fences: Fences::Sleeper, sleeps: 77 }),
        ] {
            assert_eq!(Greeting::from_bytes(&greeting.to_bytes()).unwrap(), greeting);
        }
    }

    #[test]
    fn every_flipped_bit_is_refused() {
        let good = Greeting::Hello(OFFER).to_bytes();
        for bit in 0..LENGTH * 8 {
            let mut bytes = good;
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(Greeting::from_bytes(&bytes).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn another_version_is_told_with_both_numbers() {
        let mut bytes = Greeting::Hello(OFFER).to_bytes();
        bytes[0x08] = 9;
        let text = Greeting::from_bytes(&bytes).unwrap_err().to_string();
        assert!(text.contains("9.0") && text.contains("1.0"), "{text}");
    }
}
