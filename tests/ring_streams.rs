//! Streams between two sides that meet over a socket.

use std::{
    io::{ErrorKind, IoSlice, IoSliceMut, Read, Write},
    os::{
        fd::{AsFd, AsRawFd},
        unix::net::UnixStream,
    },
    thread,
    time::{Duration, Instant},
};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use ringpipe::{Doorbell, Error, Options, RemoteError, Stream};

fn pair(options: &Options) -> (Stream, Stream) {
    let (a, b) = UnixStream::pair().unwrap();
    let other = thread::spawn({
        let options = options.clone();
        move || options.connect_on(b).unwrap()
    });
    (options.accept_on(a).unwrap(), other.join().unwrap())
}

fn is_readable(fd: &impl AsFd) -> bool {
    poll(&mut [PollFd::new(fd.as_fd(), PollFlags::POLLIN)], 0u8).unwrap() == 1
}

#[test]
fn both_directions_carry_bytes_and_end_for_themselves() {
    let (mut here, mut there) = pair(&Options::new().capacity(4096));
    let peer = here.peer_credentials().unwrap();
    assert_eq!((peer.pid, peer.uid), (std::process::id() as i32, nix::unistd::getuid().as_raw()));
    here.write_all(b"ping").unwrap();
    here.writer().close();
    let mut text = String::new();
    there.read_to_string(&mut text).unwrap();
    assert_eq!(text, "ping");
    there.write_all(b"pong").unwrap();
    there.writer().close_with_error(std::io::Error::new(ErrorKind::StorageFull, "disk"));
    let mut got = Vec::new();
    let error = here.read_to_end(&mut got).unwrap_err();
    assert_eq!((got.as_slice(), error.kind()), (&b"pong"[..], ErrorKind::StorageFull));
}

#[test]
fn a_descriptor_is_readable_exactly_while_a_read_would_not_block() {
    for local in [true, false] {
        let options = Options::new().capacity(4096).doorbell(Doorbell::EventFd);
        let (reader, mut writer) = if local {
            options.ring().unwrap()
        } else {
            let (a, b) = pair(&options);
            let (reader, unused) = a.split();
            let (other, writer) = b.split();
            std::mem::forget((unused, other));
            (reader, writer)
        };
        let mut reader = reader.pollable().unwrap();
        assert!(!is_readable(&reader));
        for round in 0..100 {
            writer.write_all(&[round; 3]).unwrap();
            assert!(is_readable(&reader));
            assert_eq!(reader.read(&mut [0; 2]).unwrap(), 2);
            assert!(is_readable(&reader));
            assert_eq!(reader.read(&mut [0; 2]).unwrap(), 1);
            assert!(!is_readable(&reader), "round {round}, local {local}");
            assert_eq!(reader.try_read(&mut [0; 2]).unwrap_err().kind(), ErrorKind::WouldBlock);
            assert!(!is_readable(&reader));
        }
        drop(writer);
        assert!(is_readable(&reader));
        assert_eq!(reader.read(&mut [0; 2]).unwrap(), 0);
        assert!(is_readable(&reader));
    }
}

#[test]
fn an_empty_read_leaves_a_descriptor_lit_by_the_next_byte() {
    let options = Options::new().capacity(4096).doorbell(Doorbell::EventFd);
    let (reader, mut writer) = options.ring().unwrap();
    let mut reader = reader.pollable().unwrap();
    // Once it has slept in a call, the reader has the writer fence, and takes that back in time.
    reader.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
    assert_eq!(reader.read(&mut [0; 8]).unwrap_err().kind(), ErrorKind::TimedOut);
    for round in 0..3 {
        reader.read_exact(&mut []).unwrap();
        assert!(!is_readable(&reader));
        writer.write_all(b"x").unwrap();
        assert!(is_readable(&reader), "round {round}");
        reader.read_exact(&mut [0; 1]).unwrap();
    }
}

#[test]
fn a_writers_descriptor_is_readable_exactly_while_there_is_room() {
    let (mut reader, writer) =
        Options::new().capacity(4096).doorbell(Doorbell::EventFd).ring().unwrap();
    let mut writer = writer.pollable().unwrap();
    for _ in 0..100 {
        assert!(is_readable(&writer));
        while writer.try_write(&[1; 1000]).is_ok() {}
        assert!(!is_readable(&writer));
        reader.read_exact(&mut [0; 1]).unwrap();
        assert!(is_readable(&writer));
        reader.read_exact(&mut [0; 4095]).unwrap();
    }
    drop(reader);
    assert!(is_readable(&writer));
    assert!(writer.try_write(b"x").is_err());
}

#[test]
fn scattered_bytes_cross_a_stream_in_order() {
    let (mut here, mut there) = pair(&Options::new().capacity(4096));
    let parts = [IoSlice::new(b"one"), IoSlice::new(b""), IoSlice::new(b"two")];
    assert_eq!(here.write_vectored(&parts).unwrap(), 6);
    here.flush().unwrap();
    let (mut first, mut second) = ([0; 2], [0; 4]);
    let mut parts = [IoSliceMut::new(&mut first), IoSliceMut::new(&mut second)];
    assert_eq!(there.read_vectored(&mut parts).unwrap(), 6);
    assert_eq!((&first, &second), (b"on", b"etwo"));
}

