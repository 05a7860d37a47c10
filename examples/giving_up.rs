//! Callers who leave: what they leave behind, and who wins when a reply and an end come at the same time.
//!
//! ```text
//! cargo run --example giving_up
//! ```
//! This is the lesson of `net/http`'s round trip: whoever brings a reply must never be stuck with a caller who has gone,
//! and must know that he has.

use std::{
    error::Error,
    fs, io,
    os::unix::net::UnixStream,
    sync::{Arc, Barrier},
    thread,
    time::{Duration, Instant},
};

use ringpipe::rpc::{
    Call, CallError, CallOptions, Cancel, Client, Codec, Completions, Connection, Server, Service,
};

const CALLS: i64 = 10_000;

fn main() -> Result<(), Box<dyn Error>> {
    let before = threads_and_descriptors()?;
    let server = Server::new();
    let gate = Arc::new(Barrier::new(2));
    let inside = Arc::clone(&gate);
    server.register(Service::new("Slow").method("Echo", |n: i64| Ok::<_, String>(n)).method(
        "Late",
        move |()| {
            inside.wait();
            Ok::<_, String>("at last")
        },
    ))?;
    let (ours, theirs) = UnixStream::pair()?;
    let serving = {
        let server = server.clone();
        thread::spawn(move || server.serve(Connection::from(theirs), Codec::Bin))
    };
    let client = Client::new(Connection::from(ours), Codec::Bin)?;

    abandon(&client)?;
    run_out_of_time(&client, &gate)?;
    too_many_ends(&client)?;
    arrived_wins(client)?;

    serving.join().expect("serving does not panic");
    server.close();
    // A thread that has been waited for is off the list a moment later.
    while threads_and_descriptors()? != before {
        thread::yield_now();
    }
    println!("threads and descriptors: as many as before");
    Ok(())
}

fn threads_and_descriptors() -> io::Result<(usize, usize)> {
    let count = |path| fs::read_dir(path).map(Iterator::count);
    Ok((count("/proc/self/task")?, count("/proc/self/fd")?))
}

/// Callers who start calls and leave at once. The replies come all the same, and find nobody.
fn abandon(client: &Client) -> Result<(), CallError> {
    for n in 0..CALLS {
        drop(client.start::<_, i64>("Slow.Echo", &n));
    }
    let pending = client.pending();
    let next: i64 = client.call("Slow.Echo", &17)?;
    println!("abandoned: {CALLS} calls, {pending} pending; the next call gets {next}");
    Ok(())
}

/// The deadline ends the call and not the connection.
fn run_out_of_time(client: &Client, gate: &Barrier) -> Result<(), Box<dyn Error>> {
    let soon = CallOptions::new().timeout(Duration::from_millis(20));
    let late = client.call_with::<_, String>("Slow.Late", &(), &soon).expect_err("it is late");
    let other: i64 = client.call("Slow.Echo", &17)?;
    gate.wait();
    println!("out of time: {late}; the next call gets {other}");
    Ok(())
}

/// A queue with room for one end of a call: nobody waits for room, and no result is lost.
fn too_many_ends(client: &Client) -> Result<(), Box<dyn Error>> {
    let done = Completions::new(1)?;
    let options = CallOptions::new().completions(&done);
    let calls: Vec<Call<i64>> =
        (0..100).map(|n| client.start_with("Slow.Echo", &n, &options)).collect();
    let sum = calls.into_iter().map(Call::wait).sum::<Result<i64, _>>()?;
    // The last of them is announced after its result is there.
    while done.dropped() < 99 {
        thread::yield_now();
    }
    println!("a full queue: 100 results of sum {sum}, 1 announced, {} dropped", done.dropped());
    Ok(())
}

/// A reply that is there wins over cancellation, close and deadline.
fn arrived_wins(client: Client) -> Result<(), Box<dyn Error>> {
    let cancel = Cancel::new();
    let deadline = Instant::now() + Duration::from_millis(50);
    let options = CallOptions::new().cancel(&cancel).deadline(deadline);
    let call: Call<i64> = client.start_with("Slow.Echo", &5, &options);
    while !call.is_complete() {
        thread::yield_now();
    }
    cancel.cancel();
    client.close()?;
    thread::sleep(deadline.saturating_duration_since(Instant::now()));
    println!("arrived before it was canceled, closed and late: {}", call.wait()?);
    let after = client.call::<_, i64>("Slow.Echo", &6);
    assert!(matches!(after, Err(CallError::ShutDown)));
    Ok(())
}
