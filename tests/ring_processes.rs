//! The ring between two processes: this test executable, started again, is the other one.

use std::{
    env,
    io::{ErrorKind, Read, Write},
    process::{Child, Command},
    time::{Duration, Instant},
};

use ringpipe::{Error, Listener, Options, Reader, Stream, Wait, Writer};

const ROLE: &str = "RINGPIPE_TEST_ROLE";

/// Starts this executable again, to run only [`the_other_process`] in the given role.
fn other(role: &str) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", "the_other_process", "--nocapture"]).env(ROLE, role);
    command
}

fn succeeded(mut child: Child) {
    assert!(child.wait().unwrap().success());
}

/// Not a test by itself: what the child does.
#[test]
fn the_other_process() {
    let Ok(role) = env::var(ROLE) else { return };
    match role.split_once(' ').unwrap_or((&role, "")) {
        ("write", n) => {
            let mut writer = Writer::inherited().unwrap();
            for i in 0..n.parse().unwrap() {
                writer.write_all(&(i as u64).to_le_bytes()).unwrap();
            }
        }
        ("read", n) => {
            let mut reader = Options::new().wait(Wait::Park).inherited_reader().unwrap();
            expect_numbers(&mut reader, n.parse().unwrap());
        }
        ("write-and-hang", _) => {
            let mut writer = Writer::inherited().unwrap();
            writer.write_all(b"acknowledged").unwrap();
            loop {
                std::thread::park();
            }
        }
        ("read-some-and-abort", _) => {
            let mut reader = Reader::inherited().unwrap();
            reader.read_exact(&mut [0; 100]).unwrap();
            std::process::abort();
        }
        ("fail", _) => {
            let writer = Writer::inherited().unwrap();
            writer.close_with_error(std::io::Error::new(ErrorKind::StorageFull, "disk full"));
        }
        ("echo", path) => {
            let mut stream = Stream::connect(path).unwrap();
            let mut buf = vec![0; 100_000];
            loop {
                match stream.read(&mut buf).unwrap() {
                    0 => break,
                    n => stream.write_all(&buf[..n]).unwrap(),
                }
            }
        }
        (role, _) => panic!("unknown role {role}"),
    }
    std::process::exit(0);
}

fn expect_numbers(reader: &mut Reader, n: u64) {
    let mut word = [0; 8];
    for i in 0..n {
        reader.read_exact(&mut word).unwrap();
        assert_eq!(u64::from_le_bytes(word), i);
    }
    assert_eq!(reader.read(&mut word).unwrap(), 0);
}

#[test]
fn a_writer_handed_to_a_child_delivers_and_ends() {
    let (mut reader, mut writer) = ringpipe::ring(4096).unwrap();
    writer.write_all(&0u64.to_le_bytes()).unwrap();
    let child = writer.hand_to(other("write 100000")).unwrap();
    let mut word = [1; 8];
    reader.read_exact(&mut word).unwrap();
    assert_eq!(word, [0; 8]);
    expect_numbers(&mut reader, 100_000);
    succeeded(child);
}

#[test]
fn a_reader_handed_to_a_child_gets_what_was_written_before_and_after() {
    let (reader, mut writer) = Options::new().capacity(4096).wait(Wait::Park).ring().unwrap();
    for i in 0..500u64 {
        writer.write_all(&i.to_le_bytes()).unwrap();
    }
    let child = reader.hand_to(other("read 100000")).unwrap();
    for i in 500..100_000u64 {
        writer.write_all(&i.to_le_bytes()).unwrap();
    }
    drop(writer);
    succeeded(child);
}

