//! A peer that has done the handshake properly and does what it likes from then on.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part of it")]

use std::{
    io,
    os::{
        fd::{AsFd, OwnedFd},
        unix::net::UnixStream,
    },
    sync::atomic::{AtomicU32, AtomicU64},
    thread,
};

use ringpipe::{Options, Stream};

use super::wire::{self, Files, GREETING, Header, Map, PAGE, Store, bells, side};

/// The hostile side of a stream, with every shared word in reach.
#[derive(Debug)]
pub struct Hostile {
    pub capacity: usize,
    /// The victim's capacity.
    pub victim_capacity: usize,
    /// The socket of the handshake; closing it is dying.
    pub socket: Option<UnixStream>,
    pub files: Files,
    /// Mapped for reading: it cannot be had otherwise.
    pub victim_producer: Map,
    pub victim_consumer: Map,
    pub victim_bells: Map,
    /// The victim's descriptors, to try things on.
    pub victim_fds: Vec<OwnedFd>,
}

/// A word that the hostile side may write.
#[derive(Clone, Copy, Debug)]
pub enum Word<'a> {
    Short(&'a AtomicU32),
    Long(&'a AtomicU64),
}

impl Word<'_> {
    /// Stores as much of `value` as fits.
    pub fn set(self, value: u64) {
        match self {
            Self::Short(word) => word.set(value as u32),
            Self::Long(word) => word.set(value),
        }
    }

    pub fn now(self) -> u64 {
        match self {
            Self::Short(word) => word.now().into(),
            Self::Long(word) => word.now(),
        }
    }
}

impl Hostile {
    /// Connects to a victim that accepts. One thread is enough: the hello waits in the socket.
    pub fn against_acceptor(options: &Options, capacity: usize) -> (Stream, Self) {
        Self::against_acceptor_with(options, Header::honest(capacity))
    }

    /// The same, with a header that may offer something.
    pub fn against_acceptor_with(options: &Options, header: Header) -> (Stream, Self) {
        let (there, here) = UnixStream::pair().unwrap();
        let files = Files::with_header(header, header.capacity as usize);
        let hello = wire::greeting(wire::HELLO, files.header, [0; 16]);
        wire::send(&here, &hello, &files.fds()).unwrap();
        let stream = options.accept_on(there).unwrap();
        let (greeting, fds) = receive_greeting(&here).unwrap();
        (stream, Self::new(here, files, &greeting, fds))
    }

    /// Accepts a victim that connects.
    pub fn against_connector(options: &Options, capacity: usize) -> (Stream, Self) {
        let (there, here) = UnixStream::pair().unwrap();
        let options = options.clone();
        let victim = thread::spawn(move || options.connect_on(there).unwrap());
        let (greeting, fds) = receive_greeting(&here).unwrap();
        let files = Files::honest(capacity);
        let nonce: [u8; 16] = greeting[0x28..0x38].try_into().unwrap();
        let welcome = wire::greeting(wire::WELCOME, files.header, nonce);
        wire::send(&here, &welcome, &files.fds()).unwrap();
        (victim.join().unwrap(), Self::new(here, files, &greeting, fds))
    }

    /// Greets over a socket that leads to a victim in another process, which may be gone.
    pub fn connect(socket: UnixStream, capacity: usize) -> io::Result<Self> {
        let files = Files::honest(capacity);
        let hello = wire::greeting(wire::HELLO, files.header, [0; 16]);
        wire::send(&socket, &hello, &files.fds())?;
        let (greeting, fds) = receive_greeting(&socket)?;
        Ok(Self::new(socket, files, &greeting, fds))
    }

    fn new(
        socket: UnixStream,
        files: Files,
        greeting: &[u8; GREETING],
        victim_fds: Vec<OwnedFd>,
    ) -> Self {
        let victim_capacity = u64::from_le_bytes(greeting[0x18..0x20].try_into().unwrap()) as usize;
        let map =
            |at: usize, size, writable| Map::new(victim_fds[at].as_fd(), size, writable).unwrap();
        Self {
            capacity: files.header.capacity as usize,
            victim_capacity,
            socket: Some(socket),
            victim_producer: map(0, PAGE + victim_capacity, false),
            victim_bells: map(1, PAGE, true),
            victim_consumer: map(2, PAGE, false),
            files,
            victim_fds,
        }
    }

    /// Where the victim's reader gets its bytes from: `pos` is what the hostile side claims to have written.
    pub fn write_pos(&self) -> &AtomicU64 {
        self.files.producer_map.u64(side::POS)
    }

