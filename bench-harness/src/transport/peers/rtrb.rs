//! rtrb between two threads: a ring of bytes, written and read in slices. It has no way to wait, so there is a spin row and
//! no other.

use std::io;

use rtrb::{Consumer, Producer, RingBuffer};

use super::{
    super::{Link, Transport},
    THREADS, capacity,
};
use crate::case::{Case, Wait};

pub(in super::super) const TRANSPORT: Transport = Transport {
    name: "rtrb",
    what: "rtrb, a ring of bytes, slices in and out",
    waits: &[Wait::Spin],
    quick: &[Wait::Spin],
    complexity: 25,
    ..THREADS
};

/// One side of two rings.
#[derive(Debug)]
pub(super) struct Rtrb {
    producer: Producer<u8>,
    consumer: Consumer<u8>,
}

/// Both sides, the initiator's first.
pub(super) fn open(case: &Case) -> (Rtrb, Rtrb) {
    let (request_in, request_out) = RingBuffer::new(capacity(case));
    let (reply_in, reply_out) = RingBuffer::new(capacity(case));
    (
        Rtrb { producer: request_in, consumer: reply_out },
        Rtrb { producer: reply_in, consumer: request_out },
    )
}

impl Link for Rtrb {
    #[inline]
    fn send(&mut self, mut message: &[u8]) -> io::Result<()> {
        while let (_, rest @ [_, ..]) = self.producer.push_partial_slice(message) {
            if self.producer.is_abandoned() {
                return Err(io::ErrorKind::BrokenPipe.into());
            }
            message = rest;
            std::hint::spin_loop();
        }
        Ok(())
    }

    #[inline]
    fn recv(&mut self, mut message: &mut [u8]) -> io::Result<()> {
        while let (_, rest @ [_, ..]) = self.consumer.pop_partial_slice(message) {
            if self.consumer.is_abandoned() {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            message = rest;
            std::hint::spin_loop();
        }
        Ok(())
    }
}
