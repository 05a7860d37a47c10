//! Ends that can be waited for together with other descriptors.

use std::{
    ops::{Deref, DerefMut},
    os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd},
    sync::Arc,
};

use super::{Reader, Writer, end::End, waiting::Waiting};
use crate::error::Error;

/// An end with a descriptor that is readable whenever the end would not block: a [`Reader`] when there is something to
/// read or the stream has ended, a [`Writer`] when there is room or the reader is gone.
///
/// Poll it for *readability* in both cases, level-triggered or edge-triggered, and never read from the descriptor itself.
/// After a call that needs something else than one byte ([`recv`](Reader::recv), [`send`](Writer::send),
/// [`reserve`](Writer::reserve), [`finish`](Writer::finish)) and would block, the descriptor is readable when that call
/// could go on.
///
/// ```
/// use std::{io::{Read, Write}, os::fd::AsFd};
/// use ringpipe::{Doorbell, Options};
/// let (reader, mut writer) = Options::new().doorbell(Doorbell::EventFd).ring()?;
/// let mut reader = reader.pollable()?;
/// let mut fds = [nix::poll::PollFd::new(reader.as_fd(), nix::poll::PollFlags::POLLIN)];
/// assert_eq!(nix::poll::poll(&mut fds, 0u8).unwrap(), 0);
/// writer.write_all(b"x")?;
/// assert_eq!(nix::poll::poll(&mut fds, 0u8).unwrap(), 1);
/// assert_eq!(reader.read(&mut [0; 8])?, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Pollable<E>(E, Arc<End>);

impl Reader {
    /// This end with a descriptor to poll.
    ///
    /// # Errors
    /// [`Error::Unsupported`] unless the ring was made with [`Doorbell::EventFd`](crate::Doorbell::EventFd).
    pub fn pollable(self) -> Result<Pollable<Self>, Error> {
        let end = self.end.clone();
        pollable(self, end)
    }

    /// Makes the descriptor show whether `need` bytes are there: called after whatever may have changed it.
    #[cold]
    pub(super) fn settle(&mut self, need: u64) {
        // A copy that `fork` made has no memory to look at, and the descriptor is its parent's.
        if !self.end.is_here() {
            return;
        }
        if self.core.cached_available() == 0 {
            // A corrupt position shows at the next read, which therefore must come.
            let _ = self.core.refresh();
        }
        let core = &self.core;
        let want = core.pos().wrapping_add(need);
        self.waiting.settle(&self.end, want, || core.worth_a_look(need));
    }
}

impl Writer {
    /// This end with a descriptor to poll.
    ///
    /// # Errors
    /// [`Error::Unsupported`] unless the ring was made with [`Doorbell::EventFd`](crate::Doorbell::EventFd).
    pub fn pollable(self) -> Result<Pollable<Self>, Error> {
        let end = self.end.clone();
        pollable(self, end)
    }

    /// Makes the descriptor show whether there is room for `need` bytes: called after whatever may have changed it.
    #[cold]
    pub(super) fn settle(&mut self, need: u64) {
        // As for a reader.
        if !self.end.is_here() {
            return;
        }
        let core = &self.core;
        let want = core.pos().wrapping_add(need).wrapping_sub(core.capacity());
        self.waiting.settle(&self.end, want, || core.worth_a_look(need));
    }
}

impl Waiting {
    /// Raises the end's light if it is `ready`, otherwise puts it out and asks the peer to raise it.
    fn settle(&mut self, end: &End, want: u64, ready: impl Fn() -> bool) {
        let Some(light) = end.light() else { return };
        if !ready() && !end.is_over() {
            light.clear();
            self.raised = false;
            self.sleeper.arm(&end.own().sleep, want);
            // ORDER(E3): as in `Sleeper::sleep`; either the peer sees that we are armed, or we see what it published.
            // Without a fence the light stays on, and polling turns into looking.
            let fenced = cfg!(mutant = "no_fence_in_arming") || end.fences().before_second_look();
            if fenced && !ready() && !end.is_over() {
                return;
            }
            self.sleeper.stop_asking(&end.own().sleep);
        }
        if !self.raised {
            light.raise();
            self.raised = true;
        }
    }
}

fn pollable<E>(end: E, shared: Arc<End>) -> Result<Pollable<E>, Error> {
    if shared.light().is_none() {
        return Err(Error::Unsupported(
            "this end has no descriptor; make it with Options::doorbell(Doorbell::EventFd)".into(),
        ));
    }
    Ok(Pollable(end, shared))
}

impl<E> Pollable<E> {
    /// The end without its descriptor.
    pub fn into_inner(self) -> E {
        self.0
    }
}

impl<E> Deref for Pollable<E> {
    type Target = E;

    fn deref(&self) -> &E {
        &self.0
    }
}

impl<E> DerefMut for Pollable<E> {
    fn deref_mut(&mut self) -> &mut E {
        &mut self.0
    }
}

#[cfg(not(loom))]
impl<E> AsFd for Pollable<E> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        let light = self.1.light();
        light.expect("checked when it was made, and never taken away").as_fd()
    }
}

#[cfg(not(loom))]
impl<E> AsRawFd for Pollable<E> {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}
