//! Messages one way, back to back. The time runs from the writer's first send to the moment at which the reader has
//! compared the last byte: the sender's own clock would measure how fast a buffer fills.

use std::io;

use super::Batch;
use crate::{clock::monotonic_ns, control::Part, pattern::Direction::Request, transport::Link};

pub(super) fn write<L: Link>(link: &mut L, batch: Batch, buffer: &mut [u8]) -> io::Result<Part> {
    let start_ns = monotonic_ns();
    for number in batch.numbers() {
        link.send_with(buffer, |message| batch.pattern.fill(Request, number, message))?;
    }
    link.flush()?;
    Ok(Part { start_ns, end_ns: monotonic_ns(), ..Part::default() })
}

pub(super) fn read<L: Link>(link: &mut L, batch: Batch, buffer: &mut [u8]) -> io::Result<Part> {
    let mut fault = None;
    let start_ns = monotonic_ns();
    for number in batch.numbers() {
        link.recv_with(buffer, |message| {
            if let Err(wrong) = batch.pattern.check(Request, number, message) {
                fault.get_or_insert(wrong);
            }
        })?;
    }
    Ok(Part { start_ns, end_ns: monotonic_ns(), verified: batch.count, fault, ..Part::default() })
}
