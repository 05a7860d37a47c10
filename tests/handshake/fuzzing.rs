//! Conversations between strangers that go wrong at random: whoever is told nonsense comes back with a stream that is one or an
//! error that has a type, keeps nothing of what was sent, and serves the next.

use std::{
    io::{Read, Write},
    os::{
        fd::OwnedFd,
        unix::net::{UnixListener, UnixStream},
    },
    path::PathBuf,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    thread,
    time::{Duration, Instant},
};

use ringpipe::{Doorbell, Error, Listener, Options, Stream};

use crate::{
    census::Census,
    common::{Random, watched},
    door::{Role, alone},
    files::menagerie,
    report::{Report, scaled},
    stranger::{Parting, Stranger},
    verdict::Verdict,
};

/// Executions of each of the two drivers between two looks at what the process holds.
const BATCH: u64 = 100;
/// How long one conversation may take; a watchdog only.
const LIMIT: Duration = Duration::from_secs(60);

/// Where a driver's victims and strangers meet.
struct House {
    /// Listeners of the library: two patient ones, with either doorbell, and one that waits for nobody.
    listeners: [Listener; 3],
    options: [Options; 3],
    /// A stranger's own, who is connected to.
    den: UnixListener,
    path: PathBuf,
}

impl House {
    fn new(path: PathBuf) -> Self {
        std::fs::create_dir(&path).unwrap();
        let patient = Options::new().capacity(4096).handshake_timeout(LIMIT);
        let hasty = patient.clone().handshake_timeout(Duration::from_millis(2));
        let options = [patient.clone(), patient.doorbell(Doorbell::EventFd), hasty];
        let mut number = 0;
        let listeners = options.each_ref().map(|options| {
            number += 1;
            options.bind(path.join(number.to_string())).unwrap()
        });
        let den = UnixListener::bind(path.join("den")).unwrap();
        Self { listeners, options, den, path }
    }
}

/// What came of the conversations, in the order of [`NAMES`].
type Outcomes = [u64; 4];
const NAMES: [&str; 4] = ["streams", "refused", "timeouts", "os"];

