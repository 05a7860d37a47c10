//! The process that serves until it is killed.

use std::{
    fs::File,
    io::{Read, Write},
    os::{fd::AsFd, unix::net::UnixStream},
    process::{self, Child, Stdio},
    sync::Arc,
    thread,
};

use nix::{
    sys::{
        signal::{Signal, kill},
        wait::{WaitPidFlag, WaitStatus, waitpid},
    },
    unistd::Pid,
};
use ringpipe::rpc::{Address, Codec, Limits, Listener, Server};

use crate::{child::other, ledger::Ledger, work};

/// What a server takes that soon leaves its connection unread.
pub(crate) fn narrow() -> Limits {
    Limits::default().in_flight(2).message(8 << 10)
}

/// Serves at `address`; its standard input is the tie to the test, its standard output the ledger.
///
/// Says where it listens, and another byte at the execution `said_at`.
pub(crate) fn serve(address: &str, codec: &str, is_narrow: bool, said_at: u32) {
    let duplicate = |fd: std::os::fd::BorrowedFd<'_>| fd.try_clone_to_owned().unwrap();
    let ledger = Ledger::open(File::from(duplicate(std::io::stdout().as_fd())));
    let mut tie = UnixStream::from(duplicate(std::io::stdin().as_fd()));
    let address: Address = address.parse().unwrap();
    let listener = Listener::bind(&address).unwrap();
    let server = Server::with_limits(if is_narrow { narrow() } else { Limits::default() });
    let said = tie.try_clone().unwrap();
    let service = work::service(Arc::new(ledger), Arc::default(), move |execution| {
        if execution == said_at {
            (&said).write_all(b"!").unwrap();
        }
    });
    server.register(service).unwrap();
    writeln!(tie, "{}", listener.address()).unwrap();
    // A test that ends before it has killed its servers leaves none.
    thread::spawn(move || {
        let _ = tie.read(&mut [0]);
        process::exit(1);
    });
    server.accept(&listener, codec.parse().unwrap()).unwrap();
}

/// A server, as the test sees it.
#[derive(Debug)]
pub(crate) struct Victim {
    pub(crate) process: Child,
    /// Its other end closes when the server dies.
    pub(crate) tie: UnixStream,
    pub(crate) address: Address,
}

impl Victim {
    pub(crate) fn start(
        address: &str,
        codec: Codec,
        is_narrow: bool,
        said_at: u32,
        ledger: &Ledger,
    ) -> Self {
        let (mut tie, theirs) = UnixStream::pair().unwrap();
        let mut command = other(&format!("serve {address} {codec} {is_narrow} {said_at}"));
        command.stdin(Stdio::from(std::os::fd::OwnedFd::from(theirs))).stdout(ledger.file());
        let process = command.spawn().unwrap();
        drop(command);
        // Byte by byte: what follows the line is for whoever kills.
        let mut line = Vec::new();
        while line.last() != Some(&b'\n') {
            let mut byte = [0];
            tie.read_exact(&mut byte).unwrap();
            line.extend(byte);
        }
        let address = String::from_utf8(line).unwrap().trim_end().parse().unwrap();
        Self { process, tie, address }
    }

    /// Has it read nothing more.
    pub(crate) fn stop(&self) {
        let pid = Pid::from_raw(self.process.id() as i32);
        kill(pid, Signal::SIGSTOP).unwrap();
        let status = waitpid(pid, Some(WaitPidFlag::WUNTRACED)).unwrap();
        assert_eq!(status, WaitStatus::Stopped(pid, Signal::SIGSTOP));
    }
}
