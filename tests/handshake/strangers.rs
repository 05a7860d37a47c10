//! Peers of other users, and in other namespaces.

use std::{
    fs::{self, Permissions},
    io::{ErrorKind, Read, Write},
    os::unix::fs::PermissionsExt,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use ringpipe::{Error, Options, Stream};

use crate::{census::Census, child::other, common::watchdog, door::alone, report::Report};

const LIMIT: Duration = Duration::from_secs(60);

/// The same command, with the executable where every user can start it.
pub(crate) fn reachable(command: Command, directory: &Path) -> Command {
    fs::set_permissions(directory, Permissions::from_mode(0o755)).unwrap();
    let copy = directory.join("other");
    fs::copy(command.get_program(), &copy).unwrap();
    fs::set_permissions(&copy, Permissions::from_mode(0o755)).unwrap();
    let mut moved = Command::new(copy);
    moved.args(command.get_args()).stdout(std::process::Stdio::null());
    for (name, value) in command.get_envs() {
        moved.env(name, value.unwrap());
    }
    moved
}

/// The role: becomes the user, connects, and says hello, unless it is refused.
pub(crate) fn connect_as(uid: u32, path: &str) {
    nix::unistd::setgid(uid.into()).unwrap();
    nix::unistd::setuid(uid.into()).unwrap();
    match Options::new().any_user(true).connect(path) {
        Ok(mut stream) => stream.write_all(b"hello").unwrap(),
        Err(Error::Refused(text)) => assert!(text.contains("user"), "{text}"),
        Err(error) => panic!("{error:?}"),
    }
}

#[test]
fn another_user_is_refused_unless_all_are_let_in() {
    let _turn = alone();
    if !nix::unistd::geteuid().is_root() {
        println!("T10: only root can become somebody else; not tried");
        return;
    }
    let report = Report::new("T10 users", "peers");
    let before = Census::take();
    watchdog(LIMIT, || {
        let (directory, executable) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::set_permissions(directory.path(), Permissions::from_mode(0o755)).unwrap();
        for uid in [1, 1000, 65534] {
            for any in [false, true] {
                let path = directory.path().join(format!("{uid}{any}"));
                let listener = Options::new().any_user(any).bind(&path).unwrap();
                fs::set_permissions(&path, Permissions::from_mode(0o777)).unwrap();
                listener.set_deadline(Some(Instant::now() + Duration::from_secs(30)));
                let role = format!("connect-as {uid} {}", path.display());
                let mut child = reachable(other(&role), executable.path()).spawn().unwrap();
                match listener.accept() {
                    Ok(mut stream) => {
                        assert!(any, "user {uid} was let in");
                        let mut word = [0; 5];
                        stream.read_exact(&mut word).unwrap();
                        assert_eq!(&word, b"hello");
                    }
                    Err(Error::Refused(text)) => {
                        assert!(!any && text.contains(&uid.to_string()), "{text}");
                    }
                    Err(error) => panic!("{error:?}"),
                }
                assert!(child.wait().unwrap().success());
            }
        }
    });
    before.assert_unchanged();
    report.done(6, 6);
}

/// The role: goes into a process namespace of its own, and from there connects, speaks, and is killed.
pub(crate) fn connect_in_namespace(path: &str) {
    use nix::sched::{CloneFlags, unshare};
    unshare(CloneFlags::CLONE_NEWPID).unwrap();
    // Only a child is inside. `true` as a command would be another program; this one goes on by itself.
    // SAFETY: this process has one thread that does anything, and the child only goes on with it.
    match unsafe { nix::unistd::fork() }.unwrap() {
        nix::unistd::ForkResult::Parent { child } => {
            nix::sys::wait::waitpid(child, None).unwrap();
        }
        nix::unistd::ForkResult::Child => {
            assert_eq!(std::process::id(), 1, "the first one in its namespace");
            let mut stream = Stream::connect(path).unwrap();
            stream.write_all(b"hello").unwrap();
            stream.read_exact(&mut [0; 3]).unwrap();
            // SAFETY: ends without dropping anything: a death, not a close.
            unsafe { libc::_exit(0) }
        }
    }
}

#[test]
fn a_peer_in_another_process_namespace_talks_and_dies_like_any_other() {
    let _turn = alone();
    if !nix::unistd::geteuid().is_root() {
        println!("T10: only root can make a process namespace; not tried");
        return;
    }
    let report = Report::new("T10 namespaces", "peers");
    let before = Census::take();
    watchdog(LIMIT, || {
        let directory = tempfile::tempdir().unwrap();
        for i in 0..10 {
            let path = directory.path().join(i.to_string());
            let listener = Options::new().bind(&path).unwrap();
            let role = format!("connect-in-namespace {}", path.display());
            let mut child = other(&role).spawn().unwrap();
            let mut stream = listener.accept().unwrap();
            let mut word = [0; 5];
            stream.read_exact(&mut word).unwrap();
            assert_eq!(&word, b"hello");
            stream.write_all(b"bye").unwrap();
            let error = stream.read(&mut word).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::UnexpectedEof, "{error}");
            assert!(matches!(Error::of(&error), Some(Error::PeerDied { .. })));
            assert!(child.wait().unwrap().success());
        }
    });
    before.assert_unchanged();
    report.done(10, 10);
}
