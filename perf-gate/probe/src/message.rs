//! Messages that tell what they should be.

/// A few messages, sent in turn.
///
/// They are made beforehand: filling one right before it is sent would be measured with it, and more than once over, because
/// a copy has to wait for stores narrower than its loads. The check looks at both ends of what arrived, for the same reason;
/// the tests look at every byte.
pub struct Messages {
    bytes: Vec<u8>,
    size: usize,
    /// Their number minus one; they are a power of two, because a division would be measured as well.
    mask: usize,
}

/// As many as fit into a part of the first cache, within limits.
const BYTES: usize = 4096;

impl Messages {
    pub fn new(size: usize) -> Self {
        let count = (BYTES / size).next_power_of_two().clamp(2, 16);
        let words = (1..=count as u64).flat_map(|number| vec![seed(number); size / 8]);
        Self { bytes: words.flat_map(u64::to_le_bytes).collect(), size, mask: count - 1 }
    }

    /// What is sent as message `number`.
    #[inline(always)]
    pub fn get(&self, number: u64) -> &[u8] {
        let start = (number as usize & self.mask) * self.size;
        &self.bytes[start..start + self.size]
    }

    /// Fails if `got` is not message `number`.
    #[inline(always)]
    pub fn check(&self, got: &[u8], number: u64) {
        let (sent, end) = (self.get(number), self.size - 8);
        assert!(got[..8] == sent[..8] && got[end..] == sent[end..], "message {number} is garbled");
    }
}

/// A word that no other message has, and no empty memory.
fn seed(number: u64) -> u64 {
    number.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}
