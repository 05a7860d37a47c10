//! Serves `Arith` as Go's net/rpc examples know it, to Rust and Go clients alike.
//!
//! ```text
//! arith_server --listen tcp:127.0.0.1:0 --codec gob
//! ```
//! The first line on stdout says where it listens. SIGINT or SIGTERM ends it.
#![expect(clippy::print_stdout, reason = "an example talks to its user")]

use std::{
    env,
    error::Error,
    process::ExitCode,
    sync::{Arc, Condvar, Mutex, PoisonError},
    thread,
    time::Duration,
};

use nix::sys::signal::{SigSet, Signal};
use ringpipe::rpc::{Address, Bytes, Codec, Listener, Server, Service};
use serde::{Deserialize, Serialize};

/// What a client leaves out is zero, as it is in Go.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Args {
    a: i64,
    b: i64,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Quotient {
    quo: i64,
    rem: i64,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Reply {
    c: i64,
}

fn divide(args: Args) -> Result<Quotient, &'static str> {
    if args.b == 0 {
        return Err("divide by zero");
    }
    Ok(Quotient {
        // The one other division without a result wraps, as it does in Go.
        quo: args.a.wrapping_div(args.b),
        rem: args.a.wrapping_rem(args.b),
    })
}

/// Whether the server is ending, which methods that take their time must notice: nobody can stop them from outside.
#[derive(Debug, Default)]
struct Ending {
    now: Mutex<bool>,
    changed: Condvar,
}

impl Ending {
    fn begin(&self) {
        *self.now.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.changed.notify_all();
    }

    /// Sleeps, and says whether it was for all of the time.
    fn sleep(&self, time: Duration) -> bool {
        let now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.changed.wait_timeout_while(now, time, |now| !*now);
        waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }
}

fn arith(ending: Arc<Ending>) -> Service {
    Service::new("Arith")
        .method("Multiply", |args: Args| Ok::<_, String>(args.a.wrapping_mul(args.b)))
        .method("Divide", divide)
        .method("Add", |args: Args| Ok::<_, String>(Reply { c: args.a.wrapping_add(args.b) }))
        .method("Echo", |bytes: Bytes| Ok::<_, String>(bytes))
        .method("SleepMilli", move |millis: i64| {
            let time = u64::try_from(millis).map_err(|_| "cannot sleep for a negative time")?;
            if ending.sleep(Duration::from_millis(time)) {
                Ok(Reply { c: millis })
            } else {
                Err("the server is ending")
            }
        })
        .method("Panic", |args: Args| -> Result<Reply, String> {
            panic!("asked to, with {args:?}")
        })
}

fn serve(address: &Address, codec: Codec) -> Result<(), Box<dyn Error>> {
    // Blocked before there are threads, so that none of them takes the signal that main waits for.
    let mut signals = SigSet::empty();
    signals.add(Signal::SIGINT);
    signals.add(Signal::SIGTERM);
    signals.thread_block()?;

    let server = Server::new();
    let ending = Arc::new(Ending::default());
    server.register(arith(Arc::clone(&ending)))?;
    let listener = Listener::bind(address)?;
    println!("listening on {}", listener.address());

    let control = listener.control();
    let accepting = {
        let server = server.clone();
        thread::spawn(move || server.accept(&listener, codec))
    };
    signals.wait()?;
    control.close();
    ending.begin();
    server.close();
    accepting.join().map_err(|_| "accepting panicked")??;
    Ok(())
}

fn main() -> ExitCode {
    // A panic of a method is the error of its call, and its client is told; that is no news for this terminal.
    std::panic::set_hook(Box::new(|_| {}));

    let mut args = env::args().skip(1);
    let (mut address, mut codec) = (None, None);
    while let Some(arg) = args.next() {
        match (arg.as_str(), args.next()) {
            ("--listen", Some(value)) => address = Some(value.parse::<Address>()),
            ("--codec", Some(value)) => codec = Some(value.parse::<Codec>()),
            _ => (address, codec) = (None, None),
        }
    }
    let (address, codec) = match (address, codec) {
        (Some(Ok(address)), Some(Ok(codec))) => (address, codec),
        (Some(Err(error)), _) | (_, Some(Err(error))) => {
            eprintln!("arith_server: {error}");
            return ExitCode::from(2);
        }
        _ => {
            eprintln!("usage: arith_server --listen ADDR --codec gob|json|bin");
            return ExitCode::from(2);
        }
    };
    match serve(&address, codec) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("arith_server: {error}");
            ExitCode::FAILURE
        }
    }
}
