//! One end of a ring for a child process.

use std::{
    env,
    os::{
        fd::{AsFd, AsRawFd, RawFd},
        unix::{net::UnixStream, process::CommandExt},
    },
    process::{Child, Command},
    sync::Arc,
};

use super::{
    Options, Reader, Writer,
    core::{Areas, areas::Role, header::Header},
    doorbell::pollable::Doorbell,
    end::End,
    meet::{Handover, receive_handover, send_handover},
    memory::compact,
    options::check_system,
    peer::Link,
    wait::Fences,
};
use crate::{
    error::Error,
    sync::Ordering,
    sys::{
        clock::Moment,
        io_error, random,
        socket::{ask_for_pidfd, inode, take_inherited_socket},
    },
};

/// The environment variables that tell a child which descriptor its end comes with.
const READER: &str = "RINGPIPE_READER";
const WRITER: &str = "RINGPIPE_WRITER";

impl Reader {
    /// Starts `command` with this end: the child takes it up with [`Reader::inherited`]. Bytes that are in the ring stay in
    /// it; the writer stays here, and is told when the child dies.
    ///
    /// # Errors
    /// `InvalidInput` for an end of a [`Stream`](crate::Stream) or one that is polled (those stay where they are), after the other end was
    /// handed over, or while a slice of the ring is out; [`Error::Os`] if the child cannot be started. The end is closed then.
    pub fn hand_to(self, command: Command) -> Result<Child, Error> {
        hand_over(&self.end, self.waiting.sleeper.number(), READER, command)
    }

    /// The end that the parent handed over with [`Reader::hand_to`], with default [`Options`].
    ///
    /// # Errors
    /// As [`Options::inherited_reader`].
    pub fn inherited() -> Result<Self, Error> {
        Options::new().inherited_reader()
    }
}

impl Writer {
    /// Starts `command` with this end: the child takes it up with [`Writer::inherited`]. Bytes that are in the ring stay in
    /// it; the reader stays here, and is told when the child dies.
    ///
    /// # Errors
    /// As [`Reader::hand_to`].
    ///
    /// ```no_run
    /// use std::{io::Read, process::Command};
    /// let (mut reader, writer) = ringpipe::ring(1 << 20)?;
    /// let mut child = writer.hand_to(Command::new("./producer"))?;
    /// let mut all = Vec::new();
    /// reader.read_to_end(&mut all)?; // fails with PeerDied should the child die before it closes
    /// child.wait()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn hand_to(self, command: Command) -> Result<Child, Error> {
        hand_over(&self.end, self.waiting.sleeper.number(), WRITER, command)
    }

    /// The end that the parent handed over with [`Writer::hand_to`], with default [`Options`].
    ///
    /// # Errors
    /// As [`Options::inherited_writer`].
    pub fn inherited() -> Result<Self, Error> {
        Options::new().inherited_writer()
    }
}

impl Options {
    /// Takes up the reading end that the parent handed over.
    ///
    /// # Errors
    /// [`Error::Unsupported`] if the parent handed over none, or it was taken up before; [`Error::Refused`] if what it handed over is not right.
    pub fn inherited_reader(&self) -> Result<Reader, Error> {
        let (areas, handover, link) = inherit(READER, self)?;
        let pos = areas.side(Role::Consumer).pos.load(Ordering::Relaxed);
        let mut reader = Reader::new(Arc::new(areas), self, handover.fences, pos);
        reader.waiting.sleeper.go_on_from(handover.sleeps);
        link.attach(&[&reader.end]);
        Ok(reader)
    }

    /// Takes up the writing end that the parent handed over.
    ///
    /// # Errors
    /// As [`inherited_reader`](Self::inherited_reader).
    pub fn inherited_writer(&self) -> Result<Writer, Error> {
        let (areas, handover, link) = inherit(WRITER, self)?;
        let pos = areas.side(Role::Producer).pos.load(Ordering::Relaxed);
        // As if nothing had been read: the first look at the reader's position, checked like any other, tells more.
        let read_pos = pos.wrapping_sub(areas.data().capacity());
        let mut writer = Writer::new(Arc::new(areas), self, handover.fences, pos, read_pos);
        writer.waiting.sleeper.go_on_from(handover.sleeps);
        link.attach(&[&writer.end]);
        Ok(writer)
    }
}

fn hand_over(
    end: &Arc<End>,
    sleeps: u64,
    variable: &str,
    mut command: Command,
) -> Result<Child, Error> {
    let Some(home) = end.home() else {
        return Err(Error::invalid(
            "an end that is shared with another process cannot be handed over",
        ));
    };
    if end.light().is_some() {
        return Err(Error::invalid("an end that is polled cannot be handed over; use a Stream"));
    }
    if end.is_tied() {
        return Err(Error::invalid(
            "the other end was handed over already, and nobody would be left to tell when it dies; \
             two children talk over a Stream",
        ));
    }
    if !end.areas().presence().go() {
        return Err(Error::invalid(
            "a slice of the ring is in use; drop it before handing an end over",
        ));
    }
    let failed = |e| io_error("handing an end of a ring to a child", &e);
    let (here, there) = UnixStream::pair().map_err(failed)?;
    // Before anything is sent, or the kernel notes no sender.
    ask_for_pidfd(&here);
    let capacity = end.areas().data().capacity();
    let header = Header { capacity, data_offset: compact::DATA as u64, nonce: random::nonce() };
    send_handover(&here, Handover { header, fences: end.fences(), sleeps }, home.file.as_fd())?;
    let fd = there.as_raw_fd();
    // The inode tells the child that the number still means this socket, and tells a grandchild that it does not.
    command.env(variable, format!("{fd}:{}", inode(there.as_fd()).map_err(failed)?));
    // SAFETY: `fcntl` may be called between fork and exec. `there` is open until the child runs.
    unsafe {
        command.pre_exec(move || match libc::fcntl(fd, libc::F_SETFD, 0) {
            -1 => Err(std::io::Error::last_os_error()),
            _ => Ok(()),
        })
    };
    let child = command.spawn().map_err(|e| io_error("starting the child", &e))?;
    drop(there);
    end.abandon();
    if let Some(sibling) = home.sibling.upgrade() {
        Link::awaiting(here).attach(&[&sibling]);
    }
    Ok(child)
}

fn inherit(variable: &str, options: &Options) -> Result<(Areas, Handover, Arc<Link>), Error> {
    let none = || {
        Error::Unsupported(
            format!("the parent handed over no such end, or it was taken up already ({variable})")
                .into(),
        )
    };
    let told = env::var(variable).map_err(|_| none())?;
    let (fd, inode) = told.split_once(':').ok_or_else(none)?;
    let (Ok(fd), Ok(inode)) = (fd.parse::<RawFd>(), inode.parse::<u64>()) else {
        return Err(none());
    };
    check_system()?;
    let socket = take_inherited_socket(fd, inode).ok_or_else(none)?;
    let deadline = Moment::now().after(options.handshake_timeout);
    let (handover, file, pidfd) = receive_handover(&socket, deadline)?;
    let areas = compact::open(file.as_fd(), handover.header.capacity as usize)?;
    areas.presence().go();
    if handover.fences == Fences::Sleeper && Fences::offer(Doorbell::Futex) != Fences::Sleeper {
        return Err(Error::Unsupported(
            "the ring was made for membarrier, which this process may not call".into(),
        ));
    }
    let link = Link::new(socket, pidfd);
    link.introduce();
    // Positions that lie are found out by the checks of every look.
    Ok((areas, handover, link))
}
