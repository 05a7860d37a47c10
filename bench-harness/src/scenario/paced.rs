//! Messages one way at a fixed rate. Each has a moment at which it is due, whether or not the ones before it are through,
//! and its latency counts from that moment: a transport that stalls is charged for everything that had to wait
//! meanwhile. A sender that measured from when it came to send would not notice (coordinated omission).
//!
//! The two ends of a latency are read in two processes from one clock; the coordinator brings them together.

use std::io;

use super::Batch;
use crate::{
    clock::monotonic_ns,
    control::{Part, Usage},
    pattern::Direction::Request,
    transport::Link,
};

pub(super) fn write<L: Link>(link: &mut L, batch: Batch, buffer: &mut [u8]) -> io::Result<Part> {
    let mut stamps = Vec::with_capacity(batch.count as usize);
    let mut pacing_ns = 0;
    let start_ns = monotonic_ns();
    for (number, turn) in batch.numbers().zip(1..) {
        let due = start_ns + turn * batch.pacer.period_ns();
        batch.pattern.fill(Request, number, buffer);
        pacing_ns += batch.pacer.wait_until(due);
        link.send(buffer)?;
        link.flush()?;
        stamps.push(due);
    }
    Ok(Part {
        start_ns,
        end_ns: monotonic_ns(),
        stamps,
        usage: Usage { pacing_ns, ..Usage::default() },
        ..Part::default()
    })
}

pub(super) fn read<L: Link>(link: &mut L, batch: Batch, buffer: &mut [u8]) -> io::Result<Part> {
    let mut stamps = Vec::with_capacity(batch.count as usize);
    let mut fault = None;
    let start_ns = monotonic_ns();
    for number in batch.numbers() {
        link.recv(buffer)?;
        stamps.push(monotonic_ns());
        if let Err(wrong) = batch.pattern.check(Request, number, buffer) {
            fault.get_or_insert(wrong);
        }
    }
    Ok(Part {
        start_ns,
        end_ns: monotonic_ns(),
        verified: batch.count,
        fault,
        stamps,
        ..Part::default()
    })
}
