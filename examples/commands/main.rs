//! Commands at both ends of a pipe: fed by the program, read by the program, and left alone when it has had enough.
//!
//! ```text
//! cargo run --example commands
//! ```

mod run;

use std::{
    error::Error,
    io::{self, BufRead, BufReader, Read, Write},
    os::unix::process::ExitStatusExt,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use ringpipe::pipe::scope;

use run::{run, run_lines};

/// How long the output of a command may stay open after the command has ended.
const PATIENCE: Duration = Duration::from_millis(100);

fn main() -> Result<(), Box<dyn Error>> {
    feed_sort()?;
    through_cat()?;
    show_output()?;
    stop_yes()?;
    leave_a_grandchild()?;
    whole_lines()
}

/// The program writes, `sort` reads, and sees the end of its input when the writer closes.
fn feed_sort() -> Result<(), Box<dyn Error>> {
    let mut sorted = Vec::new();
    let (written, status) = scope(
        |writer| {
            ["cherry", "apple", "banana"].iter().try_for_each(|word| writeln!(writer, "{word}"))
        },
        |reader| run(&mut Command::new("sort"), reader, &mut sorted, PATIENCE),
    );
    written?;
    println!("sort, {}: {:?}", status?, String::from_utf8(sorted)?);
    Ok(())
}

/// A pipe in and a pipe out: what is fed on one thread is read on another, and a mebibyte comes back as it was.
fn through_cat() -> Result<(), Box<dyn Error>> {
    let sent: Vec<u8> = (0..1 << 20).map(|i: u32| (i % 251) as u8).collect();
    let (mut reader, mut writer) = ringpipe::pipe();
    let got = thread::scope(|threads| {
        let cat = threads.spawn(|| {
            // Dropping the writer at the end of `run` ends what is read below.
            run(&mut Command::new("cat"), &sent[..], &mut writer, PATIENCE)?;
            writer.close();
            io::Result::Ok(())
        });
        let mut got = Vec::new();
        reader.read_to_end(&mut got)?;
        cat.join().expect("running does not panic")?;
        io::Result::Ok(got)
    })?;
    assert!(got == sent);
    println!("cat: {} bytes there and back, the same", got.len());
    Ok(())
}

/// What a command says goes through a pipe to this program's own output.
fn show_output() -> Result<(), Box<dyn Error>> {
    let (status, copied) = scope(
        |writer| {
            run(Command::new("echo").arg("echo: this is a child"), io::empty(), writer, PATIENCE)
        },
        |reader| io::copy(reader, &mut io::stdout()),
    );
    println!("echo: {} bytes, {}", copied?, status?);
    Ok(())
}

/// `yes` never ends by itself. It does when nobody reads any more.
fn stop_yes() -> Result<(), Box<dyn Error>> {
    let (status, taken) = scope(
        |writer| run(&mut Command::new("yes"), io::empty(), writer, PATIENCE),
        |reader| io::copy(&mut reader.take(1 << 20), &mut io::sink()),
    );
    let signal = status?.signal();
    println!("yes: {} bytes taken, then it was ended by signal {}", taken?, signal.unwrap_or(0));
    Ok(())
}

/// The shell ends at once, and the `sleep` it leaves in the background has the shell's output open.
fn leave_a_grandchild() -> Result<(), Box<dyn Error>> {
    let mut said = Vec::new();
    let mut shell = Command::new("sh");
    shell.args(["-c", "sleep 600 2>/dev/null & echo $!"]);
    let started = Instant::now();
    let status = run(&mut shell, io::empty(), &mut said, PATIENCE)?;
    assert!(started.elapsed() >= PATIENCE);
    // What somebody else left behind is not ours to wait for, but this example does leave nothing behind.
    let grandchild: i32 = String::from_utf8(said)?.trim().parse()?;
    kill(Pid::from_raw(grandchild), Signal::SIGTERM)?;
    println!("a grandchild: {status}, and its output waited for no longer than {PATIENCE:?}");
    Ok(())
}

/// Output and errors into one writer.
fn whole_lines() -> Result<(), Box<dyn Error>> {
    let script = "for i in $(seq 500); do echo output $i; echo error $i >&2; done";
    let (status, lines) = scope(
        |writer| run_lines(Command::new("sh").args(["-c", script]), writer),
        |reader| BufReader::new(reader).lines().collect::<io::Result<Vec<_>>>(),
    );
    let (status, lines) = (status?, lines?);
    for stream in ["output", "error"] {
        let of_one: Vec<_> = lines.iter().filter_map(|line| line.strip_prefix(stream)).collect();
        assert!((1..=500).zip(&of_one).all(|(number, line)| **line == format!(" {number}")));
        assert_eq!(of_one.len(), 500);
    }
    println!("two streams, {status}: {} lines, each of them whole", lines.len());
    Ok(())
}
