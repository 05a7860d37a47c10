//! Two sides find each other, or are told why not; and nothing stays at the path.

use std::{
    fs,
    io::Write,
    os::unix::{fs::PermissionsExt, net::UnixListener, process::CommandExt},
    process::Stdio,
};

use crate::side::{Place, RINGPIPE, Side, cat, connect, listen, shell};
use nix::sys::signal::Signal;

#[test]
fn nobody_there_is_told_at_once() {
    let place = Place::new();
    connect(&place.path(), |_| {}).fails("nobody listens there");
    drop(UnixListener::bind(place.path()).unwrap());
    connect(&place.path(), |_| {}).fails("nobody listens there");
    let deep = place.file("no/such/directory");
    connect(&deep, |_| {}).fails("nobody listens there");
    Side::start(cat("--listen", &deep)).fails("No such file or directory");
}

#[test]
fn somebody_who_never_answers_is_given_up() {
    let place = Place::new();
    let _silent = UnixListener::bind(place.path()).unwrap();
    connect(&place.path(), |_| {}).fails("does not answer");
}

#[test]
fn a_stale_path_is_taken_over() {
    let place = Place::new();
    let first = listen(&place.path(), |_| {});
    first.signal(Signal::SIGKILL);
    first.dies_of(Signal::SIGKILL);
    assert!(place.path().exists(), "nobody can remove it after SIGKILL");
    let second = listen(&place.path(), |_| {});
    connect(&place.path(), |_| {}).ends_well();
    second.ends_well();
    place.holds_no_socket();
}

#[test]
fn a_live_path_is_never_taken_over() {
    let place = Place::new();
    let first = listen(&place.path(), |_| {});
    Side::start(cat("--listen", &place.path())).fails("another process listens there");
    connect(&place.path(), |_| {}).ends_well();
    // It noticed the visitor that only looked whether somebody is there.
    let ended = first.end();
    assert!(ended.status.success(), "{ended:?}");
    assert!(ended.errors.contains("turned a visitor away"), "{ended:?}");
}

#[test]
fn what_is_no_socket_stays_untouched() {
    let place = Place::new();
    fs::write(place.path(), b"precious").unwrap();
    Side::start(cat("--listen", &place.path())).fails("no socket");
    connect(&place.path(), |_| {}).fails("connecting to");
    assert_eq!(fs::read(place.path()).unwrap(), b"precious");

    let link = place.file("link");
    std::os::unix::fs::symlink(place.path(), &link).unwrap();
    Side::start(cat("--listen", &link)).fails("no socket");
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());

    let directory = place.file("directory");
    fs::create_dir(&directory).unwrap();
    Side::start(cat("--listen", &directory)).fails("no socket");
    assert!(directory.is_dir());

    let fifo = place.file("fifo");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
    Side::start(cat("--listen", &fifo)).fails("no socket");
    assert!(fifo.exists());
}

#[test]
fn signals_while_waiting_leave_no_path_behind() {
    for signal in [
        Signal::SIGHUP,
        Signal::SIGINT,
        Signal::SIGQUIT,
        Signal::SIGTERM,
        Signal::SIGUSR1,
        Signal::SIGUSR2,
    ] {
        let place = Place::new();
        let listener = listen(&place.path(), |_| {});
        listener.signal(signal);
        listener.dies_of(signal);
        place.holds_no_socket();
    }
}

#[test]
fn ignored_signals_stay_ignored() {
    let place = Place::new();
    let script = r#"trap "" HUP INT; exec "$0" cat --listen "$1""#;
    let mut listener = Side::start(shell(script, &place.path()));
    listener.until_listening(&place.path());
    listener.signal(Signal::SIGHUP);
    listener.signal(Signal::SIGINT);
    listener.signal(Signal::SIGPIPE);
    connect(&place.path(), |_| {}).ends_well();
    listener.ends_well();
}

#[test]
fn strangers_are_turned_away_and_the_listener_waits_on() {
    let place = Place::new();
    let listener = listen(&place.path(), |_| {});
    let mut stranger = std::os::unix::net::UnixStream::connect(place.path()).unwrap();
    stranger.write_all(&[b'x'; 128]).unwrap();
    drop(std::os::unix::net::UnixStream::connect(place.path()).unwrap());
    connect(&place.path(), |_| {}).ends_well();
    let ended = listener.end();
    assert!(ended.status.success(), "{ended:?}");
    assert!(ended.errors.contains("does not speak ringpipe"), "{ended:?}");
    place.holds_no_socket();
}

