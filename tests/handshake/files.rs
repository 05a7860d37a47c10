//! Descriptors of every kind but the right one, and files that are right in all but one respect.

use std::{
    fs::File,
    io,
    net::{TcpListener, UdpSocket},
    os::{
        fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd, RawFd},
        unix::net::{UnixDatagram, UnixListener, UnixStream},
    },
    time::Duration,
};

use crate::{
    common::watchdog,
    door::{CASES, Caller, Expect, ROLES, Role, alone, case},
    report::Report,
    wire::{self, FIXED, Files, GREETING, Header, Map, PAGE, READ_ONLY},
};

const CAPACITY: usize = 4096;
const SIZES: [usize; 3] = [PAGE + CAPACITY, PAGE, PAGE];
const SEALS: [i32; 3] = [READ_ONLY, FIXED, READ_ONLY];
const NAMES: [&str; 3] = ["producer", "bells", "consumer"];

fn counted(id: &'static str, least: u64, cases: impl FnOnce()) {
    let _turn = alone();
    let report = Report::new(id, "greetings");
    let before = CASES.load(std::sync::atomic::Ordering::Relaxed);
    watchdog(Duration::from_secs(300), cases);
    report.done(CASES.load(std::sync::atomic::Ordering::Relaxed) - before, least);
}

fn greet(caller: &Caller, files: &Files) -> [u8; GREETING] {
    wire::greeting(caller.kind, files.header, caller.answered)
}

/// Greets honestly, but with `other` in the place of file `at`.
fn with_other(role: Role, name: &str, expect: Expect, at: usize, other: BorrowedFd<'_>) -> String {
    case(role, &format!("{name} as {}", NAMES[at]), expect, |caller| {
        let files = Files::honest(CAPACITY);
        let mut fds = files.fds();
        fds[at] = other;
        wire::send(&caller.socket, &greet(caller, &files), &fds).unwrap();
    })
}

fn owned(raw: RawFd) -> OwnedFd {
    assert!(raw >= 0, "{}", io::Error::last_os_error());
    // SAFETY: a system call has just given it to this process.
    unsafe { OwnedFd::from_raw_fd(raw) }
}

/// One descriptor of each kind there is.
pub(crate) fn menagerie(directory: &std::path::Path) -> Vec<(&'static str, OwnedFd)> {
    let open = |path: &str| OwnedFd::from(File::open(path).unwrap());
    let regular = directory.join("regular");
    std::fs::write(&regular, vec![0; PAGE + CAPACITY]).unwrap();
    let in_shm = format!("/dev/shm/ringpipe-test-{}", std::process::id());
    std::fs::write(&in_shm, vec![0; PAGE + CAPACITY]).unwrap();
    let shm = open(&in_shm);
    std::fs::remove_file(&in_shm).unwrap();
    let fifo = directory.join("fifo");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let fifo = std::fs::OpenOptions::new().read(true).write(true).open(&fifo).unwrap();
    let (pipe_reader, pipe_writer) = nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC).unwrap();
    let (stream, other) = UnixStream::pair().unwrap();
    let unsealable = {
        // SAFETY: the name is a C string.
        let fd = owned(unsafe { libc::memfd_create(c"plain".as_ptr(), libc::MFD_CLOEXEC) });
        wire::resize(fd.as_fd(), PAGE + CAPACITY).unwrap();
        fd
    };
    // SAFETY: none of these takes a pointer that is not valid for what it is used for.
    let (event, epoll, timer, inotify, pidfd, signal, path) = unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        (
            owned(libc::eventfd(0, libc::EFD_CLOEXEC)),
            owned(libc::epoll_create1(libc::EPOLL_CLOEXEC)),
            owned(libc::timerfd_create(libc::CLOCK_MONOTONIC, libc::TFD_CLOEXEC)),
            owned(libc::inotify_init1(libc::IN_CLOEXEC)),
            owned(libc::syscall(libc::SYS_pidfd_open, libc::getpid(), 0) as RawFd),
            owned(libc::signalfd(-1, &raw const set, libc::SFD_CLOEXEC)),
            owned(libc::open(c"/dev/null".as_ptr(), libc::O_PATH | libc::O_CLOEXEC)),
        )
    };
    vec![
        ("/dev/null", open("/dev/null")),
        ("/dev/zero", open("/dev/zero")),
        ("a directory", open("/proc/self")),
        ("a file of the kernel's", open("/proc/self/maps")),
        ("memory of the process", open("/proc/self/mem")),
        ("a regular file", open(regular.to_str().unwrap())),
        ("a file in /dev/shm", shm),
        ("a fifo", fifo.into()),
        ("a pipe to read", pipe_reader),
        ("a pipe to write", pipe_writer),
        ("a stream socket", stream.into()),
        ("its other side", other.into()),
        ("a datagram socket", UnixDatagram::unbound().unwrap().into()),
        ("a listening socket", UnixListener::bind(directory.join("socket")).unwrap().into()),
        ("a TCP socket", TcpListener::bind("127.0.0.1:0").unwrap().into()),
        ("a UDP socket", UdpSocket::bind("127.0.0.1:0").unwrap().into()),
        ("an eventfd", event),
        ("an epoll set", epoll),
        ("a timer", timer),
        ("an inotify queue", inotify),
        ("a pidfd", pidfd),
        ("a signalfd", signal),
        ("a path", path),
        ("a memfd without seals", unsealable),
    ]
}

