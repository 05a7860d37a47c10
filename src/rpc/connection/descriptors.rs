//! Descriptors that can be polled: the ends of two pipes or named pipes, or whatever else was opened to be read and written.
//!
//! A pipe cannot be shut down as a socket can: its other side hears of the end only when the last descriptor of this side is
//! closed. So hanging up takes the descriptors away; whoever is in the middle of a call is woken, and closes them on his way
//! out.

use std::{
    io,
    os::fd::{AsFd, OwnedFd},
    sync::{Arc, Mutex},
};

use nix::{
    errno::Errno,
    fcntl::{FcntlArg, OFlag, fcntl},
    poll::PollFlags,
    unistd::{read, write},
};

use super::{
    super::{
        lock,
        polling::{self, Wake},
    },
    Connection, Hangup, Input, Output, Until,
};

pub(super) fn connection(reader: OwnedFd, writer: OwnedFd) -> io::Result<Connection> {
    let wake = Arc::new(Wake::new()?);
    let reader = Arc::new(Half::new(reader, Arc::clone(&wake))?);
    let writer = Arc::new(Half::new(writer, Arc::clone(&wake))?);
    let hangup = HangUpHalves { reader: Arc::clone(&reader), writer: Arc::clone(&writer), wake };
    Ok(Connection::new(ReadHalf { half: reader, met: false }, WriteHalf(writer), hangup))
}

struct Half {
    /// None once hung up.
    descriptor: Mutex<Option<Arc<OwnedFd>>>,
    wake: Arc<Wake>,
}

impl Half {
    fn new(descriptor: OwnedFd, wake: Arc<Wake>) -> io::Result<Self> {
        let flags = OFlag::from_bits_retain(fcntl(&descriptor, FcntlArg::F_GETFL)?);
        fcntl(&descriptor, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK))?;
        Ok(Self { descriptor: Mutex::new(Some(Arc::new(descriptor))), wake })
    }

    fn take(&self) -> Option<Arc<OwnedFd>> {
        lock(&self.descriptor).take()
    }

    /// Does `operation` until it gives something, waiting for `event` as long as `until` allows. `events` is told what
    /// came.
    fn transfer(
        &self,
        until: Until,
        event: PollFlags,
        mut operation: impl FnMut(&OwnedFd, PollFlags) -> nix::Result<usize>,
    ) -> io::Result<usize> {
        let mut came = PollFlags::empty();
        loop {
            let Some(descriptor) = lock(&self.descriptor).clone() else {
                return Err(io::ErrorKind::BrokenPipe.into());
            };
            match operation(&descriptor, came) {
                Ok(n) => return Ok(n),
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => {
                    came = self.wake.wait(descriptor.as_fd(), event, polling::timeout(until)?)?;
                }
                Err(errno) => return Err(errno.into()),
            }
        }
    }
}

struct ReadHalf {
    half: Arc<Half>,
    /// A writer has been there. Before that, the end of the stream is that of a named pipe which nobody has opened yet.
    met: bool,
}

impl Input for ReadHalf {
    fn read(&mut self, buf: &mut [u8], until: Until) -> io::Result<usize> {
        let met = &mut self.met;
        self.half.transfer(until, PollFlags::POLLIN, |descriptor, came| {
            // The kernel tells of a hang-up only if there was somebody.
            *met |= !came.is_empty();
            match read(descriptor, buf) {
                Ok(0) if !*met => Err(Errno::EAGAIN),
                Ok(n) => {
                    *met = true;
                    Ok(n)
                }
                Err(errno) => Err(errno),
            }
        })
    }
}

struct WriteHalf(Arc<Half>);

impl Output for WriteHalf {
    fn write(&mut self, buf: &[u8], until: Until) -> io::Result<usize> {
        self.0.transfer(until, PollFlags::POLLOUT, |descriptor, _| write(descriptor, buf))
    }

    // The kernel refuses what no reader will read.
    fn notices_the_end(&self) -> bool {
        true
    }
}

struct HangUpHalves {
    reader: Arc<Half>,
    writer: Arc<Half>,
    wake: Arc<Wake>,
}

impl Hangup for HangUpHalves {
    fn hang_up(&self) {
        // The writer first: its reader then sees the end of the stream before it can see an error.
        drop(self.writer.take());
        drop(self.reader.take());
        self.wake.wake();
    }
}
