//! The conformance suite with one end in another process, each end in turn.
#![cfg(target_os = "linux")]

#[path = "support/child.rs"]
mod child;
#[path = "support/conforms.rs"]
mod conforms;
#[path = "support/fd_ends.rs"]
mod fd_ends;
#[path = "support/kernel.rs"]
mod kernel;
#[path = "support/proxy.rs"]
mod proxy;
#[path = "support/signals.rs"]
mod signals;
#[path = "support/wire.rs"]
mod wire;

use std::{io, os::unix::net::UnixStream};

use child::{Reading, Writing};
use conforms::conforms;
use fd_ends::FdEnd;
use proxy::{ProxyReader, ProxyWriter};
use ringpipe::{
    Options, Reader, Writer,
    conformance::{Rules, Suite},
};

/// Every pair needs a process, so that rounds are dear.
const ROUNDS: u32 = 8;
const CAPACITY: usize = 4096;

/// Not a test: what a child process does, which is this executable started with a role.
#[test]
fn child_process() {
    let Some(role) = child::role() else {
        return;
    };
    match role.as_str() {
        "read a socket" => child::serve(|data| Ok(Reading(FdEnd::reader(UnixStream::from(data))?))),
        "write a socket" => {
            child::serve(|data| Ok(Writing(FdEnd::writer(UnixStream::from(data))?)))
        }
        "read a ring" => child::serve(|data| Ok(Reading(ring_over(data.into())?.0))),
        "write a ring" => child::serve(|data| Ok(Writing(ring_over(data.into())?.1))),
        other => panic!("unknown role {other}"),
    }
}

fn options() -> Options {
    Options::new().capacity(CAPACITY)
}

/// The child's half of a stream; the direction that is not wanted is dropped on both sides.
fn ring_over(socket: UnixStream) -> io::Result<(Reader, Writer)> {
    Ok(options().connect_on(socket)?.split())
}

#[test]
fn a_ring_whose_writer_is_another_process_keeps_every_rule() {
    let suite = Suite::new("ring, writer in a child", Rules::ring(CAPACITY), || {
        let (ours, theirs) = UnixStream::pair()?;
        let writer = ProxyWriter::start("write a ring", theirs)?;
        let (reader, _) = options().accept_on(ours)?.split();
        Ok((reader, writer))
    });
    conforms(suite.rounds(ROUNDS).kill_writer_by(ProxyWriter::kill));
}

#[test]
fn a_ring_whose_reader_is_another_process_keeps_every_rule() {
    let suite = Suite::new("ring, reader in a child", Rules::ring(CAPACITY), || {
        let (ours, theirs) = UnixStream::pair()?;
        let reader = ProxyReader::start("read a ring", theirs)?;
        let (_, writer) = options().accept_on(ours)?.split();
        Ok((reader, writer))
    });
    conforms(suite.rounds(ROUNDS).kill_reader_by(ProxyReader::kill));
}

#[test]
fn a_unix_socket_to_a_writing_process_breaks_what_is_known() {
    let suite = Suite::new("UnixStream, writer in a child", kernel::rules(16 << 10), || {
        let (ours, theirs) = UnixStream::pair()?;
        Ok((FdEnd::reader(ours)?, ProxyWriter::start("write a socket", theirs)?))
    });
    kernel::breaks_exactly(
        suite.rounds(ROUNDS).kill_writer_by(ProxyWriter::kill),
        &[
            "read.is_not_disturbed_by_signals",
            "death.of_the_writer_comes_after_its_bytes",
            "death.of_the_writer_wakes_a_blocked_read",
        ],
    );
}

#[test]
fn a_unix_socket_to_a_reading_process_breaks_what_is_known() {
    let suite = Suite::new("UnixStream, reader in a child", kernel::rules(16 << 10), || {
        let (ours, theirs) = UnixStream::pair()?;
        Ok((ProxyReader::start("read a socket", theirs)?, FdEnd::writer(ours)?))
    });
    kernel::breaks_exactly(
        suite.rounds(ROUNDS).kill_reader_by(ProxyReader::kill),
        &[
            "write.is_not_disturbed_by_signals",
            "death.of_the_reader_says_what_was_not_consumed",
            "death.of_the_reader_wakes_a_blocked_write",
        ],
    );
}
