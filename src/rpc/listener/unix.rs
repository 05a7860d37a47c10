//! Listening sockets with a path, and waking who waits for one.

use std::{
    fs, io,
    os::{
        fd::{AsFd, BorrowedFd},
        unix::{
            fs::{FileTypeExt, MetadataExt},
            net::{UnixListener, UnixStream},
        },
    },
    path::{Path, PathBuf},
    time::Duration,
};

use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
};

/// A listening socket that takes its path away with it.
#[derive(Debug)]
pub(super) struct PathListener {
    listener: UnixListener,
    path: PathBuf,
    // Which file we made: another may lie at the path when we go.
    file: (u64, u64),
}

impl PathListener {
    pub(super) fn bind(path: &Path) -> io::Result<Self> {
        let listener = match UnixListener::bind(path) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && is_abandoned(path) => {
                fs::remove_file(path)?;
                UnixListener::bind(path)?
            }
            result => result?,
        };
        let file = fs::symlink_metadata(path).inspect_err(|_| {
            let _ = fs::remove_file(path);
        })?;
        Ok(Self { listener, path: path.to_owned(), file: (file.dev(), file.ino()) })
    }

    pub(super) fn set_nonblocking(&self) -> io::Result<()> {
        self.listener.set_nonblocking(true)
    }

    pub(super) fn accept(&self) -> io::Result<UnixStream> {
        let (stream, _) = self.listener.accept()?;
        // Some systems hand the listener's mode down.
        stream.set_nonblocking(false)?;
        Ok(stream)
    }
}

impl AsFd for PathListener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.listener.as_fd()
    }
}

impl Drop for PathListener {
    fn drop(&mut self) {
        let ours = fs::symlink_metadata(&self.path)
            .is_ok_and(|file| (file.dev(), file.ino()) == self.file);
        if ours {
            // Gone already, or not ours to remove any more: either is as good.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Whether a socket lies at `path` that nobody listens on.
fn is_abandoned(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|file| file.file_type().is_socket())
        && UnixStream::connect(path)
            .is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
}

/// Ends a wait from another thread: its reading side becomes readable, and stays so.
#[derive(Debug)]
pub(super) struct Wake(UnixStream, UnixStream);

impl Wake {
    pub(super) fn new() -> io::Result<Self> {
        let (sleeper, waker) = UnixStream::pair()?;
        Ok(Self(sleeper, waker))
    }

    pub(super) fn wake(&self) {
        // The end of the stream is an event that nobody has to read.
        let _ = self.1.shutdown(std::net::Shutdown::Both);
    }

    pub(super) fn wait(&self, socket: BorrowedFd<'_>, only: Option<Duration>) -> io::Result<()> {
        let sleeper = PollFd::new(self.0.as_fd(), PollFlags::POLLIN);
        let socket = PollFd::new(socket, PollFlags::POLLIN);
        let result = match only {
            None => poll(&mut [sleeper, socket], PollTimeout::NONE),
            Some(time) => poll(
                &mut [sleeper],
                PollTimeout::from(u16::try_from(time.as_millis()).unwrap_or(u16::MAX)),
            ),
        };
        match result {
            Ok(_) | Err(Errno::EINTR) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }
}