#[test]
fn descriptors_of_every_other_kind_are_refused() {
    counted("T10 kinds of descriptors", 140, || {
        let directory = tempfile::tempdir().unwrap();
        let all = menagerie(directory.path());
        for role in ROLES {
            for (name, fd) in &all {
                for at in 0..3 {
                    with_other(role, name, Expect::Refused, at, fd.as_fd());
                }
            }
        }
    });
}

#[test]
fn switches_that_are_no_unix_sockets_are_refused() {
    counted("T10 kinds of switches", 70, || {
        let directory = tempfile::tempdir().unwrap();
        for role in ROLES {
            for (name, fd) in &menagerie(directory.path().join("").as_path()) {
                let is_socket = ["stream", "other side", "datagram", "listening"];
                let expect = if is_socket.iter().any(|word| name.contains(word)) {
                    Expect::Stream
                } else {
                    Expect::Refused
                };
                for at in 0..2 {
                    case(role, &format!("{name} as switch {at}"), expect, |caller| {
                        let files = Files::honest(CAPACITY);
                        let (good, _other) = UnixDatagram::pair().unwrap();
                        let mut switches = [good.as_fd(), good.as_fd()];
                        switches[at] = fd.as_fd();
                        let [a, b, c] = files.fds();
                        let fds = [a, b, c, switches[0], switches[1]];
                        wire::send(&caller.socket, &greet(caller, &files), &fds).unwrap();
                    });
                }
            }
            // Otherwise the second round finds the names taken.
            for name in ["fifo", "socket"] {
                std::fs::remove_file(directory.path().join(name)).unwrap();
            }
        }
    });
}

#[test]
fn files_in_any_other_order_are_refused() {
    counted("T10 orders", 20, || {
        for role in ROLES {
            let orders: Vec<[usize; 3]> = (0..27)
                .map(|n| [n / 9, n / 3 % 3, n % 3])
                .filter(|order| *order != [0, 1, 2])
                .collect();
            for order in orders {
                // A consumer's file can be mapped for writing by nobody else, so it is no bell; bells are no one's own.
                let expect = Expect::Anything;
                let text = case(role, &format!("{order:?}"), expect, |caller| {
                    let files = Files::honest(CAPACITY);
                    let fds = order.map(|at| files.fds()[at]);
                    wire::send(&caller.socket, &greet(caller, &files), &fds).unwrap();
                });
                assert!(!text.is_empty(), "{role:?} {order:?} was accepted");
            }
        }
    });
}

