//! Copies of a process whose ring is busy. They have all its descriptors and mappings, and are nobody.

use std::{
    io::{self, Read, Write},
    os::{
        fd::AsRawFd,
        unix::{net::UnixStream, process::CommandExt},
    },
    process::Stdio,
    time::{Duration, Instant},
};

use nix::{
    sys::wait::{WaitStatus, waitpid},
    unistd::{ForkResult, Pid, fork},
};
use ringpipe::{Control, Error, Listener, Stream};

use crate::{
    census::Census,
    child::other,
    common::watchdog,
    flow::Calls,
    pair::{KINDS, with_other_process},
    report::{Report, scaled},
    turn::alone,
};

/// Forks in a CI run.
const FORKS: u64 = 500;
/// One copy in so many stays until the stream has ended.
const LINGERING: u64 = 25;

/// Forks; the child does `work`, which says whether it went well, and leaves.
fn copy_of_this_process(work: impl FnOnce() -> bool) -> Pid {
    // SAFETY: the child allocates, which glibc allows after fork, and leaves by `_exit`.
    match unsafe { fork() }.unwrap() {
        ForkResult::Child => {
            let code = i32::from(!work());
            // SAFETY: ends the process without running what belongs to the parent.
            unsafe { libc::_exit(code) }
        }
        ForkResult::Parent { child } => child,
    }
}

/// What a copy may try before it leaves.
fn act(number: u64, controls: &[Control; 2]) -> bool {
    match number % 4 {
        0 => true,
        1 => {
            for control in controls {
                control.set_deadline(Some(Instant::now()));
                control.close_with_error("a copy says so");
                control.close();
            }
            true
        }
        2 => {
            let (mut reader, mut writer) = ringpipe::ring(4096).unwrap();
            let mut word = [0; 5];
            writer.write_all(b"child").unwrap();
            reader.read_exact(&mut word).unwrap();
            &word == b"child"
        }
        _ => {
            // Returns only if it fails.
            let _error = other("true").exec();
            false
        }
    }
}

#[test]
fn copies_of_a_busy_process_disturb_nothing_and_keep_nobody_waiting() {
    let _turn = alone();
    watchdog(Duration::from_secs(scaled(300)), || {
        let before = Census::take_when_quiet();
        let mut report = Report::new("T11 forks", "forks of a process with a busy ring");
        let each = scaled(FORKS).div_ceil(KINDS as u64);
        let mut bytes = 0;
        for kind in 0..KINDS {
            let (stay, leave) = UnixStream::pair().unwrap();
            let mut lingering = Vec::new();
            let tallies = with_other_process(kind, 0, Calls::OfAnyKind, |tallies, _, controls| {
                for number in 0..each {
                    let so_far = tallies.bytes();
                    let lingers = number % LINGERING == 0;
                    let copy = copy_of_this_process(|| {
                        // Copies of it would keep those that wait for its end.
                        // SAFETY: the child's own copy, which nobody uses any more.
                        unsafe { libc::close(leave.as_raw_fd()) };
                        if lingers {
                            return matches!((&stay).read(&mut [0]), Ok(0));
                        }
                        act(number, &controls)
                    });
                    if lingers {
                        lingering.push(copy);
                    } else {
                        assert_eq!(waitpid(copy, None).unwrap(), WaitStatus::Exited(copy, 0));
                    }
                    tallies.wait_until(|direction, at| direction.bytes() > so_far[at]);
                }
            });
            // The stream has ended for both sides, although copies of this one live.
            drop((stay, leave));
            for copy in lingering {
                assert_eq!(waitpid(copy, None).unwrap(), WaitStatus::Exited(copy, 0));
            }
            bytes += tallies.bytes().iter().sum::<u64>();
        }
        before.assert_unchanged();
        report.field("megabytes", bytes / 1_000_000);
        report.done(KINDS as u64 * each, FORKS);
    });
}

/// Leaves a copy of this process with everything it has, and says so.
fn fork_and_say_so(mut say: impl Write) {
    copy_of_this_process(|| io::stdin().read(&mut [0]).is_ok());
    say.write_all(b"forked").unwrap();
    loop {
        std::thread::park();
    }
}

/// Connects, forks, and waits to be killed.
pub(crate) fn fork_and_connect(path: &str) {
    fork_and_say_so(Stream::connect(path).unwrap().split().1);
}

#[test]
fn a_death_is_told_while_a_copy_of_the_dead_lives() {
    let _turn = alone();
    watchdog(Duration::from_secs(600), || {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("meet");
        let listener = Listener::bind(&path).unwrap();
        let mut command = other(&format!("fork-and-connect {}", path.display()));
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut stream = listener.accept().unwrap();
        let mut word = [0; 6];
        stream.read_exact(&mut word).unwrap();
        assert_eq!(&word, b"forked");
        child.kill().unwrap();
        let error = stream.read(&mut word).unwrap_err();
        assert!(matches!(Error::of(&error), Some(Error::PeerDied { .. })), "{error:?}");
        // Only now is the copy let go. It has ended when nobody holds the output any more.
        let mut output = child.stdout.take().unwrap();
        child.wait().unwrap();
        output.read_to_end(&mut Vec::new()).unwrap();
    });
}