#[test]
fn capacities_that_cannot_be_are_refused_and_not_rounded() {
    let place = Place::new();
    for role in ["--listen", "--connect"] {
        for (asked, words) in [
            ("3", "capacity 3 is not a power of two"),
            ("0", "capacity 0 is not a power of two"),
            ("2048", "the nearest that works is 4096"),
            ("65537", "the nearest that works is 131072"),
            ("2GiB", "the nearest that works is 1073741824"),
            ("20000000000GiB", "no memory has that many bytes"),
            ("64kilos", "no unit of size"),
            ("-1", "no unit of size"),
            ("", "a size is a number of bytes"),
        ] {
            let mut command = cat(role, &place.path());
            command.arg(format!("--capacity={asked}"));
            let ended = Side::start(command).end();
            assert_eq!(ended.status.code(), Some(2), "{asked}: {ended:?}");
            assert!(ended.errors.contains(words), "{asked}: {ended:?}");
            place.holds_no_socket();
        }
    }
}

#[test]
fn wrong_usage_is_told() {
    let place = Place::new();
    for script in [
        r#""$0""#,
        r#""$0" cat"#,
        r#""$0" cat --listen "$1" --connect "$1""#,
        r#""$0" cat --listen "$1" --wait sometimes"#,
        r#""$0" cat --listen """#,
        r#""$0" dog --listen "$1""#,
    ] {
        let ended = Side::start(shell(script, &place.path())).end();
        assert_eq!(ended.status.code(), Some(2), "{script}: {ended:?}");
        assert!(!ended.errors.is_empty());
    }
    let long = place.file(&"x".repeat(200));
    Side::start(cat("--listen", &long)).fails("File name too long");
    connect(&long, |_| {}).fails("File name too long");
}

#[test]
fn no_memory_is_told_before_anybody_waits() {
    let place = Place::new();
    for role in ["listen", "connect"] {
        let script = format!(r#"ulimit -v 600000; exec "$0" cat --{role} "$1" --capacity 512MiB"#);
        Side::start(shell(&script, &place.path())).fails("Cannot allocate memory");
        place.holds_no_socket();
    }
}

#[test]
fn no_descriptors_are_told_before_anybody_waits() {
    let place = Place::new();
    for (role, limit) in [("listen", 4), ("listen", 10), ("connect", 4), ("connect", 10)] {
        let script = format!(r#"ulimit -n {limit}; exec "$0" cat --{role} "$1""#);
        Side::start(shell(&script, &place.path())).fails("Too many open files");
        place.holds_no_socket();
    }
}

#[test]
fn no_permission_is_told() {
    // Root may do everything, so the command runs as somebody else where the test is root's; a copy of it, because that
    // somebody may not reach the original.
    let place = Place::new();
    let program = place.file("ringpipe");
    fs::copy(RINGPIPE, &program).unwrap();
    let closed = place.file("closed");
    fs::create_dir(&closed).unwrap();
    let socket = closed.join("feed.sock");
    let live = UnixListener::bind(&socket).unwrap();
    let root = nix::unistd::geteuid().is_root();
    let mode = |mode| fs::Permissions::from_mode(mode);
    fs::set_permissions(place.file("."), mode(0o755)).unwrap();
    fs::set_permissions(&closed, mode(if root { 0o700 } else { 0o000 })).unwrap();
    for role in ["--listen", "--connect"] {
        let mut command = std::process::Command::new(&program);
        command.args(["cat", role]).arg(&socket).stdin(Stdio::null()).stdout(Stdio::piped());
        if root {
            command.uid(65534);
        }
        Side::start(command).fails("Permission denied");
    }
    fs::set_permissions(&closed, mode(0o755)).unwrap();
    drop(live);
}

#[test]
fn another_user_is_turned_away() {
    if !nix::unistd::geteuid().is_root() {
        println!("skipped: only root can start a process of another user");
        return;
    }
    let place = Place::new();
    let program = place.file("ringpipe");
    fs::copy(RINGPIPE, &program).unwrap();
    fs::set_permissions(place.file("."), fs::Permissions::from_mode(0o755)).unwrap();
    let listener = listen(&place.path(), |_| {});
    fs::set_permissions(place.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let mut command = std::process::Command::new(&program);
    command.args(["cat", "--connect"]).arg(place.path()).stdin(Stdio::null());
    command.stdout(Stdio::piped()).uid(65534);
    Side::start(command).fails("the peer runs as user 0");
    connect(&place.path(), |_| {}).ends_well();
    let ended = listener.end();
    assert!(ended.status.success(), "{ended:?}");
}