#[test]
fn a_stream_made_of_two_ends_of_this_process_knows_no_peer() {
    let (reader, writer) = Options::new().capacity(4096).ring().unwrap();
    let mut stream = Stream::from((reader, writer));
    assert_eq!(stream.peer_credentials(), None);
    stream.write_all(b"x").unwrap();
    assert_eq!(stream.reader().try_read(&mut [0; 2]).unwrap(), 1);
    let shown = format!("{stream:?}");
    assert!(shown.contains("Areas { capacity: 4096, .. }"), "{shown}");
}

#[test]
fn an_end_without_a_descriptor_says_how_to_get_one() {
    let (reader, writer) = Options::new().capacity(4096).ring().unwrap();
    for error in
        [reader.pollable().map(drop).unwrap_err(), writer.pollable().map(drop).unwrap_err()]
    {
        assert!(matches!(error, ringpipe::Error::Unsupported(_)));
        assert_eq!(
            error.to_string(),
            "this end has no descriptor; make it with Options::doorbell(Doorbell::EventFd)"
        );
    }
    let (reader, writer) =
        Options::new().capacity(4096).doorbell(Doorbell::EventFd).ring().unwrap();
    let reader = reader.pollable().unwrap();
    assert_eq!(reader.as_raw_fd(), reader.as_fd().as_raw_fd());
    let (mut reader, mut writer) = (reader.into_inner(), writer.pollable().unwrap().into_inner());
    writer.write_all(b"as before").unwrap();
    drop(writer);
    assert_eq!(std::io::read_to_string(&mut reader).unwrap(), "as before");
}

#[test]
fn a_listener_is_polled_for_who_comes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sock");
    let listener = ringpipe::Listener::bind(&path).unwrap();
    assert_eq!(listener.path(), path);
    assert!(!is_readable(&listener));
    listener.set_deadline(Some(Instant::now()));
    assert!(matches!(listener.accept().unwrap_err(), ringpipe::Error::Timeout));
    listener.set_deadline(None);
    let connecting = thread::spawn(move || Stream::connect(path).unwrap());
    assert_eq!(
        poll(&mut [PollFd::new(listener.as_fd(), PollFlags::POLLIN)], PollTimeout::NONE),
        Ok(1)
    );
    listener.accept().unwrap();
    connecting.join().unwrap();
}

#[test]
fn threads_that_accept_together_share_who_comes() {
    const EACH: usize = 20;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sock");
    let listener = Options::new().capacity(4096).bind(&path).unwrap();
    thread::scope(|threads| {
        for _ in 0..3 {
            threads.spawn(|| {
                for _ in 0..EACH {
                    listener.accept().unwrap().write_all(b"you").unwrap();
                }
            });
        }
        for _ in 0..3 * EACH {
            let text = std::io::read_to_string(Stream::connect(&path).unwrap()).unwrap();
            assert_eq!(text, "you");
        }
    });
}

#[test]
fn a_listener_cannot_be_where_no_file_can_be() {
    for (path, kind) in [
        ("", ErrorKind::InvalidInput),
        ("/dev/null/sock", ErrorKind::NotADirectory),
        ("/nonexistent/sock", ErrorKind::NotFound),
    ] {
        let error = ringpipe::Listener::bind(path).unwrap_err();
        assert_eq!(error.kind(), kind, "{path:?}: {error}");
    }
}

#[test]
fn closing_a_listener_ends_accepting_and_leaves_its_streams_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sock");
    for blocked in [false, true] {
        let listener = ringpipe::Listener::bind(&path).unwrap();
        let (mut here, mut there) = thread::scope(|threads| {
            let connecting = threads.spawn(|| Stream::connect(&path).unwrap());
            (listener.accept().unwrap(), connecting.join().unwrap())
        });
        thread::scope(|threads| {
            let accepting = threads.spawn(|| {
                let first = blocked.then(|| listener.accept());
                (first, listener.accept())
            });
            listener.close();
            listener.close();
            let (first, second) = accepting.join().unwrap();
            for answer in first.into_iter().chain([second]) {
                assert!(matches!(answer.unwrap_err(), ringpipe::Error::Closed));
            }
        });
        assert!(Stream::connect(&path).is_err(), "nobody accepts any more");
        here.write_all(b"still").unwrap();
        let mut text = [0; 5];
        there.read_exact(&mut text).unwrap();
        assert_eq!(&text, b"still");
        drop(listener);
        assert!(!path.exists());
    }
}

#[test]
fn a_peers_words_are_kept_as_they_came_and_shown_harmless() {
    let (mut reader, writer) = ringpipe::ring(4096).unwrap();
    writer.close_with_error(std::io::Error::new(ErrorKind::StorageFull, "full\x1b[2J"));
    let error = reader.read(&mut [0]).unwrap_err();
    let Some(Error::ClosedWith(cause)) = Error::of(&error) else { panic!("{error:?}") };
    assert_eq!(cause.kind(), ErrorKind::StorageFull);
    let shown = format!("{cause:?}");
    assert!(shown.starts_with("Cause { kind: StorageFull, error: RemoteError {"), "{shown}");
    let told: &RemoteError = Error::cause(&error).unwrap();
    assert_eq!((told.kind(), told.text()), (ErrorKind::StorageFull, "full\x1b[2J"));
    assert_eq!(told.to_string(), "full\\u{1b}[2J");
}
