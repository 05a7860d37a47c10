//! Unix and TCP sockets: one system call a frame, and `poll` only where there is a deadline.

use std::{
    io,
    net::{Shutdown, TcpStream},
    os::{
        fd::{AsFd, AsRawFd},
        unix::net::UnixStream,
    },
    sync::Arc,
};

use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags},
    sys::socket::{MsgFlags, recv, send},
};

use super::{super::polling, Connection, Hangup, Input, Output, Until};

pub(super) trait Socket: AsFd + AsRawFd + Send + Sync + 'static {
    fn shut_down(&self) -> io::Result<()>;
}

impl Socket for UnixStream {
    fn shut_down(&self) -> io::Result<()> {
        self.shutdown(Shutdown::Both)
    }
}

impl Socket for TcpStream {
    fn shut_down(&self) -> io::Result<()> {
        self.shutdown(Shutdown::Both)
    }
}

pub(super) fn connection<S: Socket>(socket: S) -> Connection {
    let socket = Arc::new(socket);
    Connection::new(Half(Arc::clone(&socket)), Half(Arc::clone(&socket)), HangUpSocket(socket))
}

struct Half<S>(Arc<S>);

impl<S: Socket> Half<S> {
    /// Does `operation` until it is not interrupted, waiting for `event` as long as `until` allows.
    fn transfer(
        &self,
        until: Until,
        event: PollFlags,
        mut operation: impl FnMut(MsgFlags) -> nix::Result<usize>,
    ) -> io::Result<usize> {
        let flags = match until {
            Until::Forever => MsgFlags::MSG_NOSIGNAL,
            Until::At(_) | Until::Now => MsgFlags::MSG_NOSIGNAL | MsgFlags::MSG_DONTWAIT,
        };
        loop {
            match operation(flags) {
                Ok(n) => return Ok(n),
                Err(Errno::EINTR) => {}
                // Also with `Forever`: the descriptor may have been made non-blocking before it came here.
                Err(Errno::EAGAIN) => self.wait(until, event)?,
                Err(errno) => return Err(errno.into()),
            }
        }
    }

    fn wait(&self, until: Until, event: PollFlags) -> io::Result<()> {
        polling::wait(&mut [PollFd::new(self.0.as_fd(), event)], polling::timeout(until)?)
    }
}

impl<S: Socket> Input for Half<S> {
    fn read(&mut self, buf: &mut [u8], until: Until) -> io::Result<usize> {
        let fd = self.0.as_raw_fd();
        self.transfer(until, PollFlags::POLLIN, |flags| recv(fd, buf, flags))
    }
}

impl<S: Socket> Output for Half<S> {
    fn write(&mut self, buf: &[u8], until: Until) -> io::Result<usize> {
        let fd = self.0.as_raw_fd();
        self.transfer(until, PollFlags::POLLOUT, |flags| send(fd, buf, flags))
    }
}

struct HangUpSocket<S>(Arc<S>);

impl<S: Socket> Hangup for HangUpSocket<S> {
    fn hang_up(&self) {
        // It fails only on a socket whose other side has gone already, which is what is wanted.
        let _ = self.0.shut_down();
    }
}
