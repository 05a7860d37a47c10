//! shmring: a byte ring in POSIX shared memory, one for each direction. Blocking rows use its `Read` and `Write`, which
//! sleep on a futex; spin rows its `try_read` and `try_write`. Every call that moves bytes makes a system call to wake.

use std::{
    io::{self, Read, Write},
    os::unix::net::UnixStream,
};

use shmring::{Options, Reader, Writer, backend::ShmStorage, create_shm, open_shm};

use super::{
    super::{Link, Role, Transport, doing, spins},
    PROCESSES, capacity, names,
};
use crate::{case::Case, control::Facts};

pub(in super::super) const TRANSPORT: Transport = Transport {
    name: "shmring",
    what: "shmring, a byte ring in POSIX shared memory",
    complexity: 23,
    ..PROCESSES
};

/// One side of two rings.
#[derive(Debug)]
pub(super) struct Shmring {
    reader: Reader<ShmStorage>,
    writer: Writer<ShmStorage>,
    spins: bool,
    capacity: u64,
}

pub(super) fn open(case: &Case, role: Role, meet: &UnixStream) -> io::Result<Shmring> {
    // It takes powers of two only.
    let capacity = capacity(case).next_power_of_two() as u64;
    let (ours, theirs) = names::ours_and_theirs(role, &names::agree(role, meet)?);
    let writer = doing(create_shm(&ours, capacity, Options::default()), "making a shmring")?;
    names::both_are_here(meet)?;
    let reader = doing(open_shm(&theirs, capacity, Options::default()), "opening a shmring")?;
    Ok(Shmring { reader, writer, spins: spins(case), capacity })
}

impl Link for Shmring {
    fn send(&mut self, mut message: &[u8]) -> io::Result<()> {
        if !self.spins {
            return self.writer.write_all(message);
        }
        while !message.is_empty() {
            match self.writer.try_write(message).map_err(io::Error::other)? {
                0 => std::hint::spin_loop(),
                taken => message = &message[taken..],
            }
        }
        Ok(())
    }

    fn recv(&mut self, mut message: &mut [u8]) -> io::Result<()> {
        if !self.spins {
            return self.reader.read_exact(message);
        }
        while !message.is_empty() {
            match self.reader.try_read(message).map_err(io::Error::other)? {
                0 => std::hint::spin_loop(),
                given => message = &mut message[given..],
            }
        }
        Ok(())
    }

    fn facts(&self) -> Facts {
        Facts::from([("capacity".to_owned(), self.capacity.to_string())])
    }
}
