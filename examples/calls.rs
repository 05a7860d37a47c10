//! One client and one service over everything that carries bytes: calls are not bound to TCP.
//!
//! ```text
//! cargo run --example calls
//! ```
//! The calls are those of every introduction to Go's `net/rpc`: one that waits, one that is started, one that fails.
//! Then what can go wrong before, between and behind them, each with an error of its own.

#[expect(dead_code, reason = "here nobody waits for the first byte of a named pipe")]
#[path = "named_pipe/fifo.rs"]
mod fifo;

use std::{
    error::Error,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use fifo::Fifo;
use ringpipe::rpc::{Address, CallError, Client, Codec, Connection, Listener, Server, Service};
use serde::{Deserialize, Serialize};

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

#[derive(Debug, Deserialize, Serialize)]
struct Args {
    a: i64,
    b: i64,
}

#[derive(Debug, Deserialize, Serialize)]
struct Quotient {
    quo: i64,
    rem: i64,
}

fn arith() -> Service {
    Service::new("Arith").method("Multiply", |args: Args| Ok::<_, String>(args.a * args.b)).method(
        "Divide",
        |Args { a, b }: Args| match b {
            0 => Err("divide by zero"),
            _ => Ok(Quotient { quo: a / b, rem: a % b }),
        },
    )
}

fn main() -> Result<()> {
    let server = Server::new();
    server.register(arith())?;
    let directory = tempfile::tempdir()?;

    // Two ends that are there already.
    let (requests, to_server) = ringpipe::pipe();
    let (replies, to_client) = ringpipe::pipe();
    serve_one("memory", &server, Connection::from_ends(requests, to_client), || {
        Ok(Connection::from_ends(replies, to_server))
    })?;
    let (requests, to_server) = ringpipe::ring(1 << 16)?;
    let (replies, to_client) = ringpipe::ring(1 << 16)?;
    serve_one("a ring", &server, Connection::from_ends(requests, to_client), || {
        Ok(Connection::from_ends(replies, to_server))
    })?;
    named_pipes(&server, directory.path())?;

    // A place where clients arrive: the same client, another address.
    for address in [
        Address::Unix(directory.path().join("unix")),
        Address::Shm(directory.path().join("shm")),
        "tcp:127.0.0.1:0".parse()?,
    ] {
        listen(&server, &address)?;
    }
    failures(directory.path())
}

/// Serves one connection while `connect` makes its other side and calls over it.
fn serve_one(
    carrier: &str,
    server: &Server,
    theirs: Connection,
    connect: impl FnOnce() -> Result<Connection>,
) -> Result<()> {
    thread::scope(|threads| {
        let serving = threads.spawn(|| server.serve(theirs, Codec::Bin));
        let client = Client::new(connect()?, Codec::Bin)?;
        let said = calls(&client)?;
        client.close()?;
        serving.join().expect("serving does not panic");
        println!("over {carrier}: {said}");
        Ok(())
    })
}

fn calls(client: &Client) -> Result<String> {
    let args = Args { a: 17, b: 8 };
    let product: i64 = client.call("Arith.Multiply", &args)?;
    let started = client.start("Arith.Divide", &args);
    let Quotient { quo, rem } = started.wait()?;
    let refused = client.call::<_, Quotient>("Arith.Divide", &Args { a: 17, b: 0 });
    let refused = refused.err().ok_or("a division by zero had a result")?;
    Ok(format!("17*8={product}, 17/8={quo} remainder {rem}, 17/0: {refused}"))
}

/// One named pipe each way. A pair of them joins two processes, not more.
fn named_pipes(server: &Server, directory: &Path) -> Result<()> {
    let (requests, replies) =
        (Fifo::at(directory.join("requests"))?, Fifo::at(directory.join("replies"))?);
    // Either side may come first, and opens what it reads before it waits for who reads what it writes.
    let open = |reads: &Fifo, writes: &Fifo| -> Result<Connection> {
        let reader = reads.reader_at_once()?;
        let writer = writes.writer(Some(Instant::now() + Duration::from_secs(10)))?;
        Ok(Connection::from_descriptors(reader, writer)?)
    };
    thread::scope(|threads| {
        let theirs = threads.spawn(|| open(&requests, &replies));
        let ours = open(&replies, &requests)?;
        let theirs = theirs.join().expect("opening does not panic")?;
        serve_one("two named pipes", server, theirs, || Ok(ours))
    })
}

fn listen(server: &Server, address: &Address) -> Result<()> {
    let listener = Listener::bind(address)?;
    let control = listener.control();
    thread::scope(|threads| {
        let accepting = threads.spawn(|| server.accept(&listener, Codec::Bin));
        let client = Client::dial(listener.address(), Codec::Bin)?;
        let said = calls(&client)?;
        client.close()?;
        control.close();
        accepting.join().expect("accepting does not panic")?;
        let kind = address.to_string();
        println!("at {}: {said}", kind.split(':').next().unwrap_or_default());
        Ok(())
    })
}

/// What goes wrong says where.
fn failures(directory: &Path) -> Result<()> {
    let nobody = Address::Unix(directory.join("nobody"));
    let shorten = |text: String| text.replace(&directory.display().to_string(), "…");

    let dialing = Client::dial(&nobody, Codec::Bin).expect_err("nobody listens");
    println!("nobody there: {}", shorten(dialing.to_string()));
    let nowhere = Address::Unix(directory.join("no/such/folder"));
    let listening = Listener::bind(&nowhere).expect_err("there is no such folder");
    println!("nowhere to listen: {}", shorten(listening.to_string()));

    // A server that hangs up on whoever calls.
    let (requests, to_server) = ringpipe::ring(4096)?;
    let (replies, to_client) = ringpipe::ring(4096)?;
    let client = Client::new(Connection::from_ends(replies, to_server), Codec::Bin)?;
    let call = client.start::<_, ()>("Arith.Multiply", &Args { a: 1, b: 1 });
    drop((to_client, requests));
    let lost = call.wait().expect_err("the server is gone");
    println!("the connection lost: {lost}");
    let later = client.call::<_, ()>("Arith.Multiply", &()).expect_err("and stays lost");
    println!("after that: {later}; nothing was sent: {}", later.is_safe_to_retry());

    let failing = CallError::Server("divide by zero".into());
    println!("a method that fails: {failing}");

    // Memory and named pipes end where the machine does, and say so.
    for address in ["shm:db.example:7000", "shm://db.example/run/x", "unix:db.example:7000"] {
        println!("another machine: {}", address.parse::<Address>().expect_err("not from here"));
    }
    Ok(())
}
