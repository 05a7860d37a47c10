//! What an end has done so far.

use std::time::Duration;

use super::Residency;
use crate::error::Error;

/// Counts of one end since it was made; its own only, so that counting costs no traffic between the processes.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Stats {
    /// Bytes written to the ring, or read from it.
    pub bytes: u64,
    /// Whole messages sent, or received.
    pub messages: u64,
    /// Times this end woke the peer.
    pub wakes_sent: u64,
    /// Sleeps of this end that a ring of its doorbell ended.
    pub wakes_received: u64,
    /// Times this end went to sleep.
    pub parks: u64,
    /// Waits that ended without a sleep, because looking again was enough.
    pub spins_won: u64,
    /// Time spent waiting, asleep or looking; waits that end before it is worth reading the clock (within a microsecond or
    /// so) do not count.
    pub blocked: Duration,
    /// Bytes in the ring as this end last saw it.
    pub fill: u64,
    /// Bytes the ring holds at most.
    pub capacity: u64,
    /// What was had of the options that concern the ring's memory.
    pub memory: Residency,
    /// The error that ended this end's use, if one did.
    pub last_error: Option<Error>,
}
