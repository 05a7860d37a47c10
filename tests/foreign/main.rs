//! The other end of a stream, written in C from the protocol document: it proves that the document says enough, and
//! the library does what it says.

use std::{
    env, fs,
    io::{ErrorKind, Read, Write},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::OnceLock,
    thread,
};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use ringpipe::{Doorbell, Error, Listener, Options, Stream, Wait};

/// Tells a copy of this process to die.
const DIES: &str = "RINGPIPE_TEST_DIES";

/// The compiled peer, or `None` where nothing can compile it.
fn program() -> Option<&'static Path> {
    static PROGRAM: OnceLock<Option<PathBuf>> = OnceLock::new();
    PROGRAM.get_or_init(compile).as_deref()
}

fn compile() -> Option<PathBuf> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/foreign/peer.c");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let (program, fresh) =
        (folder.join("foreign-peer"), folder.join(format!("foreign-peer-{}", std::process::id())));
    let arguments = ["-std=c11", "-Wall", "-Wextra", "-Werror", "-O2", "-o"];
    for compiler in ["cc", "gcc", "clang"] {
        match Command::new(compiler).args(arguments).arg(&fresh).arg(&source).status() {
            Ok(status) => {
                assert!(status.success(), "{compiler} does not accept {}", source.display());
                // In one step, because another run of these tests may be using it.
                fs::rename(&fresh, &program).unwrap();
                return Some(program);
            }
            Err(e) if e.kind() == ErrorKind::NotFound => {}
            Err(e) => panic!("{compiler}: {e}"),
        }
    }
    println!("skipped: there is no C compiler here");
    None
}

/// A peer that was started, and the stream to it.
struct Session {
    peer: Child,
    stream: Stream,
}

/// The flags of the peer's hello: fences on both sides, or the sleeper's alone.
const FLAGS: [u32; 2] = [0, 1];

/// Starts the peer in a `mode` against `options`; `None` where it cannot be compiled.
fn session(options: &Options, mode: &str, capacity: usize) -> Option<Session> {
    session_with(options, mode, capacity, 0)
}

fn session_with(options: &Options, mode: &str, capacity: usize, flags: u32) -> Option<Session> {
    let (peer, stream) = meeting(options, mode, capacity, flags)?;
    Some(Session { peer, stream: stream.unwrap() })
}

fn meeting(
    options: &Options,
    mode: &str,
    capacity: usize,
    flags: u32,
) -> Option<(Child, Result<Stream, Error>)> {
    let program = program()?;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("foreign.sock");
    let listener: Listener = options.bind(&path).unwrap();
    let peer = Command::new(program)
        .arg(&path)
        .args([mode, &capacity.to_string(), &flags.to_string()])
        .stdout(if env::var(DIES).is_ok() { Stdio::inherit() } else { Stdio::piped() })
        .spawn()
        .unwrap();
    Some((peer, listener.accept()))
}

