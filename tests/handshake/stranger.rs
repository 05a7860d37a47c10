//! A stranger whose conversation is an honest one, spoilt at random: its bytes, its descriptors, its files, and when it
//! says and leaves what. The same seed spoils it in the same way.

use std::{
    fs::File,
    net::Shutdown,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::{
            fs::FileExt,
            net::{UnixDatagram, UnixStream},
        },
    },
    thread,
    time::Duration,
};

use crate::{
    common::Random,
    door::Role,
    wire::{self, FIXED, GREETING, HELLO, Header, PAGE, READ_ONLY, REFUSAL, WELCOME, side},
};

/// What a descriptor is to a greeting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Thing {
    /// A file for this place that nothing is wrong with.
    Right(usize),
    Wrong,
    /// Something of the victim's own, which may be right for any place.
    Victims,
}

struct Carried {
    fd: OwnedFd,
    thing: Thing,
}

/// How the conversation ends once everything is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Parting {
    /// Says that nothing more comes.
    Silence,
    HangsUp,
    /// Leaves the victim to its patience, which had better be short.
    Stays,
}

/// One end of a conversation that goes wrong.
pub(crate) struct Stranger<'a> {
    random: Random,
    role: Role,
    zoo: &'a [(&'static str, OwnedFd)],
    traced: bool,
    socket: Option<UnixStream>,
    header: Header,
    /// The nonce of the victim's hello, once it was heard, and what came with it.
    nonce: [u8; 16],
    got: Vec<OwnedFd>,
    /// Its own socket goes with the words, and who has it keeps it open.
    sends_itself: bool,
    /// Everything that was sent, and what went with the first greeting's bytes.
    said: Vec<u8>,
    with_it: Vec<Thing>,
}

