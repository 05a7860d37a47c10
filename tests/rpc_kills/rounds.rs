//! One death after the other, over every transport and in every codec.

use std::{
    env, fs,
    panic::{self, AssertUnwindSafe},
    path::Path,
    sync::Arc,
    time::Duration,
};

use ringpipe::rpc::{Client, Codec, Limits};

use crate::{
    census::Census,
    common::{Random, watchdog},
    delays::Delays,
    executioner::{Executioner, Order},
    flight::{CALLS, Flight, Load, Tally},
    ledger::Ledger,
    memory::InMemory,
    report::{Report, scaled},
    server::{Victim, narrow},
};

/// From the kill until the last of the calls has ended, at most; nine hundred and ninety of a thousand times.
const GOAL_MS: f64 = 200.0;
/// With so many rounds, everything that can happen to a call has happened to some.
const ENOUGH: u64 = 100;
/// After so many deaths, one of a server in memory.
const MEMORY_EVERY: u64 = 4;

const TRANSPORTS: [&str; 3] = ["shm", "unix", "tcp"];
const LINES: [&str; 3] = ["T6 shm", "T6 unix", "T6 tcp"];
const CODECS: [Codec; 3] = [Codec::Bin, Codec::Json, Codec::Gob];

/// What the server does when it dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Moment {
    /// It answers as fast as it is called.
    Busy,
    /// It answers some, and is stuck with others.
    Mixed,
    /// It is stuck with all of them.
    Stuck,
    /// It executes two at a time, and soon leaves the rest unread.
    Narrow,
    /// It reads nothing.
    Stopped,
}

const MOMENTS: [Moment; 5] =
    [Moment::Busy, Moment::Mixed, Moment::Stuck, Moment::Narrow, Moment::Stopped];

/// What all the rounds over one transport gave.
#[derive(Debug, Default)]
struct Sum {
    rounds: u64,
    /// In so many of them, every call of the 64 had left the client.
    all_sent: u64,
    tally: Tally,
    delays: Delays,
}

impl Sum {
    fn add(&mut self, tally: Tally) {
        self.rounds += 1;
        self.all_sent += u64::from(tally.not_sent == 0);
        self.tally.replies += tally.replies;
        self.tally.not_delivered += tally.not_delivered;
        self.tally.not_sent += tally.not_sent;
        self.tally.unknown += tally.unknown;
        self.tally.executed += tally.executed;
    }

    fn report(&self, report: &mut Report) {
        let Tally { replies, not_delivered, not_sent, unknown, executed } = self.tally;
        report
            .field("all_sent", self.all_sent)
            .field("replies", replies)
            .field("not_delivered", not_delivered)
            .field("not_sent", not_sent)
            .field("unknown", unknown)
            .field("of_these_executed", executed);
        assert_eq!(not_delivered + not_sent + unknown, self.rounds * CALLS as u64);
        // A fraction of the rounds may happen to have none.
        assert!(self.rounds < ENOUGH || self.all_sent > 0, "no death with all the calls in flight");
    }
}

/// What lasts from round to round.
struct Scene<'a> {
    directory: &'a Path,
    executioner: Executioner,
    ledger: Arc<Ledger>,
}

/// What is drawn for a round.
struct Draw {
    random: Random,
    codec: Codec,
    moment: Moment,
    load: Load,
    /// The server says when it begins this execution.
    said_at: u32,
    /// When it dies: not before it has said so if it is to be at work.
    when: Order,
}

impl Draw {
    fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let moment = MOMENTS[random.below(MOMENTS.len())];
        let load = Load {
            endless_percent: match moment {
                Moment::Stuck => 100,
                Moment::Mixed | Moment::Narrow => 12,
                Moment::Busy | Moment::Stopped => 0,
            },
            longest_pause_us: [0, 50, 500][random.below(3)],
            largest_payload: [0, 100, 4000][random.below(3)],
            announced_percent: [0, 50, 100][random.below(3)],
        };
        // Every transport meets every codec equally often.
        let codec = CODECS[(seed / TRANSPORTS.len() as u64) as usize % CODECS.len()];
        let said_at = match moment {
            Moment::Narrow => 1,
            Moment::Busy => 1 + random.below(1000) as u32,
            // All of them are in its hands.
            Moment::Stuck if random.below(2) == 0 => CALLS as u32,
            _ => 1 + random.below(CALLS) as u32,
        };
        let longest_us = [300, 3000, 10_000][random.below(3)];
        let when = Order {
            at_work: moment != Moment::Stopped && random.below(4) > 0,
            delay: Duration::from_micros(random.below(longest_us) as u64),
        };
        Self { random, codec, moment, load, said_at, when }
    }
}

