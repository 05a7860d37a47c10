//! The ring over `shared_memory` and `raw_sync`: between threads, and between this test executable and itself, started
//! again.

mod common;

use std::{
    env, fs,
    io::{ErrorKind, Read, Write},
    os::unix::fs::{FileExt, OpenOptionsExt, symlink},
    path::{Path, PathBuf},
    process::{Child, Command},
    thread,
    time::{Duration, Instant},
};

use common::watchdog;
use ringpipe::{Doorbell, Error, Options, Stream, Wait, portable};

/// A hang ends here; nothing else limits time.
const LIMIT: Duration = Duration::from_secs(120);
const ROLE: &str = "RINGPIPE_TEST_ROLE";

/// Starts this executable again, to run only [`the_other_process`] in the given role.
fn other(role: &str, path: &Path) -> Child {
    Command::new(env::current_exe().unwrap())
        .args(["--exact", "the_other_process", "--nocapture"])
        .env(ROLE, format!("{role} {}", path.display()))
        .spawn()
        .unwrap()
}

fn succeeded(mut child: Child) {
    assert!(child.wait().unwrap().success());
}

fn small() -> Options {
    Options::new().capacity(4096)
}

/// Not a test by itself: what the child does.
#[test]
fn the_other_process() {
    let Ok(role) = env::var(ROLE) else { return };
    let (role, path) = role.split_once(' ').unwrap();
    let open = || portable::open(path, &small()).unwrap();
    match role {
        "echo" => {
            let mut stream = open();
            let mut buf = vec![0; 10_000];
            loop {
                match stream.read(&mut buf).unwrap() {
                    0 => break,
                    n => stream.write_all(&buf[..n]).unwrap(),
                }
            }
        }
        "fail" => {
            let (_, writer) = open().split();
            writer.close_with_error(std::io::Error::new(ErrorKind::StorageFull, "disk full"));
        }
        "write-and-exit" => open().write_all(b"acknowledged").unwrap(),
        "write-and-hang" => {
            let mut stream = open();
            stream.write_all(b"acknowledged").unwrap();
            loop {
                thread::park();
            }
        }
        "read-some-and-abort" => {
            let mut stream = open();
            stream.read_exact(&mut [0; 100]).unwrap();
            std::process::abort();
        }
        "open-and-close" => {
            let before = resources();
            for _ in 0..200 {
                open_and_close(path);
            }
            let deadline = Instant::now() + Duration::from_secs(20);
            // The threads of dropped ends leave in their own time.
            while resources() != before && Instant::now() < deadline {
                thread::yield_now();
            }
            assert_eq!(resources(), before, "descriptors, mappings of the ring, threads");
        }
        role => panic!("unknown role {role}"),
    }
    std::process::exit(0);
}

/// A stream whose other side is this executable in `role`.
fn stream(role: &str, options: &Options) -> (Stream, Child, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("meet");
    let offer = portable::create(&path, options).unwrap();
    let child = other(role, &path);
    let stream = offer.accept(Some(Instant::now() + Duration::from_secs(20))).unwrap();
    (stream, child, dir)
}

/// Names of shared memory that the file at `path` tells of.
fn segment(path: &Path) -> PathBuf {
    let line = fs::read_to_string(path).unwrap();
    let nonce = line.split(' ').nth(3).unwrap();
    Path::new("/dev/shm").join(format!("ringpipe-{}", &nonce[..16]))
}

