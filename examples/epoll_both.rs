//! One thread that waits for a ring and a socket at once, with epoll.
//!
//! ```text
//! cargo run --example epoll_both
//! ```
//! A collector takes lines from two processes, one that writes to a ring and one that writes to a Unix socket, in the order
//! in which they come. Both writers are this program again. The ring's end has a descriptor like any other because it was made
//! with `Doorbell::EventFd`; the one that writes to it needs nothing of the kind.

use std::{
    env,
    error::Error,
    io::{self, ErrorKind, Read, Write},
    os::{
        fd::AsFd,
        unix::net::{UnixListener, UnixStream},
    },
    path::{Path, PathBuf},
    process::{Child, Command, ExitCode},
};

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use ringpipe::{Doorbell, Options, Stream};

const LINES: u32 = 10_000;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments[..] {
        [] => collect(),
        ["--to-ring", path] => Stream::connect(path).map_err(Into::into).and_then(write_lines),
        ["--to-socket", path] => {
            UnixStream::connect(path).map_err(Into::into).and_then(write_lines)
        }
        _ => Err("usage: epoll_both".into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("epoll_both: {error}");
            ExitCode::FAILURE
        }
    }
}

fn write_lines(mut to: impl Write) -> Result<(), Box<dyn Error>> {
    for line in 0..LINES {
        writeln!(to, "line {line}")?;
    }
    Ok(())
}

/// Lines from one source, checked as they come.
struct Source {
    name: &'static str,
    unfinished: Vec<u8>,
    lines: u32,
    ended: bool,
    /// Times that epoll pointed here.
    turns: u32,
}

impl Source {
    fn new(name: &'static str) -> Self {
        Self { name, unfinished: Vec::new(), lines: 0, ended: false, turns: 0 }
    }

    /// Takes what is there without waiting, a bufferful at most: the other source is to have its turn.
    fn take(&mut self, from: &mut impl FnMut(&mut [u8]) -> io::Result<usize>) -> io::Result<()> {
        self.turns += 1;
        let mut buf = [0; 4096];
        let n = match from(&mut buf) {
            Ok(n) => n,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        };
        self.ended = n == 0;
        for byte in &buf[..n] {
            if *byte != b'\n' {
                self.unfinished.push(*byte);
                continue;
            }
            if self.unfinished != format!("line {}", self.lines).as_bytes() {
                return Err(io::Error::new(ErrorKind::InvalidData, "a line came out of order"));
            }
            self.unfinished.clear();
            self.lines += 1;
        }
        Ok(())
    }
}

fn collect() -> Result<(), Box<dyn Error>> {
    let folder = Folder::new()?;
    let (ring_path, socket_path) = (folder.0.join("ring.sock"), folder.0.join("socket.sock"));
    let listener = Options::new().doorbell(Doorbell::EventFd).bind(&ring_path)?;
    let plain = UnixListener::bind(&socket_path)?;
    let children = [writer("--to-ring", &ring_path)?, writer("--to-socket", &socket_path)?];
    let (reader, unused) = listener.accept()?.split();
    let mut ring = reader.pollable()?;
    drop(unused);
    let (mut socket, _) = plain.accept()?;
    socket.set_nonblocking(true)?;

    let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
    epoll.add(ring.as_fd(), EpollEvent::new(EpollFlags::EPOLLIN, 0))?;
    epoll.add(socket.as_fd(), EpollEvent::new(EpollFlags::EPOLLIN, 1))?;
    let mut sources = [Source::new("ring"), Source::new("socket")];
    let mut events = [EpollEvent::empty(); 2];
    while sources.iter().any(|source| !source.ended) {
        let ready = epoll.wait(&mut events, EpollTimeout::NONE)?;
        for event in &events[..ready] {
            let source = &mut sources[usize::try_from(event.data())?];
            match event.data() {
                0 => source.take(&mut |buf| ring.try_read(buf))?,
                _ => source.take(&mut |buf| socket.read(buf))?,
            }
            // A stream that has ended is readable for ever.
            if source.ended {
                let fd = if event.data() == 0 { ring.as_fd() } else { socket.as_fd() };
                epoll.delete(fd)?;
            }
        }
    }
    for source in &sources {
        println!("{}: {} lines in {} turns", source.name, source.lines, source.turns);
    }
    for mut child in children {
        if !child.wait()?.success() {
            return Err("a writer failed".into());
        }
    }
    Ok(())
}

fn writer(role: &str, path: &Path) -> io::Result<Child> {
    Command::new(env::current_exe()?).arg(role).arg(path).spawn()
}

/// A folder of this process, removed with what is in it.
struct Folder(PathBuf);

impl Folder {
    fn new() -> io::Result<Self> {
        let path = env::temp_dir().join(format!("epoll-both-{}", std::process::id()));
        std::fs::create_dir(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
