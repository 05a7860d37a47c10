//! Receives the values of one gob stream, from `gob_send` or from a Go program with `encoding/gob`.
//!
//! ```text
//! gob_recv --listen tcp:127.0.0.1:0
//! ```
//! A client that sends something else, or nothing, is reported on stderr, and the next one is waited for.
#![expect(clippy::print_stdout, reason = "an example talks to its user")]

use std::{env, error::Error, io, process::ExitCode};

use ringpipe::rpc::{Address, Connection, Listener, gob::Decoder};
use serde::Deserialize;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Data {
    name: String,
    value: i64,
}

/// Prints what comes, and says how much that was.
fn receive(connection: Connection) -> io::Result<usize> {
    let mut decoder = Decoder::new(connection);
    let mut count = 0;
    while let Some(Data { name, value }) = decoder.decode()? {
        println!("Received: {{Name:{name} Value:{value}}}");
        count += 1;
    }
    Ok(count)
}

fn listen(address: &Address) -> Result<(), Box<dyn Error>> {
    let listener = Listener::bind(address)?;
    println!("listening on {}", listener.address());
    loop {
        match listener.accept().and_then(receive) {
            Ok(0) => eprintln!("gob_recv: a client that sent nothing"),
            Ok(_) => return Ok(()),
            Err(error) => eprintln!("gob_recv: {error}"),
        }
    }
}

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    let address = match &args[..] {
        [flag, address] if flag == "--listen" => address.parse(),
        _ => {
            eprintln!("usage: gob_recv --listen ADDR");
            return ExitCode::from(2);
        }
    };
    match address {
        Ok(address) => match listen(&address) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("gob_recv: {error}");
                ExitCode::FAILURE
            }
        },
        Err(error) => {
            eprintln!("gob_recv: {error}");
            ExitCode::from(2)
        }
    }
}
