//! Calls `Arith` on a Rust or Go server: one call that waits, one that was started, two that fail.
//!
//! ```text
//! arith_client --connect tcp:127.0.0.1:7000 --codec gob
//! ```
#![expect(clippy::print_stdout, reason = "an example talks to its user")]

use std::{env, error::Error, process::ExitCode, time::Duration};

use ringpipe::rpc::{Address, CallError, CallOptions, Client, Codec};
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Args {
    a: i64,
    b: i64,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Quotient {
    quo: i64,
    rem: i64,
}

/// The server's own word is a result here; that it could not be asked is a failure.
fn words<R>(result: Result<R, CallError>) -> Result<String, Box<dyn Error>> {
    match result {
        Err(CallError::Server(text)) => Ok(text),
        Err(error) => Err(error.into()),
        Ok(_) => Err("the server answered where it should have refused".into()),
    }
}

fn calls(address: &Address, codec: Codec) -> Result<(), Box<dyn Error>> {
    let client = Client::dial(address, codec)?;
    let options = || CallOptions::new().timeout(Duration::from_secs(30));
    let args = Args { a: 17, b: 8 };

    let product: i64 = client.call_with("Arith.Multiply", &args, &options())?;
    println!("Arith.Multiply: {}*{}={product}", args.a, args.b);

    let started = client.start_with::<_, Quotient>("Arith.Divide", &args, &options());
    let Quotient { quo, rem } = started.wait()?;
    println!("Arith.Divide: {}/{}={quo} remainder {rem}", args.a, args.b);

    let by_zero = Args { a: 17, b: 0 };
    let refused = client.call_with::<_, Quotient>("Arith.Divide", &by_zero, &options());
    println!("Arith.Divide: {}", words(refused)?);

    let refused = client.call_with::<_, i64>("Arith.Nope", &args, &options());
    println!("Arith.Nope: {}", words(refused)?);

    client.close()?;
    Ok(())
}

fn main() -> ExitCode {
    let mut args = env::args().skip(1);
    let (mut address, mut codec) = (None, None);
    while let Some(arg) = args.next() {
        match (arg.as_str(), args.next()) {
            ("--connect", Some(value)) => address = Some(value.parse::<Address>()),
            ("--codec", Some(value)) => codec = Some(value.parse::<Codec>()),
            _ => (address, codec) = (None, None),
        }
    }
    let (address, codec) = match (address, codec) {
        (Some(Ok(address)), Some(Ok(codec))) => (address, codec),
        (Some(Err(error)), _) | (_, Some(Err(error))) => {
            eprintln!("arith_client: {error}");
            return ExitCode::from(2);
        }
        _ => {
            eprintln!("usage: arith_client --connect ADDR --codec gob|json|bin");
            return ExitCode::from(2);
        }
    };
    match calls(&address, codec) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("arith_client: {error}");
            ExitCode::FAILURE
        }
    }
}