impl Scene<'_> {
    /// Kills a server over `transport` in the middle of everything.
    fn kill(&self, transport: &str, seed: u64, delays: &mut Delays) -> Tally {
        let Draw { mut random, codec, moment, load, said_at, when } = Draw::new(seed);
        self.ledger.clear();
        let path = self.directory.join(format!("{seed}.sock"));
        let address = match transport {
            "tcp" => "tcp:127.0.0.1:0".to_owned(),
            path_kind => format!("{path_kind}:{}", path.display()),
        };
        let is_narrow = moment == Moment::Narrow;
        let mut victim = Victim::start(&address, codec, is_narrow, said_at, &self.ledger);
        let client = Client::dial(&victim.address, codec).unwrap();
        if moment == Moment::Stopped {
            victim.stop();
        }
        self.executioner.kill(&victim.process, &victim.tie, &victim.tie, when);
        let flight = Flight::until_death(&client, load, &mut random);
        let death = self.executioner.report();
        victim.process.wait().unwrap();
        delays.add(death.killed, death.noticed, flight.last_told());
        assert_eq!(client.pending(), 0);
        assert!(client.close().is_err(), "the connection had ended before");
        if moment == Moment::Stopped {
            assert_eq!(self.ledger.total(), 0, "it was stopped before the first call");
        }
        // Nobody is left to do it.
        let _ = fs::remove_file(path);
        flight.check(&self.ledger)
    }

    /// The same in memory.
    fn give_up(&self, seed: u64, delays: &mut Delays) -> Tally {
        let Draw { mut random, codec, moment, load, said_at, when } = Draw::new(seed);
        self.ledger.clear();
        let limits = match moment {
            Moment::Stopped => None,
            Moment::Narrow => Some(narrow()),
            _ => Some(Limits::default()),
        };
        let server = InMemory { codec, limits, said_at, when };
        let (tally, took) = server.give_up(load, &self.ledger, &mut random);
        // Nobody else saw it.
        delays.add(0, 0, took);
        tally
    }
}

/// Runs a round, and says how to run it again if it fails.
fn named<T>(seed: u64, round: impl FnOnce() -> T) -> T {
    panic::catch_unwind(AssertUnwindSafe(round)).unwrap_or_else(|panic| {
        eprintln!("RINGPIPE_SEED={seed} runs that round again and again");
        panic::resume_unwind(panic)
    })
}

pub(crate) fn every_call_in_flight_ends_once_and_no_undelivered_one_was_executed() {
    let kills = scaled(500);
    let fixed: Option<u64> = env::var("RINGPIPE_SEED").ok().map(|seed| seed.parse().unwrap());
    let report = Report::new("T6", "servers killed with 64 calls in flight");
    let mut transports = TRANSPORTS.map(|_| Sum::default());
    let mut in_memory = Sum::default();
    let directory = tempfile::tempdir().unwrap();
    watchdog(Duration::from_secs(300 + kills), || {
        let scene = Scene {
            directory: directory.path(),
            executioner: Executioner::start(),
            ledger: Arc::new(Ledger::new()),
        };
        let before = Census::take();
        for round in 0..kills {
            let seed = fixed.unwrap_or(round);
            named(seed, || {
                let at = (seed % TRANSPORTS.len() as u64) as usize;
                let sum = &mut transports[at];
                let tally = scene.kill(TRANSPORTS[at], seed, &mut sum.delays);
                sum.add(tally);
                if seed % MEMORY_EVERY == 0 {
                    let tally = scene.give_up(seed, &mut in_memory.delays);
                    in_memory.add(tally);
                }
            });
        }
        before.assert_unchanged();
    });
    report.done(transports.iter().map(|sum| sum.rounds).sum(), 500);
    if fixed.is_some() {
        return;
    }
    let mut report = Report::new("T6 memory", "servers that gave up");
    in_memory.report(&mut report);
    in_memory.delays.report_ours(&mut report);
    report.done(in_memory.rounds, 125);
    let shared = &transports[0];
    assert!(
        shared.rounds < ENOUGH || shared.tally.not_delivered > 0,
        "over shared memory some are known not to have been read"
    );
    for (line, mut sum) in LINES.into_iter().zip(transports) {
        let mut report = Report::new(line, "servers killed");
        sum.report(&mut report);
        sum.delays.report(&mut report);
        report.done(sum.rounds, 166);
        sum.delays.assert_p99(GOAL_MS);
    }
}
