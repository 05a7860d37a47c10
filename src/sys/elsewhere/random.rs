//! Unpredictable bytes, for telling one ring from another.

use std::{fs::File, io::Read};

/// Sixteen bytes from the system. Not a secret: should it have none to give, the clock and the process will do.
pub(crate) fn nonce() -> [u8; 16] {
    let mut bytes = [0; 16];
    let read = File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut bytes));
    if read.is_err() {
        let now = super::clock::Moment::now().as_nanos();
        bytes[..8].copy_from_slice(&now.to_le_bytes());
        bytes[8..12].copy_from_slice(&std::process::id().to_le_bytes());
    }
    bytes
}
