//! What the two sides do. Generic over the transport: nothing here knows one by name, and nothing here prints.

mod paced;
mod pacer;
mod pingpong;
mod setup;
mod solo;
mod stream;

use std::io;

pub(crate) use pacer::Pacer;
pub(crate) use setup::setup;
pub(crate) use solo::copy;

use crate::{
    case::Scenario,
    control::Part,
    pattern::Pattern,
    transport::{Link, Role},
};

/// The messages of one window: `count` of them, of which the first has the number `first`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Batch {
    pub(crate) pattern: Pattern,
    pub(crate) first: u64,
    pub(crate) count: u64,
    /// When the next one is due.
    pub(crate) pacer: Pacer,
}

impl Batch {
    fn numbers(self) -> std::ops::Range<u64> {
        self.first..self.first + self.count
    }
}

/// Plays one side of a window. `buffer` has the size of a message and belongs to this side alone.
pub(crate) fn play<L: Link>(
    scenario: Scenario,
    role: Role,
    link: &mut L,
    batch: Batch,
    buffer: &mut [u8],
) -> io::Result<Part> {
    match (scenario, role) {
        (Scenario::Pingpong | Scenario::IdleWake, Role::Initiator) => {
            pingpong::initiate(link, batch, buffer)
        }
        (Scenario::Pingpong | Scenario::IdleWake, Role::Responder) => {
            pingpong::respond(link, batch, buffer)
        }
        (Scenario::Stream, Role::Initiator) => stream::write(link, batch, buffer),
        (Scenario::Stream, Role::Responder) => stream::read(link, batch, buffer),
        (Scenario::Paced, Role::Initiator) => paced::write(link, batch, buffer),
        (Scenario::Paced, Role::Responder) => paced::read(link, batch, buffer),
        (Scenario::Setup, _) => {
            Err(io::Error::other("a transport that is set up already cannot be set up"))
        }
    }
}
