//! The latency floors: one message and one flag in shared memory, spinning or sleeping on a futex.
//!
//! There is no ring, no capacity and no end here: the two sides strictly take turns. No transport that copies a
//! message in and out can answer sooner.

use std::{
    io,
    os::unix::net::UnixStream,
    ptr,
    sync::atomic::{AtomicU32, Ordering},
};

use super::{
    Link, Role,
    shared::{APART, Shared},
};
use crate::case::{Case, Wait};

/// One side of the floor.
#[derive(Debug)]
pub(super) struct Flag {
    memory: Shared,
    /// Where the lane of the other side and the lane of this side begin.
    theirs: usize,
    ours: usize,
    /// How many messages each side has sent so far, which is what its flag says.
    received: u32,
    sent: u32,
    sleeps: bool,
}

pub(super) fn open(case: &Case, role: Role, meet: &UnixStream) -> io::Result<Flag> {
    // A lane is the flag and, not on the line next to it, the message.
    let lane = (APART + case.size.0).next_multiple_of(4096);
    let memory = Shared::open(role, meet, 2 * lane)?;
    let (theirs, ours) = if role == Role::Initiator { (lane, 0) } else { (0, lane) };
    Ok(Flag { memory, theirs, ours, received: 0, sent: 0, sleeps: case.row.wait == Wait::Block })
}

impl Link for Flag {
    #[inline]
    fn send(&mut self, message: &[u8]) -> io::Result<()> {
        self.sent = self.sent.wrapping_add(1);
        self.memory.put(self.ours + APART, message);
        let flag = self.memory.u32(self.ours);
        // ORDER: releases the message to the load in `recv`.
        flag.store(self.sent, Ordering::Release);
        if self.sleeps {
            wake(flag)?;
        }
        Ok(())
    }

    #[inline]
    fn recv(&mut self, message: &mut [u8]) -> io::Result<()> {
        let flag = self.memory.u32(self.theirs);
        let expected = self.received.wrapping_add(1);
        // ORDER: acquires the message from the store in `send`.
        while flag.load(Ordering::Acquire) != expected {
            if self.sleeps {
                sleep_while(flag, self.received)?;
            } else {
                std::hint::spin_loop();
            }
        }
        self.received = expected;
        self.memory.get(self.theirs + APART, message);
        Ok(())
    }
}

/// Sleeps until `flag` is no longer `value`; may return early.
fn sleep_while(flag: &AtomicU32, value: u32) -> io::Result<()> {
    // SAFETY: the word outlives the call, and FUTEX_WAIT without a timeout reads no other argument. The futex is not
    // private, because the other side is another process.
    let result = unsafe {
        libc::syscall(
            libc::SYS_futex,
            flag.as_ptr(),
            libc::FUTEX_WAIT,
            value,
            ptr::null::<libc::timespec>(),
        )
    };
    match result {
        -1 => match io::Error::last_os_error() {
            error if matches!(error.raw_os_error(), Some(libc::EAGAIN | libc::EINTR)) => Ok(()),
            error => Err(error),
        },
        _ => Ok(()),
    }
}

fn wake(flag: &AtomicU32) -> io::Result<()> {
    // SAFETY: the word outlives the call, and FUTEX_WAKE reads no further argument.
    match unsafe { libc::syscall(libc::SYS_futex, flag.as_ptr(), libc::FUTEX_WAKE, 1) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}
