//! shmem-ipc: a ring of bytes in a sealed memfd, with an eventfd to sleep on at each end; one for each direction.
//!
//! Blocking rows signal and sleep; spin rows use the lower half of its API, which does neither.

use std::{
    fs::File,
    io,
    os::{fd::OwnedFd, unix::net::UnixStream},
};

use shmem_ipc::sharedring::{Receiver, Sender};

use super::{
    super::{Link, Role, Transport, doing, handover, spins},
    PROCESSES, capacity,
};
use crate::{case::Case, control::Facts};

pub(in super::super) const TRANSPORT: Transport = Transport {
    name: "shmem-ipc",
    what: "shmem-ipc, a ring in a sealed memfd, with eventfds",
    complexity: 22,
    pollable: true,
    untrusted: true,
    ..PROCESSES
};

/// One side of two rings.
pub(super) struct ShmemIpc {
    sender: Sender<u8>,
    receiver: Receiver<u8>,
    spins: bool,
    capacity: usize,
}

pub(super) fn open(case: &Case, role: Role, meet: &UnixStream) -> io::Result<ShmemIpc> {
    let _ = role;
    let capacity = capacity(case);
    let sender: Sender<u8> = doing(Sender::new(capacity), "making a shmem-ipc ring")?;
    let copies = [sender.memfd().as_file(), sender.empty_signal(), sender.full_signal()]
        .map(|file| file.try_clone().map(OwnedFd::from));
    let [memory, empty, full] = copies;
    handover::send(meet, &[&memory?, &empty?, &full?])?;
    let [memory, empty, full] = handover::receive::<3>(meet)?.map(File::from);
    let receiver = Receiver::open(capacity, memory, empty, full);
    let receiver = doing(receiver, "opening a shmem-ipc ring")?;
    Ok(ShmemIpc { sender, receiver, spins: spins(case), capacity })
}

impl Link for ShmemIpc {
    fn send(&mut self, mut message: &[u8]) -> io::Result<()> {
        while !message.is_empty() {
            let mut taken = 0;
            let copy = |place: *mut u8, free: usize| {
                taken = free.min(message.len());
                // SAFETY: `free` bytes lie at `place`, in a mapping that nothing in this program borrows from.
                unsafe { place.copy_from_nonoverlapping(message.as_ptr(), taken) };
                taken
            };
            let status = if self.spins {
                self.sender.sender_mut().send(copy).map_err(io::Error::other)
            } else {
                self.sender.send_raw(copy).map_err(io::Error::other)
            };
            status?;
            message = &message[taken..];
            match taken {
                0 if self.spins => std::hint::spin_loop(),
                0 => {
                    self.sender.block_until_writable().map_err(io::Error::other)?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn recv(&mut self, mut message: &mut [u8]) -> io::Result<()> {
        while !message.is_empty() {
            let mut given = 0;
            let copy = |place: *const u8, there: usize| {
                given = there.min(message.len());
                // SAFETY: as in `send`.
                unsafe { place.copy_to_nonoverlapping(message.as_mut_ptr(), given) };
                given
            };
            let status = if self.spins {
                self.receiver.receiver_mut().recv(copy).map_err(io::Error::other)
            } else {
                self.receiver.receive_raw(copy).map_err(io::Error::other)
            };
            status?;
            message = &mut message[given..];
            match given {
                0 if self.spins => std::hint::spin_loop(),
                0 => {
                    self.receiver.block_until_readable().map_err(io::Error::other)?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn facts(&self) -> Facts {
        Facts::from([("capacity".to_owned(), self.capacity.to_string())])
    }
}
