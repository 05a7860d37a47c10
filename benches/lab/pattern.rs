//! What the messages hold: words that depend on the message's number and on the place in it.

/// Odd, so that all words of a message differ.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

fn first_word(number: u64) -> u64 {
    let mixed = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb)
}

/// Writes message `number`.
#[inline]
pub(crate) fn fill(message: &mut [u8], number: u64) {
    let mut word = first_word(number);
    for slot in message.as_chunks_mut::<8>().0 {
        *slot = word.to_le_bytes();
        word = word.wrapping_add(STEP);
    }
}

/// Compares every byte with message `number`.
#[inline]
pub(crate) fn check(message: &[u8], number: u64) {
    let (mut word, mut difference) = (first_word(number), 0);
    for found in message.as_chunks::<8>().0 {
        difference |= u64::from_le_bytes(*found) ^ word;
        word = word.wrapping_add(STEP);
    }
    assert_eq!(difference, 0, "message {number} arrived garbled");
}