#[test]
fn an_end_that_cannot_leave_is_not_handed_over_and_no_child_is_started() {
    let refusal = |result: Result<Child, Error>| {
        let error = result.map(drop).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
        error.to_string()
    };
    // Nobody may start it.
    let child = || Command::new("/nonexistent/child");
    let ring = || Options::new().capacity(4096).ring().unwrap();

    let (a, b) = std::os::unix::net::UnixStream::pair().unwrap();
    let other = std::thread::spawn(|| Options::new().connect_on(b).unwrap());
    let (reader, writer) = Options::new().accept_on(a).unwrap().split();
    for refused in [refusal(reader.hand_to(child())), refusal(writer.hand_to(child()))] {
        assert_eq!(refused, "an end that is shared with another process cannot be handed over");
    }
    drop(other.join().unwrap());

    let (polled, writer) =
        Options::new().capacity(4096).doorbell(ringpipe::Doorbell::EventFd).ring().unwrap();
    let polled = polled.pollable().unwrap().into_inner();
    assert_eq!(
        refusal(polled.hand_to(child())),
        "an end that is polled cannot be handed over; use a Stream"
    );
    drop(writer);

    let (mut reader, mut writer) = ring();
    writer.write_all(b"looked at").unwrap();
    let span = reader.peek().unwrap();
    assert_eq!(span.as_slice(), Some(&b"looked at"[..]));
    assert_eq!(
        refusal(writer.hand_to(child())),
        "a slice of the ring is in use; drop it before handing an end over"
    );
    assert_eq!(span.as_slice(), Some(&b"looked at"[..]));
    reader.consume(9);
    assert_eq!(reader.read(&mut [0]).unwrap(), 0, "the end that was not handed over is closed");

    let (reader, writer) = ring();
    let error = reader.hand_to(child()).map(drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    drop(writer);
}

#[test]
fn a_process_without_an_end_from_its_parent_is_told_so() {
    for error in
        [Reader::inherited().map(drop).unwrap_err(), Writer::inherited().map(drop).unwrap_err()]
    {
        assert!(matches!(error, Error::Unsupported(_)), "{error:?}");
        assert!(error.to_string().starts_with("the parent handed over no such end"), "{error}");
    }
}

#[test]
fn an_error_crosses_the_process_border() {
    let (mut reader, writer) = ringpipe::ring(4096).unwrap();
    let child = writer.hand_to(other("fail")).unwrap();
    let error = reader.read(&mut [0; 1]).unwrap_err();
    assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::StorageFull, "disk full"));
    succeeded(child);
}

#[test]
fn a_killed_writer_is_told_after_every_acknowledged_byte() {
    let (mut reader, writer) = ringpipe::ring(4096).unwrap();
    let mut child = writer.hand_to(other("write-and-hang")).unwrap();
    let mut buf = [0; 12];
    reader.read_exact(&mut buf).unwrap();
    assert_eq!(&buf, b"acknowledged");
    child.kill().unwrap();
    let start = Instant::now();
    let error = reader.read(&mut buf).unwrap_err();
    assert!(matches!(Error::of(&error), Some(Error::PeerDied { unconsumed: None })), "{error}");
    assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
    println!("noticed after {:?}", start.elapsed());
    assert_eq!(reader.read(&mut buf).unwrap_err().kind(), ErrorKind::UnexpectedEof);
    child.wait().unwrap();
}

#[test]
fn a_dead_reader_is_told_with_the_bytes_it_never_consumed() {
    let (reader, mut writer) = ringpipe::ring(4096).unwrap();
    let mut child = reader.hand_to(other("read-some-and-abort")).unwrap();
    let mut acknowledged = 0;
    let error = loop {
        match writer.write(&[7; 1000]) {
            Ok(n) => acknowledged += n as u64,
            Err(error) => break error,
        }
    };
    let Some(Error::PeerDied { unconsumed: Some(unconsumed) }) = Error::of(&error) else {
        panic!("{error}")
    };
    assert_eq!(*unconsumed, acknowledged - 100);
    assert_eq!(error.kind(), ErrorKind::BrokenPipe);
    child.wait().unwrap();
}

#[test]
fn finish_tells_of_a_reader_that_died_before_it_had_read_everything() {
    let (reader, mut writer) = ringpipe::ring(4096).unwrap();
    let mut child = reader.hand_to(other("read-some-and-abort")).unwrap();
    writer.write_all(&[7; 1000]).unwrap();
    let error = writer.finish().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BrokenPipe);
    assert!(
        matches!(Error::of(&error), Some(Error::PeerDied { unconsumed: Some(900) })),
        "{error:?}"
    );
    assert!(!child.wait().unwrap().success());
}

#[test]
fn unrelated_processes_meet_at_a_path_and_echo() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("echo.sock");
    let listener = Listener::bind(&path).unwrap();
    let child = other(&format!("echo {}", path.display())).spawn().unwrap();
    listener.set_deadline(Some(Instant::now() + Duration::from_secs(20)));
    let (mut reader, mut writer) = listener.accept().unwrap().split();
    let sent: Vec<u8> = (0..3_000_000u32).map(|i| (i * 7) as u8).collect();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            writer.write_all(&sent).unwrap();
            writer.close();
        });
        let mut got = Vec::new();
        reader.read_to_end(&mut got).unwrap();
        assert!(got == sent);
    });
    succeeded(child);
    drop(listener);
    assert!(!path.exists());
}

#[test]
fn a_stale_path_is_taken_over_and_a_live_one_never() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("listener.sock");
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    assert!(path.exists(), "std leaves the path behind, as a killed process does");
    let live = Listener::bind(&path).unwrap();
    let error = std::io::Error::from(Listener::bind(&path).unwrap_err());
    assert_eq!(error.kind(), ErrorKind::AddrInUse);
    drop(live);
    std::fs::write(&path, b"precious").unwrap();
    let error = std::io::Error::from(Listener::bind(&path).unwrap_err());
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    assert_eq!(std::fs::read(&path).unwrap(), b"precious");
}
