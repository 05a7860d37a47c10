//! The link of every transport that the kernel offers as file descriptors.

use std::{
    fs::File,
    io::{self, Read, Write},
    os::fd::{AsFd, OwnedFd},
};

use nix::fcntl::{FcntlArg, OFlag, fcntl};

use super::{Link, doing};
use crate::control::Facts;

/// Two descriptors: one to read from, one to write to. They may be the same socket.
///
/// In a spin row both are non-blocking and are asked again and again; in a block row each call sleeps.
#[derive(Debug)]
pub(super) struct Descriptors {
    read: File,
    write: File,
    facts: Facts,
}

impl Descriptors {
    pub(super) fn new(read: OwnedFd, write: OwnedFd, spin: bool, facts: Facts) -> io::Result<Self> {
        if spin {
            for descriptor in [&read, &write] {
                set_nonblocking(descriptor)?;
            }
        }
        Ok(Self { read: File::from(read), write: File::from(write), facts })
    }
}

pub(super) fn set_nonblocking(descriptor: impl AsFd) -> io::Result<()> {
    let flags = doing(fcntl(&descriptor, FcntlArg::F_GETFL), "reading descriptor flags")?;
    let flags = OFlag::from_bits_retain(flags) | OFlag::O_NONBLOCK;
    doing(fcntl(&descriptor, FcntlArg::F_SETFL(flags)), "setting O_NONBLOCK")?;
    Ok(())
}

impl Link for Descriptors {
    fn send(&mut self, mut message: &[u8]) -> io::Result<()> {
        while !message.is_empty() {
            match self.write.write(message) {
                Ok(taken) => message = &message[taken..],
                Err(error) => again(error)?,
            }
        }
        Ok(())
    }

    fn recv(&mut self, mut message: &mut [u8]) -> io::Result<()> {
        while !message.is_empty() {
            match self.read.read(message) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(given) => message = &mut message[given..],
                Err(error) => again(error)?,
            }
        }
        Ok(())
    }

    fn facts(&self) -> Facts {
        self.facts.clone()
    }
}

/// Whether the call is simply to be made again; a blocking descriptor never says `WouldBlock`.
pub(super) fn again(error: io::Error) -> io::Result<()> {
    match error.kind() {
        io::ErrorKind::WouldBlock => std::hint::spin_loop(),
        io::ErrorKind::Interrupted => {}
        _ => return Err(error),
    }
    Ok(())
}
