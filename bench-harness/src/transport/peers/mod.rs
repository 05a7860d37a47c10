//! What others wrote for the same jobs, behind the feature `peers`. Each is used as its own documentation advises, with
//! the same capacity as everything else where it can be chosen, and each file says how.
//!
//! Those that only threads can use run in one process, like the in-memory pipe; the table of transports says so.

pub(super) mod crossbeam;
pub(super) mod iceoryx2;
pub(super) mod ipc_channel;
mod names;
pub(super) mod ringfire;
pub(super) mod rtrb;
mod runtime;
pub(super) mod shmem_ipc;
pub(super) mod shmring;
pub(super) mod tarpc;
pub(super) mod tonic;

use std::{io, os::unix::net::UnixStream};

pub(crate) use names::sweep;

use super::{Both, Role, Topology, Transport, Visit, find, on_threads, registry, unsupported};
use crate::case::{Case, Scenario, Wait};

/// What the peers that join processes have in common.
const PROCESSES: Transport = Transport {
    waits: &[Wait::Block, Wait::Spin],
    quick: &[Wait::Block],
    rare: &[],
    // To be set up again under the names of a moment ago is asked of nobody.
    scenarios: &[Scenario::Pingpong, Scenario::Stream, Scenario::Paced, Scenario::IdleWake],
    pollable: false,
    untrusted: false,
    peer: true,
    ..registry::KERNEL
};

/// The same between threads.
const THREADS: Transport = Transport { topology: Topology::Threads, ..PROCESSES };

/// A framework for calls, over a Unix socket.
const CALLS: Transport = Transport {
    quick: &[Wait::Block],
    scenarios: &[Scenario::Pingpong, Scenario::IdleWake],
    peer: true,
    ..registry::RPC
};

/// Whether `name` is one of these.
pub(super) fn has(name: &str) -> bool {
    find(name).is_some_and(|transport| transport.peer)
}

/// As [`super::connect`].
pub(super) fn connect(
    case: &Case,
    role: Role,
    meet: &UnixStream,
    visit: impl Visit,
) -> io::Result<()> {
    match case.row.transport.as_str() {
        "iceoryx2" => visit.visit(iceoryx2::open(case, role, meet)?),
        "ipc-channel" => visit.visit(ipc_channel::open(case, role, meet)?),
        "shmem-ipc" => visit.visit(shmem_ipc::open(case, role, meet)?),
        "shmring" => visit.visit(shmring::open(case, role, meet)?),
        "ringfire" => ringfire::connect(case, role, meet, visit),
        "tarpc" => visit.visit(tarpc::open(case, role, meet)?),
        "tonic" => visit.visit(tonic::open(case, role, meet)?),
        other => Err(unsupported(format!("{other} does not join processes"))),
    }
}

/// As [`super::connect_threads`].
pub(super) fn connect_threads(
    case: &Case,
    initiator: impl Visit + Send,
    responder: impl Visit + Send,
) -> io::Result<Both> {
    match case.row.transport.as_str() {
        "rtrb" => Ok(on_threads(rtrb::open(case), initiator, responder)),
        "crossbeam" => Ok(on_threads(crossbeam::open(case), initiator, responder)),
        other => Err(unsupported(format!("{other} does not join threads"))),
    }
}

/// The capacity asked for. None of those that want to be told one has a default of its own.
fn capacity(case: &Case) -> usize {
    case.buffer.map_or(MATCHED, |buffer| buffer.0)
}

/// What all transports have, unless asked otherwise.
const MATCHED: usize = 1 << 20;

/// How many messages the buffer of this case holds: at least two, so that both sides can work.
fn slots(case: &Case) -> usize {
    (capacity(case) / case.size.0).max(2)
}
