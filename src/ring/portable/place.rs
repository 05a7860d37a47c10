//! The files at which two processes meet, and whose locks tell each that the other lives.
//!
//! | file | holds | locked by |
//! |---|---|---|
//! | the path given | one line: version, name of the segment, capacity, size of an event | the creator |
//! | the path and the number in the segment's name | nothing | the one who opens |
//!
//! A path is taken and left with the lock of its directory held, so that nobody removes what somebody else has just made.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, ErrorKind, Read, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use nix::errno::Errno;

use super::segment;
use crate::{
    error::Error,
    ring::{doorbell::event, options::check_capacity},
    sys::{
        fork::Origin,
        io_error,
        lock::{identity, lock_directory, try_lock},
        os_error, random,
    },
};

/// What the file at the path says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Notice {
    /// Chosen anew for each segment.
    pub(super) nonce: [u8; 16],
    pub(super) capacity: usize,
    event_size: usize,
}

/// First words of a notice; the number is the version of this file and of the segment.
const FIRST: &str = "ringpipe portable 1";
/// Longer than any notice.
const LONGEST: u64 = 256;

impl Notice {
    pub(super) fn new(capacity: usize) -> Self {
        Self { nonce: random::nonce(), capacity, event_size: event::size() }
    }

    /// What no other segment and no other guest file is called. Eight bytes of it, because macOS gives a name no more than
    /// 31 characters.
    fn number(&self) -> String {
        self.nonce[..8].iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The segment's name.
    pub(super) fn segment(&self) -> String {
        format!("/ringpipe-{}", self.number())
    }

    fn to_line(&self) -> String {
        let nonce: String = self.nonce.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{FIRST} {nonce} {} {}\n", self.capacity, self.event_size)
    }

    fn from_line(line: &str) -> Option<Self> {
        let rest = line.strip_prefix(FIRST)?.strip_prefix(' ')?.strip_suffix('\n')?;
        let (nonce, rest) = rest.split_once(' ')?;
        let (capacity, event_size) = rest.split_once(' ')?;
        let mut bytes = [0; 16];
        if nonce.len() != 32 || !nonce.is_ascii() {
            return None;
        }
        for (byte, digits) in bytes.iter_mut().zip(nonce.as_bytes().chunks(2)) {
            *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
        }
        let (capacity, event_size) = (capacity.parse().ok()?, event_size.parse().ok()?);
        Some(Self { nonce: bytes, capacity, event_size })
    }

    /// Reads a notice; `None` if its creator has not written it yet.
    fn read(file: &File) -> io::Result<Option<Self>> {
        let mut line = String::new();
        file.take(LONGEST).read_to_string(&mut line)?;
        if line.is_empty() {
            return Ok(None);
        }
        Self::from_line(&line).map(Some).ok_or_else(|| ErrorKind::InvalidData.into())
    }
}

/// The names that a meeting needs until both have come.
#[derive(Debug)]
pub(super) struct Names {
    path: PathBuf,
    identity: (u64, u64),
    guest: PathBuf,
    segment: String,
    origin: Origin,
}

impl Names {
    fn new(path: &Path, file: &File, notice: &Notice) -> io::Result<Self> {
        let file = file.metadata()?;
        Ok(Self {
            path: path.to_owned(),
            identity: (file.dev(), file.ino()),
            guest: guest_path(path, notice),
            segment: notice.segment(),
            origin: Origin::here(),
        })
    }

