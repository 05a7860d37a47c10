//! Huge pages, pages mapped ahead and locked pages: had where the system gives them, and never an error.

mod common;

use std::{
    env, fs,
    io::{Read, Write},
    os::unix::net::UnixStream,
    process::Command,
    thread,
    time::Duration,
};

use common::watchdog;
use ringpipe::{Options, Reader, Residency, Stream, Writer};

/// A hang ends here; nothing else limits time.
const LIMIT: Duration = Duration::from_secs(120);
const ROLE: &str = "RINGPIPE_TEST_ROLE";

fn everything(capacity: usize) -> Options {
    Options::new().capacity(capacity).huge_pages(true).prefault(true).lock(true)
}

fn works(mut reader: Reader, mut writer: Writer) {
    let sent: Vec<u8> = (0..20_000_000u32).map(|i| (i * 13) as u8).collect();
    thread::scope(|scope| {
        scope.spawn(|| {
            writer.write_all(&sent).unwrap();
            writer.close();
        });
        let mut got = Vec::new();
        reader.read_to_end(&mut got).unwrap();
        assert!(got == sent);
    });
}

/// Kilobytes that `/proc/self/smaps` counts under `key` for the mappings of rings.
fn kilobytes(key: &str) -> usize {
    let smaps = fs::read_to_string("/proc/self/smaps").unwrap();
    let (mut ours, mut sum) = (false, 0);
    for line in smaps.lines() {
        let (first, rest) = line.split_once([' ', ':']).unwrap();
        if first.contains('-') && u64::from_str_radix(first.split('-').next().unwrap(), 16).is_ok()
        {
            ours = rest.contains("memfd:ringpipe");
        } else if ours && first == key {
            sum += rest.trim().trim_end_matches(" kB").trim().parse::<usize>().unwrap();
        }
    }
    sum
}

/// Starts this executable again, to run only [`the_other_process`] in the given role.
fn alone(role: &str) {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", "the_other_process", "--nocapture"]).env(ROLE, role);
    assert!(command.status().unwrap().success());
}

/// Not a test by itself: what needs a process of its own, because it counts or limits.
#[test]
fn the_other_process() {
    let Ok(role) = env::var(ROLE) else { return };
    const CAPACITY: usize = 8 << 20;
    match role.as_str() {
        "count" => {
            let (reader, _writer) = Options::new().capacity(CAPACITY).ring().unwrap();
            assert_eq!(reader.stats().memory, Residency::default());
            assert!(kilobytes("Rss") < 1024, "nothing asked, nothing touched");
            let (reader, writer) = everything(CAPACITY).ring().unwrap();
            let had = reader.stats().memory;
            println!("{had:?}");
            assert_eq!(had, writer.stats().memory);
            assert!(had.prefaulted);
            assert!(kilobytes("Rss") >= 2 * CAPACITY / 1024, "{}", kilobytes("Rss"));
            if had.locked {
                assert!(kilobytes("Locked") >= CAPACITY / 1024, "{}", kilobytes("Locked"));
            } else {
                println!("skipped: this system locks no {CAPACITY} bytes twice");
            }
            if had.huge_pages {
                let huge = kilobytes("ShmemPmdMapped");
                assert!(huge >= CAPACITY / 1024, "{huge}");
            } else {
                println!("skipped: this system gives no huge pages for shared memory");
            }
            works(reader, writer);
        }
        "limited" => {
            // Nobody but root may lock more than the limit, and root may not either once it is nobody.
            let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
            // SAFETY: this process only runs this case.
            unsafe {
                assert_eq!(libc::setrlimit(libc::RLIMIT_MEMLOCK, &raw const none), 0);
                if libc::geteuid() == 0 {
                    assert_eq!(libc::setuid(65534), 0);
                }
            }
            let (reader, writer) = everything(CAPACITY).ring().unwrap();
            let had = reader.stats().memory;
            println!("{had:?}");
            assert!(had.prefaulted && !had.locked);
            assert_eq!(kilobytes("Locked"), 0);
            works(reader, writer);
        }
        "forbidden" => {
            // What an old kernel does: it knows none of the calls.
            refuse(&[libc::SYS_madvise, libc::SYS_mlock]);
            let (reader, writer) = everything(CAPACITY).ring().unwrap();
            let had = reader.stats().memory;
            println!("{had:?}");
            assert!(had.prefaulted && !had.locked && !had.huge_pages);
            assert!(kilobytes("Rss") >= 2 * CAPACITY / 1024, "{}", kilobytes("Rss"));
            works(reader, writer);
        }
        role => panic!("unknown role {role}"),
    }
    std::process::exit(0);
}

