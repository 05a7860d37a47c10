//! Two processes that know nothing of each other but a path: a service that counts words, and its clients.
//!
//! ```text
//! cargo run --example word_count -- serve /tmp/count.sock 2      # ends after two clients; for ever without a number
//! cargo run --example word_count -- ask /tmp/count.sock README.md
//! ```
//! A client sends a text and closes its writer; the service answers with the numbers of lines, words and bytes, as `wc`
//! has them, and takes clients at the same time. A client that dies in the middle is an error in the service's log and
//! no wrong answer.

use std::{
    env,
    error::Error,
    fs::File,
    io::{self, Read, Write},
    process::ExitCode,
    thread,
};

use ringpipe::{Listener, Stream};

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments[..] {
        ["serve", path] => serve(path, usize::MAX),
        ["serve", path, clients] => {
            clients.parse().map_err(Into::into).and_then(|n| serve(path, n))
        }
        ["ask", path, file] => ask(path, file),
        _ => Err("usage: word_count serve PATH [CLIENTS] | word_count ask PATH FILE".into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("word_count: {error}");
            ExitCode::FAILURE
        }
    }
}

fn serve(path: &str, clients: usize) -> Result<(), Box<dyn Error>> {
    let listener = Listener::bind(path)?;
    println!("listening at {path}");
    thread::scope(|scope| {
        for client in 1..=clients {
            match listener.accept() {
                Ok(stream) => {
                    scope.spawn(move || match answer(stream) {
                        Ok(counts) => println!("client {client}: {counts}"),
                        Err(error) => println!("client {client}: {error}"),
                    });
                }
                // One visitor that was no client; the next may be.
                Err(error) => println!("client {client}: {error}"),
            }
        }
    });
    Ok(())
}

fn answer(mut stream: Stream) -> io::Result<String> {
    let (mut lines, mut words, mut bytes) = (0u64, 0u64, 0u64);
    let mut in_word = false;
    let mut buf = vec![0; 64 << 10];
    loop {
        let n = stream.read(&mut buf)?;
        if n == 0 {
            break;
        }
        bytes += n as u64;
        for byte in &buf[..n] {
            lines += u64::from(*byte == b'\n');
            let space = byte.is_ascii_whitespace();
            words += u64::from(!space && !in_word);
            in_word = !space;
        }
    }
    let counts = format!("{lines} lines, {words} words, {bytes} bytes");
    stream.write_all(counts.as_bytes())?;
    // The answer has arrived, and not merely left, once the client has closed.
    stream.writer().finish()?;
    Ok(counts)
}

fn ask(path: &str, file: &str) -> Result<(), Box<dyn Error>> {
    let mut text = File::open(file).map_err(|e| format!("{file}: {e}"))?;
    let mut stream = Stream::connect(path)?;
    io::copy(&mut text, &mut stream)?;
    stream.writer().close();
    let mut counts = String::new();
    stream.read_to_string(&mut counts)?;
    println!("{file}: {counts}");
    Ok(())
}