/// A file that is right but for what `spoil` does before it is sealed with `seals`.
fn spoilt(size: usize, seals: i32, start: &[u8], spoil: impl FnOnce(BorrowedFd<'_>)) -> OwnedFd {
    let fd = wire::memfd(size);
    wire::allocate(fd.as_fd(), 0, 0, size.max(1)).unwrap();
    wire::resize(fd.as_fd(), size).unwrap();
    if size > 0 && size >= start.len() {
        Map::new(fd.as_fd(), size, true).unwrap().put(0, start);
    }
    spoil(fd.as_fd());
    wire::seal(fd.as_fd(), seals).unwrap();
    fd
}

fn start(at: usize) -> Vec<u8> {
    if at == 0 { Header::honest(CAPACITY).to_bytes().to_vec() } else { Vec::new() }
}

#[test]
fn files_without_every_seal_are_refused() {
    counted("T10 seals", 20, || {
        let all =
            [libc::F_SEAL_SHRINK, libc::F_SEAL_GROW, libc::F_SEAL_FUTURE_WRITE, libc::F_SEAL_SEAL];
        for role in ROLES {
            for at in 0..3 {
                for without in all {
                    if SEALS[at] & without == 0 {
                        continue;
                    }
                    let fd = spoilt(SIZES[at], SEALS[at] & !without, &start(at), |_| {});
                    let name = format!("a file without seal {without:#x}");
                    with_other(role, &name, Expect::Refused, at, fd.as_fd());
                }
                let none = spoilt(SIZES[at], 0, &start(at), |_| {});
                with_other(role, "a file without seals", Expect::Refused, at, none.as_fd());
            }
            // More seals than needed do no harm, except to what both must write.
            let read_only = spoilt(SIZES[1], READ_ONLY, &[], |_| {});
            with_other(role, "a read-only file", Expect::Os, 1, read_only.as_fd());
            for at in [0, 2] {
                let seals = SEALS[at] | libc::F_SEAL_WRITE;
                let sealed = spoilt(SIZES[at], seals, &start(at), |_| {});
                with_other(role, "a file that nobody writes", Expect::Stream, at, sealed.as_fd());
            }
        }
    });
}

#[test]
fn files_of_any_other_size_are_refused() {
    counted("T10 sizes", 50, || {
        for role in ROLES {
            for at in 0..3 {
                let right = SIZES[at];
                for size in [0, 1, 64, right - PAGE, right - 1, right + 1, right + PAGE, 2 * right]
                {
                    if size == right {
                        continue;
                    }
                    let fd = spoilt(size, SEALS[at], &start(at), |_| {});
                    with_other(role, &format!("{size} bytes"), Expect::Refused, at, fd.as_fd());
                }
                let vast = wire::memfd(1 << 40);
                wire::seal(vast.as_fd(), SEALS[at]).unwrap();
                with_other(role, "a terabyte of nothing", Expect::Refused, at, vast.as_fd());
            }
        }
    });
}

/// Blocks of 512 bytes that a file has, and how many it has after its first `size` bytes were all touched.
fn blocks(fd: BorrowedFd<'_>) -> u64 {
    nix::sys::stat::fstat(fd).unwrap().st_blocks as u64
}

#[test]
fn files_with_holes_are_refused_or_filled() {
    counted("T10 holes", 18, || {
        for role in ROLES {
            for at in 0..3 {
                let size = SIZES[at];
                let sparse = wire::memfd(size);
                if at == 0 {
                    Map::new(sparse.as_fd(), size, true).unwrap().put(0, &start(0));
                }
                wire::seal(sparse.as_fd(), SEALS[at]).unwrap();
                with_other(role, "a sparse file", Expect::Refused, at, sparse.as_fd());

                let punched = spoilt(size, SEALS[at], &start(at), |fd| {
                    wire::punch(fd, size - PAGE, PAGE).unwrap();
                });
                with_other(role, "a punched file", Expect::Refused, at, punched.as_fd());

                // As many pages as there must be, but behind the end of the file: a count of blocks does not tell.
                let beyond = spoilt(size, SEALS[at], &start(at), |fd| {
                    wire::allocate(fd, libc::FALLOC_FL_KEEP_SIZE, size, PAGE).unwrap();
                    wire::punch(fd, size - PAGE, PAGE).unwrap();
                    assert_eq!(blocks(fd), size as u64 / 512);
                });
                let before = blocks(beyond.as_fd());
                let text =
                    with_other(role, "pages behind the end", Expect::Anything, at, beyond.as_fd());
                let filled = blocks(beyond.as_fd()) > before;
                assert!(
                    !text.is_empty() || filled,
                    "{role:?} {}: a hole went in, and a full memory will be a SIGBUS",
                    NAMES[at]
                );
            }
        }
    });
}

#[test]
fn headers_in_memory_that_are_not_the_announced_ones_are_refused() {
    counted("T7 header bits", 1024, || {
        let honest = Header::honest(CAPACITY);
        for role in ROLES {
            for bit in 0..512 {
                let mut bytes = honest.to_bytes();
                bytes[bit / 8] ^= 1 << (bit % 8);
                let fd = spoilt(SIZES[0], READ_ONLY, &bytes, |_| {});
                with_other(role, &format!("header bit {bit}"), Expect::Refused, 0, fd.as_fd());
            }
            let lies: [(&str, Header); 12] = [
                ("magic", Header { magic: *b"ringpip\0", ..honest }),
                ("major version", Header { major: 2, ..honest }),
                ("major version 0", Header { major: 0, ..honest }),
                ("length", Header { length: 63, ..honest }),
                ("endian mark", Header { endian: 0x0403_0201, ..honest }),
                ("flags", Header { flags: 1, ..honest }),
                ("capacity", Header { capacity: 8192, ..honest }),
                ("data offset", Header { data_offset: 0, ..honest }),
                ("far data offset", Header { data_offset: 1 << 40, ..honest }),
                ("nonce", Header { nonce: [1; 16], ..honest }),
                ("checksum", Header { crc_lie: 1, ..honest }),
                ("last word", Header { last: 1, ..honest }),
            ];
            for (name, header) in lies {
                let fd = spoilt(SIZES[0], READ_ONLY, &header.to_bytes(), |_| {});
                with_other(role, name, Expect::Refused, 0, fd.as_fd());
            }
            // The same lie in both places.
            for data_offset in [0, 1, 64, 4095, 4097, 8192, 1 << 40, u64::MAX] {
                case(role, &format!("data offset {data_offset}"), Expect::Refused, |caller| {
                    let header = Header { data_offset, ..honest };
                    let files = Files::with_header(header, CAPACITY);
                    wire::send(&caller.socket, &greet(caller, &files), &files.fds()).unwrap();
                });
            }
            let newer = Header { minor: 7, length: 4096, ..honest };
            let fd = spoilt(SIZES[0], READ_ONLY, &newer.to_bytes(), |_| {});
            with_other(role, "a newer minor version", Expect::Stream, 0, fd.as_fd());
        }
    });
}

#[test]
fn a_ring_over_the_limit_is_refused_before_it_is_mapped() {
    counted("T10 limits", 4, || {
        for role in ROLES {
            for (limit, expect) in [(4096, Expect::Refused), (8192, Expect::Stream)] {
                let options = ringpipe::Options::new().capacity(4096).max_peer_capacity(limit);
                let text = crate::door::case_with(&options, role, "8192 bytes", expect, |caller| {
                    let files = Files::honest(8192);
                    wire::send(&caller.socket, &greet(caller, &files), &files.fds()).unwrap();
                });
                assert!(expect == Expect::Stream || text.contains("8192"), "{text}");
            }
        }
    });
}

#[test]
fn a_peer_that_sends_back_what_it_got_does_no_harm() {
    counted("T10 mirrors", 1, || {
        use std::io::{Read, Write};
        CASES.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let (there, here) = UnixStream::pair().unwrap();
        let victim =
            std::thread::spawn(move || ringpipe::Options::new().capacity(4096).connect_on(there));
        let mut hello = [0; GREETING];
        let (_, fds) = wire::receive(&here, &mut hello).unwrap();
        let nonce: [u8; 16] = hello[0x28..0x38].try_into().unwrap();
        hello[0x14..0x18].copy_from_slice(&wire::WELCOME.to_le_bytes());
        hello[0x38..0x48].copy_from_slice(&nonce);
        wire::sign(&mut hello);
        let fds: Vec<_> = fds.iter().map(AsFd::as_fd).collect();
        wire::send(&here, &hello, &fds).unwrap();
        // Talking to oneself is allowed; what must not happen is worse.
        if let Ok(mut stream) = victim.join().unwrap() {
            stream.write_all(b"echo").unwrap();
            let mut echo = [0; 4];
            stream.read_exact(&mut echo).unwrap();
            assert_eq!(&echo, b"echo");
        }
    });
}
