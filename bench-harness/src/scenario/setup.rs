//! From nothing to the first byte and back: make the transport, connect both sides, one byte there and one back.
//!
//! Both processes are there already and wait for each other, as a server waits for its client; each time they meet over a
//! fresh socket pair. What a transport hands over it hands over there: descriptors, a port, a greeting. Taking down what was
//! set up is not timed.

use std::{io, os::unix::net::UnixStream};

use super::{Batch, play};
use crate::{
    case::{Case, Scenario},
    clock::monotonic_ns,
    control::{Facts, Part},
    stats::percentile::{LONGEST_NS, buckets, histogram},
    transport::{self, Link, Role, Visit},
};

/// Sets up the transport of `case` as often as `batch` has messages. Also says what the transport said of itself.
pub(crate) fn setup(
    case: &Case,
    role: Role,
    meet: &UnixStream,
    batch: Batch,
) -> io::Result<(Part, Facts)> {
    let mut latencies = histogram();
    let mut facts = Facts::new();
    let mut whole = Part { start_ns: monotonic_ns(), ..Part::default() };
    for number in batch.numbers() {
        let socket = transport::introduce(role, meet)?;
        let mut part = Part::default();
        let batch = Batch { first: number, count: 1, ..batch };
        let first = FirstByte { case, role, batch, part: &mut part, facts: &mut facts };
        let began = monotonic_ns();
        transport::connect(case, role, &socket, first)?;
        if role == Role::Initiator {
            latencies.saturating_record((part.end_ns - began).clamp(1, LONGEST_NS));
        }
        whole.verified += part.verified;
        whole.fault = whole.fault.or(part.fault);
    }
    Ok((Part { end_ns: monotonic_ns(), latencies: buckets(&latencies), ..whole }, facts))
}

/// Sends one byte over a new link, or answers it.
struct FirstByte<'a> {
    case: &'a Case,
    role: Role,
    batch: Batch,
    part: &'a mut Part,
    facts: &'a mut Facts,
}

impl Visit for FirstByte<'_> {
    fn visit(self, mut link: impl Link) -> io::Result<()> {
        let mut buffer = vec![0; self.case.size.0];
        *self.part = play(Scenario::Pingpong, self.role, &mut link, self.batch, &mut buffer)?;
        *self.facts = link.facts();
        Ok(())
    }
}
