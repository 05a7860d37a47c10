//! What a call costs on top of what carries it: null calls, one at a time and many in flight, beside the same bytes without calls.
//!
//! Two threads, pinned to two CPUs. The rows of one round are measured one right after the other and compared within their
//! round, because this kind of figure drifts; what is printed are medians over the rounds.
//! `docs/performance.md` says how to read the figures; `ipc-bench` measures between processes.
//!
//! ```text
//! cargo bench --bench calls
//! ```

#![expect(clippy::print_stdout, reason = "a bench prints its figures")]

use std::{
    collections::VecDeque,
    env,
    io::{Read, Write},
    thread,
    time::{Duration, Instant},
};

use nix::{
    sched::{CpuSet, sched_setaffinity},
    unistd::Pid,
};
use ringpipe::{
    Options, Reader, Writer,
    rpc::{Client, Codec, Connection, Server, Service},
};

/// A request or reply of a null call is smaller; the bare ring carries this much each way.
const MESSAGE: usize = 64;
/// Calls in flight at the same time.
const WINDOW: usize = 64;

/// How long and how often each row is measured.
struct Plan {
    rounds: usize,
    window: Duration,
}

/// A row of the table: its name, and how to measure nanoseconds for one exchange.
struct Row {
    name: &'static str,
    measure: Box<dyn FnMut(Duration) -> f64>,
    /// Ends the other thread.
    end: Box<dyn FnOnce()>,
}

fn main() {
    // `cargo bench` passes --bench; a test only looks whether it runs.
    let plan = if env::args().any(|arg| arg == "--bench") {
        Plan { rounds: 60, window: Duration::from_millis(60) }
    } else {
        Plan { rounds: 1, window: Duration::from_millis(1) }
    };
    let mut rows = vec![
        bare_ring(),
        calls("null call over the ring, bin", Codec::Bin, ring_pair(), one_at_a_time),
        calls("the same, 64 in flight", Codec::Bin, ring_pair(), many_in_flight),
        calls("null call over the ring, json", Codec::Json, ring_pair(), one_at_a_time),
        calls("null call over the ring, gob", Codec::Gob, ring_pair(), one_at_a_time),
    ];
    pin(0);
    let mut taken: Vec<Vec<f64>> = vec![Vec::new(); rows.len()];
    for row in &mut rows {
        (row.measure)(plan.window);
    }
    for _ in 0..plan.rounds {
        for (row, taken) in rows.iter_mut().zip(&mut taken) {
            taken.push((row.measure)(plan.window));
        }
    }
    println!("{:<34}{:>12}{:>14}{:>10}", "", "ns", "a second", "x bare");
    for (row, ns) in rows.iter().zip(&taken) {
        let ratios = ns.iter().zip(&taken[0]).map(|(this, bare)| this / bare).collect();
        let ns = median(ns.clone());
        println!("{:<34}{ns:>12.0}{:>14.0}{:>10.2}", row.name, 1e9 / ns, median(ratios));
    }
    for row in rows {
        (row.end)();
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Keeps this thread on one CPU, where there are several.
fn pin(cpu: usize) {
    let mut set = CpuSet::new();
    set.set(cpu).expect("a number of a CPU");
    // Not allowed or not there: the figures are worse then, and still figures.
    let _ = sched_setaffinity(Pid::from_raw(0), &set);
}

/// Exchanges for as long as `window` says; nanoseconds for one.
fn timed(window: Duration, mut exchange: impl FnMut(usize)) -> f64 {
    const BATCH: usize = 256;
    let (start, mut count) = (Instant::now(), 0);
    loop {
        exchange(BATCH);
        count += BATCH;
        let took = start.elapsed();
        if took >= window {
            return took.as_nanos() as f64 / count as f64;
        }
    }
}

fn bare_ring() -> Row {
    let ((mut their_reader, mut our_writer), (mut our_reader, mut their_writer)) = two_rings();
    let echo = thread::spawn(move || {
        pin(1);
        let mut message = [0; MESSAGE];
        while their_reader.read_exact(&mut message).is_ok() {
            their_writer.write_all(&message).expect("a reader");
        }
    });
    let control = our_writer.control();
    Row {
        name: "64 B round trip of the bare ring",
        measure: Box::new(move |window| {
            let mut message = [0; MESSAGE];
            timed(window, |count| {
                for number in 0..count {
                    message[..8].copy_from_slice(&number.to_le_bytes());
                    our_writer.write_all(&message).expect("room");
                    our_reader.read_exact(&mut message).expect("an echo");
                    assert_eq!(message[..8], number.to_le_bytes());
                }
            })
        }),
        end: Box::new(move || {
            control.close();
            echo.join().expect("the echo");
        }),
    }
}

type Ring = (Reader, Writer);

fn two_rings() -> (Ring, Ring) {
    let ring = || Options::new().ring().expect("memory");
    (ring(), ring())
}

fn ring_pair() -> (Connection, Connection) {
    let ((their_reader, our_writer), (our_reader, their_writer)) = two_rings();
    (
        Connection::from_ends(our_reader, our_writer),
        Connection::from_ends(their_reader, their_writer),
    )
}

fn calls(
    name: &'static str,
    codec: Codec,
    (ours, theirs): (Connection, Connection),
    exchange: fn(&Client, usize),
) -> Row {
    let server = Server::new();
    let serving = {
        let server = server.clone();
        server
            .register(Service::new("Bench").method("Null", |()| Ok::<_, String>(())))
            .expect("the only one of its name");
        thread::spawn(move || {
            pin(1);
            server.serve(theirs, codec);
        })
    };
    let client = std::sync::Arc::new(Client::new(ours, codec).expect("a client"));
    let calling = client.clone();
    Row {
        name,
        measure: Box::new(move |window| timed(window, |count| exchange(&calling, count))),
        end: Box::new(move || {
            client.close().expect("open until now");
            serving.join().expect("the server");
        }),
    }
}

fn one_at_a_time(client: &Client, count: usize) {
    for _ in 0..count {
        client.call::<_, ()>("Bench.Null", &()).expect("a reply");
    }
}

fn many_in_flight(client: &Client, count: usize) {
    let mut flying = VecDeque::with_capacity(WINDOW);
    for _ in 0..count {
        if flying.len() == WINDOW {
            let oldest: ringpipe::rpc::Call<()> = flying.pop_front().expect("a full window");
            oldest.wait().expect("a reply");
        }
        flying.push_back(client.start("Bench.Null", &()));
    }
    for call in flying {
        call.wait().expect("a reply");
    }
}