fn entries(dir: &tempfile::TempDir) -> Vec<PathBuf> {
    fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn random_chunks_arrive_in_order_under_every_way_of_waiting() {
    watchdog(LIMIT, || {
        for wait in [Wait::Spin, Wait::Adaptive, Wait::Park] {
            let (mut reader, mut writer) = portable::ring(&small().wait(wait)).unwrap();
            const TOTAL: usize = 1_000_000;
            let sender = thread::spawn(move || {
                let (mut at, mut seed) = (0usize, 1u64);
                while at < TOTAL {
                    seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                    let n = (1 + (seed >> 33) as usize % 9000).min(TOTAL - at);
                    let bytes: Vec<u8> = (at..at + n).map(|i| (i % 251) as u8).collect();
                    assert_eq!(writer.write(&bytes).unwrap(), n);
                    at += n;
                }
                writer.stats()
            });
            let mut got = Vec::new();
            reader.read_to_end(&mut got).unwrap();
            assert_eq!(got.len(), TOTAL);
            assert!(got.iter().enumerate().all(|(i, byte)| *byte == (i % 251) as u8));
            assert_eq!(reader.stats().bytes, TOTAL as u64);
            println!("{wait:?} {:?} {:?}", reader.stats(), sender.join().unwrap());
        }
    });
}

#[test]
fn one_byte_after_another_sleeps_and_wakes_without_a_loss() {
    watchdog(LIMIT, || {
        let options = small().wait(Wait::Park);
        let (mut reader, mut writer) = portable::ring(&options).unwrap();
        let (mut answers, mut answer) = portable::ring(&options).unwrap();
        thread::scope(|scope| {
            scope.spawn(move || {
                let mut byte = [0];
                while reader.read(&mut byte).unwrap() != 0 {
                    answer.write_all(&byte).unwrap();
                }
            });
            for i in 0..3000u32 {
                writer.write_all(&[i as u8]).unwrap();
                let mut byte = [0];
                answers.read_exact(&mut byte).unwrap();
                assert_eq!(byte, [i as u8]);
            }
            drop(writer);
        });
    });
}

#[test]
fn messages_and_grants_work_where_memory_is_mapped_once() {
    watchdog(LIMIT, || {
        let (mut reader, mut writer) = portable::ring(&small()).unwrap();
        let sender = thread::spawn(move || {
            for i in 0..2000usize {
                writer.send(&vec![i as u8; i % 3000]).unwrap();
            }
            let mut grant = writer.reserve(3000).unwrap();
            grant.write_all(&[7; 3000]).unwrap();
            grant.commit(3000).unwrap();
        });
        let mut buf = vec![0; 3000];
        for i in 0..2000usize {
            assert_eq!(reader.recv(&mut buf).unwrap(), Some(i % 3000));
            assert!(buf[..i % 3000].iter().all(|byte| *byte == i as u8));
        }
        reader.read_exact(&mut buf).unwrap();
        assert_eq!(buf, [7; 3000]);
        sender.join().unwrap();
    });
}

#[test]
fn close_with_error_arrives_after_the_last_byte() {
    watchdog(LIMIT, || {
        let (mut reader, mut writer) = portable::ring(&small()).unwrap();
        writer.write_all(b"last").unwrap();
        writer.close_with_error(std::io::Error::new(ErrorKind::InvalidData, "bad sector"));
        let mut got = Vec::new();
        let error = reader.read_to_end(&mut got).unwrap_err();
        assert_eq!(got, b"last");
        assert_eq!(
            (error.kind(), error.to_string().as_str()),
            (ErrorKind::InvalidData, "bad sector")
        );
    });
}

#[test]
fn a_close_ends_a_blocked_call_on_either_side() {
    watchdog(LIMIT, || {
        for from_the_other_side in [false, true] {
            let (mut reader, writer) = portable::ring(&small().wait(Wait::Park)).unwrap();
            let control = if from_the_other_side { writer.control() } else { reader.control() };
            let blocked = thread::spawn(move || reader.read(&mut [0]).map_err(|e| e.kind()));
            control.close();
            let expected = if from_the_other_side { Ok(0) } else { Err(ErrorKind::BrokenPipe) };
            assert_eq!(blocked.join().unwrap(), expected);
        }
        for from_the_other_side in [false, true] {
            let (reader, mut writer) = portable::ring(&small().wait(Wait::Park)).unwrap();
            writer.write_all(&[0; 4096]).unwrap();
            let control = if from_the_other_side { reader.control() } else { writer.control() };
            let blocked = thread::spawn(move || writer.write(&[0]).map_err(|e| e.kind()));
            control.close();
            assert_eq!(blocked.join().unwrap(), Err(ErrorKind::BrokenPipe));
        }
    });
}

#[test]
fn a_timeout_loses_nothing_and_a_moved_deadline_counts_at_once() {
    watchdog(LIMIT, || {
        let (mut reader, mut writer) = portable::ring(&small()).unwrap();
        let timeout = Duration::from_millis(30);
        reader.set_read_timeout(Some(timeout)).unwrap();
        let start = Instant::now();
        assert_eq!(reader.read(&mut [0]).unwrap_err().kind(), ErrorKind::TimedOut);
        assert!(start.elapsed() >= timeout);
        writer.set_write_timeout(Some(timeout)).unwrap();
        assert_eq!(writer.write(&[1; 5000]).unwrap(), 4096);
        assert_eq!(writer.write(&[2]).unwrap_err().kind(), ErrorKind::TimedOut);
        reader.set_read_timeout(None).unwrap();
        let mut got = [0; 4096];
        reader.read_exact(&mut got).unwrap();
        assert_eq!(got, [1; 4096]);
        reader.set_deadline(Some(Instant::now() + Duration::from_secs(3600)));
        let control = reader.control();
        let blocked = thread::spawn(move || reader.read(&mut [0]).map_err(|e| e.kind()));
        control.set_deadline(Some(Instant::now()));
        assert_eq!(blocked.join().unwrap(), Err(ErrorKind::TimedOut));
    });
}

#[test]
fn two_processes_echo_and_leave_no_name() {
    watchdog(LIMIT, || {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("meet");
        let offer = portable::create(&path, &small()).unwrap();
        let segment = segment(&path);
        assert!(segment.exists());
        let child = other("echo", &path);
        let (mut reader, mut writer) = offer.accept(None).unwrap().split();
        assert!(!segment.exists() && entries(&dir).is_empty(), "both have it open");
        let sent: Vec<u8> = (0..1_000_000u32).map(|i| (i * 7) as u8).collect();
        thread::scope(|scope| {
            scope.spawn(|| {
                writer.write_all(&sent).unwrap();
                writer.close();
            });
            let mut got = Vec::new();
            reader.read_to_end(&mut got).unwrap();
            assert!(got == sent);
        });
        succeeded(child);
    });
}

#[test]
fn what_was_written_before_a_clean_exit_arrives_and_then_the_end() {
    watchdog(LIMIT, || {
        for _ in 0..10 {
            let (mut stream, child, _dir) = stream("write-and-exit", &small());
            let mut got = Vec::new();
            stream.read_to_end(&mut got).unwrap();
            assert_eq!(got, b"acknowledged");
            succeeded(child);
        }
    });
}

#[test]
fn an_error_crosses_the_process_border() {
    watchdog(LIMIT, || {
        let (mut stream, child, _dir) = stream("fail", &small());
        let error = stream.read(&mut [0]).unwrap_err();
        assert_eq!(
            (error.kind(), error.to_string().as_str()),
            (ErrorKind::StorageFull, "disk full")
        );
        succeeded(child);
    });
}

#[test]
fn a_killed_writer_is_told_after_every_acknowledged_byte() {
    watchdog(LIMIT, || {
        for wait in [Wait::Park, Wait::Spin] {
            let (mut stream, mut child, _dir) = stream("write-and-hang", &small().wait(wait));
            let mut got = [0; 12];
            stream.read_exact(&mut got).unwrap();
            assert_eq!(&got, b"acknowledged");
            child.kill().unwrap();
            let start = Instant::now();
            let error = stream.read(&mut got).unwrap_err();
            assert!(
                matches!(Error::of(&error), Some(Error::PeerDied { unconsumed: None })),
                "{error}"
            );
            println!("{wait:?}: noticed after {:?}", start.elapsed());
            assert_eq!(stream.read(&mut got).unwrap_err().kind(), ErrorKind::UnexpectedEof);
            child.wait().unwrap();
        }
    });
}

#[test]
fn a_killed_writer_is_noticed_by_calls_that_never_wait() {
    watchdog(LIMIT, || {
        let (mut stream, mut child, _dir) = stream("write-and-hang", &small());
        child.kill().unwrap();
        child.wait().unwrap();
        let mut got = Vec::new();
        let error = loop {
            let mut buf = [0; 5];
            match stream.reader().try_read(&mut buf) {
                Ok(n) => got.extend_from_slice(&buf[..n]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => break error,
            }
        };
        assert!(b"acknowledged".starts_with(&got), "{got:?}");
        assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
    });
}

#[test]
fn a_dead_reader_is_told_with_the_bytes_it_never_consumed() {
    watchdog(LIMIT, || {
        let (mut stream, mut child, _dir) = stream("read-some-and-abort", &small());
        let mut acknowledged = 0;
        let error = loop {
            match stream.write(&[7; 1000]) {
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
    });
}

#[test]
fn an_offer_that_is_taken_back_leaves_nothing() {
    watchdog(LIMIT, || {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("meet");
        let offer = portable::create(&path, &small()).unwrap();
        let first = segment(&path);
        drop(offer);
        assert!(!first.exists() && entries(&dir).is_empty());
        let offer = portable::create(&path, &small()).unwrap();
        let second = segment(&path);
        assert!(matches!(offer.accept(Some(Instant::now())), Err(Error::Timeout)));
        assert!(!second.exists() && entries(&dir).is_empty());
    });
}

#[test]
fn a_live_path_is_not_taken_and_a_foreign_file_not_touched() {
    watchdog(LIMIT, || {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("meet");
        let kind = |result: Result<portable::Offer, Error>| result.map(drop).unwrap_err().kind();
        let offer = portable::create(&path, &small()).unwrap();
        assert_eq!(kind(portable::create(&path, &small())), ErrorKind::AddrInUse);
        let stream = thread::scope(|scope| {
            let guest = scope.spawn(|| portable::open(&path, &small()).unwrap());
            offer.accept(None).unwrap();
            guest.join().unwrap()
        });
        drop(stream);
        let open = portable::open(&path, &small()).map(drop).unwrap_err();
        assert_eq!(open.kind(), ErrorKind::NotFound);

        fs::write(&path, b"precious").unwrap();
        assert_eq!(kind(portable::create(&path, &small())), ErrorKind::AlreadyExists);
        let open = portable::open(&path, &small()).map(drop).unwrap_err();
        assert_eq!(open.kind(), ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&path).unwrap(), b"precious");

        for name in ["directory", "link", "fifo"] {
            let path = dir.path().join(name);
            match name {
                "directory" => fs::create_dir(&path).unwrap(),
                "link" => symlink("nowhere", &path).unwrap(),
                _ => nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap(),
            }
            assert_eq!(kind(portable::create(&path, &small())), ErrorKind::AlreadyExists, "{name}");
            assert!(portable::open(&path, &small()).is_err(), "{name}");
            assert!(path.symlink_metadata().is_ok(), "{name}");
        }
    });
}

/// The line of an offer and the name of its guest's file, once both are gone with the offer.
fn left_by_the_dead(path: &Path) -> (String, PathBuf) {
    let offer = portable::create(path, &small()).unwrap();
    let line = fs::read_to_string(path).unwrap();
    assert!(format!("{offer:?}").starts_with("Offer { host: "), "{offer:?}");
    drop(offer);
    let nonce = line.split(' ').nth(3).unwrap();
    let guest = format!("{}.{}", path.display(), &nonce[..16]);
    (line, guest.into())
}

/// Writes a file that only this user may touch, as creators do.
fn leave(path: &Path, content: &str) {
    let mut file =
        fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).unwrap();
    file.write_all(content.as_bytes()).unwrap();
}

#[test]
fn what_a_dead_creator_left_is_told_from_a_live_one_and_taken_over() {
    watchdog(LIMIT, || {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("meet");
        let (line, guest) = left_by_the_dead(&path);
        leave(&path, &line);
        leave(&guest, "");
        let error = portable::open(&path, &small()).map(drop).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        assert!(error.to_string().contains(": its creator is gone"), "{error}");
        assert!(entries(&dir).is_empty(), "whoever finds it out cleans up");

        for content in [line.as_str(), ""] {
            leave(&path, content);
            leave(&guest, "");
            let offer = portable::create(&path, &small()).unwrap();
            assert_ne!(fs::read_to_string(&path).unwrap(), line);
            // A file without a line names no guest's.
            assert_eq!(guest.exists(), content.is_empty());
            thread::scope(|scope| {
                let guest = scope.spawn(|| portable::open(&path, &small()).unwrap());
                offer.accept(None).unwrap().write_all(b"new").unwrap();
                assert_eq!(std::io::read_to_string(guest.join().unwrap()).unwrap(), "new");
            });
            let _ = fs::remove_file(&guest);
        }
        assert!(entries(&dir).is_empty());
    });
}

#[test]
fn a_creator_that_has_not_finished_is_waited_for_only_so_long() {
    watchdog(LIMIT, || {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("meet");
        let hasty = small().handshake_timeout(Duration::from_millis(5));
        let open = || portable::open(&path, &hasty).map(drop).unwrap_err();
        let (line, _) = left_by_the_dead(&path);
        // Its line is missing, or the file for its guest.
        for content in ["", &line] {
            leave(&path, content);
            assert!(matches!(open(), Error::Timeout), "{content:?}");
            fs::remove_file(&path).unwrap();
        }
        let offer = portable::create(&path, &small()).unwrap();
        let segment = segment(&path);
        let file = fs::File::options().write(true).open(&segment).unwrap();
        let length = file.metadata().unwrap().len();
        // Its segment has not said that it is complete.
        file.write_all_at(&[0; 8], 0).unwrap();
        assert!(matches!(open(), Error::Timeout));
        // Nor its length, nor its name.
        file.set_len(length / 2).unwrap();
        assert!(matches!(open(), Error::Timeout));
        fs::remove_file(&segment).unwrap();
        assert!(matches!(open(), Error::Timeout));
        // Its memory is shorter than it knows by now, so that it must not touch what it mapped.
        file.set_len(length).unwrap();
        drop(offer);
        assert!(entries(&dir).is_empty());
    });
}

#[test]
fn a_creator_that_says_what_cannot_be_is_refused_with_the_reason() {
    watchdog(LIMIT, || {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("meet");
        let refusal = || match portable::open(&path, &small()) {
            Err(Error::Refused(text)) => text.to_string(),
            other => panic!("{other:?}"),
        };
        let (line, _) = left_by_the_dead(&path);
        let mut words: Vec<_> = line.trim_end().split(' ').collect();
        let size: usize = words[5].parse().unwrap();
        let other_size = (size + 1).to_string();
        words[5] = &other_size;
        leave(&path, &format!("{}\n", words.join(" ")));
        assert_eq!(
            refusal(),
            format!(
                "the creator's events take {} bytes and ours {size}: it runs another C library",
                size + 1
            )
        );
        fs::remove_file(&path).unwrap();
        leave(&path, &line.replace(" 4096 ", " 5000 "));
        assert!(refusal().ends_with("the nearest that works is 8192"), "{}", refusal());
        fs::remove_file(&path).unwrap();

        // A segment of that name that belongs to another offer.
        let offer = portable::create(&path, &small()).unwrap();
        let line = fs::read_to_string(&path).unwrap();
        let nonce = line.split(' ').nth(3).unwrap();
        let file = fs::File::options().write(true).open(&path).unwrap();
        let other = format!("{}{}", &nonce[..16], nonce[16..].chars().rev().collect::<String>());
        file.write_all_at(line.replace(nonce, &other).as_bytes(), 0).unwrap();
        assert_eq!(refusal(), "the header in memory is not the one that was announced");
        drop(offer);
        assert!(entries(&dir).is_empty());
    });
}

#[test]
fn a_grant_of_memory_that_is_mapped_once_is_a_slice_only_in_one_piece() {
    let (mut reader, mut writer) = portable::ring(&small()).unwrap();
    let mut grant = writer.reserve(3000).unwrap();
    grant.as_mut_slice().unwrap().fill(1);
    grant.commit(3000).unwrap();
    reader.read_exact(&mut [0; 3000]).unwrap();
    let mut grant = writer.reserve(3000).unwrap();
    assert!(grant.as_mut_slice().is_none(), "it lies around the end of the memory");
    grant.write_all(&[2; 3000]).unwrap();
    grant.commit(3000).unwrap();
    assert_eq!(reader.peek().unwrap().as_slice(), Some(&[2; 1096][..]));
    reader.read_exact(&mut [0; 3000]).unwrap();
    assert!(format!("{reader:?} {writer:?}").contains("OwnBell { role: Consumer, .. }"));
}

#[test]
fn only_one_process_can_open_a_stream() {
    watchdog(LIMIT, || {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("meet");
        let offer = portable::create(&path, &small()).unwrap();
        let opened: usize = thread::scope(|scope| {
            let guests: Vec<_> = (0..8)
                .map(|_| scope.spawn(|| usize::from(portable::open(&path, &small()).is_ok())))
                .collect();
            guests.into_iter().map(|guest| guest.join().unwrap()).sum()
        });
        assert_eq!(opened, 1);
        drop(offer.accept(None).unwrap());
        assert!(entries(&dir).is_empty());
    });
}

#[test]
fn what_cannot_be_is_refused_before_anything_is_made() {
    watchdog(LIMIT, || {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("meet");
        let create = |options: Options| portable::create(&path, &options).map(drop).unwrap_err();
        assert!(matches!(create(Options::new().capacity(3)), Error::Capacity { .. }));
        assert!(matches!(
            create(Options::new().doorbell(Doorbell::EventFd)),
            Error::Unsupported(_)
        ));
        assert!(entries(&dir).is_empty());
        let nowhere = dir.path().join("missing/meet");
        assert_eq!(
            portable::create(nowhere, &small()).map(drop).unwrap_err().kind(),
            ErrorKind::NotFound
        );

        let offer = portable::create(&path, &Options::new().capacity(1 << 20)).unwrap();
        let open = portable::open(&path, &Options::new().max_peer_capacity(4096));
        assert!(matches!(open, Err(Error::Refused(_))));
        // It is still there for somebody who takes it.
        drop(portable::open(&path, &Options::new()).unwrap());
        drop(offer.accept(None).unwrap());
    });
}

fn open_and_close(path: &str) {
    let options = small().wait(Wait::Park);
    let offer = portable::create(path, &options).unwrap();
    let mut there = portable::open(path, &options).unwrap();
    let mut here = offer.accept(None).unwrap();
    thread::scope(|scope| {
        scope.spawn(|| assert_eq!(there.read(&mut [0]).unwrap(), 1));
        here.write_all(&[1]).unwrap();
    });
}

/// Open descriptors, mappings of segments, and threads of this process.
fn resources() -> [usize; 3] {
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    [
        fs::read_dir("/proc/self/fd").unwrap().count(),
        maps.lines().filter(|line| line.contains("ringpipe-")).count(),
        fs::read_dir("/proc/self/task").unwrap().count(),
    ]
}

#[test]
fn opening_and_closing_leaves_nothing_behind() {
    watchdog(LIMIT, || {
        let dir = tempfile::tempdir().unwrap();
        succeeded(other("open-and-close", &dir.path().join("meet")));
        assert!(entries(&dir).is_empty());
    });
}

#[test]
fn a_forked_copy_answers_forked_and_closes_nothing() {
    watchdog(LIMIT, || {
        use nix::{
            sys::wait::{WaitStatus, waitpid},
            unistd::{ForkResult, fork},
        };

        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("meet");
        let offer = portable::create(&path, &small()).unwrap();
        let mut there = portable::open(&path, &small()).unwrap();
        let mut here = offer.accept(None).unwrap();
        // Both have slept and rung, so that their threads exist, and their locks may be held at the moment of the fork.
        thread::scope(|scope| {
            scope.spawn(|| {
                there.read_exact(&mut [0]).unwrap();
                there.write_all(&[2]).unwrap();
            });
            here.write_all(&[1]).unwrap();
            here.read_exact(&mut [0]).unwrap();
        });
        let copy = &mut here;
        // SAFETY: the child allocates, which glibc allows after fork, and leaves by `_exit`.
        match unsafe { fork() }.unwrap() {
            ForkResult::Child => {
                let read = copy.read(&mut [0]).unwrap_err();
                let write = copy.write(&[3]).unwrap_err();
                let forked = |error| matches!(Error::of(error), Some(Error::Forked));
                let code = if forked(&read) && forked(&write) { 0 } else { 1 };
                // SAFETY: read once and dropped here; the child never touches the original again, and ends without running
                // what belongs to the parent.
                unsafe {
                    drop(std::ptr::read(copy));
                    libc::_exit(code)
                }
            }
            ForkResult::Parent { child } => {
                assert_eq!(waitpid(child, None).unwrap(), WaitStatus::Exited(child, 0));
            }
        }
        here.write_all(b"still here").unwrap();
        let mut got = [0; 10];
        there.read_exact(&mut got).unwrap();
        assert_eq!(&got, b"still here");
    });
}
