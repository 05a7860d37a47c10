//! Seeded numbers and the byte pattern of the streams, so that a failed case can be repeated.

/// SplitMix64 (Steele, Lea and Flood, 2014): one word of state, good enough to choose sizes and operations.
#[derive(Clone, Debug)]
pub(super) struct Rng(u64);

impl Rng {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// A number in `low..=high`.
    pub(super) fn between(&mut self, low: usize, high: usize) -> usize {
        let span = (high - low) as u64 + 1;
        low + (self.next() % span) as usize
    }

    /// True once in `n` calls.
    pub(super) fn once_in(&mut self, n: usize) -> bool {
        self.between(1, n) == 1
    }
}

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The byte at a position of a stream: lost, doubled, swapped and shifted bytes all show.
pub(super) fn byte_at(seed: u64, position: u64) -> u8 {
    (mix(seed ^ (position >> 3).wrapping_mul(0x2545_f491_4f6c_dd1d)) >> ((position & 7) * 8)) as u8
}

/// `len` bytes of the stream from `position` on.
pub(super) fn pattern(seed: u64, position: u64, len: usize) -> Vec<u8> {
    (position..position + len as u64).map(|at| byte_at(seed, at)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shifted_pattern_differs_soon() {
        for shift in 1..64 {
            assert_ne!(pattern(7, 0, 16), pattern(7, shift, 16));
        }
    }

    #[test]
    fn between_reaches_both_of_its_ends() {
        let mut rng = Rng::new(1);
        let drawn: Vec<_> = (0..200).map(|_| rng.between(3, 5)).collect();
        for n in 3..=5 {
            assert!(drawn.contains(&n));
        }
        assert!(drawn.iter().all(|n| (3..=5).contains(n)));
    }
}