impl<'a> Stranger<'a> {
    pub(crate) fn new(
        mut random: Random,
        role: Role,
        zoo: &'a [(&'static str, OwnedFd)],
        traced: bool,
    ) -> Self {
        let capacity = [4096, 4096, 8192, 16_384][random.below(4)];
        let header = Header { offers: random.below(2) as u32, ..Header::honest(capacity) };
        Self {
            random,
            role,
            zoo,
            traced,
            socket: None,
            header,
            nonce: [0; 16],
            got: Vec::new(),
            sends_itself: false,
            said: Vec::new(),
            with_it: Vec::new(),
        }
    }

    fn note(&self, step: impl FnOnce() -> String) {
        if self.traced {
            println!("  {}", step());
        }
    }

    /// True once in `n` times.
    fn once_in(&mut self, n: usize) -> bool {
        self.random.below(n) == 0
    }

    /// Says what it has to say. It keeps its socket if it does not hang up.
    pub(crate) fn talk(&mut self, socket: UnixStream, parting: Parting) {
        self.socket = Some(socket);
        if self.role == Role::Connects && !self.once_in(8) {
            self.hear_the_hello();
        }
        let bytes = self.words();
        let fds = self.descriptors();
        self.say(&bytes, &fds);
        let Some(socket) = &self.socket else { return };
        self.note(|| format!("parting: {parting:?}"));
        match parting {
            Parting::Silence => {
                let _ = socket.shutdown(Shutdown::Write);
            }
            Parting::HangsUp => self.hang_up(),
            Parting::Stays => {}
        }
    }

    fn hang_up(&mut self) {
        let socket = self.socket.take();
        // Otherwise the victim would hold what it waits for the end of.
        if let Some(socket) = socket.filter(|_| self.sends_itself) {
            let _ = socket.shutdown(Shutdown::Both);
        }
    }

    fn hear_the_hello(&mut self) {
        let Some(socket) = &self.socket else { return };
        let mut hello = [0; GREETING];
        let heard = wire::receive(socket, &mut hello);
        self.note(|| format!("hears {heard:?}"));
        if let Ok((GREETING, fds)) = heard {
            self.nonce.copy_from_slice(&hello[0x28..0x38]);
            self.got = fds;
        }
    }

    fn kind(&self) -> u32 {
        if self.role == Role::Accepts { HELLO } else { WELCOME }
    }

    fn greeting(&self, kind: u32) -> Vec<u8> {
        let answered = if kind == WELCOME { self.nonce } else { [0; 16] };
        wire::greeting(kind, self.header, answered).to_vec()
    }

    /// All that will be said: mostly one greeting, and every third time with something wrong in it.
    fn words(&mut self) -> Vec<u8> {
        let kind = self.kind();
        let mut words = match self.random.below(24) {
            0 => Vec::new(),
            1 => [self.greeting(kind), self.greeting(kind)].concat(),
            2 => {
                let other = self.random.below(6) as u32;
                [self.greeting(other), self.greeting(kind)].concat()
            }
            3 => {
                let other = self.random.below(6) as u32;
                self.greeting(other)
            }
            4 => {
                let mut noise = vec![0; self.random.below(400)];
                self.random.fill(&mut noise);
                noise
            }
            5 => {
                let mut refusal = self.greeting(REFUSAL);
                self.random.fill(&mut refusal[0x48..0x78]);
                sign(&mut refusal);
                refusal
            }
            _ => self.greeting(kind),
        };
        if self.once_in(3) {
            for _ in 0..=self.random.below(3) {
                self.spoil(&mut words);
            }
            // A right checksum lets the rest be looked at.
            if words.len() >= GREETING && !self.once_in(3) {
                sign(&mut words);
            }
        }
        self.note(|| format!("words: {words:02x?}"));
        words
    }

    fn spoil(&mut self, words: &mut Vec<u8>) {
        if words.is_empty() {
            return;
        }
        let at = self.random.below(words.len());
        match self.random.below(9) {
            0 | 1 => {
                for _ in 0..=self.random.below(4) {
                    let bit = self.random.below(words.len() * 8);
                    words[bit / 8] ^= 1 << (bit % 8);
                }
            }
            // One field, whose neighbours stay right.
            2..=4 => {
                let fields = [0x08, 0x0a, 0x0c, 0x10, 0x14, 0x18, 0x20, 0x28, 0x38, 0x48, 0x78];
                let at = fields[self.random.below(fields.len())];
                let size = [1, 2, 4, 8][self.random.below(4)];
                let value = self.value().to_le_bytes();
                if let Some(field) = words.get_mut(at..at + size) {
                    field.copy_from_slice(&value[..size]);
                }
            }
            5 => {
                let end = (at + 1 + self.random.below(40)).min(words.len());
                self.random.fill(&mut words[at..end]);
            }
            6 => words.truncate(at),
            7 => {
                let mut more = vec![0; 1 + self.random.below(300)];
                self.random.fill(&mut more);
                words.extend(more);
            }
            _ => {
                let byte = words.remove(at);
                if self.once_in(2) {
                    words.insert(self.random.below(words.len() + 1), byte);
                }
            }
        }
    }

    /// A number at which arithmetic goes wrong, or any other.
    fn value(&mut self) -> u64 {
        let power = [0, 4096, 8192, 16_384, 1 << 31, 1 << 32, 1 << 63][self.random.below(7)];
        match self.random.below(3) {
            0 => self.random.next() >> self.random.below(64),
            _ => u64::wrapping_add_signed(power, self.random.below(5) as i64 - 2),
        }
    }

    /// What goes with the words: three files, and every third time something else in their places.
    fn descriptors(&mut self) -> Vec<Carried> {
        let mut all: Vec<_> = (0..3).map(|place| self.file(place)).collect();
        if self.once_in(4) {
            let (one, two) = UnixDatagram::pair().unwrap();
            let switch = |socket: UnixDatagram| Carried { fd: socket.into(), thing: Thing::Wrong };
            all.extend([switch(one), switch(two)]);
        }
        if self.once_in(3) {
            for _ in 0..=self.random.below(3) {
                self.confuse(&mut all);
            }
        }
        self.note(|| {
            format!("descriptors: {:?}", all.iter().map(|one| one.thing).collect::<Vec<_>>())
        });
        all
    }

    fn confuse(&mut self, all: &mut Vec<Carried>) {
        let at = self.random.below(all.len() + 1);
        match self.random.below(8) {
            0 if at < all.len() => drop(all.remove(at)),
            1 if at < all.len() => {
                let other = self.random.below(all.len());
                all.swap(at, other);
            }
            2 if at < all.len() => {
                let again = Carried { fd: copy(all[at].fd.as_fd()), thing: all[at].thing };
                all.insert(self.random.below(all.len() + 1), again);
            }
            3 if !self.got.is_empty() => {
                let which = self.random.below(self.got.len());
                let theirs = Carried { fd: copy(self.got[which].as_fd()), thing: Thing::Victims };
                put(all, at, theirs);
            }
            4 => {
                let Some(socket) = &self.socket else { return };
                let itself = copy(socket.as_fd());
                put(all, at, Carried { fd: itself, thing: Thing::Wrong });
                self.sends_itself = true;
            }
            5 => {
                let most = if self.once_in(8) { 240 } else { 8 };
                for _ in 0..=self.random.below(most) {
                    all.push(self.anything());
                }
            }
            6 => {
                let place = self.random.below(3);
                put(all, at, self.file(place));
            }
            _ => put(all, at, self.anything()),
        }
    }

    fn anything(&mut self) -> Carried {
        let (name, fd) = &self.zoo[self.random.below(self.zoo.len())];
        self.note(|| format!("brings {name}"));
        Carried { fd: copy(fd.as_fd()), thing: Thing::Wrong }
    }

    /// The file for a place, one in eight with another size, other seals, holes, or lies in it.
    fn file(&mut self, place: usize) -> Carried {
        let capacity = self.header.capacity as usize;
        let right_size = [PAGE + capacity, PAGE, PAGE][place];
        let right_seals = [READ_ONLY, FIXED, READ_ONLY][place];
        let (mut size, mut seals, mut start) = (right_size, right_seals, self.header.to_bytes());
        let (mut sparse, mut hole) = (false, None);
        if self.once_in(8) {
            match self.random.below(6) {
                0 => {
                    let near = [right_size - 1, right_size + 1, right_size - PAGE, right_size * 2];
                    let far = [0, 1, 64, 1 << 40, self.random.below(1 << 17)];
                    size = [&near[..], &far].concat()[self.random.below(9)];
                }
                1 => seals = self.random.below(0x20) as i32,
                2 => sparse = true,
                3 => hole = Some(self.random.below(size / PAGE) * PAGE),
                _ => {
                    let bit = self.random.below(512);
                    start[bit / 8] ^= 1 << (bit % 8);
                }
            }
        }
        let fd = wire::memfd(0);
        // A terabyte is not meant to be had.
        if !sparse && size < 1 << 30 {
            wire::allocate(fd.as_fd(), 0, 0, size.max(1)).unwrap();
        }
        wire::resize(fd.as_fd(), size).unwrap();
        let file = File::from(fd);
        if place == 0 && size >= PAGE {
            file.write_all_at(&start, 0).unwrap();
            if self.once_in(2) {
                let there = if self.once_in(2) { self.header.capacity } else { self.value() };
                file.write_all_at(&there.to_le_bytes(), side::POS as u64).unwrap();
            }
        }
        if let Some(at) = hole {
            wire::punch(file.as_fd(), at, PAGE).unwrap();
        }
        wire::seal(file.as_fd(), seals).unwrap();
        let lies = place == 0 && (start != self.header.to_bytes() || hole == Some(0));
        let sealed = seals & right_seals == right_seals
            && (place != 1 || seals & (READ_ONLY | libc::F_SEAL_WRITE) == FIXED);
        // Holes may be filled or be a reason to refuse.
        let right = size == right_size && sealed && !lies;
        self.note(|| format!("file {place}: {size} bytes, seals {seals:#x}, sparse {sparse}, hole {hole:?}, right {right}"));
        Carried { fd: file.into(), thing: if right { Thing::Right(place) } else { Thing::Wrong } }
    }

    /// Sends `bytes` in pieces, and `fds` with some of them.
    fn say(&mut self, bytes: &[u8], fds: &[Carried]) {
        let cuts = match self.random.below(16) {
            0..=7 => 0,
            8..=14 => 1 + self.random.below(4),
            _ => bytes.len(),
        };
        let mut ends: Vec<_> = (0..cuts).map(|_| self.random.below(bytes.len() + 1)).collect();
        ends.push(bytes.len());
        ends.sort_unstable();
        ends.dedup();
        ends.retain(|&end| end > 0);
        // With the first piece, with any other, or a few with each.
        let scattered = self.once_in(8);
        let place = if self.once_in(4) { self.random.below(ends.len().max(1)) } else { 0 };
        let (mut start, mut left) = (0, fds);
        for (piece, &end) in ends.iter().enumerate() {
            let count = match scattered {
                true => self.random.below(left.len() + 1),
                false if piece == place => left.len(),
                false => 0,
            };
            let (now, later) = left.split_at(count);
            left = later;
            if !self.send(&bytes[start..end], now) {
                return;
            }
            start = end;
            self.pause();
            if self.once_in(32) {
                self.note(|| "is gone".into());
                self.hang_up();
                return;
            }
        }
    }

    /// Whether the victim still listens.
    fn send(&mut self, bytes: &[u8], with: &[Carried]) -> bool {
        let Some(socket) = &self.socket else { return false };
        let fds: Vec<BorrowedFd<'_>> = with.iter().map(|one| one.fd.as_fd()).collect();
        let sent = wire::send(socket, bytes, &fds);
        self.note(|| format!("sends {} bytes with {}: {sent:?}", bytes.len(), fds.len()));
        if self.said.len() < GREETING {
            self.with_it.extend(with.iter().map(|one| one.thing));
        }
        self.said.extend(bytes);
        sent.is_ok_and(|n| n == bytes.len())
    }

    /// Lets the victim go on, or not: what is said may come too early for it, or late.
    fn pause(&mut self) {
        match self.random.below(16) {
            0..=3 => thread::yield_now(),
            4 => thread::sleep(Duration::from_micros(self.random.below(300) as u64)),
            _ => {}
        }
    }

    /// Whether anybody may take what was said for the greeting of a peer, as an outsider reads the protocol.
    pub(crate) fn may_be_let_in(&self) -> bool {
        let files_fit = matches!(self.with_it.len(), 3 | 5)
            && self.with_it[..3]
                .iter()
                .enumerate()
                .all(|(at, thing)| [Thing::Right(at), Thing::Victims].contains(thing));
        let Some(bytes) = self.said.get(..GREETING) else { return false };
        let honest = self.greeting(self.kind());
        // What means nothing: the minor version, the nonce that is answered in a hello, the text, and the offer.
        let free = |at: usize| {
            matches!(at, 0x0a | 0x0b | 0x48..0x79 | 0x7c..)
                || (self.role == Role::Accepts && (0x38..0x48).contains(&at))
        };
        let same = (0..GREETING).all(|at| free(at) || bytes[at] == honest[at]);
        let signed = wire::crc32c(&bytes[..0x7c]).to_le_bytes() == bytes[0x7c..];
        // Whoever sends the victim's own files back announces what is in those.
        let victims = self.with_it.contains(&Thing::Victims);
        files_fit && (same || victims) && signed && bytes[0x78] <= 1
    }
}

fn put(all: &mut Vec<Carried>, at: usize, one: Carried) {
    match all.get_mut(at) {
        Some(place) => *place = one,
        None => all.push(one),
    }
}

fn copy(fd: BorrowedFd<'_>) -> OwnedFd {
    fd.try_clone_to_owned().unwrap()
}

/// Puts the right checksum under the first greeting.
fn sign(words: &mut [u8]) {
    if let Some(first) = words.first_chunk_mut::<GREETING>() {
        wire::sign(first);
    }
}
