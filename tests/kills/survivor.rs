//! The process that lives, and what it must have got.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{ErrorKind, Read, Write},
    os::fd::AsRawFd,
    os::unix::process::CommandExt,
    process::{Child, Command},
    sync::{Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use ringpipe::{Doorbell, Error, Listener, Options, Reader, Wait, Writer};

use crate::{
    census::Census,
    child::other,
    common::{Random, watchdog},
    dying::{CHUNK, byte, fill},
    report::{Report, scaled},
};

/// One test at a time: they count what the process holds.
fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A side pipe on which the dying process acknowledges; its end is the death.
fn with_acknowledgements(command: &mut Command) -> Acknowledged {
    let (acknowledged, there) = nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC).unwrap();
    let raw = there.as_raw_fd();
    // SAFETY: `dup2` may be called between fork and exec; the pipe is open until the child runs.
    unsafe {
        command.pre_exec(move || match libc::dup2(raw, 3) {
            -1 => Err(std::io::Error::last_os_error()),
            _ => Ok(()),
        });
    }
    // Until the command is dropped.
    command.stdin(std::process::Stdio::from(there));
    Acknowledged(File::from(acknowledged), Vec::new())
}

/// What the dying process said of how far it got.
struct Acknowledged(File, Vec<u8>);

impl Acknowledged {
    /// Waits until it has said something, or is dead.
    fn wait(&mut self) {
        let mut word = [0; 8];
        if self.0.read_exact(&mut word).is_ok() {
            self.1.extend(word);
        }
    }

    /// The last position.
    fn last(mut self) -> u64 {
        self.0.read_to_end(&mut self.1).unwrap();
        assert_eq!(self.1.len() % 8, 0);
        self.1.chunks(8).last().map_or(0, |word| u64::from_le_bytes(word.try_into().unwrap()))
    }
}

/// Reads until the end, checks every byte, and gives how many there were and how it ended.
fn drain(reader: &mut Reader, random: &mut Random) -> (u64, std::io::Error) {
    let mut buf = [0; CHUNK];
    let mut pos = 0;
    loop {
        let n = 1 + random.below(CHUNK);
        match reader.read(&mut buf[..n]) {
            Ok(0) => panic!("a death looks like an end"),
            Ok(n) => {
                let wrong = (0..n).find(|&at| buf[at] != byte(pos + at as u64));
                assert_eq!(wrong, None, "a wrong byte behind {pos}");
                pos += n as u64;
            }
            Err(error) => return (pos, error),
        }
    }
}

fn assert_reader_died(mut reader: Reader, got: u64, acknowledged: u64, error: &std::io::Error) {
    assert!(matches!(Error::of(error), Some(Error::PeerDied { unconsumed: None })), "{error:?}");
    assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
    assert!(got >= acknowledged, "{acknowledged} bytes were acknowledged, {got} came");
    // Dead between a write and its acknowledgement; never more than that.
    assert!(got <= acknowledged + CHUNK as u64, "{got} bytes came of {acknowledged}");
    for _ in 0..2 {
        let again = reader.read(&mut [0; 1]).unwrap_err();
        assert!(matches!(Error::of(&again), Some(Error::PeerDied { .. })), "{again:?}");
    }
}

/// Writes until the reader's death is told, and gives how many bytes went in.
fn pour(writer: &mut Writer, random: &mut Random) -> (u64, std::io::Error) {
    let mut buf = [0; CHUNK];
    let mut pos = 0;
    loop {
        let n = 1 + random.below(CHUNK);
        fill(pos, &mut buf[..n]);
        match writer.write(&buf[..n]) {
            Ok(n) => pos += n as u64,
            Err(error) => return (pos, error),
        }
    }
}

fn assert_writer_died(written: u64, consumed: u64, error: &std::io::Error) {
    let Some(Error::PeerDied { unconsumed: Some(unconsumed) }) = Error::of(error) else {
        panic!("{error:?}")
    };
    assert_eq!(error.kind(), ErrorKind::BrokenPipe);
    let most = written - consumed;
    assert!(
        *unconsumed <= most && unconsumed + CHUNK as u64 >= most,
        "{unconsumed} bytes unconsumed, of {written} written and {consumed} consumed"
    );
}

