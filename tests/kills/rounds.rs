//! One death after the other, of every kind.

use std::{
    collections::BTreeMap, ffi::OsString, fs, os::unix::net::UnixStream, path::Path,
    process::Child, thread, time::Duration,
};

use ringpipe::{Doorbell, Error, Listener, Options, Wait};

use crate::{
    census::Census,
    child::other,
    common::{Random, watchdog},
    delays::Delays,
    executioner::{Executioner, Order},
    report::{Report, scaled},
    survivor::{
        Acknowledged, assert_reader_told, assert_writer_told, drain, poll_and_drain, pour,
        with_acknowledgements,
    },
};

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

/// What dies how.
struct Round<'a> {
    random: Random,
    death: &'static str,
    listener: &'a Listener,
    seed: u64,
    executioner: &'a Executioner,
    delays: &'a mut Delays,
}

impl Round<'_> {
    fn options(&mut self) -> Options {
        let wait = [Wait::Park, Wait::Adaptive, Wait::Adaptive, Wait::Spin][self.random.below(4)];
        let capacity = 4096 << self.random.below(5);
        Options::new().capacity(capacity).wait(wait)
    }

    /// Runs `survive`, which gives when it was told, while the child dies.
    fn while_dying<T>(
        &mut self,
        child: &mut Child,
        (acknowledged, tie): (&Acknowledged, &UnixStream),
        survive: impl FnOnce(&mut Random) -> (T, u64),
    ) -> T {
        let killed = self.death == "killed";
        if killed {
            self.executioner.kill(child, tie, acknowledged, some_time(&mut self.random));
        }
        let (result, told) = survive(&mut self.random);
        if killed {
            let death = self.executioner.report();
            self.delays.add(death.killed, death.noticed, told);
        }
        child.wait().unwrap();
        result
    }

    fn kill_writer(&mut self) {
        let (mut reader, writer) = self.options().ring().unwrap();
        let mut command = other(&format!("write {} {}", self.seed, self.death));
        let (acknowledged, tie) = with_acknowledgements(&mut command);
        let mut child = writer.hand_to(command).unwrap();
        let told = self.while_dying(&mut child, (&acknowledged, &tie), |random| {
            let told = drain(&mut reader, random);
            let at = told.at;
            (told, at)
        });
        assert_reader_told(reader, &told, acknowledged.last());
    }

    fn kill_reader(&mut self) {
        let (reader, mut writer) = self.options().ring().unwrap();
        let mut command = other(&format!("read {} {}", self.seed, self.death));
        let (acknowledged, tie) = with_acknowledgements(&mut command);
        let mut child = reader.hand_to(command).unwrap();
        let told = self.while_dying(&mut child, (&acknowledged, &tie), |random| {
            let told = pour(&mut writer, random);
            let at = told.at;
            (told, at)
        });
        assert_writer_told(&told, acknowledged.last());
    }

    fn kill_stream(&mut self, polled: bool) {
        let path = self.listener.path().display();
        let mut command = other(&format!("both {path} {} {}", self.seed, self.death));
        let (acknowledged, tie) = with_acknowledgements(&mut command);
        let mut child = command.spawn().unwrap();
        drop(command);
        let (mut reader, mut writer) = self.listener.accept().unwrap().split();
        let (reader, told) = self.while_dying(&mut child, (&acknowledged, &tie), |random| {
            let mut other = Random::new(random.next());
            let pouring = thread::spawn(move || pour(&mut writer, &mut other));
            let (reader, drained) = if polled {
                let mut reader = reader.pollable().unwrap();
                let drained = poll_and_drain(&mut reader, random);
                (reader.into_inner(), drained)
            } else {
                let drained = drain(&mut reader, random);
                (reader, drained)
            };
            let poured = pouring.join().unwrap();
            let end = Error::of(&poured.error);
            assert!(matches!(end, Some(Error::PeerDied { unconsumed: Some(_) })), "{end:?}");
            // Both ends are told; the later one counts.
            let at = drained.at.max(poured.at);
            ((reader, drained), at)
        });
        assert_reader_told(reader, &told, acknowledged.last());
    }

    /// Two strangers who talk to each other, both killed.
    fn kill_both(&mut self, directory: &Path) {
        let path = directory.join("both.sock");
        let mut command = other(&format!("listen {} {}", path.display(), self.seed));
        let (mut listening, tie) = with_acknowledgements(&mut command);
        let one = command.spawn().unwrap();
        drop(command);
        listening.wait();
        let mut command = other(&format!("both {} {} killed", path.display(), self.seed));
        let (talking, other_tie) = with_acknowledgements(&mut command);
        let two = command.spawn().unwrap();
        drop(command);
        let mut victims = [(one, listening, tie), (two, talking, other_tie)];
        if self.random.below(2) == 0 {
            victims.reverse();
        }
        let [(mut first, acknowledged, tie), (mut second, ..)] = victims;
        self.executioner.kill(&first, &tie, &acknowledged, some_time(&mut self.random));
        self.executioner.report();
        // At once: without the first, the second may have nothing more to say.
        second.kill().unwrap();
        first.wait().unwrap();
        second.wait().unwrap();
    }
}

/// A random moment, mostly while the victim works.
fn some_time(random: &mut Random) -> Order {
    Order { at_work: random.below(4) > 0, delay: Duration::from_micros(random.below(3000) as u64) }
}

/// What is in the directory, but for the path that stays where nobody is left to unlink it: a listener that hears of its
/// client's death before it is killed itself unlinks that as well.
fn names(directory: &Path) -> Vec<OsString> {
    let mut names: Vec<_> =
        fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.retain(|name| name != "both.sock");
    names.sort();
    names
}

pub(crate) fn whoever_dies_whenever_the_survivor_has_what_was_acknowledged() {
    let rounds = scaled(2000);
    let mut report = Report::new("T4", "deaths");
    let directory = tempfile::tempdir().unwrap();
    let mut delays = Delays::default();
    let mut kinds: BTreeMap<(Victim, &str), u64> = BTreeMap::new();
    watchdog(Duration::from_secs(300 + rounds), || {
        let listener = Listener::bind(directory.path().join("kills.sock")).unwrap();
        let polled = Options::new().doorbell(Doorbell::EventFd);
        let polled = polled.bind(directory.path().join("polled.sock")).unwrap();
        let executioner = Executioner::start();
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
            let mut round = Round {
                random: Random::new(random.next()),
                death,
                listener: if victim == Victim::Polled { &polled } else { &listener },
                seed,
                executioner: &executioner,
                delays: &mut delays,
            };
            match victim {
                Victim::Writer => round.kill_writer(),
                Victim::Reader => round.kill_reader(),
                Victim::Stream => round.kill_stream(false),
                Victim::Polled => round.kill_stream(true),
                Victim::Both => round.kill_both(directory.path()),
            }
            *kinds.entry((victim, death)).or_default() += 1;
        }
        before.assert_unchanged();
        assert_eq!(names(directory.path()), ["kills.sock", "polled.sock"]);
    });
    assert!(names(directory.path()).is_empty());
    println!("{kinds:?}");
    report.field("timed", delays.len());
    delays.report(&mut report);
    delays.assert_p99(10.0);
    report.done(rounds, rounds.min(2000));
}
