//! Bytes arrive, and ends do.

use std::{
    io::{Read, Write},
    process::Stdio,
    thread,
};

use ringpipe::{Options, Stream};

use crate::side::{Place, Side, cat, connect, listen, open, shell};

#[test]
fn files_cross_both_ways_whatever_the_capacities_and_the_waiting() {
    let capacities = [("4096", "1MiB"), ("64KiB", "4k"), ("2m", "128KIB"), ("128MiB", "8192b")];
    let waits = ["block", "adaptive", "spin", "block"];
    for ((here, there), wait) in capacities.into_iter().zip(waits) {
        let place = Place::new();
        let (big, big_bytes) = place.write_file("big", 5_000_011);
        let (small, small_bytes) = place.write_file("small", 70_003);
        let listener = listen(&place.path(), |command| {
            command.args(["--capacity", here, "--wait", wait]).stdin(open(&big));
        });
        let connector = connect(&place.path(), |command| {
            command.args(["--capacity", there, "--wait", wait]).stdin(open(&small));
        });
        assert!(connector.ends_well() == big_bytes, "{here} {there} {wait}");
        assert!(listener.ends_well() == small_bytes, "{here} {there} {wait}");
        place.holds_no_socket();
    }
}

#[test]
fn one_way_use_needs_no_input_on_the_other_side() {
    let place = Place::new();
    let program = std::env::current_exe().unwrap();
    let copy = place.file("copy");
    let listener = listen(&place.path(), |command| {
        command.stdout(std::fs::File::create(&copy).unwrap());
    });
    connect(&place.path(), |command| {
        command.stdin(open(&program));
    })
    .ends_well();
    listener.ends_well();
    assert!(std::fs::read(copy).unwrap() == std::fs::read(program).unwrap());
}

#[test]
fn nothing_at_all_is_a_clean_session() {
    let place = Place::new();
    let listener = listen(&place.path(), |_| {});
    assert!(connect(&place.path(), |_| {}).ends_well().is_empty());
    assert!(listener.ends_well().is_empty());
}

/// The end of what `first` sends reaches the other side's output while the other direction still runs.
fn one_end_leaves_the_other_direction_open(first: &str, second: &str) {
    let place = Place::new();
    let path = place.path();
    let mut listening = cat("--listen", &path);
    let (mut listener, listener_output) = {
        listening.stdin(Stdio::piped());
        Side::start_readable(listening)
    };
    listener.until_listening(&path);
    let mut connecting = cat("--connect", &path);
    connecting.stdin(Stdio::piped());
    let (mut connector, connector_output) = Side::start_readable(connecting);
    let mut inputs = [("listener", listener.input()), ("connector", connector.input())];
    let mut outputs = [("connector", connector_output), ("listener", listener_output)];
    if first == "connector" {
        inputs.reverse();
        outputs.reverse();
    }
    let [(name, mut early), (_, mut late)] = inputs;
    let [(_, mut of_early), (_, mut of_late)] = outputs;
    assert_eq!((name, second), (first, if first == "listener" { "connector" } else { "listener" }));

    early.write_all(b"one way").unwrap();
    drop(early);
    let mut text = String::new();
    of_early.read_to_string(&mut text).unwrap();
    assert_eq!(text, "one way");
    late.write_all(b"and the other, later").unwrap();
    let mut got = [0; 20];
    of_late.read_exact(&mut got).unwrap();
    assert_eq!(&got, b"and the other, later");
    drop(late);
    assert_eq!(of_late.read(&mut got).unwrap(), 0);
    listener.ends_well();
    connector.ends_well();
}

#[test]
fn the_listeners_end_of_input_leaves_the_other_direction_open() {
    one_end_leaves_the_other_direction_open("listener", "connector");
}

#[test]
fn the_connectors_end_of_input_leaves_the_other_direction_open() {
    one_end_leaves_the_other_direction_open("connector", "listener");
}

