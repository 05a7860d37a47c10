//! The conformance suite over the portable backend: both ends here, met at a path, and with one end in another process.

#[path = "support/child.rs"]
mod child;
#[path = "support/conforms.rs"]
mod conforms;
#[path = "support/proxy.rs"]
mod proxy;
#[path = "support/wire.rs"]
mod wire;

use std::{
    fs,
    io::{self, Read, Write},
    os::unix::net::UnixStream,
    sync::atomic::{AtomicU32, Ordering},
};

use child::{Reading, Writing};
use conforms::conforms;
use proxy::{ProxyReader, ProxyWriter};
use ringpipe::{
    Options, Reader, Wait, Writer,
    conformance::{Rules, Suite},
    portable,
};

/// Every pair needs a process, so that rounds are dear.
const ROUNDS: u32 = 8;
const CAPACITY: usize = 4096;

fn options() -> Options {
    Options::new().capacity(CAPACITY)
}

/// Not a test: what a child process does, which is this executable started with a role.
#[test]
fn child_process() {
    let Some(role) = child::role() else {
        return;
    };
    match role.as_str() {
        "read" => child::serve(|data| Ok(Reading(open(data.into())?.0))),
        "write" => child::serve(|data| Ok(Writing(open(data.into())?.1))),
        other => panic!("unknown role {other}"),
    }
}

/// The child's half of the stream that is offered at the path which comes through the socket.
fn open(mut socket: UnixStream) -> io::Result<(Reader, Writer)> {
    let mut path = String::new();
    socket.read_to_string(&mut path)?;
    Ok(portable::open(path, &options())?.split())
}

/// Offers a stream at a path of its own, has `start` start the other side, and tells it the path.
fn meet<T>(start: impl FnOnce(UnixStream) -> io::Result<T>) -> io::Result<(T, Reader, Writer)> {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let name = format!("ringpipe-conformance-{}-{number}", std::process::id());
    let path = std::env::temp_dir().join(name);
    let offer = portable::create(&path, &options())?;
    let (mut ours, theirs) = UnixStream::pair()?;
    write!(ours, "{}", path.display())?;
    drop(ours);
    let other = start(theirs)?;
    let (reader, writer) = offer.accept(None)?.split();
    assert!(fs::symlink_metadata(&path).is_err());
    Ok((other, reader, writer))
}

#[test]
fn a_portable_ring_keeps_every_rule_however_it_waits() {
    for wait in [Wait::Park, Wait::Adaptive, Wait::Spin] {
        let name = format!("portable ring in threads, {wait:?}");
        conforms(Suite::new(name, Rules::ring(CAPACITY), move || {
            Ok(portable::ring(&options().wait(wait))?)
        }));
    }
}

#[test]
fn a_portable_stream_keeps_every_rule() {
    conforms(Suite::new("portable stream in threads", Rules::ring(CAPACITY), || {
        let (other, reader, _) = meet(|socket| Ok(std::thread::spawn(|| open(socket))))?;
        let (_, writer) = other.join().expect("opening does not panic")?;
        Ok((reader, writer))
    }));
}

#[test]
fn a_portable_ring_whose_writer_is_another_process_keeps_every_rule() {
    let suite = Suite::new("portable, writer in a child", Rules::ring(CAPACITY), || {
        let (writer, reader, _) = meet(|socket| ProxyWriter::start("write", socket))?;
        Ok((reader, writer))
    });
    conforms(suite.rounds(ROUNDS).kill_writer_by(ProxyWriter::kill));
}

#[test]
fn a_portable_ring_whose_reader_is_another_process_keeps_every_rule() {
    let suite = Suite::new("portable, reader in a child", Rules::ring(CAPACITY), || {
        let (reader, _, writer) = meet(|socket| ProxyReader::start("read", socket))?;
        Ok((reader, writer))
    });
    conforms(suite.rounds(ROUNDS).kill_reader_by(ProxyReader::kill));
}