    /// What the hostile side claims to have read of what the victim wrote.
    pub fn read_pos(&self) -> &AtomicU64 {
        self.files.consumer_map.u64(side::POS)
    }

    /// How far the victim's reader says it is.
    pub fn victim_read_pos(&self) -> u64 {
        self.victim_consumer.u64(side::POS).now()
    }

    /// How far the victim's writer says it is.
    pub fn victim_write_pos(&self) -> u64 {
        self.victim_producer.u64(side::POS).now()
    }

    /// Puts bytes where the victim's reader will look for the position `pos`, in one or two pieces.
    pub fn put_at(&self, pos: u64, bytes: &[u8]) {
        let at = pos as usize % self.capacity;
        let first = bytes.len().min(self.capacity - at);
        self.files.producer_map.put(PAGE + at, &bytes[..first]);
        self.files.producer_map.put(PAGE, &bytes[first..]);
    }

    /// What lies where the victim's reader will look for `pos`.
    pub fn get_own(&self, pos: u64, bytes: &mut [u8]) {
        ring_get(&self.files.producer_map, self.capacity, pos, bytes);
    }

    /// What the victim's writer has put at `pos`.
    pub fn get_victims(&self, pos: u64, bytes: &mut [u8]) {
        ring_get(&self.victim_producer, self.victim_capacity, pos, bytes);
    }

    /// Publishes `bytes` as an honest writer would.
    pub fn publish(&self, bytes: &[u8]) {
        let pos = self.write_pos().now();
        self.put_at(pos, bytes);
        self.write_pos().set(pos.wrapping_add(bytes.len() as u64));
    }

    /// Rings both doorbells of both directions, and wakes whoever sleeps on them.
    pub fn ring(&self) {
        for map in [&self.files.bells_map, &self.victim_bells] {
            for at in [bells::CONSUMER, bells::PRODUCER] {
                ring_word(map.u32(at));
            }
        }
    }

    /// The word at `spot`.
    pub fn word(&self, spot: Spot) -> Word<'_> {
        let map = match spot.page {
            Page::Producer => &self.files.producer_map,
            Page::Consumer => &self.files.consumer_map,
            Page::OwnBells => &self.files.bells_map,
            Page::VictimsBells => &self.victim_bells,
        };
        if spot.long { Word::Long(map.u64(spot.at)) } else { Word::Short(map.u32(spot.at)) }
    }

    /// The switches that a victim which polls has sent, the reader's first.
    pub fn switches(&self) -> &[OwnedFd] {
        &self.victim_fds[3..]
    }
}

/// Which page a word lies in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Page {
    Producer,
    Consumer,
    OwnBells,
    VictimsBells,
}

/// Where a word lies that the hostile side can write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spot {
    pub page: Page,
    pub at: usize,
    /// Eight bytes, not four.
    pub long: bool,
}

/// Every word that a hostile side can write: those of both its sides, and all four bells.
pub fn spots() -> Vec<Spot> {
    let mut spots = Vec::new();
    for page in [Page::Producer, Page::Consumer] {
        let mut add = |at, long| spots.push(Spot { page, at, long });
        [side::POS, side::PARKED, side::WANT].into_iter().for_each(|at| add(at, true));
        [side::CPU, side::STATE, side::KIND, side::LENGTH, side::RESERVED]
            .into_iter()
            .for_each(|at| add(at, false));
        (side::TEXT..side::END).step_by(8).for_each(|at| add(at, true));
        (0..0x40).step_by(8).for_each(|at| add(at, true));
    }
    for page in [Page::OwnBells, Page::VictimsBells] {
        for at in [bells::CONSUMER, bells::PRODUCER] {
            spots.push(Spot { page, at, long: false });
        }
    }
    spots
}

fn ring_get(map: &Map, capacity: usize, pos: u64, bytes: &mut [u8]) {
    let at = pos as usize % capacity;
    let first = bytes.len().min(capacity - at);
    let (one, two) = bytes.split_at_mut(first);
    map.get(PAGE + at, one);
    map.get(PAGE, two);
}

/// Adds one, and wakes everybody.
pub fn ring_word(word: &AtomicU32) {
    word.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
    // SAFETY: the word is mapped for as long as it is borrowed.
    unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), libc::FUTEX_WAKE, i32::MAX) };
}

fn receive_greeting(socket: &UnixStream) -> io::Result<([u8; GREETING], Vec<OwnedFd>)> {
    let mut greeting = [0; GREETING];
    match wire::receive(socket, &mut greeting)? {
        (GREETING, fds) => Ok((greeting, fds)),
        _ => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}
