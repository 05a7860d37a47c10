//! Sessions that end badly end on both sides, and say why.

use std::{
    fs,
    io::{ErrorKind, Read, Write},
    process::Stdio,
};

use nix::sys::signal::Signal;
use ringpipe::{Options, Stream};

use crate::side::{Place, Side, cat, connect, listen, open, shell};

#[test]
fn a_killed_peer_is_told_after_what_it_sent() {
    for killed_listens in [true, false] {
        let place = Place::new();
        let mut listener = listen(&place.path(), |command| {
            command.stdin(Stdio::piped());
        });
        // Dropped, and so ended, only after the test.
        let mut listener_input = listener.input();
        let mut connector = connect(&place.path(), |command| {
            command.stdin(Stdio::piped());
        });
        let mut connector_input = connector.input();
        let (killed, input, survivor) = if killed_listens {
            (listener, &mut listener_input, connector)
        } else {
            (connector, &mut connector_input, listener)
        };
        // More than a ring holds, so that the killed side is known to have sent most of it.
        let (_, bytes) = place.write_file("sent", 3_000_000);
        input.write_all(&bytes).unwrap();
        killed.signal(Signal::SIGKILL);
        let output = survivor.fails("peer died");
        assert!(bytes.starts_with(&output), "{} bytes are no prefix", output.len());
        killed.dies_of(Signal::SIGKILL);
        place.holds_no_socket();
    }
}

