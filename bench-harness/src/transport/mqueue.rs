//! POSIX message queues: one for each direction, whose names exist only while they are made.

use std::{
    io,
    os::{
        fd::{AsFd, AsRawFd, OwnedFd},
        unix::net::UnixStream,
    },
    process, ptr,
};

use nix::{
    errno::Errno,
    mqueue::{MQ_OFlag, MqAttr, mq_attr_member_t, mq_close, mq_getattr, mq_open, mq_unlink},
    sys::stat::Mode,
};

use super::{
    Link, Role,
    descriptors::{again, set_nonblocking},
    doing, handover, spins,
};
use crate::{case::Case, control::Facts, orphan};

/// Messages that a queue holds where more are not granted: `msg_max` of mq_overview(7), as Linux has it by itself.
const GRANTED: usize = 10;

/// A queue to receive from and one to send to.
#[derive(Debug)]
pub(super) struct Queues {
    receive: OwnedFd,
    send: OwnedFd,
    facts: Facts,
}

pub(super) fn open(case: &Case, role: Role, meet: &UnixStream) -> io::Result<Queues> {
    let (receive, send, facts) = match role {
        Role::Initiator => {
            let (request, facts) = queue(case, "request")?;
            let (reply, _) = queue(case, "reply")?;
            handover::send(meet, &[&request, &reply])?;
            (reply, request, facts)
        }
        Role::Responder => {
            let [request, reply] = handover::receive(meet)?;
            (request, reply, Facts::new())
        }
    };
    if spins(case) {
        // The flag belongs to the open queue, so setting it once more on the other side does no harm.
        set_nonblocking(&receive)?;
        set_nonblocking(&send)?;
    }
    Ok(Queues { receive, send, facts })
}

/// A queue of as many messages as fit into the buffer of the case, or as are granted.
fn queue(case: &Case, which: &str) -> io::Result<(OwnedFd, Facts)> {
    let name = format!("/ipc-bench-{}-{which}", process::id());
    let wanted = case.buffer.map_or(GRANTED, |buffer| (buffer.0 / case.size.0).max(1));
    let what = format!(
        "making a message queue for messages of {} (see /proc/sys/fs/mqueue and `ulimit -q`)",
        case.size
    );
    orphan::finish_even_alone(|| {
        let made = make(&name, wanted, case.size.0)
            .or_else(|_| make(&name, wanted.min(GRANTED), case.size.0));
        doing(made, &what)
    })
}

fn make(name: &str, messages: usize, size: usize) -> nix::Result<(OwnedFd, Facts)> {
    let member = |value: usize| mq_attr_member_t::try_from(value).map_err(|_| Errno::EINVAL);
    let flags = MQ_OFlag::O_RDWR | MQ_OFlag::O_CREAT | MQ_OFlag::O_EXCL | MQ_OFlag::O_CLOEXEC;
    let attributes = MqAttr::new(0, member(messages)?, member(size)?, 0);
    let queue = mq_open(name, flags, Mode::S_IRUSR | Mode::S_IWUSR, Some(&attributes))?;
    mq_unlink(name)?;
    let granted = mq_getattr(&queue)?;
    let descriptor = queue.as_fd().try_clone_to_owned().map_err(|_| Errno::EMFILE);
    mq_close(queue)?;
    let facts = Facts::from([(
        "capacity".to_owned(),
        format!("{} messages of {}", granted.maxmsg(), granted.msgsize()),
    )]);
    Ok((descriptor?, facts))
}

impl Link for Queues {
    fn send(&mut self, message: &[u8]) -> io::Result<()> {
        loop {
            // SAFETY: a queue's descriptor is its handle on Linux; the message lives until the call returns.
            let sent = unsafe {
                libc::mq_send(self.send.as_raw_fd(), message.as_ptr().cast(), message.len(), 0)
            };
            match sent {
                0 => return Ok(()),
                _ => again(io::Error::last_os_error())?,
            }
        }
    }

    fn recv(&mut self, message: &mut [u8]) -> io::Result<()> {
        loop {
            // SAFETY: as in `send`; the kernel writes at most the length that it is told.
            let received = unsafe {
                libc::mq_receive(
                    self.receive.as_raw_fd(),
                    message.as_mut_ptr().cast(),
                    message.len(),
                    ptr::null_mut(),
                )
            };
            match usize::try_from(received) {
                Ok(len) if len == message.len() => return Ok(()),
                Ok(_) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Err(_) => again(io::Error::last_os_error())?,
            }
        }
    }

    fn facts(&self) -> Facts {
        self.facts.clone()
    }
}
