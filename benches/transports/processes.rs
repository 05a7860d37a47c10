//! The same between two processes: this program, started again as the other side.

use std::{
    io,
    os::{fd::OwnedFd, unix::net::UnixStream},
};

use criterion::{BenchmarkId, Criterion, Throughput};
use ringpipe::{Options, Wait};

use crate::{
    contenders::{CAPACITY, Pair, SIZES},
    peer::{Order, Peer},
    round_trip::ask,
    stream::drain,
};

/// What joins two processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Ring,
    RingSpin,
    RingPark,
    KernelPipe,
    UnixSocket,
}

impl Kind {
    pub(crate) const ALL: [Self; 5] =
        [Self::Ring, Self::RingSpin, Self::RingPark, Self::KernelPipe, Self::UnixSocket];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ring => "ring",
            Self::RingSpin => "ring-spin",
            Self::RingPark => "ring-park",
            Self::KernelPipe => "kernel-pipe",
            Self::UnixSocket => "unix-socket",
        }
    }

    /// How the ends of a ring wait; none for what the kernel waits for.
    pub(crate) fn options(self) -> Option<Options> {
        let wait = match self {
            Self::Ring => Wait::Adaptive,
            Self::RingSpin => Wait::Spin,
            Self::RingPark => Wait::Park,
            Self::KernelPipe | Self::UnixSocket => return None,
        };
        Some(Options::new().capacity(CAPACITY).wait(wait))
    }

    /// This side's two ends, and what the other process gets as its standard input and output.
    pub(crate) fn open(self) -> io::Result<(Opening, [OwnedFd; 2])> {
        if self == Self::KernelPipe {
            let (there, send) = io::pipe()?;
            let (back, answer) = io::pipe()?;
            let ends: Pair = (Box::new(back), Box::new(send));
            return Ok((Opening::Done(ends), [there.into(), answer.into()]));
        }
        let (here, there) = UnixStream::pair()?;
        let theirs = [there.try_clone()?.into(), there.into()];
        Ok(match self.options() {
            Some(options) => (Opening::Ring(Box::new(options), here), theirs),
            None => (Opening::Done((Box::new(here.try_clone()?), Box::new(here))), theirs),
        })
    }
}

/// Ends that are there, or that have to wait for the other process to greet.
pub(crate) enum Opening {
    Done(Pair),
    Ring(Box<Options>, UnixStream),
}

impl Opening {
    pub(crate) fn finish(self) -> io::Result<Pair> {
        match self {
            Self::Done(ends) => Ok(ends),
            Self::Ring(options, socket) => {
                let (reader, writer) = options.accept_on(socket)?.split();
                Ok((Box::new(reader), Box::new(writer)))
            }
        }
    }
}

pub(crate) fn groups(c: &mut Criterion) {
    let mut group = c.benchmark_group("two_processes/round_trip");
    for kind in Kind::ALL {
        let mut peer = None;
        group.bench_function(BenchmarkId::new(kind.name(), 64), |b| {
            let peer = peer.get_or_insert_with(|| Peer::start(kind));
            b.iter_custom(|rounds| {
                peer.order(Order::Echo, rounds);
                ask(&mut peer.writer, &mut peer.reader, rounds)
            });
        });
    }
    group.finish();

    let mut group = c.benchmark_group("two_processes/stream");
    for size in SIZES {
        group.throughput(Throughput::Bytes(size as u64));
        for kind in [Kind::Ring, Kind::KernelPipe, Kind::UnixSocket] {
            let mut peer = None;
            group.bench_function(BenchmarkId::new(kind.name(), size), |b| {
                let peer = peer.get_or_insert_with(|| Peer::start(kind));
                b.iter_custom(|messages| {
                    peer.order(Order::Pour(size), messages + 1);
                    drain(&mut peer.reader, size, messages)
                });
            });
        }
    }
    group.finish();
}