#[test]
fn a_sender_that_has_sent_everything_still_hears_of_its_peers_death() {
    let place = Place::new();
    let (mut listener, output) = {
        let mut command = cat("--listen", &place.path());
        command.stdin(Stdio::piped());
        Side::start_readable(command)
    };
    listener.until_listening(&place.path());
    let connector = shell(r#"seq 30000 | "$0" cat --connect "$1""#, &place.path());
    let connector = Side::start(connector);
    let mut output = output;
    // The peer's pipe is full before all is through, so it cannot have finished.
    output.read_exact(&mut [0; 100]).unwrap();
    listener.signal(Signal::SIGKILL);
    connector.fails("peer died");
    listener.dies_of(Signal::SIGKILL);
}

/// The listener's output fails with `words`; a peer that sends `length` bytes hears of it, even if all of them fit into
/// the ring.
fn failing_output_ends_both(length: usize, script: &str, words: &str) {
    let place = Place::new();
    let (file, _) = place.write_file("input", length);
    let mut listener = Side::start(shell(script, &place.path()));
    listener.until_listening(&place.path());
    let connector = connect(&place.path(), |command| {
        command.stdin(open(&file));
    });
    connector.fails(&format!("the peer failed: writing standard output: {words}"));
    let ended = listener.end();
    assert!(ended.errors.contains(&format!("writing standard output: {words}")), "{ended:?}");
    assert!(ended.output.ends_with(b"status 1\n"), "{ended:?}");
    place.holds_no_socket();
}

#[test]
fn a_full_disk_ends_both_sides() {
    let script = r#""$0" cat --listen "$1" > /dev/full; echo status $?"#;
    for length in [1, 1000, 3_000_000] {
        failing_output_ends_both(length, script, "No space left on device");
    }
}

#[test]
fn output_that_is_closed_early_ends_both_sides() {
    let script =
        r#"{ { "$0" cat --listen "$1"; echo status $? >&3; } | head -c 10 > /dev/null; } 3>&1"#;
    failing_output_ends_both(3_000_000, script, "Broken pipe");
}

#[test]
fn the_file_size_limit_is_an_error_and_no_signal() {
    // The limit, in blocks of 512 bytes, holds for the ring as well.
    let script =
        r#"ulimit -f 100; "$0" cat --listen "$1" --capacity 4096 > "$1.out"; echo status $?"#;
    failing_output_ends_both(3_000_000, script, "File too large");
}

#[test]
fn input_that_cannot_be_read_ends_both_sides() {
    let place = Place::new();
    let listener = listen(&place.path(), |command| {
        command.stdin(Stdio::piped());
    });
    let connector = connect(&place.path(), |command| {
        command.stdin(fs::File::open("/proc/self").unwrap());
    });
    connector.fails("reading standard input: Is a directory");
    listener.fails("the peer failed: reading standard input: Is a directory");
}

#[test]
fn a_failing_side_does_not_take_back_what_it_sent() {
    let place = Place::new();
    let (file, bytes) = place.write_file("input", 500_000);
    let listener = listen(&place.path(), |_| {});
    let mut stream = Stream::connect(place.path()).unwrap();
    stream.write_all(&fs::read(file).unwrap()).unwrap();
    let words = "out of \x1b[31mink";
    stream.writer().close_with_error(std::io::Error::new(ErrorKind::StorageFull, words));
    let ended = listener.end();
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    assert!(ended.output == bytes);
    // A terminal must not obey what a peer says.
    assert_eq!(ended.errors, "ringpipe: the peer failed: out of \\u{1b}[31mink\n");
}

#[test]
fn a_peer_that_refuses_our_bytes_still_gets_its_own_through() {
    let place = Place::new();
    let listener = Options::new().bind(place.path()).unwrap();
    let (file, _) = place.write_file("input", 3_000_000);
    let side = connect(&place.path(), |command| {
        command.stdin(open(&file));
    });
    let (reader, mut writer) = listener.accept().unwrap().split();
    writer.write_all(&[7; 300_000]).unwrap();
    reader.close_with_error(std::io::Error::new(ErrorKind::InvalidData, "not what was asked for"));
    // The writer stays open: the other side must end nevertheless.
    let output = side.fails("the peer failed: not what was asked for");
    assert!(output == [7; 300_000]);
    assert!(writer.write_all(&[7; 300_000]).is_err());
}

#[test]
fn a_peer_that_stops_reading_is_an_error_for_whoever_has_more() {
    let place = Place::new();
    let listener = Options::new().bind(place.path()).unwrap();
    let (file, _) = place.write_file("input", 3_000_000);
    let side = connect(&place.path(), |command| {
        command.stdin(open(&file));
    });
    let mut stream = listener.accept().unwrap();
    stream.read_exact(&mut [0; 1000]).unwrap();
    drop(stream);
    side.fails("the peer stopped reading before the end of the input");
}

#[test]
fn a_signal_ends_a_session_and_the_peer_is_told() {
    for signal in [Signal::SIGHUP, Signal::SIGINT, Signal::SIGQUIT, Signal::SIGTERM] {
        let place = Place::new();
        let mut listener = listen(&place.path(), |command| {
            command.stdin(Stdio::piped()).arg("--stats");
        });
        let mut input = listener.input();
        let (connector, mut output) = {
            let mut command = cat("--connect", &place.path());
            command.stdin(Stdio::piped());
            Side::start_readable(command)
        };
        input.write_all(b"up to here").unwrap();
        output.read_exact(&mut [0; 10]).unwrap();
        listener.signal(signal);
        connector.fails(&format!("the peer failed: ended by {signal}"));
        let ended = listener.end();
        use std::os::unix::process::ExitStatusExt;
        assert_eq!(ended.status.signal(), Some(signal as i32), "{ended:?}");
        assert!(ended.errors.contains("sent[bytes=10 "), "{ended:?}");
        place.holds_no_socket();
    }
}

#[test]
fn a_stopped_peer_is_not_a_dead_one() {
    let place = Place::new();
    let (file, bytes) = place.write_file("input", 2_000_000);
    let listener = listen(&place.path(), |_| {});
    listener.signal(Signal::SIGSTOP);
    // The connection waits in the queue of the stopped listener for less than a greeting may take.
    let connector = connect(&place.path(), |command| {
        command.stdin(open(&file));
    });
    listener.signal(Signal::SIGCONT);
    connector.ends_well();
    assert!(listener.ends_well() == bytes);
}
