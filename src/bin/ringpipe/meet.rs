//! Finding the peer.

use std::{
    fs::File,
    io,
    os::fd::AsFd,
    path::Path,
    time::{Duration, Instant},
};

use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::signal::Signal,
};
use ringpipe::{Error, Options, Stream};

use super::{args::Place, report::say, signals::Signals};

/// How long a peer may take to greet. With the wait for a place in a listener's queue, it keeps every failure to meet
/// below two seconds.
pub(crate) const PATIENCE: Duration = Duration::from_millis(900);

/// Descriptors that a session needs at most at a time: 3 of our memory and 3 to 5 of the peer's, the socket and its
/// listener, the peer's process, 2 of the watcher, and 3 of this command.
const DESCRIPTORS: usize = 16;

/// Why there is no stream.
#[derive(Debug)]
pub(crate) enum NoStream {
    Failed(String),
    /// What was asked for can never be.
    Usage(String),
    Signal(Signal),
}

impl From<Error> for NoStream {
    fn from(error: Error) -> Self {
        match error {
            Error::Capacity { .. } | Error::Invalid(_) => Self::Usage(error.to_string()),
            _ => Self::Failed(error.to_string()),
        }
    }
}

/// Connects, or waits for somebody who does.
pub(crate) fn meet(
    place: &Place,
    options: &Options,
    signals: &Signals,
) -> Result<Stream, NoStream> {
    // A ring that is dropped at once: what this process cannot have, it is told now and not when a peer comes.
    drop(options.ring()?);
    spare_descriptors()?;
    if let Some(path) = &place.listen {
        return listen(path, options, signals);
    }
    let path = place.connect.as_deref().unwrap_or(Path::new(""));
    options.connect(path).map_err(|error| match error {
        Error::Os { code: libc::ENOENT | libc::ECONNREFUSED, .. } => {
            NoStream::Failed(format!("{error}; nobody listens there"))
        }
        Error::Timeout => NoStream::Failed(format!(
            "connecting to {}: whoever listens there does not answer",
            path.display()
        )),
        error => error.into(),
    })
}

/// Waits for one peer. The path is gone when this returns, however it does: from then on nothing in the file system
/// belongs to the session, so that not even SIGKILL leaves anything behind.
fn listen(path: &Path, options: &Options, signals: &Signals) -> Result<Stream, NoStream> {
    let listener = options.bind(path)?;
    loop {
        let mut ready = [
            PollFd::new(signals.as_fd(), PollFlags::POLLIN),
            PollFd::new(listener.as_fd(), PollFlags::POLLIN),
        ];
        match poll(&mut ready, PollTimeout::NONE) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(e) => return Err(NoStream::Failed(format!("waiting for a peer: {e}"))),
        }
        if ready[0].any() == Some(true) {
            if let Some(signal) = signals.next() {
                return Err(NoStream::Signal(signal));
            }
        }
        if ready[1].any() != Some(true) {
            continue;
        }
        listener.set_deadline(Some(Instant::now() + PATIENCE));
        match listener.accept() {
            Ok(stream) => return Ok(stream),
            Err(error) if is_about_the_peer(&error) => {
                // The kernel says in the same way that descriptors were lost for want of room here.
                spare_descriptors()?;
                say(format_args!("turned a visitor away: {error}"));
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// Whether the next visitor may do better.
fn is_about_the_peer(error: &Error) -> bool {
    matches!(
        error,
        Error::Refused(_) | Error::Timeout | Error::Os { code: libc::ECONNRESET | libc::EPIPE, .. }
    )
}

fn spare_descriptors() -> Result<(), NoStream> {
    let spare: io::Result<Vec<File>> = (0..DESCRIPTORS).map(|_| File::open("/dev/null")).collect();
    spare.map(drop).map_err(|e| {
        NoStream::Failed(format!("a session needs {DESCRIPTORS} more file descriptors: {e}"))
    })
}
