//! The wire format written down a second time, from the outside, for peers that do not keep to it.
//!
//! Nothing here uses the library: a peer made of this can lie in every field of the greeting, send any descriptor, and
//! write any shared word at any time.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part of it")]

use std::{
    io,
    mem::size_of_val,
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd},
        unix::net::UnixStream,
    },
    ptr,
    sync::atomic::{AtomicU32, AtomicU64, Ordering::SeqCst},
};

pub const PAGE: usize = 4096;
pub const GREETING: usize = 128;
pub const HELLO: u32 = 1;
pub const WELCOME: u32 = 2;
pub const REFUSAL: u32 = 3;
pub const HANDOVER: u32 = 4;

/// Offsets of the words of a side's page.
pub mod side {
    pub const POS: usize = 0x080;
    pub const PARKED: usize = 0x100;
    /// The largest value of `parked` that is not a sleep: asking for fences.
    pub const AWAKE: u64 = 1;
    pub const WANT: usize = 0x108;
    pub const CPU: usize = 0x110;
    pub const STATE: usize = 0x180;
    pub const KIND: usize = 0x184;
    pub const LENGTH: usize = 0x188;
    pub const RESERVED: usize = 0x18c;
    pub const TEXT: usize = 0x190;
    pub const END: usize = 0x280;
}

/// Offsets of the words of the doorbells' page.
pub mod bells {
    pub const CONSUMER: usize = 0x000;
    pub const PRODUCER: usize = 0x080;
}

pub const SEAL_SEAL: i32 = libc::F_SEAL_SEAL;
pub const FIXED: i32 = libc::F_SEAL_SHRINK | libc::F_SEAL_GROW | libc::F_SEAL_SEAL;
pub const READ_ONLY: i32 = FIXED | libc::F_SEAL_FUTURE_WRITE;

/// The polynomial of CRC-32C, one bit at a time.
pub fn crc32c(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            if crc & 1 == 1 { (crc >> 1) ^ 0x82f6_3b78 } else { crc >> 1 }
        })
    })
}

/// The fields of the first page's header, each free to be a lie.
#[derive(Clone, Copy, Debug)]
pub struct Header {
    pub magic: [u8; 8],
    pub major: u16,
    pub minor: u16,
    pub length: u32,
    pub endian: u32,
    pub flags: u32,
    pub capacity: u64,
    pub data_offset: u64,
    pub nonce: [u8; 16],
    /// The flags of the greeting: 1 offers that the side that sleeps fences for both.
    pub offers: u32,
    /// Xored into the checksum.
    pub crc_lie: u32,
    pub last: u32,
}

impl Header {
    pub fn honest(capacity: usize) -> Self {
        Self {
            magic: *b"ringpipe",
            major: 1,
            minor: 0,
            length: 64,
            endian: 0x0102_0304,
            flags: 0,
            capacity: capacity as u64,
            data_offset: PAGE as u64,
            nonce: *b"hostile nonce 16",
            offers: 0,
            crc_lie: 0,
            last: 0,
        }
    }

    pub fn to_bytes(self) -> [u8; 64] {
        let mut bytes = [0; 64];
        let mut at = 0;
        let mut put = |field: &[u8]| {
            bytes[at..at + field.len()].copy_from_slice(field);
            at += field.len();
        };
        put(&self.magic);
        put(&self.major.to_le_bytes());
        put(&self.minor.to_le_bytes());
        put(&self.length.to_le_bytes());
        put(&self.endian.to_ne_bytes());
        put(&self.flags.to_le_bytes());
        put(&self.capacity.to_le_bytes());
        put(&self.data_offset.to_le_bytes());
        put(&self.nonce);
        let crc = crc32c(&bytes[..0x38]) ^ self.crc_lie;
        bytes[0x38..0x3c].copy_from_slice(&crc.to_le_bytes());
        bytes[0x3c..].copy_from_slice(&self.last.to_le_bytes());
        bytes
    }
}

/// A greeting of `kind` about `header`; `answered` is the hello's nonce in a welcome.
pub fn greeting(kind: u32, header: Header, answered: [u8; 16]) -> [u8; GREETING] {
    let mut bytes = [0; GREETING];
    bytes[0x00..0x08].copy_from_slice(b"ringmeet");
    bytes[0x08..0x0a].copy_from_slice(&1u16.to_le_bytes());
    bytes[0x0c..0x10].copy_from_slice(&(GREETING as u32).to_le_bytes());
    bytes[0x10..0x14].copy_from_slice(&0x0102_0304u32.to_ne_bytes());
    bytes[0x14..0x18].copy_from_slice(&kind.to_le_bytes());
    bytes[0x18..0x20].copy_from_slice(&header.capacity.to_le_bytes());
    bytes[0x20..0x28].copy_from_slice(&header.data_offset.to_le_bytes());
    bytes[0x28..0x38].copy_from_slice(&header.nonce);
    bytes[0x38..0x48].copy_from_slice(&answered);
    bytes[0x78..0x7c].copy_from_slice(&header.offers.to_le_bytes());
    sign(&mut bytes);
    bytes
}