/// What the peer told in its last line, once it has ended well.
fn last_line(peer: Child) -> String {
    let output = peer.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn bytes(length: usize) -> Vec<u8> {
    (0..length as u64).map(|i| (i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8).collect()
}

#[test]
fn bytes_cross_both_ways_whatever_the_capacities_and_the_waiting() {
    let ways = [Wait::Park, Wait::Adaptive, Wait::Spin];
    for (here, there) in [(4096, 4096), (4096, 1 << 20), (1 << 20, 8192)] {
        for (wait, flags) in ways.into_iter().flat_map(|wait| FLAGS.map(|flags| (wait, flags))) {
            let options = Options::new().capacity(here).wait(wait);
            let Some(Session { peer, stream }) = session_with(&options, "echo", there, flags)
            else {
                return;
            };
            let (mut reader, mut writer) = stream.split();
            let sent = bytes(1_000_003);
            let mut got = Vec::new();
            thread::scope(|scope| {
                scope.spawn(|| {
                    for chunk in sent.chunks(7001) {
                        writer.write_all(chunk).unwrap();
                    }
                    // Which waits until the peer has said that it took everything.
                    writer.finish().unwrap();
                });
                reader.read_to_end(&mut got).unwrap();
            });
            assert!(got == sent, "{here} {there} {wait:?} {flags}");
            drop(reader);
            let line = last_line(peer);
            assert!(line.starts_with("bytes=1000003 end=closed kind=0"), "{line}");
        }
    }
}

#[test]
fn ten_thousand_sleeps_are_each_ended_by_a_wake() {
    const ROUNDS: u64 = 10_000;
    for flags in FLAGS {
        let options = Options::new().capacity(4096).wait(Wait::Park);
        let Some(Session { peer, mut stream }) = session_with(&options, "echo", 4096, flags) else {
            return;
        };
        let mut byte = [0];
        for round in 0..ROUNDS {
            byte[0] = round as u8;
            stream.write_all(&byte).unwrap();
            stream.read_exact(&mut byte).unwrap();
            assert_eq!(byte[0], round as u8);
        }
        stream.writer().close();
        assert_eq!(stream.read(&mut byte).unwrap(), 0);
        drop(stream);
        let line = last_line(peer);
        println!("flags={flags} {line}");
        let number = |name: &str| -> u64 {
            let (_, rest) = line.split_once(name).unwrap();
            rest.split_whitespace().next().unwrap().parse().unwrap()
        };
        assert!(number("sleeps=") >= ROUNDS / 10, "it did not sleep: {line}");
        // A wake that is late because its sender had to wait for a CPU is no fault; lost ones would be in the
        // thousands, each of them as long as a slice of the peer's sleep.
        assert!(number("late=") <= ROUNDS / 100, "wakes were lost: {line}");
    }
}

#[test]
fn its_error_arrives_after_its_last_byte() {
    let Some(Session { peer, mut stream }) = session(&Options::new(), "fail", 4096) else { return };
    let mut got = Vec::new();
    let error = stream.read_to_end(&mut got).unwrap_err();
    assert_eq!(got, b"from afar");
    assert_eq!(error.kind(), ErrorKind::StorageFull);
    assert_eq!(error.to_string(), "the foreign disk is full");
    drop(stream);
    assert!(last_line(peer).starts_with("bytes=0 end=closed"));
}

#[test]
fn our_error_arrives_there_and_comes_back() {
    let Some(Session { peer, mut stream }) = session(&Options::new(), "echo", 4096) else { return };
    let long = "ä".repeat(150);
    stream.write_all(b"some").unwrap();
    stream.writer().close_with_error(std::io::Error::new(ErrorKind::TimedOut, long.as_str()));
    let mut got = Vec::new();
    let error = stream.read_to_end(&mut got).unwrap_err();
    assert_eq!(got, b"some");
    assert_eq!((error.kind(), error.to_string()), (ErrorKind::TimedOut, "ä".repeat(120)));
    drop(stream);
    let line = last_line(peer);
    assert!(
        line.starts_with(&format!("bytes=4 end=error kind=21 text={}", "ä".repeat(120))),
        "{line}"
    );
}

#[test]
fn a_reader_that_refuses_there_fails_the_write_here() {
    let options = Options::new().capacity(4096).wait(Wait::Park);
    let Some(Session { peer, mut stream }) = session(&options, "refuse", 4096) else { return };
    let error = stream.write_all(&bytes(10_000_000)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidData);
    assert_eq!(error.to_string(), "not in my language");
    drop(stream);
    assert!(last_line(peer).contains("end=closed"));
}

#[test]
fn its_death_is_told_after_its_last_byte() {
    let Some(Session { peer, mut stream }) = session(&Options::new(), "vanish", 4096) else {
        return;
    };
    let mut got = Vec::new();
    let error = stream.read_to_end(&mut got).unwrap_err();
    assert_eq!(got, b"from afar");
    assert!(matches!(Error::of(&error), Some(Error::PeerDied { unconsumed: None })), "{error}");
    last_line(peer);
}

/// Not a test by itself: a process that meets the peer and then dies.
#[test]
fn the_process_that_dies() {
    if env::var(DIES).is_err() {
        return;
    }
    let Some(Session { peer: _, mut stream }) = session(&Options::new(), "echo", 4096) else {
        return;
    };
    stream.write_all(b"last").unwrap();
    stream.read_exact(&mut [0; 4]).unwrap();
    std::process::abort();
}

#[test]
fn our_death_is_seen_there() {
    if program().is_none() {
        return;
    }
    let dying = Command::new(env::current_exe().unwrap())
        .args(["--exact", "the_process_that_dies", "--nocapture"])
        .env(DIES, "1")
        .output()
        .unwrap();
    // The peer shares its parent's output, and tells there how it ended.
    let output = String::from_utf8(dying.stdout).unwrap();
    assert!(output.contains("bytes=4 end=died"), "{output}");
}

#[test]
fn a_peer_that_is_polled_here_is_rung_through_its_sockets() {
    let options = Options::new().capacity(4096).doorbell(Doorbell::EventFd);
    let Some(Session { peer, stream }) = session(&options, "echo", 4096) else { return };
    let (reader, writer) = stream.split();
    let (mut reader, mut writer) = (reader.pollable().unwrap(), writer.pollable().unwrap());
    let sent = bytes(1_000_001);
    let (mut at, mut got) = (0, Vec::new());
    let mut buf = [0; 3000];
    while got.len() < sent.len() {
        let mut ready = [
            PollFd::new(std::os::fd::AsFd::as_fd(&reader), PollFlags::POLLIN),
            PollFd::new(std::os::fd::AsFd::as_fd(&writer), PollFlags::POLLIN),
        ];
        let watched = if at < sent.len() { 2 } else { 1 };
        assert_ne!(
            poll(&mut ready[..watched], PollTimeout::from(20_000u16)).unwrap(),
            0,
            "not rung"
        );
        match reader.try_read(&mut buf) {
            Ok(n) => got.extend_from_slice(&buf[..n]),
            Err(e) => assert_eq!(e.kind(), ErrorKind::WouldBlock),
        }
        match writer.try_write(&sent[at..(at + 5000).min(sent.len())]) {
            Ok(n) => at += n,
            Err(e) => assert_eq!(e.kind(), ErrorKind::WouldBlock),
        }
    }
    assert!(got == sent);
    writer.close();
    let mut ready = [PollFd::new(std::os::fd::AsFd::as_fd(&reader), PollFlags::POLLIN)];
    assert_eq!(
        poll(&mut ready, PollTimeout::from(20_000u16)).unwrap(),
        1,
        "its close does not ring"
    );
    assert_eq!(reader.read(&mut buf).unwrap(), 0);
    drop((reader, writer));
    assert!(last_line(peer).starts_with("bytes=1000001 end=closed"));
}

#[test]
fn a_refusal_tells_the_peer_why() {
    let options = Options::new().max_peer_capacity(4096);
    let Some((peer, stream)) = meeting(&options, "echo", 8192, 0) else { return };
    assert!(matches!(stream, Err(Error::Refused(_))), "{stream:?}");
    let line = last_line(peer);
    assert!(line.starts_with("refused: the peer's ring of 8192 bytes"), "{line}");
}
