//! Copies of a process whose ring is busy. They have all its descriptors and mappings, and are nobody.

use std::{
    io::{self, Read, Write},
    os::{
        fd::{AsRawFd, FromRawFd, OwnedFd, RawFd},
        unix::{net::UnixStream, process::CommandExt},
    },
    process::{Child, Stdio},
    thread,
    time::{Duration, Instant},
};

use nix::{
    sys::wait::{WaitStatus, waitpid},
    unistd::{ForkResult, Pid, fork},
};
use ringpipe::{Control, Error, Listener, Reader, Stream, Writer};

use crate::{
    census::Census,
    child::other,
    common::watchdog,
    filter::{Only, Rule, failing, filter, install},
    flow::Calls,
    pair::{KINDS, with_other_process},
    report::{Report, scaled},
    turn::alone,
};

/// Forks in a CI run.
const FORKS: u64 = 500;
/// One copy in so many stays until the stream has ended.
const LINGERING: u64 = 25;
/// Deaths beside a copy.
const ROUNDS: u64 = 10;
/// Of `<asm-generic/socket.h>`.
const SO_PASSPIDFD: u32 = 76;

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

/// Leaves a copy of this process with everything it has, says so, and waits to be killed.
fn fork_and_say_so(mut say: impl Write) {
    copy_of_this_process(|| io::stdin().read(&mut [0]).is_ok());
    say.write_all(b"forked").unwrap();
    loop {
        thread::park();
    }
}

pub(crate) fn connect_and_fork(path: &str) {
    fork_and_say_so(Stream::connect(path).unwrap().split().1);
}

pub(crate) fn inherit_and_fork() {
    fork_and_say_so(Writer::inherited().unwrap());
}

/// Kills the child when it has forked, and asserts that its death is told while the copy lives. `reap` has the child's parent
/// take note of its end first.
fn kill_and_be_told(mut child: Child, mut reader: Reader, reap: bool) {
    let mut word = [0; 6];
    reader.read_exact(&mut word).unwrap();
    assert_eq!(&word, b"forked");
    child.kill().unwrap();
    // The copy waits for the end of its input.
    let input = child.stdin.take();
    if reap {
        child.wait().unwrap();
    }
    let error = reader.read(&mut word).unwrap_err();
    assert!(matches!(Error::of(&error), Some(Error::PeerDied { .. })), "{error:?}");
    drop(input);
    child.wait().unwrap();
    // It has ended when nobody holds the output any more.
    child.stdout.take().unwrap().read_to_end(&mut Vec::new()).unwrap();
}

/// In each way in which two processes come to share a ring, some times, since a death may be sooner or later than what the
/// dead have said.
fn die_beside_copies(id: &'static str) {
    let report = Report::new(id, "deaths told beside a copy of the dead");
    for round in 0..ROUNDS {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("meet");
        let listener = Listener::bind(&path).unwrap();
        let start = |role: &str| {
            let mut command = other(role);
            command.stdin(Stdio::piped()).stdout(Stdio::piped());
            command
        };
        let child = start(&format!("connect-and-fork {}", path.display())).spawn().unwrap();
        kill_and_be_told(child, listener.accept().unwrap().split().0, round % 2 == 0);

        let (reader, writer) = ringpipe::ring(4096).unwrap();
        let child = writer.hand_to(start("inherit-and-fork")).unwrap();
        kill_and_be_told(child, reader, round % 2 == 0);
    }
    report.done(2 * ROUNDS, 2 * ROUNDS);
}

/// Whether the kernel gives descriptors of processes.
fn there_are_pidfds() -> bool {
    // SAFETY: the call takes two numbers.
    let pidfd = unsafe { libc::syscall(libc::SYS_pidfd_open, libc::getpid(), 0) };
    if pidfd < 0 {
        println!("skipped: before Linux 5.3 a copy hides a death");
        return false;
    }
    // SAFETY: new, and owned by nobody else.
    drop(unsafe { OwnedFd::from_raw_fd(pidfd as RawFd) });
    true
}

#[test]
fn a_death_is_told_while_a_copy_of_the_dead_lives() {
    let _turn = alone();
    if there_are_pidfds() {
        watchdog(Duration::from_secs(600), || die_beside_copies("T11 copies"));
    }
}

/// As before Linux 6.5.
#[test]
fn a_death_is_told_beside_copies_where_no_pidfds_are_passed() {
    let _turn = alone();
    if !there_are_pidfds() {
        return;
    }
    // The filter stays with the thread that installs it, and goes to the children.
    let filtered = thread::spawn(|| {
        let pass = Rule { call: libc::SYS_setsockopt, only: Only::Equal(2, &[SO_PASSPIDFD]) };
        let mut filter = filter(&[pass], failing(libc::ENOPROTOOPT));
        install(&mut filter, 0).unwrap();
        watchdog(Duration::from_secs(600), || die_beside_copies("T11 copies unpassed"));
    });
    filtered.join().unwrap();
}