/// Puts the right checksum under a greeting that was changed.
pub fn sign(bytes: &mut [u8; GREETING]) {
    let crc = crc32c(&bytes[..0x7c]);
    bytes[0x7c..].copy_from_slice(&crc.to_le_bytes());
}

/// A file in memory of `size` bytes without pages and without seals.
pub fn memfd(size: usize) -> OwnedFd {
    // SAFETY: the name is a C string; the descriptor is new.
    let fd = unsafe {
        let raw =
            libc::memfd_create(c"hostile".as_ptr(), libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING);
        assert!(raw >= 0, "memfd_create: {}", io::Error::last_os_error());
        OwnedFd::from_raw_fd(raw)
    };
    resize(fd.as_fd(), size).unwrap();
    fd
}

pub fn resize(fd: BorrowedFd<'_>, size: usize) -> io::Result<()> {
    // SAFETY: no memory is involved.
    check(unsafe { libc::ftruncate(fd.as_raw_fd(), size as i64) })
}

/// `fallocate` with `mode`.
pub fn allocate(fd: BorrowedFd<'_>, mode: i32, at: usize, size: usize) -> io::Result<()> {
    // SAFETY: no memory of this process is involved.
    check(unsafe { libc::fallocate(fd.as_raw_fd(), mode, at as i64, size as i64) })
}

pub fn punch(fd: BorrowedFd<'_>, at: usize, size: usize) -> io::Result<()> {
    allocate(fd, libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE, at, size)
}

pub fn seal(fd: BorrowedFd<'_>, seals: i32) -> io::Result<()> {
    // SAFETY: no memory is involved.
    check(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_ADD_SEALS, seals) })
}

fn check(result: i32) -> io::Result<()> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// A shared mapping of a whole file.
#[derive(Debug)]
pub struct Map {
    base: *mut u8,
    length: usize,
}

// SAFETY: it is reached through atomics and raw copies only.
unsafe impl Send for Map {}
// SAFETY: as for `Send`.
unsafe impl Sync for Map {}

impl Map {
    pub fn new(fd: BorrowedFd<'_>, length: usize, writable: bool) -> io::Result<Self> {
        let protection = libc::PROT_READ | if writable { libc::PROT_WRITE } else { 0 };
        // SAFETY: a new mapping at an address of the kernel's choice.
        let base = unsafe {
            libc::mmap(ptr::null_mut(), length, protection, libc::MAP_SHARED, fd.as_raw_fd(), 0)
        };
        if base == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        Ok(Self { base: base.cast(), length })
    }

    pub fn u64(&self, at: usize) -> &AtomicU64 {
        assert!(at % 8 == 0 && at + 8 <= self.length);
        // SAFETY: within the mapping and aligned; everybody else who writes it does so with atomics or from another process.
        unsafe { AtomicU64::from_ptr(self.base.add(at).cast()) }
    }

    pub fn u32(&self, at: usize) -> &AtomicU32 {
        assert!(at % 4 == 0 && at + 4 <= self.length);
        // SAFETY: as in `u64`.
        unsafe { AtomicU32::from_ptr(self.base.add(at).cast()) }
    }

    pub fn put(&self, at: usize, bytes: &[u8]) {
        assert!(at + bytes.len() <= self.length);
        // SAFETY: within the mapping, which is writable or the test dies; `bytes` is private memory.
        unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), self.base.add(at), bytes.len()) };
    }

    pub fn get(&self, at: usize, bytes: &mut [u8]) {
        assert!(at + bytes.len() <= self.length);
        // SAFETY: within the mapping; `bytes` is private memory.
        unsafe { ptr::copy_nonoverlapping(self.base.add(at), bytes.as_mut_ptr(), bytes.len()) };
    }
}

impl Drop for Map {
    fn drop(&mut self) {
        // SAFETY: the mapping is this value's, and nothing borrows it any more.
        unsafe { libc::munmap(self.base.cast(), self.length) };
    }
}

/// Everything one side makes, as it must be unless a test spoils it before it is sent.
#[derive(Debug)]
pub struct Files {
    pub header: Header,
    pub producer: OwnedFd,
    pub bells: OwnedFd,
    pub consumer: OwnedFd,
    pub producer_map: Map,
    pub bells_map: Map,
    pub consumer_map: Map,
}

impl Files {
    pub fn honest(capacity: usize) -> Self {
        Self::with_header(Header::honest(capacity), capacity)
    }

