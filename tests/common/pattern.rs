//! What every stream of these tests carries: cheap to make and to compare, so that the delays that are measured are not
//! those of a check.
#![allow(unreachable_pub, reason = "each test binary compiles this file for itself")]

use std::sync::LazyLock;

use crate::common::Random;

/// Most bytes of one write or read.
pub const CHUNK: usize = 3000;
/// A prime, so that bytes a whole ring too early or too late are other bytes.
const PERIOD: usize = 65_521;

static BYTES: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let mut bytes = vec![0; PERIOD];
    Random::new(0).fill(&mut bytes);
    bytes.extend_from_within(..CHUNK);
    bytes
});

/// The `n` bytes from `pos` on, at most [`CHUNK`].
pub fn bytes(pos: u64, n: usize) -> &'static [u8] {
    let at = (pos % PERIOD as u64) as usize;
    &BYTES[at..at + n]
}

/// Fails unless `got` are the bytes from `pos` on.
pub fn assert_bytes(pos: u64, got: &[u8]) {
    let expected = bytes(pos, got.len());
    if got != expected {
        let wrong = got.iter().zip(expected).position(|(a, b)| a != b);
        panic!("a wrong byte {wrong:?} behind {pos}");
    }
}
