//! Sends one value as a gob stream, to `gob_recv` or to a Go program with `encoding/gob`.
//!
//! ```text
//! gob_send --connect tcp:127.0.0.1:7000
//! ```

use std::{env, error::Error, process::ExitCode};

use ringpipe::rpc::{Address, Connection, gob::Encoder};
use serde::Serialize;

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Data {
    name: String,
    value: i64,
}

fn send(address: &Address) -> Result<(), Box<dyn Error>> {
    let data = Data { name: "Example".into(), value: 123 };
    // Dropped at the end, which ends the stream.
    Encoder::new(Connection::dial(address)?).encode(&data)?;
    Ok(())
}

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    let address = match &args[..] {
        [flag, address] if flag == "--connect" => address.parse(),
        _ => {
            eprintln!("usage: gob_send --connect ADDR");
            return ExitCode::from(2);
        }
    };
    match address {
        Ok(address) => match send(&address) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("gob_send: {error}");
                ExitCode::FAILURE
            }
        },
        Err(error) => {
            eprintln!("gob_send: {error}");
            ExitCode::from(2)
        }
    }
}
