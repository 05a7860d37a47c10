//! ringfire: a ring of fixed-size records in shared memory, in its lossless mode, one for each direction.
//!
//! The size of a record is known at compile time, so there are rows for the usual sizes only. A reader waits as the row
//! says: `BusySpin`, its default `FutexWait` (32 looks, then sleep), or the same without looking. A writer that finds
//! the ring full yields and then sleeps for 10 µs at a time, which cannot be chosen.

use std::{io, os::unix::net::UnixStream, path::Path};

use ringfire::{
    BusySpin, CleanupMode, FlowControl, FutexWait, RingConsumer, RingProducer, RingProducerBuilder,
    WaitStrategy,
};

use super::{
    super::{Link, Role, Transport, Visit, doing, unsupported},
    PROCESSES, names, slots,
};
use crate::{
    case::{Case, Wait},
    control::Facts,
};

pub(in super::super) const TRANSPORT: Transport = Transport {
    name: "ringfire",
    what: "ringfire, a lossless ring of fixed-size records in shared memory",
    waits: &Wait::ALL,
    quick: &[Wait::Adaptive],
    complexity: 24,
    ..PROCESSES
};

/// One side of two rings of records of `N` bytes.
struct Ringfire<const N: usize, W> {
    producer: RingProducer<[u8; N]>,
    consumer: RingConsumer<[u8; N]>,
    wait: W,
    slots: u64,
}

pub(super) fn connect(
    case: &Case,
    role: Role,
    meet: &UnixStream,
    visit: impl Visit,
) -> io::Result<()> {
    match case.size.0 {
        16 => sized::<16>(case, role, meet, visit),
        64 => sized::<64>(case, role, meet, visit),
        1_024 => sized::<1_024>(case, role, meet, visit),
        4_096 => sized::<4_096>(case, role, meet, visit),
        65_536 => sized::<65_536>(case, role, meet, visit),
        _ => Err(unsupported(
            "the size of its records is known at compile time; this build has 16 B, 64 B, 1 KiB, 4 KiB and 64 KiB",
        )),
    }
}

fn sized<const N: usize>(
    case: &Case,
    role: Role,
    meet: &UnixStream,
    visit: impl Visit,
) -> io::Result<()> {
    match case.row.wait {
        Wait::Spin => visit.visit(open::<N, _>(case, role, meet, BusySpin::new())?),
        Wait::Adaptive => visit.visit(open::<N, _>(case, role, meet, FutexWait::default())?),
        Wait::Block => visit.visit(open::<N, _>(case, role, meet, FutexWait::new(0, None))?),
    }
}

fn open<const N: usize, W>(
    case: &Case,
    role: Role,
    meet: &UnixStream,
    wait: W,
) -> io::Result<Ringfire<N, W>> {
    // It takes powers of two only.
    let slots = slots(case).next_power_of_two() as u64;
    let (ours, theirs) = names::ours_and_theirs(role, &names::agree(role, meet)?);
    let folder = Path::new(names::SHM);
    let producer = RingProducerBuilder::new(slots)
        .flow_control(FlowControl::LosslessBackpressure)
        .cleanup_mode(CleanupMode::UnlinkOnDrop)
        .build(folder.join(ours));
    let producer = doing(producer, "making a ringfire ring")?;
    names::both_are_here(meet)?;
    let consumer = RingConsumer::builder().start_from_oldest().attach(folder.join(theirs));
    let consumer = doing(consumer, "attaching to a ringfire ring")?;
    // A writer minds readers that are registered, and nobody else.
    names::both_are_here(meet)?;
    Ok(Ringfire { producer, consumer, wait, slots })
}

impl<const N: usize, W: WaitStrategy> Link for Ringfire<N, W> {
    #[inline]
    fn send(&mut self, message: &[u8]) -> io::Result<()> {
        self.producer.push(message.try_into().map_err(io::Error::other)?);
        Ok(())
    }

    #[inline]
    fn recv(&mut self, message: &mut [u8]) -> io::Result<()> {
        let record: &mut [u8; N] = message.try_into().map_err(io::Error::other)?;
        *record = self.consumer.recv_blocking(&mut self.wait);
        Ok(())
    }

    fn facts(&self) -> Facts {
        Facts::from([("records".to_owned(), self.slots.to_string())])
    }
}