#[test]
fn a_peer_that_is_done_altogether_ends_a_side_with_idle_input() {
    let place = Place::new();
    let mut side = listen(&place.path(), |command| {
        command.stdin(Stdio::piped());
    });
    let mut input = side.input();
    input.write_all(b"question").unwrap();
    let mut stream = Stream::connect(place.path()).unwrap();
    let mut question = [0; 8];
    stream.read_exact(&mut question).unwrap();
    stream.write_all(b"answer").unwrap();
    drop(stream);
    assert_eq!(side.ends_well(), b"answer");
    drop(input);
}

#[test]
fn the_command_speaks_with_programs_that_use_the_library() {
    let place = Place::new();
    let (file, bytes) = place.write_file("input", 3_000_001);
    let listener = Options::new().capacity(8192).bind(place.path()).unwrap();
    let echo = thread::spawn(move || {
        let (mut reader, mut writer) = listener.accept().unwrap().split();
        std::io::copy(&mut reader, &mut writer).unwrap();
    });
    let side = connect(&place.path(), |command| {
        command.stdin(open(&file));
    });
    assert!(side.ends_well() == bytes);
    echo.join().unwrap();
}

#[test]
fn the_last_line_counts_what_passed() {
    let place = Place::new();
    let (file, _) = place.write_file("input", 123_457);
    let listener = listen(&place.path(), |command| {
        command.args(["--stats", "--capacity", "8KiB"]);
    });
    let connector = connect(&place.path(), |command| {
        command.args(["--stats", "--progress"]).stdin(open(&file));
    });
    let (here, there) = (listener.end(), connector.end());
    assert!(here.status.success() && there.status.success(), "{here:?} {there:?}");
    assert_eq!(here.errors.lines().count(), 1, "{}", here.errors);
    assert!(here.errors.contains("sent[bytes=0 capacity=8192 "), "{}", here.errors);
    assert!(here.errors.contains("received[bytes=123457 capacity=1048576 "), "{}", here.errors);
    let last = there.errors.lines().last().unwrap();
    assert!(last.contains("sent[bytes=123457 capacity=1048576 "), "{last}");
    assert!(last.contains("received[bytes=0 capacity=8192 "), "{last}");
    assert!(there.errors.contains("s, sent 120.6 KiB, received 0 B"), "{}", there.errors);
}

#[test]
fn progress_is_shown_while_it_runs() {
    let place = Place::new();
    let mut side = listen(&place.path(), |command| {
        command.arg("--progress").stdin(Stdio::piped());
    });
    let input = side.input();
    let peer = connect(&place.path(), |_| {});
    thread::sleep(std::time::Duration::from_millis(1300));
    drop(input);
    peer.ends_well();
    let ended = side.end();
    assert!(ended.status.success(), "{ended:?}");
    assert!(ended.errors.lines().count() >= 2, "{}", ended.errors);
}

#[test]
fn descriptors_that_do_not_block_are_waited_for() {
    let place = Place::new();
    let (file, bytes) = place.write_file("input", 1_000_003);
    let listener = listen(&place.path(), |command| {
        command.stdin(open(&file));
    });
    let (here, there) = std::os::unix::net::UnixStream::pair().unwrap();
    there.set_nonblocking(true).unwrap();
    let there: std::os::fd::OwnedFd = there.into();
    let side = connect(&place.path(), |command| {
        command.stdin(there.try_clone().unwrap()).stdout(there);
    });
    here.shutdown(std::net::Shutdown::Write).unwrap();
    let mut got = Vec::new();
    (&here).read_to_end(&mut got).unwrap_or_else(|e| panic!("{e} after {} bytes", got.len()));
    assert!(got == bytes);
    drop(here);
    listener.ends_well();
    side.ends_well();
}

#[test]
fn help_and_version_are_there() {
    let place = Place::new();
    let help = Side::start(shell(r#""$0" cat --help"#, &place.path())).ends_well();
    let help = String::from_utf8(help).unwrap();
    for option in ["--listen", "--connect", "--capacity", "--wait", "--stats", "--progress"] {
        assert!(help.contains(option), "{help}");
    }
    let version = Side::start(shell(r#""$0" --version"#, &place.path())).ends_well();
    assert!(String::from_utf8(version).unwrap().contains(env!("CARGO_PKG_VERSION")));
}
