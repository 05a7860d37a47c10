//! A path at which strangers meet.

use std::{
    fs,
    io::ErrorKind,
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
        unix::{
            fs::FileTypeExt,
            net::{UnixListener, UnixStream},
        },
    },
    path::{Path, PathBuf},
    sync::Mutex,
    time::{Duration, Instant},
};

use nix::{
    errno::Errno,
    poll::PollFlags,
    sys::{
        socket::{
            AddressFamily, Backlog, Shutdown, SockFlag, SockType, UnixAddr, bind, connect, listen,
            setsockopt, shutdown, socket, sockopt::SendTimeout,
        },
        time::{TimeVal, TimeValLike},
    },
};

use crate::{
    error::Error,
    ring::{Options, Stream},
    sync::{AtomicU32, Ordering},
    sys::{
        clock::Moment,
        fork::Origin,
        io_error,
        lock::{identity, lock_directory},
        os_error,
        socket::wait_for,
    },
};

/// Waits at a path of the file system for processes that [`Stream::connect`] to it.
///
/// The path is a Unix socket. A stale one, which a killed process left behind, is taken over; a live one never, and
/// anything that is no socket stays untouched. Dropping the listener removes the path.
///
/// ```
/// use std::{io::{Read, Write}, thread};
/// let path = std::env::temp_dir().join(format!("ringpipe-doc-{}.sock", std::process::id()));
/// let listener = ringpipe::Listener::bind(&path)?;
/// let client = thread::spawn(move || -> std::io::Result<()> {
///     ringpipe::Stream::connect(&path)?.write_all(b"made it")
/// });
/// let mut stream = listener.accept()?;
/// let mut text = String::new();
/// stream.read_to_string(&mut text)?;
/// assert_eq!(text, "made it");
/// client.join().unwrap()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Listener {
    socket: UnixListener,
    path: PathBuf,
    /// Device and inode of the socket file, so that a path that somebody else took meanwhile is left alone.
    identity: (u64, u64),
    options: Options,
    deadline: Mutex<Option<Moment>>,
    /// Not 0 once nobody shall be accepted any more.
    closed: AtomicU32,
    origin: Origin,
}

impl Listener {
    /// Listens at `path` with default [`Options`].
    ///
    /// # Errors
    /// As [`Options::bind`].
    pub fn bind(path: impl AsRef<Path>) -> Result<Self, Error> {
        Options::new().bind(path)
    }

    /// Waits for the next process that connects, and greets it.
    ///
    /// # Blocking
    /// Until somebody connects or the deadline passes; a peer that connects and then does not greet takes up to
    /// [`Options::handshake_timeout`].
    ///
    /// # Errors
    /// [`Error::Timeout`] past the deadline, [`Error::Closed`] after [`close`](Self::close); [`Error::Refused`] and the rest as [`Options::accept_on`], for this one peer:
    /// the listener goes on.
    pub fn accept(&self) -> Result<Stream, Error> {
        self.options.accept_on(self.next()?)
    }

    /// Ends accepting, also for a thread that is blocked in it, with [`Error::Closed`] from then on. Streams accepted before
    /// live on. Idempotent, never blocks.
    ///
    /// ```
    /// let path = std::env::temp_dir().join(format!("ringpipe-close-{}.sock", std::process::id()));
    /// let listener = ringpipe::Listener::bind(&path)?;
    /// std::thread::scope(|threads| {
    ///     let accepting = threads.spawn(|| listener.accept());
    ///     listener.close();
    ///     assert!(matches!(accepting.join().unwrap(), Err(ringpipe::Error::Closed)));
    /// });
    /// # Ok::<(), ringpipe::Error>(())
    /// ```
    pub fn close(&self) {
        // ORDER: before the shutdown, whose waking of the accepting thread orders it after this.
        self.closed.store(1, Ordering::Release);
        // A listening socket that is shut down wakes who waits for it, and refuses who comes.
        let _ = shutdown(self.socket.as_raw_fd(), Shutdown::Both);
    }

    fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire) != 0
    }

    /// Limits [`accept`](Self::accept) to the moment `deadline`; `None` waits for ever.
    pub fn set_deadline(&self, deadline: Option<Instant>) {
        let mut own = self.deadline.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        *own = deadline.map(Moment::of);
    }

    /// The path it listens at.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn next(&self) -> Result<UnixStream, Error> {
        loop {
            let deadline = *self.deadline.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            wait_for(self.socket.as_fd(), PollFlags::POLLIN, deadline).map_err(|e| {
                match e.kind() {
                    ErrorKind::TimedOut => Error::Timeout,
                    _ => io_error("waiting for a connection", &e),
                }
            })?;
            if self.is_closed() {
                return Err(Error::Closed);
            }
            match self.socket.accept() {
                Ok((socket, _)) => return Ok(socket),
                // Whoever it was has gone again, or another thread was quicker.
                Err(e)
                    if matches!(
                        e.kind(),
                        ErrorKind::WouldBlock
                            | ErrorKind::Interrupted
                            | ErrorKind::ConnectionAborted
                    ) => {}
                Err(_) if self.is_closed() => return Err(Error::Closed),
                Err(e) => return Err(io_error("accepting a connection", &e)),
            }
        }
    }
}