    /// Removes whatever of the names is left. Those who have opened what they stood for keep it.
    pub(super) fn remove(&self) {
        if !self.origin.is_here() {
            return;
        }
        segment::remove_name(&self.segment);
        let _ = fs::remove_file(&self.guest);
        let _lock = lock_directory(&self.path);
        if identity(&self.path).ok() == Some(self.identity) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Names that go when their creator gives up.
#[derive(Debug)]
pub(super) struct OwnNames(Names);

impl Drop for OwnNames {
    fn drop(&mut self) {
        self.0.remove();
    }
}

/// The creator's side of the meeting.
#[derive(Debug)]
pub(super) struct Host {
    pub(super) names: OwnNames,
    /// The file at the path, locked.
    pub(super) own: File,
    /// The file that the guest locks.
    pub(super) guest: File,
}

impl Host {
    /// Takes `path`, removing what a creator that died has left there.
    pub(super) fn new(path: &Path, notice: &Notice) -> Result<Self, Error> {
        let failed = |e: io::Error| io_error(format!("making {}", path.display()), &e);
        let _lock = lock_directory(path)?;
        match open(path) {
            Ok(there) => remove_stale(path, &there)?,
            Err(e) if e.kind() == ErrorKind::NotFound => {}
            Err(e) if is_foreign(&e) => return Err(foreign(path)),
            Err(e) => return Err(failed(e)),
        }
        let mut own = create(path).map_err(failed)?;
        // From here on, the names are removed whatever happens.
        let names = OwnNames(Names::new(path, &own, notice).map_err(failed)?);
        if !try_lock(&own).map_err(failed)? {
            return Err(taken(path));
        }
        // The guest's file before the line that makes it known.
        let guest = create(&names.0.guest).map_err(failed)?;
        own.write_all(notice.to_line().as_bytes()).map_err(failed)?;
        Ok(Self { names, own, guest })
    }
}

/// The side that opens. It removes the names only once it has joined: until then they are the creator's.
#[derive(Debug)]
pub(super) struct Guest {
    pub(super) notice: Notice,
    pub(super) names: Names,
    /// The creator's file.
    pub(super) host: File,
    /// The guest's file, locked.
    pub(super) own: File,
}

impl Guest {
    /// Claims what waits at `path`; `None` if that has to be tried again.
    pub(super) fn claim(path: &Path) -> Result<Option<Self>, Error> {
        let doing = || format!("opening {}", path.display());
        let failed = |e: io::Error| match e {
            e if is_foreign(&e) => foreign(path),
            e => io_error(doing(), &e),
        };
        let host = open(path).map_err(failed)?;
        // A file without a line may not be locked yet either, so it must not be asked for that.
        let Some(notice) = Notice::read(&host).map_err(failed)? else { return Ok(None) };
        if notice.event_size != event::size() {
            return Err(Error::Refused(
                format!(
                    "the creator's events take {} bytes and ours {}: it runs another C library",
                    notice.event_size,
                    event::size()
                )
                .into(),
            ));
        }
        check_capacity(notice.capacity)
            .map_err(|e| Error::Refused(format!("{}: {e}", path.display()).into()))?;
        let own = match open(&guest_path(path, &notice)) {
            Ok(own) => own,
            // Another guest has joined, and the path is about to go.
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(failed(e)),
        };
        if !try_lock(&own).map_err(failed)? {
            return Ok(None);
        }
        let names = Names::new(path, &host, &notice).map_err(failed)?;
        if is_dead(&host) {
            names.remove();
            return Err(stale(path));
        }
        Ok(Some(Self { notice, names, host, own }))
    }
}

/// Opens what may be a file of ours.
fn open(path: &Path) -> io::Result<File> {
    // A FIFO must not keep us waiting, and a link may lead anywhere.
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
    let file = OpenOptions::new().read(true).write(true).custom_flags(flags).open(path)?;
    let there = file.metadata()?;
    if !there.is_file() || there.uid() != nix::unistd::geteuid().as_raw() {
        return Err(ErrorKind::InvalidData.into());
    }
    Ok(file)
}

fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path)
}

/// Removes a file that a dead creator has left, with all that it stood for. Anything else stays.
fn remove_stale(path: &Path, there: &File) -> Result<(), Error> {
    let failed = |e: io::Error| io_error(format!("looking at {}", path.display()), &e);
    let notice = match Notice::read(there) {
        Ok(notice) => notice,
        Err(e) if e.kind() == ErrorKind::InvalidData => return Err(foreign(path)),
        Err(e) => return Err(failed(e)),
    };
    if !is_dead(there) {
        return Err(taken(path));
    }
    if let Some(notice) = notice {
        segment::remove_name(&notice.segment());
        let _ = fs::remove_file(guest_path(path, &notice));
    }
    fs::remove_file(path)
        .map_err(|e| io_error(format!("removing the stale {}", path.display()), &e))
}

/// Whether the process that locked the file is gone.
fn is_dead(file: &File) -> bool {
    try_lock(file).unwrap_or(false)
}

fn guest_path(path: &Path, notice: &Notice) -> PathBuf {
    let mut guest = path.as_os_str().to_owned();
    guest.push(".");
    guest.push(notice.number());
    guest.into()
}

/// Whether something stands at a path that is not ours: no file, another user's, or one that says something else.
fn is_foreign(error: &io::Error) -> bool {
    let codes = [libc::ELOOP, libc::EISDIR, libc::ENXIO];
    error.kind() == ErrorKind::InvalidData
        || error.raw_os_error().is_some_and(|e| codes.contains(&e))
}

fn foreign(path: &Path) -> Error {
    let doing = format!("{}: something stands there that is no meeting of ours", path.display());
    os_error(doing, Errno::EEXIST)
}

fn taken(path: &Path) -> Error {
    os_error(format!("{}: another process waits there", path.display()), Errno::EADDRINUSE)
}

fn stale(path: &Path) -> Error {
    os_error(format!("{}: its creator is gone", path.display()), Errno::ECONNREFUSED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notice_survives_the_crossing() {
        let notice = Notice::new(65536);
        assert_eq!(Notice::from_line(&notice.to_line()), Some(notice));
    }

    #[test]
    fn what_is_no_notice_is_told_from_one() {
        let good = Notice::new(4096).to_line();
        assert_eq!(good.matches(' ').count(), 5);
        for bad in [
            good.trim_end().to_owned(),
            good.replace("portable 1", "portable 2"),
            good.replacen(char::is_numeric, "x", 2),
            good.replace("4096", "many"),
            good.replacen("portable 1 ", "portable 1 00", 1),
            format!("{good}{good}"),
            "precious".to_owned(),
        ] {
            assert_eq!(Notice::from_line(&bad), None, "{bad:?}");
        }
    }

    #[test]
    fn segment_names_are_short_enough_for_every_system() {
        assert!(Notice::new(4096).segment().len() < 31);
    }
}
