//! The ring of this project beside a thousand others that are open and that nobody uses.

use std::{io, os::unix::net::UnixStream};

use ringpipe::{Options, Stream};

use super::{
    Link, Role, doing,
    ring::{self, Ring},
};
use crate::{case::Case, control::Facts};

/// With two rings each and the one that is used, a thousand rings.
const OTHERS: usize = 499;
/// They are small: that they exist is the point.
const CAPACITY: usize = 4096;

/// One side of a ring stream, and of all the others.
#[derive(Debug)]
pub(super) struct Crowd {
    ring: Ring,
    others: Vec<Stream>,
}

pub(super) fn open(case: &Case, role: Role, meet: &UnixStream) -> io::Result<Crowd> {
    allow_descriptors()?;
    let options = Options::new().capacity(CAPACITY);
    let others: io::Result<Vec<Stream>> =
        (0..OTHERS).map(|_| ring::stream(&options, role, meet)).collect();
    Ok(Crowd { others: others?, ring: ring::open(case, role, meet)? })
}

/// Each stream keeps a few, and the usual limit is a thousand.
fn allow_descriptors() -> io::Result<()> {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let (_, most) = doing(getrlimit(Resource::RLIMIT_NOFILE), "reading the limit of descriptors")?;
    doing(setrlimit(Resource::RLIMIT_NOFILE, most, most), "raising the limit of descriptors")
}

impl Link for Crowd {
    #[inline]
    fn send(&mut self, message: &[u8]) -> io::Result<()> {
        self.ring.send(message)
    }

    #[inline]
    fn recv(&mut self, message: &mut [u8]) -> io::Result<()> {
        self.ring.recv(message)
    }

    fn facts(&self) -> Facts {
        let mut facts = self.ring.facts();
        facts.insert("other streams that are open".to_owned(), self.others.len().to_string());
        facts
    }
}
