//! Anonymous pipes: one for each direction.

use std::{
    io,
    os::{fd::OwnedFd, unix::net::UnixStream},
};

use nix::{
    fcntl::{FcntlArg, OFlag, fcntl},
    unistd::pipe2,
};

use super::{Role, descriptors::Descriptors, doing, handover, spins};
use crate::{case::Case, control::Facts};

pub(super) fn open(case: &Case, role: Role, meet: &UnixStream) -> io::Result<Descriptors> {
    match role {
        Role::Initiator => {
            let (request_read, request_write) = doing(pipe2(OFlag::O_CLOEXEC), "making a pipe")?;
            let (reply_read, reply_write) = doing(pipe2(OFlag::O_CLOEXEC), "making a pipe")?;
            let facts = resize([&request_write, &reply_write], case)?;
            handover::send(meet, &[&request_read, &reply_write])?;
            Descriptors::new(reply_read, request_write, spins(case), facts)
        }
        Role::Responder => {
            let [read, write] = handover::receive(meet)?;
            Descriptors::new(read, write, spins(case), Facts::new())
        }
    }
}

/// Asks for the capacity of the case, if it has one; what was granted is read back and reported.
pub(super) fn resize(pipes: [&OwnedFd; 2], case: &Case) -> io::Result<Facts> {
    let mut granted = 0;
    for pipe in pipes {
        if let Some(buffer) = case.buffer {
            let wanted = i32::try_from(buffer.0).unwrap_or(i32::MAX);
            // Refused beyond /proc/sys/fs/pipe-max-size; the pipe then keeps the size it has, which is reported.
            let _ = fcntl(pipe, FcntlArg::F_SETPIPE_SZ(wanted));
        }
        granted = doing(fcntl(pipe, FcntlArg::F_GETPIPE_SZ), "reading the capacity of a pipe")?;
    }
    Ok(Facts::from([("capacity".to_owned(), granted.to_string())]))
}