/// Has the kernel answer EINVAL to `calls`; to `madvise` only where the advice is newer than 4.14, since the ring needs the
/// older ones.
fn refuse(calls: &[libc::c_long]) {
    use libc::{
        BPF_ABS, BPF_JEQ, BPF_JGE, BPF_JMP, BPF_K, BPF_LD, BPF_RET, BPF_W, SECCOMP_RET_ALLOW,
        SECCOMP_RET_ERRNO, sock_filter, sock_fprog,
    };
    let step = |code: u32, jt, jf, k| sock_filter { code: code as u16, jt, jf, k };
    let load = |offset| step(BPF_LD | BPF_W | BPF_ABS, 0, 0, offset);
    let refused = SECCOMP_RET_ERRNO | libc::EINVAL as u32;
    let mut filter = vec![load(0)];
    for call in calls {
        if *call == libc::SYS_madvise {
            // The third argument is the advice; 20 is MADV_COLD, the first of the newer ones.
            filter.extend([
                step(BPF_JMP | BPF_JEQ | BPF_K, 0, 4, *call as u32),
                load(16 + 2 * 8),
                step(BPF_JMP | BPF_JGE | BPF_K, 0, 1, 20),
                step(BPF_RET | BPF_K, 0, 0, refused),
                step(BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW),
            ]);
        } else {
            filter.extend([
                step(BPF_JMP | BPF_JEQ | BPF_K, 0, 1, *call as u32),
                step(BPF_RET | BPF_K, 0, 0, refused),
            ]);
        }
    }
    filter.push(step(BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW));
    let program = sock_fprog { len: filter.len() as u16, filter: filter.as_mut_ptr() };
    // SAFETY: the program lives until it is installed.
    unsafe {
        assert_eq!(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
        let mode = libc::SECCOMP_MODE_FILTER;
        assert_eq!(libc::prctl(libc::PR_SET_SECCOMP, mode, &raw const program, 0, 0), 0);
    }
}

#[test]
fn what_was_had_is_what_the_kernel_counts() {
    watchdog(LIMIT, || {
        alone("count");
    });
}

#[test]
fn a_limit_on_locked_memory_is_no_error() {
    watchdog(LIMIT, || {
        alone("limited");
    });
}

#[test]
fn a_kernel_that_knows_none_of_the_calls_is_no_error() {
    watchdog(LIMIT, || {
        alone("forbidden");
    });
}

#[test]
fn every_capacity_works_with_everything_asked() {
    watchdog(LIMIT, || {
        for capacity in [4096, 1 << 20, 2 << 20, 4 << 20] {
            let (reader, writer) = everything(capacity).ring().unwrap();
            assert!(reader.stats().memory.prefaulted);
            if capacity < 2 << 20 {
                println!("{capacity}: {:?}", reader.stats().memory);
            }
            works(reader, writer);
        }
    });
}

#[test]
fn both_sides_of_a_stream_ask_for_their_own_mappings() {
    watchdog(LIMIT, || {
        let (a, b) = UnixStream::pair().unwrap();
        let other = thread::spawn(|| everything(4 << 20).connect_on(b).unwrap());
        let here = Options::new().capacity(4 << 20).accept_on(a).unwrap();
        let there: Stream = other.join().unwrap();
        let (here_reader, here_writer) = here.split();
        let (there_reader, there_writer) = there.split();
        for stats in [here_reader.stats(), here_writer.stats()] {
            assert_eq!(stats.memory, Residency::default());
        }
        for stats in [there_reader.stats(), there_writer.stats()] {
            println!("{:?}", stats.memory);
            assert!(stats.memory.prefaulted);
        }
        works(here_reader, there_writer);
        works(there_reader, here_writer);
    });
}
