//! Every call that can wait can be told how long, and can be called off from another thread; and the two are told
//! apart.
//!
//! ```text
//! cargo run --example timeouts
//! ```
//! A deadline that passed says so and breaks nothing: what was being waited for may still come. What was called off is over.

use std::{
    error::Error,
    io::{self, Write},
    net::{TcpListener, TcpStream},
    os::unix::net::UnixStream,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use ringpipe::{
    Control, Listener, Options, ReadEnd, WriteEnd,
    rpc::{self, Address, Bytes, CallOptions, Cancel, Client, Codec, Completions, Connection},
};

const SOON: Duration = Duration::from_millis(20);

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    let directory = tempfile::tempdir()?;
    println!("{:<28}{:<36}when called off", "a call that waits", "when time is up");
    in_memory()?;
    ring()?;
    meeting(directory.path())?;
    calls(directory.path())?;
    queues()
}

/// Prints what a call says in both cases.
fn row<A: std::fmt::Display, B: std::fmt::Display>(what: &str, late: A, called_off: B) {
    let (late, called_off) = (late.to_string(), called_off.to_string());
    assert_ne!(late, called_off, "{what}");
    println!("{what:<28}{late:<36}{called_off}");
}

fn in_memory() -> Result<()> {
    let (reader, writer) = ringpipe::pipe();
    reading("pipe, read", reader)?;
    drop(writer);
    let (reader, writer) = ringpipe::pipe();
    writing("pipe, write", writer)?;
    drop(reader);
    Ok(())
}

fn ring() -> Result<()> {
    let (reader, writer) = ringpipe::ring(4096)?;
    reading("ring, read", reader)?;
    drop(writer);
    let (reader, mut writer) = ringpipe::ring(4096)?;
    writer.write_all(&[0; 4096])?;
    writing("ring, write", writer)?;
    drop(reader);

    let (mut reader, writer) = ringpipe::ring(4096)?;
    let control = reader.control();
    both("ring, recv", control, || reader.recv(&mut [0; 8]).map(drop))?;
    drop(writer);
    let (reader, mut writer) = ringpipe::ring(4096)?;
    writer.write_all(&[0; 4096])?;
    let control = writer.control();
    both("ring, reserve", control, || writer.reserve(1).map(drop))?;
    drop(reader);
    let (reader, mut writer) = ringpipe::ring(4096)?;
    let control = writer.control();
    both("ring, finish", control, || writer.finish())?;
    drop(reader);
    Ok(())
}

fn reading(what: &str, mut end: impl ReadEnd) -> Result<()> {
    let control = end.control();
    both(what, control, || end.read(&mut [0; 8]).map(drop))
}

fn writing(what: &str, mut end: impl WriteEnd) -> Result<()> {
    let control = end.control();
    both(what, control, || end.write_all(b"nobody reads this"))
}

/// Waits for `call` with a deadline, and then until another thread closes its end.
fn both(
    what: &str,
    control: Control,
    mut call: impl FnMut() -> io::Result<()> + Send,
) -> Result<()> {
    control.set_deadline(Some(Instant::now() + SOON));
    let late = call().expect_err("nobody is there");
    assert_eq!(late.kind(), io::ErrorKind::TimedOut);
    control.set_deadline(None);
    let called_off = thread::scope(|threads| {
        let waiting = threads.spawn(call);
        control.close();
        waiting.join().expect("waiting does not panic")
    });
    row(what, late, called_off.expect_err("it was called off"));
    Ok(())
}

/// Accepting, and connecting to somebody who does not accept.
fn meeting(directory: &Path) -> Result<()> {
    let listener = Listener::bind(directory.join("ring"))?;
    listener.set_deadline(Some(Instant::now() + SOON));
    let late = listener.accept().expect_err("nobody comes");
    listener.set_deadline(None);
    let called_off = thread::scope(|threads| {
        let waiting = threads.spawn(|| listener.accept());
        listener.close();
        waiting.join().expect("waiting does not panic")
    });
    row("ring, accept", late, called_off.expect_err("it was called off"));

    let silent = directory.join("silent");
    let _never_accepts = std::os::unix::net::UnixListener::bind(&silent)?;
    let late = Options::new().handshake_timeout(SOON).connect(&silent).expect_err("no greeting");
    println!("{:<28}{late}", "ring, connect");

    let listener = rpc::Listener::bind(&"tcp:127.0.0.1:0".parse()?)?;
    let control = listener.control();
    let called_off = thread::scope(|threads| {
        let waiting = threads.spawn(|| listener.accept().map(drop));
        control.close();
        waiting.join().expect("waiting does not panic")
    });
    println!("{:<28}{:<36}{}", "calls, accept", "", called_off.expect_err("it was called off"));
    let late = Client::dial_timeout(&Address::Shm(silent.clone()), Codec::Bin, SOON);
    let late = late.expect_err("no greeting").to_string();
    println!("{:<28}{}", "calls, dial", late.replace(&silent.display().to_string(), "PATH"));
    Ok(())
}

/// The same for calls, whatever carries them: to a server that reads nothing and says nothing.
fn calls(directory: &Path) -> Result<()> {
    let fifo = |name: &str| -> Result<_> {
        let path = directory.join(name);
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU)?;
        let mut both_ways = std::fs::OpenOptions::new();
        Ok(both_ways.read(true).write(true).open(&path)?)
    };
    let (memory_reader, _a) = ringpipe::pipe();
    let (_b, memory_writer) = ringpipe::pipe();
    let (ring_reader, _c) = ringpipe::ring(4096)?;
    let (_d, ring_writer) = ringpipe::ring(4096)?;
    let (unix, _e) = UnixStream::pair()?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let tcp = TcpStream::connect(listener.local_addr()?)?;
    let (_f, _) = listener.accept()?;
    for (carrier, connection) in [
        ("memory", Connection::from_ends(memory_reader, memory_writer)),
        ("ring", Connection::from_ends(ring_reader, ring_writer)),
        ("named pipes", Connection::from_descriptors(fifo("replies")?, fifo("requests")?)?),
        ("Unix socket", Connection::from(unix)),
        ("TCP", Connection::tcp(tcp)?),
    ] {
        let client = Client::new(connection, Codec::Bin)?;
        // A request that fits nowhere, so that already sending it waits.
        let large = Bytes::from(vec![0; 32 << 20]);
        for (what, argument) in [("call", Bytes::default()), ("call, sending", large)] {
            let soon = CallOptions::new().timeout(SOON);
            let late = client.call_with::<_, ()>("Nobody.Home", &argument, &soon);
            let cancel = Cancel::new();
            let options = CallOptions::new().cancel(&cancel);
            let called_off = thread::scope(|threads| {
                let waiting =
                    threads.spawn(|| client.call_with::<_, ()>("Nobody.Home", &argument, &options));
                cancel.cancel();
                waiting.join().expect("waiting does not panic")
            });
            let late = late.expect_err("nobody answers");
            row(&format!("{what}, {carrier}"), late, called_off.expect_err("it was called off"));
        }
    }
    Ok(())
}

fn queues() -> Result<()> {
    let done = Completions::new(1)?;
    assert_eq!(done.next_until(Instant::now() + SOON), None);
    let slot = rpc::Slot::<()>::new();
    assert_eq!(slot.wait_until(Instant::now() + SOON), None);
    println!("{:<28}nothing, and the wait can go on", "completions, slots");
    Ok(())
}
