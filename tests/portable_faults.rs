//! The faults of `raw_sync` 0.1.5 and `shared_memory` 0.12.4 that the portable backend works around: each case shows what
//! sets the fault off in the crate itself, and that the backend does not have it.
//!
//! A case that stops here because the crate behaves may be a fault that was mended: then the work around it can go.

mod common;

use std::{
    env,
    fs::{self, File},
    io::{ErrorKind, Read, Write},
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::atomic::{AtomicI64, Ordering},
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use common::watchdog;
use raw_sync::{
    Timeout,
    events::{Event, EventImpl, EventInit, EventState},
    locks::{LockInit, Mutex},
};
use ringpipe::{Error, Options, Wait, portable};
use shared_memory::{Shmem, ShmemConf};

/// A hang ends here; nothing else limits time.
const LIMIT: Duration = Duration::from_secs(120);
const ROLE: &str = "RINGPIPE_TEST_ROLE";
const CAPACITY: usize = 4096;

fn small() -> Options {
    Options::new().capacity(CAPACITY).wait(Wait::Park)
}

/// Starts this executable again, to run only [`the_other_process`] in the given role.
fn other(role: &str, argument: &str) -> Child {
    Command::new(env::current_exe().unwrap())
        .args(["--exact", "the_other_process", "--nocapture"])
        .env(ROLE, format!("{role} {argument}"))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// What the other process printed, and how it ended.
fn outcome(child: Child) -> (String, ExitStatus) {
    let output = child.wait_with_output().unwrap();
    (String::from_utf8(output.stdout).unwrap(), output.status)
}

/// Not a test by itself: what the child does.
#[test]
fn the_other_process() {
    let Ok(role) = env::var(ROLE) else { return };
    let (role, argument) = role.split_once(' ').unwrap();
    match role {
        "lock-and-die" => {
            let map = ShmemConf::new().os_id(argument).open().unwrap();
            // SAFETY: the event at the start begins with its mutex, and the mapping outlives the lock.
            let (mutex, _) =
                unsafe { Mutex::from_existing(map.as_ptr(), std::ptr::null_mut()) }.unwrap();
            let _guard = mutex.lock().unwrap();
            kill_self();
        }
        "open-lock-and-die" => {
            let mut stream = portable::open(argument, &small()).unwrap();
            stream.write_all(b"acknowledged").unwrap();
            // The parent says when it sleeps, which it can do no more afterwards.
            stream.read_exact(&mut [0]).unwrap();
            let base = mapping_of_the_segment();
            for event in events() {
                // SAFETY: the segment is mapped there, and an event begins with its mutex.
                let mutex = unsafe {
                    Mutex::from_existing((base + event) as *mut u8, std::ptr::null_mut())
                };
                std::mem::forget(mutex.unwrap().0.lock().unwrap());
            }
            kill_self();
        }
        "leak-a-segment" => {
            let map = ShmemConf::new().size(CAPACITY).create().unwrap();
            println!("segment{}", map.get_os_id());
            kill_self();
        }
        "offer-and-die" => {
            let _offer = portable::create(argument, &small()).unwrap();
            kill_self();
        }
        "full" => {
            enter_a_small_dev_shm();
            println!("mounted");
            let path = Path::new(argument);
            let error = portable::create(path, &Options::new().capacity(1 << 20)).unwrap_err();
            println!("offer {:?}: {error}", error.kind());
            let error = portable::ring(&Options::new().capacity(1 << 20)).unwrap_err();
            println!("ring {:?}: {error}", error.kind());
            println!("left {}", fs::read_dir("/dev/shm").unwrap().count());
            println!("path {}", path.exists());
            let mut ring = portable::ring(&Options::new().capacity(4096)).unwrap();
            ring.1.write_all(&[1; 4096]).unwrap();
            println!("what fits works");
            let map = ShmemConf::new().size(1 << 20).create().unwrap();
            println!("shared_memory promised {} bytes", map.len());
            nix::sys::mman::shm_unlink(map.get_os_id()).unwrap();
            // SAFETY: within the mapping, as far as anybody was told.
            unsafe { map.as_ptr().write_bytes(1, map.len()) };
        }
        "clock" => {
            assert_eq!(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() >> 40, 0);
            let map = ShmemConf::new().size(4096).create().unwrap();
            // SAFETY: zeroed memory of a page, for this event alone.
            let (event, _) = unsafe { Event::new(map.as_ptr(), true) }.unwrap();
            let start = Instant::now();
            AHEAD.store(3, Ordering::Relaxed);
            assert!(event.wait(Timeout::Val(Duration::from_secs(1))).is_err());
            let stretched = start.elapsed();
            assert!(stretched >= Duration::from_secs(3), "{stretched:?}: the fault is gone");
            // Ours, with a clock that goes back by a day as soon as it was read.
            AHEAD.store(86400, Ordering::Relaxed);
            let (mut reader, mut writer) = portable::ring(&small()).unwrap();
            reader.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
            let start = Instant::now();
            assert_eq!(reader.read(&mut [0]).unwrap_err().kind(), ErrorKind::TimedOut);
            println!("raw_sync: 1 s took {stretched:?}; ours: 50 ms took {:?}", start.elapsed());
            reader.set_read_timeout(None).unwrap();
            let reading = thread::spawn(move || reader.read(&mut [0]).unwrap());
            writer.write_all(&[1]).unwrap();
            assert_eq!(reading.join().unwrap(), 1);
        }
        role => panic!("unknown role {role}"),
    }
    std::process::exit(0);
}

fn kill_self() -> ! {
    // SAFETY: ends this process.
    unsafe { libc::kill(libc::getpid(), libc::SIGKILL) };
    unreachable!()
}

/// Seconds by which the realtime clock is ahead when a program reads it, compared with the kernel that waits by it: as if it
/// were set back between the two.
static AHEAD: AtomicI64 = AtomicI64::new(0);

/// Takes the place of the C library's function in this executable, so that no clock of the machine has to be set.
///
/// # Safety
/// * `time` is valid for writing.
#[unsafe(no_mangle)]
unsafe extern "C" fn clock_gettime(
    clock: libc::clockid_t,
    time: *mut libc::timespec,
) -> libc::c_int {
    // SAFETY: the caller's promise.
    let result = unsafe { libc::syscall(libc::SYS_clock_gettime, clock, time) };
    if clock == libc::CLOCK_REALTIME {
        // SAFETY: as above; the call has just filled it in.
        unsafe { (*time).tv_sec += AHEAD.load(Ordering::Relaxed) };
    }
    result as libc::c_int
}

/// An event of `raw_sync`'s own, in a segment of `shared_memory`'s own.
fn raw_event() -> (Box<dyn EventImpl>, Shmem) {
    let map = ShmemConf::new().size(4096).create().unwrap();
    // SAFETY: a fresh page, for this event alone; the caller keeps the mapping for as long.
    let (event, _) = unsafe { Event::new(map.as_ptr(), true) }.unwrap();
    (event, map)
}

#[test]
fn a_limit_whose_nanoseconds_carry_over_a_second_holds() {
    watchdog(LIMIT, || {
        let (event, _map) = raw_event();
        let limit = Duration::from_millis(600);
        loop {
            let nanos = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().subsec_millis();
            if (500..900).contains(&nanos) {
                break;
            }
            thread::sleep(Duration::from_millis(10));
        }
        // From here to the next second the sum of nanoseconds is too large for the system. The machine may stall, so try anew.
        let fails_at_once = (0..10).any(|_| {
            let start = Instant::now();
            event.wait(Timeout::Val(limit)).is_err() && start.elapsed() < limit
        });
        assert!(fails_at_once, "the fault is gone");
        for phase in 0..4 {
            thread::sleep(Duration::from_millis(130 * phase));
            let (mut reader, _writer) = portable::ring(&small()).unwrap();
            reader.set_read_timeout(Some(limit)).unwrap();
            let start = Instant::now();
            assert_eq!(reader.read(&mut [0]).unwrap_err().kind(), ErrorKind::TimedOut);
            assert!(start.elapsed() >= limit, "{:?}", start.elapsed());
            assert!(reader.stats().parks < 5, "{:?}", reader.stats());
        }
    });
}

#[test]
fn a_realtime_clock_that_is_set_back_delays_nothing() {
    watchdog(LIMIT, || {
        let (printed, status) = outcome(other("clock", "-"));
        println!("{printed}");
        assert!(status.success());
    });
}

#[test]
fn a_peer_killed_with_the_mutexes_of_the_events_locked_blocks_nobody() {
    watchdog(LIMIT, || {
        let (event, map) = raw_event();
        let (_, status) = outcome(other("lock-and-die", map.get_os_id()));
        assert_eq!(status.signal(), Some(libc::SIGKILL));
        struct Leaked(Box<dyn EventImpl>);
        // SAFETY: the pointer inside is to memory that is never unmapped: both are leaked.
        unsafe impl Send for Leaked {}
        let (event, name) = (Leaked(event), map.get_os_id().to_owned());
        std::mem::forget(map);
        nix::sys::mman::shm_unlink(name.as_str()).unwrap();
        let setting = thread::spawn(move || {
            let event = event;
            event.0.set(EventState::Signaled).is_ok()
        });

        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("meet");
        let offer = portable::create(&path, &small()).unwrap();
        let child = other("open-lock-and-die", path.to_str().unwrap());
        let (mut reader, mut writer) = offer.accept(None).unwrap().split();
        reader.read_exact(&mut [0; 12]).unwrap();
        let reading = thread::spawn(move || {
            let error = reader.read(&mut [0]).unwrap_err();
            assert!(
                matches!(Error::of(&error), Some(Error::PeerDied { unconsumed: None })),
                "{error}"
            );
            // Dropping it rings, closes and stops its threads.
            drop(reader);
        });
        writer.write_all(&[1]).unwrap();
        reading.join().unwrap();
        let error = loop {
            if let Err(error) = writer.write_all(&[2; 1000]) {
                break error;
            }
        };
        assert!(
            matches!(Error::of(&error), Some(Error::PeerDied { unconsumed: Some(_) })),
            "{error}"
        );
        writer.close();
        drop(writer);
        assert_eq!(outcome(child).1.signal(), Some(libc::SIGKILL));
        // Nobody will ever unlock it, so this cannot be a matter of time.
        assert!(!setting.is_finished(), "the fault is gone");
    });
}

#[test]
fn a_segment_that_has_no_length_yet_is_waited_for() {
    watchdog(LIMIT, || {
        use nix::{fcntl::OFlag, sys::mman, sys::stat::Mode};

        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("meet");
        // A creator that got exactly so far, by hand: its file is locked, its segment has a name and no length.
        let offer = portable::create(&path, &small()).unwrap();
        let line = fs::read_to_string(&path).unwrap();
        let name = segment_name(&line);
        mman::shm_unlink(name.as_str()).unwrap();
        let flags = OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_RDWR;
        let empty = File::from(
            mman::shm_open(name.as_str(), flags, Mode::S_IRUSR | Mode::S_IWUSR).unwrap(),
        );
        assert!(ShmemConf::new().os_id(&name).open().is_err(), "the fault is gone");

        let timeout = Duration::from_millis(50);
        let open = |timeout| portable::open(&path, &small().handshake_timeout(timeout)).map(drop);
        assert!(matches!(open(timeout), Err(Error::Timeout)));
        // With a length and without a header it is not complete either, and it must not be waited for in vain.
        empty.set_len(1 << 20).unwrap();
        assert!(matches!(open(timeout), Err(Error::Timeout)));
        assert!(path.exists(), "the names are the creator's until somebody has joined");
        drop(offer);
        assert!(!path.exists());
    });
}

#[test]
fn opening_while_the_creator_is_at_it_succeeds() {
    watchdog(LIMIT, || {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("meet");
        for i in 0..300u32 {
            let (path, options) = (&path, &small());
            thread::scope(|scope| {
                let guest = scope.spawn(move || {
                    loop {
                        match portable::open(path, options) {
                            Ok(stream) => break stream,
                            Err(error) => assert_eq!(error.kind(), ErrorKind::NotFound, "{error}"),
                        }
                    }
                });
                let mut host = portable::create(path, options).unwrap().accept(None).unwrap();
                host.write_all(&i.to_le_bytes()).unwrap();
                let mut got = [0; 4];
                guest.join().unwrap().read_exact(&mut got).unwrap();
                assert_eq!(u32::from_le_bytes(got), i);
            });
        }
    });
}

#[test]
fn a_full_dev_shm_is_an_error_and_no_signal() {
    watchdog(LIMIT, || {
        let dir = tempfile::tempdir().unwrap();
        let (printed, status) = outcome(other("full", dir.path().join("meet").to_str().unwrap()));
        if !printed.contains("mounted") {
            println!("skipped: a small /dev/shm needs the right to mount one\n{printed}");
            return;
        }
        println!("{printed}");
        for expected in [
            "offer StorageFull: allocating",
            "ring StorageFull: allocating",
            "left 0",
            "path false",
            "what fits works",
            "shared_memory promised 1048576 bytes",
        ] {
            assert!(printed.contains(expected), "{expected}");
        }
        assert_eq!(status.signal(), Some(libc::SIGBUS), "the fault is gone");
    });
}

#[test]
fn names_that_a_killed_creator_left_are_recognised() {
    watchdog(LIMIT, || {
        let (printed, _) = outcome(other("leak-a-segment", "-"));
        let leaked =
            printed.lines().find_map(|line| line.split_once("segment")).unwrap().1.to_owned();
        assert!(Path::new("/dev/shm").join(&leaked[1..]).exists(), "the fault is gone");
        nix::sys::mman::shm_unlink(leaked.as_str()).unwrap();

        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("meet");
        let left = || {
            let (_, status) = outcome(other("offer-and-die", path.to_str().unwrap()));
            assert_eq!(status.signal(), Some(libc::SIGKILL));
            let line = fs::read_to_string(&path).unwrap();
            let segment = PathBuf::from(format!("/dev/shm{}", segment_name(&line)));
            assert!(segment.exists());
            segment
        };
        let segment = left();
        let error = portable::open(&path, &small()).map(drop).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused, "{error}");
        assert!(!segment.exists() && fs::read_dir(dir.path()).unwrap().count() == 0);

        let segment = left();
        let offer = portable::create(&path, &small()).unwrap();
        assert!(!segment.exists() && fs::read_dir(dir.path()).unwrap().count() == 2);
        drop(offer);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    });
}

/// The name of the segment that the line in the meeting file tells of.
fn segment_name(line: &str) -> String {
    format!("/ringpipe-{}", &line.split(' ').nth(3).unwrap()[..16])
}

/// Where the only segment of this process is mapped.
fn mapping_of_the_segment() -> usize {
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    let line = maps.lines().find(|line| line.contains("/ringpipe-")).unwrap();
    usize::from_str_radix(line.split_once('-').unwrap().0, 16).unwrap()
}

/// Where the four events of a stream lie in its segment: two directions, each with one for its consumer and one for its
/// producer.
fn events() -> impl Iterator<Item = usize> {
    [0, 0x3000 + CAPACITY].into_iter().flat_map(|base| [base + 0x2400, base + 0x2800])
}

/// Puts 64 KiB of shared memory in the place of the machine's, for this thread alone.
fn enter_a_small_dev_shm() {
    let shm = c"/dev/shm".as_ptr();
    // SAFETY: the strings end with zero; a thread's own namespace concerns nobody else.
    let mounted = unsafe {
        libc::unshare(libc::CLONE_NEWNS) == 0
            && libc::mount(
                c"none".as_ptr(),
                c"/".as_ptr(),
                std::ptr::null(),
                libc::MS_REC | libc::MS_PRIVATE,
                std::ptr::null(),
            ) == 0
            && libc::mount(
                c"tmpfs".as_ptr(),
                shm,
                c"tmpfs".as_ptr(),
                0,
                c"size=64k".as_ptr().cast(),
            ) == 0
    };
    assert!(mounted, "{}", std::io::Error::last_os_error());
}
