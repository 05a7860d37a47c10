//! Bytes that tell which message they belong to.

/// Fills a message with what its number says; one multiplication for eight bytes.
pub(crate) fn fill(message: &mut [u8], number: u64) {
    for (i, word) in message.chunks_exact_mut(8).enumerate() {
        word.copy_from_slice(&expected(number, i));
    }
}

/// Fails unless the message is the one of that number.
pub(crate) fn check(message: &[u8], number: u64) {
    let mut wrong = 0;
    for (i, word) in message.chunks_exact(8).enumerate() {
        wrong |= u64::from_le_bytes(word.try_into().expect("eight bytes"))
            ^ u64::from_le_bytes(expected(number, i));
    }
    assert_eq!(wrong, 0, "message {number} arrived garbled");
}

fn expected(number: u64, at: usize) -> [u8; 8] {
    (number ^ at as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes()
}
