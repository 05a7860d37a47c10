//! Pipes as the bodies of HTTP requests and responses.
//!
//! ```text
//! cargo run --example http -- upload     documents and large bodies into a POST, as they are made
//! cargo run --example http -- tee        a file to a server and to the output at the same time
//! cargo run --example http -- follow     the output of a command out of a handler, line by line
//! ```
//! The client is `ureq`, which reads a request's body from anything that reads. The server is `tiny_http`.

mod chunks;
mod follow;
#[path = "../commands/run.rs"]
mod run;
mod server;
mod tee;
mod upload;

use std::{env, error::Error, process::ExitCode};

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

fn main() -> ExitCode {
    let done = match env::args().nth(1).as_deref() {
        Some("upload") => upload::all(),
        Some("tee") => tee::all(),
        Some("follow") => follow::all(),
        _ => Err("usage: http upload | http tee | http follow".into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("http: {error}");
            ExitCode::FAILURE
        }
    }
}
