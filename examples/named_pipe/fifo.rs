//! A named pipe: made where there is none, opened in time, removed by who made it.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, ErrorKind},
    os::{
        fd::AsFd,
        unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt},
    },
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use nix::{
    errno::Errno,
    fcntl::{FcntlArg, OFlag, fcntl},
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::stat::Mode,
    unistd::mkfifo,
};

/// How long a writer lets pass before it looks again for a reader: nothing tells it.
const FIRST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(20);

/// The named pipe at a path. Dropping it removes the path, if this made it.
#[derive(Debug)]
pub(crate) struct Fifo {
    path: PathBuf,
    /// Which file was made, as somebody may have put another in its place.
    made: Option<(u64, u64)>,
}

impl Fifo {
    /// The named pipe at `path`, which is made if nothing is there, for everybody whom the umask does not exclude.
    ///
    /// # Errors
    /// `AlreadyExists` if something else is there, a link to a named pipe included; it is left alone.
    pub(crate) fn at(path: impl Into<PathBuf>) -> io::Result<Self> {
        let path = path.into();
        let everybody = Mode::from_bits_truncate(0o666);
        let make = match mkfifo(&path, everybody) {
            Err(Errno::EEXIST) => false,
            result => result.map(|()| true)?,
        };
        let there = fs::symlink_metadata(&path)?;
        if !there.file_type().is_fifo() {
            return Err(no_fifo(&path));
        }
        Ok(Self { path, made: make.then(|| (there.dev(), there.ino())) })
    }

    /// Opens it for reading, and waits until somebody has written or has been there and left.
    ///
    /// # Errors
    /// `TimedOut` when nobody has by the deadline.
    pub(crate) fn reader(&self, deadline: Option<Instant>) -> io::Result<File> {
        let file = self.reader_at_once()?;
        loop {
            let timeout = match deadline {
                None => PollTimeout::NONE,
                Some(deadline) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return Err(late("nobody wrote to", &self.path));
                    }
                    let millis = left.as_nanos().div_ceil(1_000_000);
                    PollTimeout::from(u16::try_from(millis).unwrap_or(u16::MAX))
                }
            };
            match poll(&mut [PollFd::new(file.as_fd(), PollFlags::POLLIN)], timeout) {
                Ok(0) | Err(Errno::EINTR) => {}
                Ok(_) => return blocking(file),
                Err(errno) => return Err(errno.into()),
            }
        }
    }

    /// Opens it for reading, whether or not there is a writer. The file does not block.
    pub(crate) fn reader_at_once(&self) -> io::Result<File> {
        self.open(OpenOptions::new().read(true))
    }

    /// Opens it for writing, and waits for a reader.
    ///
    /// # Errors
    /// `TimedOut` when there is none by the deadline.
    pub(crate) fn writer(&self, deadline: Option<Instant>) -> io::Result<File> {
        let mut pause = FIRST_PAUSE;
        loop {
            match self.open(OpenOptions::new().write(true)) {
                Err(error) if error.raw_os_error() == Some(Errno::ENXIO as i32) => {}
                opened => return blocking(opened?),
            }
            let now = Instant::now();
            let left = deadline.map_or(pause, |deadline| deadline.saturating_duration_since(now));
            if left.is_zero() {
                return Err(late("nobody reads", &self.path));
            }
            thread::sleep(pause.min(left));
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    fn open(&self, options: &mut OpenOptions) -> io::Result<File> {
        // O_NONBLOCK is what keeps the opening from waiting for the other side.
        let flags = OFlag::O_NONBLOCK | OFlag::O_NOFOLLOW;
        let file = options.custom_flags(flags.bits()).open(&self.path)?;
        if !file.metadata()?.file_type().is_fifo() {
            return Err(no_fifo(&self.path));
        }
        Ok(file)
    }
}

impl Drop for Fifo {
    fn drop(&mut self) {
        let there = fs::symlink_metadata(&self.path).map(|there| (there.dev(), there.ino()));
        if self.made.is_some() && self.made == there.ok() {
            // It was there just now; should somebody else have removed it, all the better.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Reads and writes wait from here on, as those of any pipe.
fn blocking(file: File) -> io::Result<File> {
    fcntl(&file, FcntlArg::F_SETFL(OFlag::empty()))?;
    Ok(file)
}

fn no_fifo(path: &Path) -> io::Error {
    let text = format!("{} is there, and no named pipe; choose another path", path.display());
    io::Error::new(ErrorKind::AlreadyExists, text)
}

fn late(what: &str, path: &Path) -> io::Error {
    io::Error::new(ErrorKind::TimedOut, format!("{what} {} in time", path.display()))
}
