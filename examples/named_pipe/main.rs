//! Messages between two programs that know nothing of each other but the path of a named pipe.
//!
//! ```text
//! named_pipe read PATH [--within SECONDS] [--count MESSAGES]
//! named_pipe write PATH [--within SECONDS] < LINES
//! ```
//! Either may be started first; who comes first makes the pipe, and removes it in the end. A message is a line, of
//! whatever length. Neither waits longer for the other than it was told to.

mod fifo;

use std::{
    env,
    error::Error,
    io::{self, BufRead, BufReader, ErrorKind, Write},
    process::ExitCode,
    time::{Duration, Instant},
};

use fifo::Fifo;

const USAGE: &str = "usage: named_pipe read PATH [--within SECONDS] [--count MESSAGES]
       named_pipe write PATH [--within SECONDS] < LINES";

fn main() -> ExitCode {
    let Some(order) = Order::from_args() else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    let done = if order.reads { read(&order) } else { write(&order) };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("named_pipe: {error}");
            ExitCode::FAILURE
        }
    }
}

struct Order {
    reads: bool,
    path: String,
    deadline: Option<Instant>,
    count: usize,
}

impl Order {
    fn from_args() -> Option<Self> {
        let mut args = env::args().skip(1);
        let reads = match args.next()?.as_str() {
            "read" => true,
            "write" => false,
            _ => return None,
        };
        let mut order = Self { reads, path: args.next()?, deadline: None, count: usize::MAX };
        while let Some(option) = args.next() {
            let value = args.next()?;
            match option.as_str() {
                "--within" => {
                    let within = Duration::try_from_secs_f64(value.parse().ok()?).ok()?;
                    order.deadline = Some(Instant::now().checked_add(within)?);
                }
                "--count" if reads => order.count = value.parse().ok()?,
                _ => return None,
            }
        }
        Some(order)
    }
}

fn read(order: &Order) -> Result<(), Box<dyn Error>> {
    let fifo = Fifo::at(&order.path)?;
    let mut pipe = BufReader::new(fifo.reader(order.deadline)?);
    let mut message = String::new();
    for _ in 0..order.count {
        message.clear();
        if pipe.read_line(&mut message)? == 0 {
            println!("the writer has closed");
            return Ok(());
        }
        let message = message.trim_end();
        let shown: String = message.chars().take(20).collect();
        println!("{} bytes: {shown}{}", message.len(), if shown == message { "" } else { "…" });
    }
    println!("enough");
    Ok(())
}

fn write(order: &Order) -> Result<(), Box<dyn Error>> {
    let fifo = Fifo::at(&order.path)?;
    let mut pipe = fifo.writer(order.deadline)?;
    for line in io::stdin().lines() {
        let line = line? + "\n";
        match pipe.write_all(line.as_bytes()) {
            // EPIPE, and no signal: Rust programs ignore SIGPIPE.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => {
                return Err("the reader has closed".into());
            }
            written => written?,
        }
    }
    Ok(())
}
