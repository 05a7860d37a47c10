//! Listening sockets with a path.

use std::{
    io,
    os::{
        fd::{AsFd, BorrowedFd},
        unix::net::{UnixListener, UnixStream},
    },
    path::{Path, PathBuf},
};

#[cfg(not(target_os = "linux"))]
use self::elsewhere::{claim, leave};
#[cfg(target_os = "linux")]
use crate::ring::{claim, leave};

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
        let (listener, file) = claim(path)?;
        Ok(Self { listener, path: path.to_owned(), file })
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
        leave(&self.path, self.file);
    }
}

/// The same as on Linux, but for the lock that keeps two processes from taking over the same path.
#[cfg(not(target_os = "linux"))]
mod elsewhere {
    use std::{
        fs, io,
        os::unix::{
            fs::{FileTypeExt, MetadataExt},
            net::{UnixListener, UnixStream},
        },
        path::Path,
    };

    pub(super) fn claim(path: &Path) -> io::Result<(UnixListener, (u64, u64))> {
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
        Ok((listener, (file.dev(), file.ino())))
    }

    /// Whether a socket lies at `path` that nobody listens on.
    fn is_abandoned(path: &Path) -> bool {
        fs::symlink_metadata(path).is_ok_and(|file| file.file_type().is_socket())
            && UnixStream::connect(path)
                .is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
    }

    pub(super) fn leave(path: &Path, socket: (u64, u64)) {
        let ours = fs::symlink_metadata(path).is_ok_and(|file| (file.dev(), file.ino()) == socket);
        if ours {
            // Gone already, or not ours to remove any more: either is as good.
            let _ = fs::remove_file(path);
        }
    }
}
