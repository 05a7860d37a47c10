//! The contenders. One file each: it makes the connection and moves bytes; it takes no time and knows no scenario.
//!
//! Two peers meet over a socket pair that the coordinator gave them. A transport uses it to hand over descriptors,
//! a port or a greeting; nothing is found by name, so nothing can be left behind under one.

mod bare;
mod calls;
mod copy;
mod crowd;
mod descriptors;
mod fifo;
mod flag;
pub(crate) mod go;
mod handover;
mod in_place;
mod memory;
mod mqueue;
#[cfg(feature = "peers")]
mod peers;
mod pipe;
mod portable;
mod registry;
mod relay;
mod ring;
mod rpc;
mod shared;
mod tcp;
mod unix;

use std::{fmt::Display, io, os::unix::net::UnixStream, thread};

pub(crate) use copy::window;
pub(crate) use handover::introduce;
#[cfg(feature = "peers")]
pub(crate) use peers::sweep;
pub(crate) use registry::{Topology, Transport, find, known};

use crate::{
    case::{Case, Wait},
    control::Facts,
    pattern::Replier,
};

/// Which side of a case a peer plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Speaks first: sends the request, writes the stream.
    Initiator,
    /// Answers: serves the request, reads the stream.
    Responder,
}

/// One side of a connection that carries messages of a size both sides know.
pub(crate) trait Link {
    /// Hands the whole message to the transport.
    fn send(&mut self, message: &[u8]) -> io::Result<()>;

    /// Fills `message` with the next one.
    fn recv(&mut self, message: &mut [u8]) -> io::Result<()>;

    /// Lets `fill` write the next message and hands it over. A transport that lends its own memory has it written there;
    /// the others take `buffer`, which has the size of a message.
    #[inline]
    fn send_with(&mut self, buffer: &mut [u8], fill: impl FnOnce(&mut [u8])) -> io::Result<()> {
        fill(buffer);
        self.send(buffer)
    }

    /// Shows `look` the next message: where it arrived, if the transport lends that, and otherwise in `buffer`.
    #[inline]
    fn recv_with(&mut self, buffer: &mut [u8], look: impl FnOnce(&[u8])) -> io::Result<()> {
        self.recv(buffer)?;
        look(buffer);
        Ok(())
    }

    /// Makes everything sent so far visible to the other side.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }

    /// Sends `request` and waits for its `reply`.
    #[inline]
    fn exchange(&mut self, request: &[u8], reply: &mut [u8]) -> io::Result<()> {
        self.send(request)?;
        self.flush()?;
        self.recv(reply)
    }

    /// Answers `count` requests with what `replier` makes of them. `buffer` has the size of a message.
    #[inline]
    fn serve(&mut self, count: u64, buffer: &mut [u8], replier: &mut Replier) -> io::Result<()> {
        for _ in 0..count {
            self.recv(buffer)?;
            replier.answer(buffer);
            self.send(buffer)?;
            self.flush()?;
        }
        Ok(())
    }

    /// What the system granted: buffer sizes as read back, options that are set.
    fn facts(&self) -> Facts {
        Facts::new()
    }
}

/// Code that runs over a link of any type; the way to stay free of a virtual call for every message.
pub(crate) trait Visit {
    fn visit(self, link: impl Link) -> io::Result<()>;
}

/// Sets up this side of `case` and runs `visit` over it.
///
/// # Errors
/// `Unsupported` and everything else that happens before `visit` runs means that the transport cannot run here.
pub(crate) fn connect(
    case: &Case,
    role: Role,
    meet: &UnixStream,
    visit: impl Visit,
) -> io::Result<()> {
    match case.row.transport.as_str() {
        "pipe" => visit.visit(pipe::open(case, role, meet)?),
        "fifo" => visit.visit(fifo::open(case, role, meet)?),
        "unix" => visit.visit(unix::open(case, role, meet)?),
        "unix-seqpacket" => visit.visit(unix::open_packets(case, role, meet)?),
        "zeroed" => visit.visit(unix::open_zeroed(case, role, meet)?),
        "corrupt" => visit.visit(unix::open_corrupting(case, role, meet)?),
        "stuck" => visit.visit(unix::open_stuck(case, role, meet)?),
        "ring" => visit.visit(ring::open(case, role, meet)?),
        "ring-eventfd" => visit.visit(ring::open_polled(case, role, meet)?),
        "ring-portable" => visit.visit(portable::open(case, role, meet)?),
        "mqueue" => visit.visit(mqueue::open(case, role, meet)?),
        "tcp" => visit.visit(tcp::open(case, role, meet)?),
        "flag" => visit.visit(flag::open(case, role, meet)?),
        "bare" => visit.visit(bare::open(case, role, meet)?),
        "futex" => visit.visit(flag::open(case, role, meet)?),
        "relay" => visit.visit(relay::open(case, role, meet)?),
        "ring-crowd" => visit.visit(crowd::open(case, role, meet)?),
        "ring-in-place" => visit.visit(in_place::open(case, role, meet)?),
        name if name.starts_with("rpc-") => visit.visit(rpc::open(case, role, meet)?),
        #[cfg(feature = "peers")]
        name if peers::has(name) => peers::connect(case, role, meet, visit),
        other => Err(unsupported(format!("no transport between processes is called {other}"))),
    }
}

/// What came of the two sides of a case that runs on two threads.
pub(crate) type Both = (io::Result<()>, io::Result<()>);

/// Sets up both sides of `case` in this process and runs each visit on a thread of its own.
pub(crate) fn connect_threads(
    case: &Case,
    initiator: impl Visit + Send,
    responder: impl Visit + Send,
) -> io::Result<Both> {
    match case.row.transport.as_str() {
        "memory" => Ok(on_threads(memory::open(), initiator, responder)),
        "memory-bufio" => Ok(on_threads(memory::open_buffered(), initiator, responder)),
        #[cfg(feature = "peers")]
        name if peers::has(name) => peers::connect_threads(case, initiator, responder),
        other => Err(unsupported(format!("no transport between threads is called {other}"))),
    }
}

fn on_threads<L: Link + Send>(
    links: (L, L),
    initiator: impl Visit + Send,
    responder: impl Visit + Send,
) -> Both {
    let (ours, theirs) = links;
    thread::scope(|scope| {
        let other = scope.spawn(|| responder.visit(theirs));
        let result = initiator.visit(ours);
        // A panic is a defect of the harness; it has been printed, and the row is not to be trusted.
        let other =
            other.join().unwrap_or_else(|_| Err(io::Error::other("the responder panicked")));
        (result, other)
    })
}

/// An error that makes a row a skipped one.
fn unsupported(reason: impl Display) -> io::Error {
    io::Error::new(io::ErrorKind::Unsupported, reason.to_string())
}

/// Says what was being done when the system refused.
fn doing<T, E: Display>(result: Result<T, E>, what: &str) -> io::Result<T> {
    result.map_err(|error| unsupported(format!("{what}: {error}")))
}

fn spins(case: &Case) -> bool {
    case.row.wait == Wait::Spin
}
