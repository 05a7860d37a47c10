//! What may stand at a path where a listener wants to be, or somebody wants to connect.

use std::{
    fs::{self, File, Permissions},
    io::{self, ErrorKind},
    os::unix::{
        fs::{FileTypeExt, PermissionsExt, symlink},
        net::{UnixDatagram, UnixListener, UnixStream},
    },
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use nix::{sys::stat::Mode, unistd::mkfifo};
use ringpipe::{Error, Listener, Options, Stream};

use crate::{child::other, common::watchdog, door::alone, report::Report};

const LIMIT: Duration = Duration::from_secs(60);

/// Something to be found at a path.
type Thing = (&'static str, fn(&Path));

fn things() -> Vec<Thing> {
    vec![
        ("a regular file", |path| fs::write(path, b"precious").unwrap()),
        ("an empty file", |path| fs::write(path, b"").unwrap()),
        ("a directory", |path| fs::create_dir(path).unwrap()),
        ("a full directory", |path| fs::create_dir_all(path.join("full")).unwrap()),
        ("a fifo", |path| mkfifo(path, Mode::S_IRWXU).unwrap()),
        ("a link to nothing", |path| symlink("nothing", path).unwrap()),
        ("a link to itself", |path| symlink(path, path).unwrap()),
        ("a link to a directory", |path| symlink("/tmp", path).unwrap()),
        ("a link to a device", |path| symlink("/dev/null", path).unwrap()),
        ("a link to a stale socket", |path| {
            let target = path.with_extension("target");
            drop(UnixListener::bind(&target).unwrap());
            symlink(&target, path).unwrap();
        }),
    ]
}

fn kind(error: Error) -> ErrorKind {
    io::Error::from(error).kind()
}

/// What stands at `path` and behind it, to be compared.
fn look(path: &Path) -> String {
    let Ok(there) = fs::symlink_metadata(path) else { return "nothing".into() };
    let content = if there.is_file() { fs::read(path).unwrap() } else { Vec::new() };
    format!("{:?} {:?} {content:?}", there.file_type(), fs::read_link(path).ok())
}

#[test]
fn whatever_is_no_socket_stays_untouched_where_a_listener_wants_to_be() {
    let _turn = alone();
    let report = Report::new("T10 paths to listen at", "paths");
    let mut cases = 0;
    watchdog(LIMIT, || {
        let directory = tempfile::tempdir().unwrap();
        for (i, (name, make)) in things().into_iter().enumerate() {
            let path = directory.path().join(i.to_string());
            make(&path);
            let before = look(&path);
            assert_eq!(
                kind(Listener::bind(&path).unwrap_err()),
                ErrorKind::AlreadyExists,
                "{name}"
            );
            assert_eq!(look(&path), before, "{name}");
            cases += 1;
        }
        // Where the directory is not one.
        for (i, (name, make)) in things().into_iter().enumerate() {
            let not_a_directory = directory.path().join(format!("parent{i}"));
            make(&not_a_directory);
            if name.contains("directory") {
                continue;
            }
            let error = Listener::bind(not_a_directory.join("x")).unwrap_err();
            assert!(error.to_string().contains("parent"), "{name}: {error}");
            cases += 1;
        }
        let long = directory.path().join("x".repeat(200));
        let strange: [PathBuf; 6] = [
            "".into(),
            "\0abstract".into(),
            "nul\0inside".into(),
            long,
            directory.path().join("missing/x"),
            directory.path().join(".."),
        ];
        for path in strange {
            let error = Listener::bind(&path).unwrap_err();
            assert!(!error.to_string().is_empty(), "{path:?}");
            let error = Stream::connect(&path).unwrap_err();
            assert!(!error.to_string().is_empty(), "{path:?}");
            cases += 2;
        }
    });
    report.done(cases, 25);
}

#[test]
fn connecting_to_what_does_not_listen_fails_at_once() {
    let _turn = alone();
    let report = Report::new("T10 paths to connect to", "paths");
    let mut cases = 0;
    watchdog(LIMIT, || {
        let directory = tempfile::tempdir().unwrap();
        for (i, (name, make)) in things().into_iter().enumerate() {
            let path = directory.path().join(i.to_string());
            make(&path);
            let error = Stream::connect(&path).unwrap_err();
            assert!(matches!(error, Error::Os { .. }), "{name}: {error:?}");
            assert!(error.to_string().contains(path.to_str().unwrap()), "{name}: {error}");
            cases += 1;
        }
        let stale = directory.path().join("stale");
        drop(UnixListener::bind(&stale).unwrap());
        assert_eq!(kind(Stream::connect(&stale).unwrap_err()), ErrorKind::ConnectionRefused);
        let datagrams = directory.path().join("datagrams");
        let _datagrams = UnixDatagram::bind(&datagrams).unwrap();
        assert!(matches!(Stream::connect(&datagrams).unwrap_err(), Error::Os { .. }));
        cases += 2;
    });
    report.done(cases, 12);
}

#[test]
fn a_listener_that_never_accepts_keeps_nobody_longer_than_allowed() {
    let _turn = alone();
    watchdog(LIMIT, || {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("deaf");
        let _deaf = UnixListener::bind(&path).unwrap();
        let options = Options::new().capacity(4096).handshake_timeout(Duration::from_millis(50));
        let error = options.connect(&path).unwrap_err();
        assert!(matches!(error, Error::Timeout), "{error:?}");
        // Now with its queue full, so that not even the connection comes about.
        let mut queue = Vec::new();
        while let Ok(socket) = connect_without_waiting(&path) {
            queue.push(socket);
        }
        let error = options.connect(&path).unwrap_err();
        assert_eq!(kind(error), ErrorKind::TimedOut, "with {} in the queue", queue.len());
    });
}

/// The longest one did not fit what the kernel takes, and connecting panicked.
#[test]
fn a_timeout_may_be_as_long_as_there_is_one() {
    let _turn = alone();
    watchdog(LIMIT, || {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("patient");
        let options = Options::new().capacity(4096).handshake_timeout(Duration::MAX);
        let listener = options.bind(&path).unwrap();
        std::thread::scope(|s| {
            let accepted = s.spawn(|| listener.accept().unwrap());
            let mut stream = options.connect(&path).unwrap();
            io::Write::write_all(&mut stream, b"x").unwrap();
            let mut byte = [0];
            io::Read::read_exact(&mut accepted.join().unwrap(), &mut byte).unwrap();
            assert_eq!(byte, *b"x");
        });
    });
}

fn connect_without_waiting(path: &Path) -> nix::Result<std::os::fd::OwnedFd> {
    use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, socket};
    use std::os::fd::AsRawFd;
    let fd = socket(AddressFamily::Unix, SockType::Stream, SockFlag::SOCK_NONBLOCK, None)?;
    connect(fd.as_raw_fd(), &UnixAddr::new(path)?)?;
    Ok(fd)
}

#[test]
fn a_stale_socket_is_taken_over_and_whoever_is_live_keeps_its_path() {
    let _turn = alone();
    watchdog(LIMIT, || {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("listener");
        drop(UnixListener::bind(&path).unwrap());
        let first = Listener::bind(&path).unwrap();
        // A connection that never greets does not make it look dead.
        let _silent = UnixStream::connect(&path).unwrap();
        assert_eq!(kind(Listener::bind(&path).unwrap_err()), ErrorKind::AddrInUse);
        // Another one has removed the path and put its own there: dropping the first leaves it alone.
        fs::remove_file(&path).unwrap();
        let second = Listener::bind(&path).unwrap();
        drop(first);
        assert!(fs::symlink_metadata(&path).unwrap().file_type().is_socket());
        drop(second);
        assert!(!path.exists());
        // Datagram sockets are not what connects here, dead or alive.
        let datagrams = UnixDatagram::bind(&path).unwrap();
        assert!(Listener::bind(&path).is_err());
        assert!(path.exists());
        drop(datagrams);
    });
}

#[test]
fn a_directory_somebody_else_has_locked_is_an_error_in_time() {
    let _turn = alone();
    watchdog(LIMIT, || {
        use nix::fcntl::{Flock, FlockArg};
        let directory = tempfile::tempdir().unwrap();
        let lock = Flock::lock(File::open(directory.path()).unwrap(), FlockArg::LockExclusive);
        let lock = lock.map_err(|(_, error)| error).unwrap();
        let error = Listener::bind(directory.path().join("x")).unwrap_err();
        assert!(error.to_string().contains("locking"), "{error}");
        drop(lock);
        let listener = Listener::bind(directory.path().join("x")).unwrap();
        listener.set_deadline(Some(Instant::now()));
        assert!(matches!(listener.accept().unwrap_err(), Error::Timeout));
    });
}

/// The role: becomes the user, and tries to listen.
pub(crate) fn bind_as(uid: u32, path: &str) {
    nix::unistd::setgid(uid.into()).unwrap();
    nix::unistd::setuid(uid.into()).unwrap();
    let error = Listener::bind(path).unwrap_err();
    assert_eq!(kind(error), ErrorKind::PermissionDenied);
}

#[test]
fn a_directory_that_is_closed_to_the_user_is_an_error() {
    let _turn = alone();
    if !nix::unistd::geteuid().is_root() {
        println!("T10: only root can become somebody else; not tried");
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    fs::set_permissions(directory.path(), Permissions::from_mode(0o755)).unwrap();
    let executable = tempfile::tempdir().unwrap();
    let path = directory.path().join("x");
    let mut child = crate::strangers::reachable(
        other(&format!("bind-as 65534 {}", path.display())),
        executable.path(),
    );
    assert!(child.status().unwrap().success());
    assert!(!path.exists());
}