/// Kills the child at a random moment, mostly while it works, and gives the moment.
fn kill_some_time(
    child: &mut Child,
    acknowledged: &mut Acknowledged,
    random: &mut Random,
) -> Instant {
    if random.below(4) > 0 {
        acknowledged.wait();
    }
    thread::sleep(Duration::from_micros(random.below(3000) as u64));
    let now = Instant::now();
    child.kill().unwrap();
    now
}

/// How one round goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Victim {
    Writer,
    Reader,
    /// The peer of a stream.
    Stream,
    /// The peer of a stream whose end is polled.
    Polled,
    /// Two processes that talk to each other; the path they met at is left behind, and taken over by the next two.
    Both,
}

struct Round<'a> {
    random: Random,
    death: &'static str,
    listener: &'a Listener,
    seed: u64,
}

impl Round<'_> {
    fn options(&mut self) -> Options {
        let wait = [Wait::Park, Wait::Adaptive, Wait::Adaptive, Wait::Spin][self.random.below(4)];
        let capacity = 4096 << self.random.below(5);
        Options::new().capacity(capacity).wait(wait)
    }

    /// Runs `survive` while the child dies, and gives how long after its death that ended, if the moment is known.
    fn while_dying<T>(
        &mut self,
        child: &mut Child,
        acknowledged: &mut Acknowledged,
        survive: impl FnOnce(&mut Random) -> T,
    ) -> (T, Option<Duration>) {
        let (mut killing, mut surviving) =
            (Random::new(self.random.next()), Random::new(self.random.next()));
        let killed = self.death == "killed";
        thread::scope(|scope| {
            let killer =
                killed.then(|| scope.spawn(|| kill_some_time(child, acknowledged, &mut killing)));
            let result = survive(&mut surviving);
            let now = Instant::now();
            let since = killer.map(|killer| now.saturating_duration_since(killer.join().unwrap()));
            (result, since)
        })
    }

    fn kill_writer(&mut self) -> Option<Duration> {
        let (mut reader, writer) = self.options().ring().unwrap();
        let mut command = other(&format!("write {} {}", self.seed, self.death));
        let mut acknowledged = with_acknowledgements(&mut command);
        let mut child = writer.hand_to(command).unwrap();
        let ((got, error), since) =
            self.while_dying(&mut child, &mut acknowledged, |random| drain(&mut reader, random));
        child.wait().unwrap();
        assert_reader_died(reader, got, acknowledged.last(), &error);
        since
    }

    fn kill_reader(&mut self) -> Option<Duration> {
        let (reader, mut writer) = self.options().ring().unwrap();
        let mut command = other(&format!("read {} {}", self.seed, self.death));
        let mut acknowledged = with_acknowledgements(&mut command);
        let mut child = reader.hand_to(command).unwrap();
        let ((written, error), since) =
            self.while_dying(&mut child, &mut acknowledged, |random| pour(&mut writer, random));
        child.wait().unwrap();
        assert_writer_died(written, acknowledged.last(), &error);
        since
    }

    fn kill_stream(&mut self, polled: bool) -> Option<Duration> {
        let path = self.listener.path().display();
        let mut command = other(&format!("both {path} {} {}", self.seed, self.death));
        let mut acknowledged = with_acknowledgements(&mut command);
        let mut child = command.spawn().unwrap();
        drop(command);
        let stream = self.listener.accept().unwrap();
        let (mut reader, mut writer) = stream.split();
        let ((reader, got, error), since) =
            self.while_dying(&mut child, &mut acknowledged, |random| {
                let mut other = Random::new(random.next());
                let pouring = thread::spawn(move || pour(&mut writer, &mut other).1);
                let (reader, (got, error)) = if polled {
                    let mut reader = reader.pollable().unwrap();
                    let drained = poll_and_drain(&mut reader, random);
                    (reader.into_inner(), drained)
                } else {
                    let drained = drain(&mut reader, random);
                    (reader, drained)
                };
                let end = pouring.join().unwrap();
                assert!(matches!(Error::of(&end), Some(Error::PeerDied { unconsumed: Some(_) })));
                (reader, got, error)
            });
        child.wait().unwrap();
        assert_reader_died(reader, got, acknowledged.last(), &error);
        since
    }
}

