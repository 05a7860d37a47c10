//! A million sleeps in two processes, none of which is slept through.
//!
//! Nobody spins here: each side goes to sleep whenever it finds nothing, on a ring of one page, for a few bytes at a time. A
//! wake-up that came too late would leave both asleep with nobody to wake them, which is looked for from outside.

#[path = "common/child.rs"]
mod child;
mod common;
#[path = "common/report.rs"]
mod report;

use std::{
    fs,
    io::{BufRead, BufReader, ErrorKind, Read, Write},
    os::fd::AsFd,
    process::{Child, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use child::{other, role};
use common::{Random, watchdog};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use report::{Report, scaled};
use ringpipe::{Doorbell, Options, Stats, Stream, Wait};

/// Sleeps of each of the cases in a run of CI.
const SLEEPS: u64 = 110_000;
/// Most bytes of one write.
const MOST: usize = 4;
/// Most pauses of a writer before it goes on, so that every moment of the reader's falling asleep is met.
const MOST_PAUSES: usize = 400;
/// Most pauses between a question and going to sleep for its answer, so that the answer comes while falling asleep. A lost
/// wake-up is lost for good here, where nothing more is said before the answer was read.
const MOST_PAUSES_BEFORE_AN_ANSWER: usize = 1000;
/// Fills of the ring for each thread that ends in the process that fills it.
const ONE_THREAD_IN: usize = 64;
const CAPACITY: usize = 4096;
/// How long both processes sleep without a switch of either before nobody is left to wake them. It ends no wait that would
/// have ended: who was rung for is not asleep any more.
const BOTH_ASLEEP: Duration = Duration::from_millis(500);
/// Seconds, for the sleeps of CI.
const LIMIT: u64 = 3600;

fn options() -> Options {
    Options::new().capacity(CAPACITY).wait(Wait::Park)
}

/// Bytes that tell their place in the stream.
fn expect(pos: &mut u64, bytes: &[u8]) {
    for byte in bytes {
        assert_eq!(*byte, (*pos % 251) as u8, "byte {pos}");
        *pos += 1;
    }
}

fn pause(pauses: usize) {
    for _ in 0..pauses {
        std::hint::spin_loop();
    }
}

fn fill(pos: &mut u64, bytes: &mut [u8]) {
    for byte in bytes {
        *byte = (*pos % 251) as u8;
        *pos += 1;
    }
}

/// Sends a few bytes at a time until the other side has had enough.
fn send(stream: &mut Stream) {
    let (mut random, mut pos, mut buf) = (Random::new(1), 0, [0; MOST]);
    loop {
        let bytes = &mut buf[..1 + random.below(MOST)];
        fill(&mut pos, bytes);
        pause(random.below(MOST_PAUSES));
        match stream.write_all(bytes) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::BrokenPipe => return,
            Err(error) => panic!("{error}"),
        }
    }
}

/// Fills the ring as soon as it is empty, which is when the reader falls asleep: what it publishes is behind many stores
/// whose lines come from the reader. Now and then a thread of this process ends, behind which the kernel's `membarrier` may
/// miss this one for a while.
fn refill(stream: &mut Stream) {
    let (mut pos, mut buf) = (0, [0; CAPACITY]);
    for round in 0.. {
        if round % ONE_THREAD_IN == 0 {
            thread::spawn(|| ()).join().unwrap();
        }
        fill(&mut pos, &mut buf);
        let written = stream.writer().reserve(CAPACITY).and_then(|mut grant| {
            grant.write_all(&buf)?;
            grant.commit(CAPACITY)
        });
        match written {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::BrokenPipe => return,
            Err(error) => panic!("{error}"),
        }
    }
}

/// Sends back what comes, a few bytes at a time, to the end of the stream.
fn answer(stream: &mut Stream) {
    let (mut pos, mut buf) = (0, [0; MOST]);
    loop {
        match stream.read(&mut buf).unwrap() {
            0 => return,
            n => {
                expect(&mut pos, &buf[..n]);
                stream.write_all(&buf[..n]).unwrap();
            }
        }
    }
}

/// Not a test by itself: what the child does.
#[test]
fn the_other_process() {
    let Some(role) = role() else { return };
    if role[1] == "both" {
        refuse_membarrier();
    }
    eprintln!("{}", nix::unistd::gettid());
    let wait = if role[0] == "refill" { Wait::Adaptive } else { Wait::Park };
    let mut stream = options().wait(wait).connect(&role[2]).unwrap();
    match role[0].as_str() {
        "refill" => refill(&mut stream),
        "send" => send(&mut stream),
        "answer" => answer(&mut stream),
        role => panic!("unknown role {role}"),
    }
    let [sleeps, rings] = counts(&mut stream);
    eprintln!("{sleeps} {rings}");
    std::process::exit(0);
}

/// Has the kernel refuse the call that lets the sleeper fence for both sides, so that each has its own fence.
fn refuse_membarrier() {
    use libc::{BPF_ABS, BPF_JEQ, BPF_JMP, BPF_K, BPF_LD, BPF_RET, BPF_W, sock_filter, sock_fprog};
    let step = |code: u32, jt, jf, k| sock_filter { code: code as u16, jt, jf, k };
    let refused = libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32;
    let mut filter = [
        step(BPF_LD | BPF_W | BPF_ABS, 0, 0, 0),
        step(BPF_JMP | BPF_JEQ | BPF_K, 0, 1, libc::SYS_membarrier as u32),
        step(BPF_RET | BPF_K, 0, 0, refused),
        step(BPF_RET | BPF_K, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let program = sock_fprog { len: filter.len() as u16, filter: filter.as_mut_ptr() };
    // SAFETY: the program lives until it is installed.
    unsafe {
        assert_eq!(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
        let mode = libc::SECCOMP_MODE_FILTER;
        assert_eq!(libc::prctl(libc::PR_SET_SECCOMP, mode, &raw const program, 0, 0), 0);
    }
}

/// Sleeps of both ends, and rings for the other process.
fn counts(stream: &mut Stream) -> [u64; 2] {
    let counts = |stats: Stats| [stats.parks, stats.wakes_sent];
    sum(counts(stream.reader().stats()), counts(stream.writer().stats()))
}

fn sum(a: [u64; 2], b: [u64; 2]) -> [u64; 2] {
    [a[0] + b[0], a[1] + b[1]]
}

/// Looks from outside whether two threads that work for each other are both asleep for good.
struct Watch {
    over: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Watch {
    fn start(child: &Child, child_thread: &str, progress: Arc<AtomicU64>) -> Self {
        let task = |pid: u32, tid: &str| format!("/proc/{pid}/task/{tid}/status");
        let own = task(std::process::id(), &nix::unistd::gettid().to_string());
        let tasks = [own, task(child.id(), child_thread)];
        let over = Arc::new(AtomicBool::new(false));
        let stop = over.clone();
        let thread = thread::spawn(move || {
            let look =
                || (tasks.each_ref().map(|task| asleep(task)), progress.load(Ordering::Relaxed));
            let mut before = look();
            while !stop.load(Ordering::Relaxed) {
                thread::park_timeout(BOTH_ASLEEP);
                let now = look();
                let same = now == before && now.0.iter().all(Option::is_some);
                if same && !stop.load(Ordering::Relaxed) {
                    let said = format!("a late wake: both processes sleep, after {} bytes", now.1);
                    // Not by `eprintln`, whose words a test keeps to itself until it has ended.
                    let _ = writeln!(std::io::stderr(), "{said}");
                    std::process::abort();
                }
                before = now;
            }
        });
        Self { over, thread }
    }

    fn stop(self) {
        self.over.store(true, Ordering::Relaxed);
        self.thread.thread().unpark();
        self.thread.join().unwrap();
    }
}

/// How often a thread has been switched, if it sleeps now.
fn asleep(task: &str) -> Option<Vec<String>> {
    let status = fs::read_to_string(task).ok()?;
    status.lines().find(|line| line.starts_with("State:") && line.contains('S'))?;
    let switches = status.lines().filter(|line| line.contains("ctxt_switches"));
    Some(switches.map(str::to_owned).collect())
}

/// Starts the child, has `work` work with it until there were enough sleeps, and gives the counts of both.
fn case(
    options: &Options,
    role: &str,
    fences: &str,
    work: impl FnOnce(Stream, u64, &AtomicU64) -> [u64; 2],
) -> [u64; 2] {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("meet");
    let listener = options.bind(&path).unwrap();
    let mut command = other(&format!("{role} {fences} {}", path.display()));
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    let child_thread = said.next().unwrap();
    let stream = listener.accept().unwrap();
    let progress = Arc::new(AtomicU64::new(0));
    let watch = Watch::start(&child, &child_thread, progress.clone());
    let own = work(stream, scaled(SLEEPS), &progress);
    watch.stop();
    let last = said.last().unwrap();
    let its: Vec<u64> = last.split(' ').filter_map(|count| count.parse().ok()).collect();
    assert!(child.wait().unwrap().success(), "the child said: {last}");
    sum(own, [its[0], its[1]])
}

/// Reads what the child sends as it comes.
fn receive(mut stream: Stream, enough: u64, progress: &AtomicU64) -> [u64; 2] {
    let (mut pos, mut buf) = (0, [0; CAPACITY]);
    while stream.reader().stats().parks < enough {
        let n = stream.read(&mut buf).unwrap();
        expect(&mut pos, &buf[..n]);
        progress.store(pos, Ordering::Relaxed);
    }
    counts(&mut stream)
}

/// Asks, and waits for the answer.
fn ask(mut stream: Stream, enough: u64, progress: &AtomicU64) -> [u64; 2] {
    let (mut random, mut asked, mut answered) = (Random::new(2), 0, 0);
    let mut buf = [0; MOST];
    // The other side sleeps for each question, this one for most of the answers.
    for _ in 0..enough {
        let bytes = &mut buf[..1 + random.below(MOST)];
        fill(&mut asked, bytes);
        stream.write_all(bytes).unwrap();
        pause(random.below(MOST_PAUSES_BEFORE_AN_ANSWER));
        stream.read_exact(bytes).unwrap();
        expect(&mut answered, bytes);
        progress.store(answered, Ordering::Relaxed);
    }
    counts(&mut stream)
}

/// Polls until something is there.
fn wait_for(end: &impl AsFd) {
    poll(&mut [PollFd::new(end.as_fd(), PollFlags::POLLIN)], PollTimeout::NONE).unwrap();
}

/// Asks, and polls for the answer. What counts as a sleep is a `poll` that something had to end.
fn ask_and_poll(stream: Stream, enough: u64, progress: &AtomicU64) -> [u64; 2] {
    let (reader, mut writer) = stream.split();
    let mut reader = reader.pollable().unwrap();
    reader.set_nonblocking(true);
    let (mut random, mut asked, mut answered) = (Random::new(3), 0, 0);
    let mut buf = [0; MOST];
    let mut sleeps = 0;
    while sleeps < enough {
        let bytes = &mut buf[..1 + random.below(MOST)];
        fill(&mut asked, bytes);
        writer.write_all(bytes).unwrap();
        pause(random.below(MOST_PAUSES_BEFORE_AN_ANSWER));
        let mut done = 0;
        while done < bytes.len() {
            match reader.read(&mut bytes[done..]) {
                Ok(n) => done += n,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    sleeps += 1;
                    wait_for(&reader);
                }
                Err(error) => panic!("{error}"),
            }
        }
        expect(&mut answered, bytes);
        progress.store(answered, Ordering::Relaxed);
    }
    [sleeps, writer.stats().wakes_sent]
}

/// Polls, and reads in place whatever is there.
fn receive_polled(stream: Stream, enough: u64, progress: &AtomicU64) -> [u64; 2] {
    let (reader, writer) = stream.split();
    let mut reader = reader.pollable().unwrap();
    let (mut pos, mut buf) = (0, [0; CAPACITY]);
    for _ in 0..enough {
        wait_for(&reader);
        let n = reader.peek().unwrap().copy_to(0, &mut buf);
        reader.consume(n);
        expect(&mut pos, &buf[..n]);
        progress.store(pos, Ordering::Relaxed);
    }
    [enough, reader.stats().wakes_sent + writer.stats().wakes_sent]
}

#[test]
fn a_million_sleeps_of_two_processes_are_all_ended() {
    watchdog(Duration::from_secs(LIMIT.max(scaled(LIMIT))), || {
        let mut report = Report::new("T3", "sleeps of two processes");
        let mut total = [0, 0];
        let polled = options().doorbell(Doorbell::EventFd);
        for fences in ["both", "sleeper"] {
            total = sum(total, case(&options(), "send", fences, receive));
            total = sum(total, case(&options(), "refill", fences, receive));
            total = sum(total, case(&options(), "answer", fences, ask));
            total = sum(total, case(&polled, "answer", fences, ask_and_poll));
            total = sum(total, case(&polled, "refill", fences, receive_polled));
        }
        let [sleeps, rings] = total;
        assert!(
            rings >= sleeps / 10,
            "{rings} rings for {sleeps} sleeps: hardly anybody was waited for"
        );
        report.field("rings", rings).field("late_wakes", 0);
        report.done(sleeps, scaled(1_000_000));
    });
}
