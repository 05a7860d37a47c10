//! Advisory locks on files, which the kernel releases when their holder dies.

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::{
        fd::AsRawFd,
        unix::fs::{MetadataExt, OpenOptionsExt},
    },
    path::Path,
    time::Duration,
};

use nix::errno::Errno;

use super::{clock::Moment, io_error};
use crate::error::Error;

/// How long another process that is taking or leaving a path in the same directory may keep us waiting.
const DIRECTORY_PATIENCE: Duration = Duration::from_secs(1);

/// Takes the lock of `file` for as long as it is open, here and in every copy that `fork` makes, unless somebody has it;
/// gives whether it was had. Nothing unlocks it but closing: the `Flock` of nix would, in a forked child too, and panics
/// where it cannot.
pub(crate) fn try_lock(file: &File) -> io::Result<bool> {
    loop {
        // SAFETY: the descriptor is open, and the call touches no memory of ours.
        if unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB) } == 0 {
            return Ok(true);
        }
        match Errno::last() {
            Errno::EWOULDBLOCK => return Ok(false),
            Errno::EINTR => {}
            e => return Err(e.into()),
        }
    }
}

/// The lock of a directory.
#[derive(Debug)]
pub(crate) struct DirectoryLock(File);

impl Drop for DirectoryLock {
    fn drop(&mut self) {
        // Before it is closed: a child that was forked meanwhile holds a copy. It fails for none that is open.
        // SAFETY: the descriptor is open, and the call touches no memory of ours.
        unsafe { libc::flock(self.0.as_raw_fd(), libc::LOCK_UN) };
    }
}

/// Keeps others from taking or leaving a path in the same directory; leaves nothing behind, unlike a lock file.
pub(crate) fn lock_directory(path: &Path) -> Result<DirectoryLock, Error> {
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let failed = |e: io::Error| io_error(format!("opening {}", directory.display()), &e);
    // Nothing but a directory: the opening of a fifo would wait for somebody who writes to it.
    let mut open = OpenOptions::new();
    let open = open.read(true).custom_flags(libc::O_DIRECTORY);
    let file = open.open(directory).map_err(failed)?;
    let deadline = Moment::now().after(DIRECTORY_PATIENCE);
    loop {
        let failed = |e| io_error(format!("locking {}", directory.display()), &e);
        if try_lock(&file).map_err(failed)? {
            return Ok(DirectoryLock(file));
        }
        if Moment::now() >= deadline {
            return Err(failed(Errno::EWOULDBLOCK.into()));
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Device and inode of what stands at `path`.
pub(crate) fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let there = fs::symlink_metadata(path)?;
    Ok((there.dev(), there.ino()))
}
