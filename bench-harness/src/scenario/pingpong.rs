//! One message there, one back. A latency is the time from before the request is handed to the transport until the
//! reply has arrived whole; the initiator fills and checks outside of it, the responder inside, as a real one would.
//!
//! After a silence it is the same: the initiator passes the time on its CPU, the responder waits as its row says, and so the
//! latency is that of waking the responder up and of an answer to an initiator that has only just begun to wait.

use std::io;

use super::Batch;
use crate::{
    clock::monotonic_ns,
    control::{Part, Usage},
    pattern::{
        Direction::{Reply, Request},
        Replier,
    },
    stats::percentile::{LONGEST_NS, buckets, histogram},
    transport::Link,
};

pub(super) fn initiate<L: Link>(link: &mut L, batch: Batch, buffer: &mut [u8]) -> io::Result<Part> {
    let mut latencies = histogram();
    let mut reply = vec![0; buffer.len()];
    let mut fault = None;
    let mut pacing_ns = 0;
    let start_ns = monotonic_ns();
    for number in batch.numbers() {
        batch.pattern.fill(Request, number, buffer);
        if batch.pacer.period_ns() > 0 {
            pacing_ns += batch.pacer.wait_until(monotonic_ns() + batch.pacer.period_ns());
        }
        let sent = monotonic_ns();
        link.exchange(buffer, &mut reply)?;
        let took = monotonic_ns() - sent;
        latencies.saturating_record(took.clamp(1, LONGEST_NS));
        if let Err(wrong) = batch.pattern.check(Reply, number, &reply) {
            fault.get_or_insert(wrong);
        }
    }
    Ok(Part {
        start_ns,
        end_ns: monotonic_ns(),
        verified: batch.count,
        fault,
        latencies: buckets(&latencies),
        usage: Usage { pacing_ns, ..Usage::default() },
        ..Part::default()
    })
}

pub(super) fn respond<L: Link>(link: &mut L, batch: Batch, buffer: &mut [u8]) -> io::Result<Part> {
    let mut replier = Replier::new(batch.pattern, batch.first);
    let start_ns = monotonic_ns();
    link.serve(batch.count, buffer, &mut replier)?;
    Ok(Part {
        start_ns,
        end_ns: monotonic_ns(),
        verified: batch.count,
        fault: replier.fault(),
        ..Part::default()
    })
}
