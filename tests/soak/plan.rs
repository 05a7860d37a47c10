//! What both processes do in a round, drawn from one number that both know.

use std::sync::LazyLock;

use ringpipe::{Doorbell, Options, Wait};

use crate::common::Random;

/// Most bytes of one write or message.
pub(crate) const MOST: usize = 256 << 10;
/// Most bytes of one direction of a round, and how often they may fill its ring: a small one has its two sides sleep and
/// wake for every few bytes.
const MOST_BYTES: usize = 64 << 20;
const MOST_FILLS: usize = 256;

/// Where all bytes come from.
static POOL: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let mut pool = vec![0; (1 << 20) + MOST];
    Random::new(13).fill(&mut pool);
    pool
});

/// A number up to `most`, whose length in bits is any.
pub(crate) fn any_size(random: &mut Random, most: usize) -> usize {
    let bits = 1 + random.below(most.ilog2() as usize);
    random.below(1 << bits)
}

/// Some bytes of the pool, at least one.
pub(crate) fn any_bytes(random: &mut Random, most: usize) -> &'static [u8] {
    let n = any_size(random, most).max(1);
    let at = random.below(POOL.len() - n + 1);
    &POOL[at..at + n]
}

/// How a direction is written and read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Plain,
    Vectored,
    InPlace,
    Messages,
}

/// How a direction ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    Close,
    Drop,
    Error,
    /// The writer waits until everything was read.
    Finish,
    /// The reader has had enough, after so many bytes.
    Enough,
}

/// One direction of a round.
#[derive(Clone, Debug)]
pub(crate) struct Direction {
    pub(crate) bytes: u64,
    pub(crate) mode: Mode,
    pub(crate) ending: Ending,
    seed: u64,
}

impl Direction {
    /// What a side writes into its ring of `capacity` bytes.
    fn new(random: &mut Random, capacity: usize) -> Self {
        use Ending::{Close, Drop, Enough, Error, Finish};
        use Mode::{InPlace, Messages, Plain, Vectored};
        let most = MOST_BYTES.min(capacity * MOST_FILLS);
        // Half of them are long.
        let bytes = any_size(random, most).max(most / 2 * random.below(2));
        Self {
            bytes: bytes as u64,
            mode: [Plain, Vectored, InPlace, Messages][random.below(4)],
            ending: [Close, Drop, Error, Finish, Enough][random.below(5)],
            seed: random.next(),
        }
    }

    /// What is written, piece after piece, without end.
    pub(crate) fn pieces(&self) -> impl Iterator<Item = &'static [u8]> + use<> {
        let mut random = Random::new(self.seed);
        std::iter::repeat_with(move || any_bytes(&mut random, MOST))
    }
}

/// What one side's ends are like.
#[derive(Clone, Debug)]
pub(crate) struct Side {
    pub(crate) options: Options,
    capacity: usize,
    /// It waits for the descriptor, and not in the call.
    pub(crate) polls: bool,
}

impl Side {
    fn new(random: &mut Random) -> Self {
        let wait = [Wait::Park, Wait::Adaptive, Wait::Adaptive, Wait::Adaptive][random.below(4)];
        let polls = random.below(4) == 0;
        let doorbell = if polls { Doorbell::EventFd } else { Doorbell::Futex };
        let capacity = 4096 << random.below(9);
        let options = Options::new().capacity(capacity).wait(wait).doorbell(doorbell);
        Self { options, capacity, polls }
    }
}

/// A round: a stream that is opened, used in both directions and closed, and calls beside it.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// The listening side, and the connecting side.
    pub(crate) sides: [Side; 2],
    /// What the listening side writes, and what the connecting side writes.
    pub(crate) directions: [Direction; 2],
    /// For the calls.
    pub(crate) random: Random,
}

impl Plan {
    pub(crate) fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let sides = [Side::new(&mut random), Side::new(&mut random)];
        let directions = [0, 1].map(|side| Direction::new(&mut random, sides[side].capacity));
        Self { sides, directions, random }
    }
}
