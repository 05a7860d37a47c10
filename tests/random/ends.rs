//! What all ends have in common, over every kind of end: the suite's own case, as often as wanted.

use std::{io, os::unix::net::UnixStream, thread};

use ringpipe::{
    Doorbell, Options, ReadEnd, Reader, Wait, WriteEnd, Writer,
    conformance::{
        Outcome, Report, Rules, Suite,
        model::{Break, Model},
    },
};

use crate::report::{self, scaled};

const CASE: &str = "compare.random_sequences_answer_as_the_model";
/// Sequences that the case makes of one round.
const PER_ROUND: u64 = 2;
/// Rounds for each kind of ends in one run of the suite, which has one watchdog.
const ROUNDS: u64 = 10;
/// Where the sequences start: others than those of the suite elsewhere.
const SEED: u64 = 0xC0_0000;

/// One direction of a stream whose two halves met over a socket.
fn met(options: &Options) -> io::Result<(Reader, Writer)> {
    let (ours, theirs) = UnixStream::pair()?;
    let accepting = options.clone();
    let accepted = thread::spawn(move || accepting.accept_on(theirs));
    let (reader, _) = options.connect_on(ours)?.split();
    let (_, writer) = accepted.join().expect("accepting does not panic")?.split();
    Ok((reader, writer))
}

/// A run of `rounds` rounds over some kind of ends.
type Run = Box<dyn Fn(u64, u32) -> Report>;

fn run<R: ReadEnd + 'static, W: WriteEnd + 'static>(
    name: &'static str,
    rules: Rules,
    make: fn() -> io::Result<(R, W)>,
) -> Run {
    Box::new(move |seed, rounds| {
        Suite::new(name, rules.clone(), make).only(CASE).seed(seed).rounds(rounds).jobs(1).run()
    })
}

fn ring(capacity: usize, wait: Wait) -> Options {
    Options::new().capacity(capacity).wait(wait)
}

/// Every kind of ends, small rings first: most borders for each call.
fn kinds() -> Vec<Run> {
    let small = || Rules::ring(4096);
    vec![
        run("in-memory pipe", Rules::in_memory(), || Ok(ringpipe::pipe())),
        run("ring, parking", small(), || Ok(ring(4096, Wait::Park).ring()?)),
        run("ring, adaptive", small(), || Ok(ring(4096, Wait::Adaptive).ring()?)),
        run("ring, spinning", small(), || Ok(ring(4096, Wait::Spin).ring()?)),
        run("ring with descriptors", small(), || {
            Ok(ring(4096, Wait::Park).doorbell(Doorbell::EventFd).ring()?)
        }),
        run("ring of 64 KiB", Rules::ring(65_536), || Ok(ring(65_536, Wait::Adaptive).ring()?)),
        run("stream", small(), || met(&ring(4096, Wait::Park))),
        run("stream with descriptors", small(), || {
            met(&ring(4096, Wait::Adaptive).doorbell(Doorbell::EventFd))
        }),
        #[cfg(feature = "portable")]
        run("portable ring", small(), || Ok(ringpipe::portable::ring(&ring(4096, Wait::Park))?)),
    ]
}

/// The calls that were compared, as the case counts them.
fn calls(report: &Report) -> u64 {
    let note = report.rows().first().map_or("", |row| row.note.as_str());
    let calls = note.split(", ").nth(1).and_then(|calls| calls.strip_suffix(" calls"));
    calls.and_then(|calls| calls.parse().ok()).unwrap_or_else(|| panic!("not counted: {note}"))
}

#[test]
fn random_sequences_of_calls_answer_as_the_model_over_every_kind_of_ends() {
    let kinds = kinds();
    if let Ok(seed) = std::env::var("RINGPIPE_SEED") {
        // Without the prefix it is one of the verbs'.
        let seed = seed.strip_prefix("0x").map(|seed| u64::from_str_radix(seed, 16).unwrap());
        seed.into_iter()
            .for_each(|seed| kinds.iter().for_each(|kind| println!("{}", kind(seed, 1))));
        return;
    }
    let mut counted = report::Report::new("T12 random", "sequences on ends and on the model");
    let (mut sequences, mut compared) = (0, 0);
    for slice in 0..scaled(1) {
        for kind in &kinds {
            let report = kind(SEED + slice * ROUNDS * PER_ROUND, ROUNDS as u32);
            if let Err(table) = report.verdict() {
                panic!("{table}\nRINGPIPE_SEED with the seed it names repeats it");
            }
            sequences += ROUNDS * PER_ROUND;
            compared += calls(&report);
        }
    }
    let (kinds, least) = (kinds.len() as u64, ROUNDS * PER_ROUND * kinds.len() as u64);
    counted.field("kinds", kinds).field("calls", compared).field("first_seed", SEED);
    counted.done(sequences, least);
}

/// Broken rules that a few hundred sequences cannot miss, whatever the order of threads.
const WITH_A_BUFFER: [Break; 8] = [
    Break::BorderOfTheBufferIsHurt,
    Break::CloseDropsTheBuffer,
    Break::DeadlineReachesBothEnds,
    Break::ErrorOvertakesData,
    Break::OneByteOfRoomIsLost,
    Break::RepeatsAByte,
    Break::TimedOutReadDropsAByte,
    Break::VectoredReadFillsBackwards,
];
const WITHOUT_ONE: [Break; 4] = [
    Break::EmptyWriteReturnsAtOnce,
    Break::ReadTimeoutSticks,
    Break::TimedOutWriteLeavesTheRest,
    Break::WriteReturnsBeforeTheRead,
];

#[test]
fn random_sequences_of_calls_notice_a_rule_that_is_broken() {
    let buffered = WITH_A_BUFFER.map(|rule| (rule, Model::buffered(256)));
    let rendezvous = WITHOUT_ONE.map(|rule| (rule, Model::rendezvous()));
    for (rule, model) in buffered.into_iter().chain(rendezvous) {
        let make = move || Ok(model.broken(rule).pair());
        let suite = Suite::new("broken", model.rules(), make).only(CASE);
        let report = suite.seed(SEED).rounds(200).run();
        let Some(Outcome::Failed(why)) = report.rows().first().map(|row| &row.outcome) else {
            panic!("{rule:?} was not noticed: {report}");
        };
        println!("{rule:?}: {why}");
    }
}