impl AsFd for Listener {
    /// Readable when [`Listener::accept`] would find somebody; for `poll` and `epoll`.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if !self.origin.is_here() {
            return;
        }
        leave(&self.path, self.identity);
    }
}

impl Options {
    /// Listens at `path`, a Unix socket that is made there and removed when the listener is dropped.
    ///
    /// # Errors
    /// [`Error::Os`] if somebody listens there already (`AddrInUse`), if something stands there that is no socket
    /// (`AlreadyExists`), or if the directory is missing or closed to us; [`Error::Capacity`] for a capacity that
    /// cannot be.
    pub fn bind(&self, path: impl AsRef<Path>) -> Result<Listener, Error> {
        super::super::options::check_capacity(self.capacity)?;
        let path = path.as_ref();
        let (socket, identity) = claim(path)?;
        let listener = Listener {
            socket,
            path: path.to_owned(),
            identity,
            options: self.clone(),
            deadline: Mutex::new(None),
            closed: AtomicU32::new(0),
            origin: Origin::here(),
        };
        listener
            .socket
            .set_nonblocking(true)
            .map_err(|e| io_error(format!("listening at {}", path.display()), &e))?;
        Ok(listener)
    }
}

/// Listens at `path`: takes over the socket of a process that is gone, and touches nothing else that stands there. Gives the
/// socket and its [`identity`].
pub(crate) fn claim(path: &Path) -> Result<(UnixListener, (u64, u64)), Error> {
    if path.as_os_str().is_empty() {
        // The kernel would choose an address that nobody knows.
        return Err(Error::invalid("an empty path cannot be listened at"));
    }
    let failed = |e: std::io::Error| io_error(format!("listening at {}", path.display()), &e);
    let address = UnixAddr::new(path).map_err(|e| failed(e.into()))?;
    // Two processes that both find a stale path must not both take it.
    let _lock = lock_directory(path)?;
    match fs::symlink_metadata(path) {
        Ok(there) if there.file_type().is_socket() => remove_if_stale(path)?,
        Ok(_) => {
            return Err(os_error(
                format!(
                    "listening at {}: something stands there that is no socket",
                    path.display()
                ),
                Errno::EEXIST,
            ));
        }
        Err(e) if e.kind() == ErrorKind::NotFound => {}
        Err(e) => return Err(failed(e)),
    }
    // Step by step: the standard library would leave the file behind if it came no further than making it.
    let socket = stream_socket().map_err(|e| failed(e.into()))?;
    bind(socket.as_raw_fd(), &address).map_err(|e| failed(e.into()))?;
    let listening = listen(&socket, Backlog::MAXALLOWABLE).map_err(Into::into);
    let identity = listening.and_then(|()| identity(path)).map_err(|e| {
        let _ = fs::remove_file(path);
        failed(e)
    })?;
    Ok((socket.into(), identity))
}

/// Removes the socket at `path`, unless somebody else took the path meanwhile.
pub(crate) fn leave(path: &Path, socket: (u64, u64)) {
    let _lock = lock_directory(path);
    if identity(path).ok() == Some(socket) {
        let _ = fs::remove_file(path);
    }
}

fn stream_socket() -> Result<OwnedFd, Errno> {
    socket(AddressFamily::Unix, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)
}

/// Connects to the socket at `path` and greets.
pub(crate) fn connect_path(path: &Path, options: &Options) -> Result<Stream, Error> {
    let socket = dial(path, options.handshake_timeout);
    let socket = socket.map_err(|e| os_error(format!("connecting to {}", path.display()), e))?;
    super::connect(socket, options)
}

/// Connects, waiting at most `timeout` for room in the listener's queue.
pub(crate) fn dial(path: &Path, timeout: Duration) -> Result<UnixStream, Errno> {
    let fd = stream_socket()?;
    // 0 is no limit. So are the 146,000 years of the most, beyond which no `timeval` goes.
    let micros = i64::try_from(timeout.as_micros()).unwrap_or(i64::MAX).clamp(1, i64::MAX / 2);
    setsockopt(&fd, SendTimeout, &TimeVal::microseconds(micros))?;
    let address = UnixAddr::new(path)?;
    loop {
        match connect(fd.as_raw_fd(), &address) {
            Ok(()) => return Ok(fd.into()),
            Err(Errno::EINTR) => {}
            Err(Errno::EAGAIN) => return Err(Errno::ETIMEDOUT),
            Err(e) => return Err(e),
        }
    }
}

/// Removes a socket file that nobody listens at any more.
fn remove_if_stale(path: &Path) -> Result<(), Error> {
    match dial(path, Duration::from_millis(100)) {
        Err(Errno::ECONNREFUSED) => fs::remove_file(path)
            .map_err(|e| io_error(format!("removing the stale socket {}", path.display()), &e)),
        Err(Errno::ENOENT) => Ok(()),
        // Connected, or the queue is full: somebody is there. Or we may not even ask.
        Ok(_) | Err(Errno::ETIMEDOUT) => Err(os_error(
            format!("listening at {}: another process listens there", path.display()),
            Errno::EADDRINUSE,
        )),
        Err(e) => Err(os_error(format!("listening at {}", path.display()), e)),
    }
}
