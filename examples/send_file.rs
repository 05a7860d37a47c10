//! Sends a file to another process twice, through a ring and through its standard input, and compares.
//!
//! ```text
//! cargo run --release --example send_file [FILE]
//! ```
//! Without an argument it sends the shared library of the Rust compiler, over 100 MB that every Rust machine has. The
//! receiver is this program again. It reads all bytes, and tells their number and checksum on its standard output;
//! both must be what the sender finds in the file.

use std::{
    env,
    error::Error,
    fs::{self, File},
    io::{self, BufRead, BufReader, Read, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, ExitCode, Stdio},
    time::Instant,
};

use ringpipe::Reader;

/// Bytes of one read and one write, the same for both ways.
const CHUNK: usize = 256 << 10;
const CAPACITY: usize = 1 << 20;

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> ExitCode {
    let argument = env::args_os().nth(1);
    let done = match argument.as_deref().and_then(|argument| argument.to_str()) {
        Some("--receive-from-ring") => Reader::inherited().map_err(Into::into).and_then(receive),
        Some("--receive-from-stdin") => receive(io::stdin().lock()),
        _ => {
            argument.map_or_else(default_file, |path| Ok(path.into())).and_then(|path| send(&path))
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("send_file: {error}");
            ExitCode::FAILURE
        }
    }
}

fn send(path: &Path) -> Outcome<()> {
    let in_file = sum(File::open(path).map_err(|e| format!("{}: {e}", path.display()))?)?;
    println!("{}: {in_file}", path.display());
    through_ring(path, in_file)?;
    through_stdin(path, in_file)
}

fn through_ring(path: &Path, in_file: Sum) -> Outcome<()> {
    let (reader, mut writer) = ringpipe::ring(CAPACITY)?;
    let mut receiver = itself("--receive-from-ring")?;
    receiver.stdin(Stdio::null());
    let receiver = Receiver::ready(reader.hand_to(receiver)?)?;
    let began = Instant::now();
    copy(path, &mut writer)?;
    writer.close();
    receiver.report("ring", began, in_file)
}

fn through_stdin(path: &Path, in_file: Sum) -> Outcome<()> {
    let mut child = itself("--receive-from-stdin")?.stdin(Stdio::piped()).spawn()?;
    let mut pipe = child.stdin.take().ok_or("the child has no standard input")?;
    let receiver = Receiver::ready(child)?;
    let began = Instant::now();
    copy(path, &mut pipe)?;
    drop(pipe);
    receiver.report("stdin pipe", began, in_file)
}

fn itself(role: &str) -> io::Result<Command> {
    let mut command = Command::new(env::current_exe()?);
    command.arg(role).stdout(Stdio::piped());
    Ok(command)
}

/// The child, and what it tells.
struct Receiver {
    child: Child,
    told: BufReader<ChildStdout>,
}

impl Receiver {
    /// Waits for its first line, so that its start is not part of the time.
    fn ready(mut child: Child) -> Outcome<Self> {
        let told = child.stdout.take().ok_or("the child has no standard output")?;
        let mut receiver = Self { child, told: BufReader::new(told) };
        receiver.line()?;
        Ok(receiver)
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        self.told.read_line(&mut line)?;
        Ok(line.trim_end().to_owned())
    }

    fn report(mut self, way: &str, began: Instant, in_file: Sum) -> Outcome<()> {
        let told = self.line()?;
        let seconds = began.elapsed().as_secs_f64();
        if !self.child.wait()?.success() || told != in_file.to_string() {
            return Err(format!("through the {way} came: {told}").into());
        }
        let rate = in_file.bytes as f64 / seconds / 1e9;
        println!("{way:>10}: {told}, equal, {rate:.2} GB/s in {seconds:.3} s");
        Ok(())
    }
}

fn copy(path: &Path, to: &mut impl Write) -> io::Result<()> {
    let mut file = File::open(path)?;
    let mut buf = vec![0; CHUNK];
    loop {
        match file.read(&mut buf)? {
            0 => return Ok(()),
            n => to.write_all(&buf[..n])?,
        }
    }
}

fn receive(from: impl Read) -> Outcome<()> {
    println!("ready");
    let sum = sum(from)?;
    println!("{sum}");
    Ok(())
}

/// How many bytes there were, and a checksum that depends on each of them and on their order.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Sum {
    bytes: u64,
    check: u64,
}

impl std::fmt::Display for Sum {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} bytes, checksum {:016x}", self.bytes, self.check)
    }
}

fn sum(mut from: impl Read) -> io::Result<Sum> {
    // Four sums side by side, so that the checksum does not become what is measured.
    let mut lanes = [1u64, 2, 3, 4];
    let mut bytes = 0;
    let mut buf = vec![0; CHUNK];
    loop {
        let n = fill(&mut from, &mut buf)?;
        bytes += n as u64;
        let whole = n.next_multiple_of(32);
        buf[n..whole].fill(0);
        for block in buf[..whole].chunks_exact(32) {
            for (lane, word) in lanes.iter_mut().zip(block.chunks_exact(8)) {
                let mut eight = [0; 8];
                eight.copy_from_slice(word);
                let word = u64::from_le_bytes(eight);
                *lane = (*lane ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
            }
        }
        if n < buf.len() {
            let check = lanes
                .into_iter()
                .fold(bytes, |all, lane| (all ^ lane).wrapping_mul(0x100_0000_01b3));
            return Ok(Sum { bytes, check });
        }
    }
}

/// Reads until `buf` is full or the end has come.
fn fill(from: &mut impl Read, buf: &mut [u8]) -> io::Result<usize> {
    let mut n = 0;
    while n < buf.len() {
        match from.read(&mut buf[n..])? {
            0 => break,
            more => n += more,
        }
    }
    Ok(n)
}

/// The largest shared library of the Rust compiler.
fn default_file() -> Outcome<PathBuf> {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let told = Command::new(rustc).args(["--print", "sysroot"]).output();
    let told = told.map_err(|e| format!("no rustc to ask for a large file ({e}); name one"))?;
    let libraries = Path::new(String::from_utf8(told.stdout)?.trim_end()).join("lib");
    let mut found: Vec<(u64, PathBuf)> = Vec::new();
    for entry in fs::read_dir(&libraries).map_err(|e| format!("{}: {e}", libraries.display()))? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with("librustc_driver") {
            found.push((entry.metadata()?.len(), entry.path()));
        }
    }
    let largest = found
        .into_iter()
        .max()
        .ok_or("the Rust compiler has no shared library here; name a file")?;
    Ok(largest.1)
}
