//! The process that lives, and what it must have got.

use std::{
    fs::File,
    io::{self, ErrorKind, Read, Write},
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
        unix::{net::UnixStream, process::CommandExt},
    },
    process::{Command, Stdio},
};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use ringpipe::{Error, Reader, Writer, ring::Pollable};

use crate::{
    common::Random,
    executioner::now,
    pattern::{CHUNK, assert_bytes, bytes},
};

/// A side pipe on which the dying process acknowledges, and a socket whose other end it holds until it is dead.
pub(crate) fn with_acknowledgements(command: &mut Command) -> (Acknowledged, UnixStream) {
    let (acknowledged, there) = nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC).unwrap();
    // SAFETY: `dup2` may be called between fork and exec; the pipe is open until the command is dropped.
    unsafe {
        command.pre_exec(move || match libc::dup2(there.as_raw_fd(), 3) {
            -1 => Err(io::Error::last_os_error()),
            _ => Ok(()),
        });
    }
    let (tie, theirs) = UnixStream::pair().unwrap();
    command.stdin(Stdio::from(OwnedFd::from(theirs)));
    (Acknowledged(File::from(acknowledged), Vec::new()), tie)
}

/// What the dying process said of how far it got.
pub(crate) struct Acknowledged(File, Vec<u8>);

impl AsFd for Acknowledged {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Acknowledged {
    /// Waits until it has said something, or is dead.
    pub(crate) fn wait(&mut self) {
        let mut word = [0; 8];
        if self.0.read_exact(&mut word).is_ok() {
            self.1.extend(word);
        }
    }

    /// The last position.
    pub(crate) fn last(mut self) -> u64 {
        self.0.read_to_end(&mut self.1).unwrap();
        assert_eq!(self.1.len() % 8, 0);
        self.1.chunks(8).last().map_or(0, |word| u64::from_le_bytes(word.try_into().unwrap()))
    }
}

/// How an end's last call ended.
#[derive(Debug)]
pub(crate) struct Told {
    /// Bytes that came or went before it.
    pub(crate) bytes: u64,
    pub(crate) error: io::Error,
    /// The moment it returned, on the clock of [`now`].
    pub(crate) at: u64,
}

impl Told {
    fn new(bytes: u64, error: io::Error) -> Self {
        Self { bytes, error, at: now() }
    }
}

/// Reads to the end, and checks every byte.
pub(crate) fn drain(reader: &mut Reader, random: &mut Random) -> Told {
    let mut buf = [0; CHUNK];
    let mut pos = 0;
    loop {
        match reader.read(&mut buf[..1 + random.below(CHUNK)]) {
            Ok(0) => panic!("a death looks like an end"),
            Ok(n) => {
                assert_bytes(pos, &buf[..n]);
                pos += n as u64;
            }
            Err(error) => return Told::new(pos, error),
        }
    }
}

/// The same, waiting for the descriptor in place of the reader.
pub(crate) fn poll_and_drain(reader: &mut Pollable<Reader>, random: &mut Random) -> Told {
    let mut buf = [0; CHUNK];
    let mut pos = 0;
    loop {
        let mut fds = [PollFd::new(reader.as_fd(), PollFlags::POLLIN)];
        poll(&mut fds, PollTimeout::NONE).unwrap();
        match reader.try_read(&mut buf[..1 + random.below(CHUNK)]) {
            Ok(0) => panic!("a death looks like an end"),
            Ok(n) => {
                assert_bytes(pos, &buf[..n]);
                pos += n as u64;
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Told::new(pos, error),
        }
    }
}

/// Writes until it is told that the reader is dead.
pub(crate) fn pour(writer: &mut Writer, random: &mut Random) -> Told {
    let mut pos = 0;
    loop {
        match writer.write(bytes(pos, 1 + random.below(CHUNK))) {
            Ok(n) => pos += n as u64,
            Err(error) => return Told::new(pos, error),
        }
    }
}

pub(crate) fn assert_reader_told(mut reader: Reader, told: &Told, acknowledged: u64) {
    let Told { bytes: got, error, .. } = told;
    assert!(matches!(Error::of(error), Some(Error::PeerDied { unconsumed: None })), "{error:?}");
    assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
    assert!(*got >= acknowledged, "{acknowledged} bytes were acknowledged, {got} came");
    // Dead between a write and its acknowledgement; never more than that.
    assert!(*got <= acknowledged + CHUNK as u64, "{got} bytes came of {acknowledged}");
    for _ in 0..2 {
        let again = reader.read(&mut [0; 1]).unwrap_err();
        assert!(matches!(Error::of(&again), Some(Error::PeerDied { .. })), "{again:?}");
    }
}

pub(crate) fn assert_writer_told(told: &Told, consumed: u64) {
    let Told { bytes: written, error, .. } = told;
    let Some(Error::PeerDied { unconsumed: Some(unconsumed) }) = Error::of(error) else {
        panic!("{error:?}")
    };
    assert_eq!(error.kind(), ErrorKind::BrokenPipe);
    let most = written - consumed;
    assert!(
        *unconsumed <= most && unconsumed + CHUNK as u64 >= most,
        "{unconsumed} bytes unconsumed, of {written} written and {consumed} consumed"
    );
}
