//! Passes the bytes of connections on to another address, so that who knows only the one reaches the other.
//!
//! ```text
//! arith_server --listen shm:/tmp/arith.ring --codec gob
//! bridge --listen unix:/tmp/arith.sock --connect shm:/tmp/arith.ring
//! ```
//! Now a Go program calls `rpc.Dial("unix", "/tmp/arith.sock")`, as it always has, and is served by a Rust program that
//! listens on shared memory. The bridge looks at no call, so any codec will do, and any two addresses.
//!
//! The first line on stdout says where it listens. SIGINT or SIGTERM ends it, and the connections with it.

use std::{
    env,
    error::Error,
    io,
    process::ExitCode,
    sync::{Arc, Mutex, PoisonError, Weak},
    thread,
};

use nix::sys::signal::{SigSet, Signal};
use ringpipe::rpc::{Address, Connection, Listener, connection::Hangup};

/// What ends the connections that are open; none once no more may be opened.
type Open = Mutex<Option<Vec<Weak<dyn Hangup>>>>;

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    let addresses = match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--listen", here, "--connect", there] => {
            here.parse().and_then(|here| Ok((here, there.parse()?)))
        }
        _ => {
            eprintln!("usage: bridge --listen ADDR --connect ADDR");
            return ExitCode::from(2);
        }
    };
    let (here, there): (Address, Address) = match addresses {
        Ok(addresses) => addresses,
        Err(error) => {
            eprintln!("bridge: {error}");
            return ExitCode::from(2);
        }
    };
    match serve(&here, &there) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bridge: {error}");
            ExitCode::FAILURE
        }
    }
}

fn serve(here: &Address, there: &Address) -> Result<(), Box<dyn Error>> {
    // Blocked before there are threads, so that none of them takes the signal that main waits for.
    let mut signals = SigSet::empty();
    signals.add(Signal::SIGINT);
    signals.add(Signal::SIGTERM);
    signals.thread_block()?;

    let listener = Listener::bind(here)?;
    println!("listening on {}", listener.address());
    let open = Open::new(Some(Vec::new()));
    thread::scope(|threads| {
        let (listener, open) = (&listener, &open);
        let accepting = threads.spawn(move || {
            loop {
                match listener.accept() {
                    Ok(client) => {
                        threads.spawn(move || {
                            if let Err(error) = pass_on(client, there, open) {
                                eprintln!("bridge: {error}");
                            }
                        });
                    }
                    Err(error) if error.kind() == io::ErrorKind::NotConnected => return,
                    // One visitor that was no client; the next may be.
                    Err(error) => eprintln!("bridge: {error}"),
                }
            }
        });
        signals.wait()?;
        listener.close();
        accepting.join().map_err(|_| "accepting panicked")?;
        let open = open.lock().unwrap_or_else(PoisonError::into_inner).take();
        for connection in open.into_iter().flatten().filter_map(|connection| connection.upgrade()) {
            connection.hang_up();
        }
        Ok(())
    })
}

/// Copies both ways until both have ended.
fn pass_on(client: Connection, there: &Address, open: &Open) -> Result<(), Box<dyn Error>> {
    let service = Connection::dial(there)?;
    let (mut from_client, mut to_client, client) = client.split();
    let (mut from_service, mut to_service, service) = service.split();
    match &mut *open.lock().unwrap_or_else(PoisonError::into_inner) {
        Some(open) => {
            open.retain(|connection| connection.strong_count() > 0);
            open.extend([Arc::downgrade(&client), Arc::downgrade(&service)]);
        }
        None => return Ok(()),
    }
    thread::scope(|threads| {
        threads.spawn(move || {
            // However it ends, the service learns that nothing more will come, and answers what has.
            let _ = io::copy(&mut from_client, &mut to_service);
        });
        let _ = io::copy(&mut from_service, &mut to_client);
        drop(to_client);
        // A client that goes on asking whom nobody answers any more.
        client.hang_up();
    });
    service.hang_up();
    Ok(())
}