    /// Files of the sizes that `capacity` asks for, with whatever `header` says.
    pub fn with_header(header: Header, capacity: usize) -> Self {
        let (producer, producer_map) = file(PAGE + capacity, READ_ONLY, &header.to_bytes());
        let (bells, bells_map) = file(PAGE, FIXED, &[]);
        let (consumer, consumer_map) = file(PAGE, READ_ONLY, &[]);
        Self { header, producer, bells, consumer, producer_map, bells_map, consumer_map }
    }

    pub fn fds(&self) -> [BorrowedFd<'_>; 3] {
        [self.producer.as_fd(), self.bells.as_fd(), self.consumer.as_fd()]
    }
}

/// A file that begins with `start`, mapped before it is sealed.
pub fn file(size: usize, seals: i32, start: &[u8]) -> (OwnedFd, Map) {
    let fd = memfd(size);
    allocate(fd.as_fd(), 0, 0, size).unwrap();
    let map = Map::new(fd.as_fd(), size, true).unwrap();
    map.put(0, start);
    seal(fd.as_fd(), seals).unwrap();
    (fd, map)
}

/// Sends `bytes` with `fds` in one message.
pub fn send(socket: &UnixStream, bytes: &[u8], fds: &[BorrowedFd<'_>]) -> io::Result<usize> {
    let raw: Vec<RawFd> = fds.iter().map(AsRawFd::as_raw_fd).collect();
    let length = size_of_val(raw.as_slice()) as u32;
    let mut control = vec![0u64; 256];
    let mut vector =
        libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
    // SAFETY: the header leads to live buffers; the control buffer is aligned, zeroed and long enough for the descriptors.
    let sent = unsafe {
        let mut message: libc::msghdr = std::mem::zeroed();
        message.msg_iov = &raw mut vector;
        message.msg_iovlen = 1;
        if !raw.is_empty() {
            message.msg_control = control.as_mut_ptr().cast();
            message.msg_controllen = libc::CMSG_SPACE(length) as usize;
            assert!(message.msg_controllen <= control.len() * 8);
            let header = libc::CMSG_FIRSTHDR(&raw const message);
            (*header).cmsg_level = libc::SOL_SOCKET;
            (*header).cmsg_type = libc::SCM_RIGHTS;
            (*header).cmsg_len = libc::CMSG_LEN(length) as usize;
            ptr::copy_nonoverlapping(raw.as_ptr().cast(), libc::CMSG_DATA(header), length as usize);
        }
        libc::sendmsg(socket.as_raw_fd(), &raw const message, libc::MSG_NOSIGNAL)
    };
    if sent < 0 { Err(io::Error::last_os_error()) } else { Ok(sent as usize) }
}

/// One message, waiting for it.
pub fn receive(socket: &UnixStream, buf: &mut [u8]) -> io::Result<(usize, Vec<OwnedFd>)> {
    let mut control = vec![0u64; 256];
    let mut vector = libc::iovec { iov_base: buf.as_mut_ptr().cast(), iov_len: buf.len() };
    let mut fds = Vec::new();
    // SAFETY: the header leads to live buffers of the stated lengths, and the kernel fills in well-formed control messages
    // whose descriptors are new.
    let got = unsafe {
        let mut message: libc::msghdr = std::mem::zeroed();
        message.msg_iov = &raw mut vector;
        message.msg_iovlen = 1;
        message.msg_control = control.as_mut_ptr().cast();
        message.msg_controllen = control.len() * 8;
        let got = loop {
            let got = libc::recvmsg(socket.as_raw_fd(), &raw mut message, libc::MSG_CMSG_CLOEXEC);
            if got >= 0 || io::Error::last_os_error().kind() != io::ErrorKind::Interrupted {
                break got;
            }
        };
        if got < 0 {
            return Err(io::Error::last_os_error());
        }
        let mut header = libc::CMSG_FIRSTHDR(&raw const message);
        while !header.is_null() {
            if (*header).cmsg_level == libc::SOL_SOCKET && (*header).cmsg_type == libc::SCM_RIGHTS {
                let data = libc::CMSG_DATA(header);
                let count = ((*header).cmsg_len - (data as usize - header as usize)) / 4;
                for i in 0..count {
                    let raw = data.cast::<RawFd>().add(i).read_unaligned();
                    fds.push(OwnedFd::from_raw_fd(raw));
                }
            }
            header = libc::CMSG_NXTHDR(&raw const message, header);
        }
        got as usize
    };
    Ok((got, fds))
}

/// A word that is stored so that everybody sees it at once.
pub trait Store<T> {
    fn set(&self, value: T);
    fn now(&self) -> T;
}

impl Store<u64> for AtomicU64 {
    fn set(&self, value: u64) {
        self.store(value, SeqCst);
    }

    fn now(&self) -> u64 {
        self.load(SeqCst)
    }
}

impl Store<u32> for AtomicU32 {
    fn set(&self, value: u32) {
        self.store(value, SeqCst);
    }

    fn now(&self) -> u32 {
        self.load(SeqCst)
    }
}
