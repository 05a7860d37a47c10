//! SIGINT, SIGTERM and SIGHUP end a run early but in order: peers gone, partial report written.

use std::os::fd::{AsFd, BorrowedFd};

use anyhow::{Context, Result};
use nix::sys::{
    signal::{SigSet, Signal},
    signalfd::{SfdFlags, SignalFd},
};

/// The pending request to stop, as a descriptor to poll beside the peers' control sockets.
#[derive(Debug)]
pub(crate) struct Interrupt(SignalFd);

impl Interrupt {
    /// Takes the three signals out of their default course for this process.
    pub(crate) fn install() -> Result<Self> {
        let mut signals = SigSet::empty();
        for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
            signals.add(signal);
        }
        signals.thread_block().context("blocking signals")?;
        let descriptor =
            SignalFd::with_flags(&signals, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)
                .context("watching for signals")?;
        Ok(Self(descriptor))
    }

    /// Whether one of the signals has come since the last question.
    pub(crate) fn pending(&self) -> bool {
        matches!(self.0.read_signal(), Ok(Some(_)))
    }
}

impl AsFd for Interrupt {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Gives a peer the default course of all signals again; it inherits the coordinator's mask.
pub(crate) fn reset() -> Result<()> {
    SigSet::empty().thread_set_mask().context("unblocking signals")
}