/// One conversation with a stranger, and one with an honest peer behind it. Gives where it counts in [`Outcomes`].
fn execute(seed: u64, house: &House, zoo: &[(&'static str, OwnedFd)], traced: bool) -> usize {
    let mut random = Random::new(seed);
    let role = role_of(seed);
    let which = [0, 0, 0, 1, 1, 1, 2][random.below(7)];
    let parting = match random.below(4) {
        0 => Parting::HangsUp,
        1.. if which == 2 => Parting::Stays,
        _ => Parting::Silence,
    };
    if traced {
        println!("{role:?}, options {which}, {parting:?}");
    }
    let served = &house.listeners[which % 2];
    // Should one of the two threads panic, the other does not wait for it for ever.
    let end = Instant::now() + LIMIT;
    house.listeners.iter().for_each(|listener| listener.set_deadline(Some(end)));
    thread::scope(|scope| {
        let victim = scope.spawn(|| {
            let met = match role {
                Role::Accepts => house.listeners[which].accept(),
                Role::Connects => house.options[which].connect(house.path.join("den")),
            };
            if traced {
                println!("  met: {met:?}");
            }
            let outcome = match &met {
                Ok(_) => 0,
                Err(Error::Refused(_)) => 1,
                Err(Error::Timeout) => 2,
                Err(Error::Os { .. }) => 3,
                Err(error) => panic!("no stranger may cause this: {error:?}"),
            };
            let text = met.as_ref().err().map(ToString::to_string).unwrap_or_default();
            assert!(met.is_ok() || text.len() > 10, "an error without words: {text}");
            if let Ok(stream) = met {
                try_everything(stream);
            }
            // The next one is honest.
            let mut stream = match role {
                Role::Accepts => served.accept(),
                Role::Connects => house.options[which % 2].connect(served.path()),
            }
            .unwrap();
            stream.write_all(b"served").unwrap();
            assert_eq!(stream.read(&mut [0; 1]).unwrap(), 0);
            outcome
        });
        let socket = match role {
            Role::Accepts => UnixStream::connect(house.listeners[which].path()).unwrap(),
            Role::Connects => house.den.accept().unwrap().0,
        };
        let mut stranger = Stranger::new(random, role, zoo, traced);
        stranger.talk(socket, parting);
        let mut guest = match role {
            Role::Accepts => house.options[which % 2].connect(served.path()),
            Role::Connects => served.accept(),
        }
        .unwrap();
        let mut word = [0; 6];
        guest.read_exact(&mut word).unwrap();
        assert_eq!(&word, b"served");
        guest.writer().close();
        let outcome = victim.join().unwrap();
        assert!(outcome != 0 || stranger.may_be_let_in(), "nobody may let this stranger in");
        outcome
    })
}

/// What the process holds once the thread that watches peers has its name, which it gives itself.
fn census_with_watcher() -> Census {
    loop {
        let census = Census::take();
        if census.threads > 0 {
            return census;
        }
        thread::yield_now();
    }
}

fn role_of(seed: u64) -> Role {
    if seed % 2 == 0 { Role::Accepts } else { Role::Connects }
}

/// Whatever a stream with a stranger can be asked without waiting: it answers with data or with an error a peer may cause.
fn try_everything(stream: Stream) {
    let (mut reader, mut writer) = stream.split();
    reader.set_nonblocking(true);
    writer.set_nonblocking(true);
    let mut bytes = vec![0; 20_000];
    let answers = [
        reader.peek().map(|span| span.copy_to(0, &mut bytes)),
        reader.try_read(&mut bytes[..100]),
        reader.recv(&mut bytes).map(Option::unwrap_or_default),
        // Every page of the stranger's memory, should it say that it is full.
        reader.read(&mut bytes),
        writer.try_write(&bytes[..5000]),
        writer.send(b"message").map(|()| 0),
    ];
    for error in answers.into_iter().filter_map(Result::err) {
        Verdict::of(&error);
    }
}

#[test]
fn no_conversation_with_a_stranger_gives_anything_but_a_stream_or_an_error() {
    let _turn = alone();
    let directory = tempfile::tempdir().unwrap();
    let zoo = menagerie(directory.path());
    let houses = ["accepts", "connects"].map(|name| House::new(directory.path().join(name)));
    if let Ok(seed) = std::env::var("RINGPIPE_SEED") {
        let seed = seed.parse().unwrap();
        let outcome = execute(seed, &houses[(seed % 2) as usize], &zoo, true);
        println!("RINGPIPE_SEED={seed}: {}", NAMES[outcome]);
        return;
    }
    let mut report = Report::new("T10 fuzz", "conversations of strangers");
    let batches = scaled(2000).div_ceil(2 * BATCH);
    // A stream that stays is not disturbed, and keeps the thread that watches peers, which would come and go.
    let mut friends = thread::scope(|scope| {
        let host = scope.spawn(|| houses[0].listeners[0].accept().unwrap());
        let guest = houses[0].options[0].connect(houses[0].listeners[0].path()).unwrap();
        (host.join().unwrap(), guest)
    });
    let now = [AtomicU64::new(0), AtomicU64::new(1)];
    let mut outcomes = Outcomes::default();
    watched(LIMIT * 2, &now, || {
        let before = census_with_watcher();
        for batch in 0..batches {
            let drive = |driver: usize| {
                let mut outcomes = Outcomes::default();
                for number in batch * BATCH..(batch + 1) * BATCH {
                    let seed = number * 2 + driver as u64;
                    now[driver].store(seed, Relaxed);
                    outcomes[execute(seed, &houses[driver], &zoo, false)] += 1;
                }
                outcomes
            };
            let both: [Outcomes; 2] = thread::scope(|scope| {
                [0, 1].map(|driver| scope.spawn(move || drive(driver))).map(|driver| {
                    driver.join().unwrap_or_else(|_| {
                        let [a, b] = now.each_ref().map(|seed| seed.load(Relaxed));
                        panic!("RINGPIPE_SEED={a} or RINGPIPE_SEED={b} shows it")
                    })
                })
            });
            for (sum, of_batch) in outcomes.iter_mut().zip(both[0].iter().zip(both[1])) {
                *sum += of_batch.0 + of_batch.1;
            }
            before.assert_unchanged();
        }
    });
    friends.0.write_all(b"still here").unwrap();
    let mut words = [0; 10];
    friends.1.read_exact(&mut words).unwrap();
    assert_eq!(&words, b"still here");
    report.field("first_seed", 0);
    for (name, count) in NAMES.into_iter().zip(outcomes) {
        assert!(count > 0 || batches < 4, "not one of the {name}");
        report.field(name, count);
    }
    report.done(batches * 2 * BATCH, 2000);
}