fn poll_and_drain(
    reader: &mut ringpipe::ring::Pollable<Reader>,
    random: &mut Random,
) -> (u64, std::io::Error) {
    let mut buf = [0; CHUNK];
    let mut pos = 0;
    loop {
        use std::os::fd::AsFd;
        let mut fds = [PollFd::new(reader.as_fd(), PollFlags::POLLIN)];
        poll(&mut fds, PollTimeout::NONE).unwrap();
        let n = 1 + random.below(CHUNK);
        match reader.try_read(&mut buf[..n]) {
            Ok(0) => panic!("a death looks like an end"),
            Ok(n) => {
                let wrong = (0..n).find(|&at| buf[at] != byte(pos + at as u64));
                assert_eq!(wrong, None, "a wrong byte behind {pos}");
                pos += n as u64;
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return (pos, error),
        }
    }
}

/// Two strangers who talk to each other, both killed.
fn kill_both(directory: &std::path::Path, seed: u64, random: &mut Random) {
    let path = directory.join("both.sock");
    let mut command = other(&format!("listen {} {seed}", path.display()));
    let mut listening = with_acknowledgements(&mut command);
    let mut one = command.spawn().unwrap();
    drop(command);
    listening.wait();
    let mut command = other(&format!("both {} {seed} killed", path.display()));
    let mut acknowledged = with_acknowledgements(&mut command);
    let mut two = command.spawn().unwrap();
    drop(command);
    let mut victims = [(&mut one, &mut listening), (&mut two, &mut acknowledged)];
    if random.below(2) == 0 {
        victims.reverse();
    }
    let [(first, acknowledged), (second, _)] = victims;
    kill_some_time(first, acknowledged, random);
    // At once: without the first, the second may have nothing more to say.
    second.kill().unwrap();
    one.wait().unwrap();
    two.wait().unwrap();
}

#[test]
fn whoever_dies_whenever_the_survivor_has_what_was_acknowledged() {
    let _turn = alone();
    let rounds = scaled(2000);
    let mut report = Report::new("T4", "deaths");
    let directory = tempfile::tempdir().unwrap();
    let mut delays = Vec::new();
    let mut kinds: BTreeMap<(Victim, &str), u64> = BTreeMap::new();
    watchdog(Duration::from_secs(300 + rounds), || {
        let listener = Listener::bind(directory.path().join("kills.sock")).unwrap();
        let polled = Options::new().doorbell(Doorbell::EventFd);
        let polled = polled.bind(directory.path().join("polled.sock")).unwrap();
        let before = Census::take();
        let mut random = Random::new(4);
        for seed in 0..rounds {
            let victim =
                [Victim::Writer, Victim::Reader, Victim::Stream, Victim::Polled, Victim::Both]
                    [random.below(5)];
            // Nine in ten are killed from outside.
            let death = match random.below(40) {
                _ if victim == Victim::Both => "killed",
                0 => "abort",
                1 => "segfault",
                2 => "exit",
                3 => "exec",
                _ => "killed",
            };
            let listener = if victim == Victim::Polled { &polled } else { &listener };
            let mut round = Round { random: Random::new(random.next()), death, listener, seed };
            let since = match victim {
                Victim::Writer => round.kill_writer(),
                Victim::Reader => round.kill_reader(),
                Victim::Stream => round.kill_stream(false),
                Victim::Polled => round.kill_stream(true),
                Victim::Both => {
                    kill_both(directory.path(), seed, &mut round.random);
                    None
                }
            };
            delays.extend(since);
            *kinds.entry((victim, death)).or_default() += 1;
        }
        before.assert_unchanged();
    });
    delays.sort_unstable();
    let percentile = |share: f64| {
        let at = ((delays.len() - 1) as f64 * share) as usize;
        delays[at].as_secs_f64() * 1e3
    };
    println!("{kinds:?}");
    report.field("p50_ms", format!("{:.2}", percentile(0.5)));
    report.field("p99_ms", format!("{:.2}", percentile(0.99)));
    report.field("worst_ms", format!("{:.2}", percentile(1.0)));
    report.done(rounds, 2000);
}
