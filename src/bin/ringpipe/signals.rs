//! Signals as events, so that the end they bring is an orderly one.

use std::os::fd::{AsFd, BorrowedFd};

use nix::sys::{
    signal::{SigSet, Signal, raise},
    signalfd::{SfdFlags, SignalFd},
};

/// What is sent to end a process, and would end this one on the spot.
const ENDING: [Signal; 6] = [
    Signal::SIGHUP,
    Signal::SIGINT,
    Signal::SIGQUIT,
    Signal::SIGTERM,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
];

/// The signals of [`ENDING`], held back and readable as a descriptor.
#[derive(Debug)]
pub(crate) struct Signals(SignalFd);

impl Signals {
    /// Takes them away from this thread and those that it starts from here on. What the parent chose to ignore, `nohup`
    /// say, stays ignored.
    pub(crate) fn take() -> nix::Result<Self> {
        let mut taken = SigSet::empty();
        ENDING.into_iter().filter(|signal| !is_ignored(*signal)).for_each(|s| taken.add(s));
        let mut blocked = taken;
        // So that a write over the file size limit fails like any other, and its failure is told to the peer.
        blocked.add(Signal::SIGXFSZ);
        blocked.thread_block()?;
        Ok(Self(SignalFd::with_flags(&taken, SfdFlags::SFD_CLOEXEC)?))
    }

    /// Waits for the next one.
    pub(crate) fn next(&self) -> Option<Signal> {
        let info = self.0.read_signal().ok().flatten()?;
        Signal::try_from(i32::try_from(info.ssi_signo).ok()?).ok()
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Ends the process the way `signal` would have, so that its parent sees what happened.
pub(crate) fn die_of(signal: Signal) -> ! {
    let mut one = SigSet::empty();
    one.add(signal);
    let _ = one.thread_unblock();
    let _ = raise(signal);
    std::process::exit(128 + signal as i32)
}

fn is_ignored(signal: Signal) -> bool {
    // SAFETY: all-zero is a valid `sigaction`; the call only reads the current one into it.
    unsafe {
        let mut current: libc::sigaction = std::mem::zeroed();
        libc::sigaction(signal as i32, std::ptr::null(), &raw mut current) == 0
            && current.sa_sigaction == libc::SIG_IGN
    }
}
