//! A piece of memory that two peers share, for the floors.

use std::{
    fs::File,
    io,
    os::{fd::OwnedFd, unix::net::UnixStream},
    ptr,
    sync::atomic::{AtomicU32, AtomicU64},
};

use memmap2::{MmapOptions, MmapRaw};
use nix::sys::memfd::{MFdFlags, memfd_create};

use super::{Role, doing, handover};

/// Two lines are fetched together, so what two sides write lies this far apart.
pub(super) const APART: usize = 128;

/// Zeroed memory, mapped by both peers, gone with the last of them.
#[derive(Debug)]
pub(super) struct Shared(MmapRaw);

impl Shared {
    /// The same `len` bytes on both sides; `len` is a multiple of eight.
    pub(super) fn open(role: Role, meet: &UnixStream, len: usize) -> io::Result<Self> {
        let file = match role {
            Role::Initiator => {
                let made = memfd_create(c"ipc-bench", MFdFlags::MFD_CLOEXEC);
                let file = File::from(doing(made, "making shared memory")?);
                doing(file.set_len(len as u64), "sizing shared memory")?;
                let descriptor = OwnedFd::from(file.try_clone()?);
                handover::send(meet, &[&descriptor])?;
                file
            }
            Role::Responder => {
                let [descriptor] = handover::receive(meet)?;
                File::from(descriptor)
            }
        };
        let map =
            doing(MmapOptions::new().len(len).populate().map_raw(&file), "mapping shared memory")?;
        Ok(Self(map))
    }

    /// The word at `offset`, a multiple of its size.
    pub(super) fn u32(&self, offset: usize) -> &AtomicU32 {
        assert!(offset.is_multiple_of(4) && offset + 4 <= self.0.len());
        // SAFETY: in bounds and aligned by the assertion, mapped as long as `self`, and all words at such offsets are
        // touched by atomic operations alone.
        unsafe { AtomicU32::from_ptr(self.0.as_mut_ptr().add(offset).cast()) }
    }

    /// The word at `offset`, a multiple of its size.
    pub(super) fn u64(&self, offset: usize) -> &AtomicU64 {
        assert!(offset.is_multiple_of(8) && offset + 8 <= self.0.len());
        // SAFETY: as in `u32`.
        unsafe { AtomicU64::from_ptr(self.0.as_mut_ptr().add(offset).cast()) }
    }

    /// Copies `message` to `offset`. The floor's flags see to it that the other side does not look meanwhile.
    #[inline]
    pub(super) fn put(&self, offset: usize, message: &[u8]) {
        assert!(offset + message.len() <= self.0.len());
        // SAFETY: in bounds by the assertion; `message` is private memory, so the two do not overlap.
        unsafe {
            ptr::copy_nonoverlapping(
                message.as_ptr(),
                self.0.as_mut_ptr().add(offset),
                message.len(),
            );
        }
    }

    /// Copies what lies at `offset` to `message`. The other side does not write there meanwhile, as above.
    #[inline]
    pub(super) fn get(&self, offset: usize, message: &mut [u8]) {
        assert!(offset + message.len() <= self.0.len());
        // SAFETY: as in `put`, the other way round.
        unsafe {
            ptr::copy_nonoverlapping(
                self.0.as_ptr().add(offset),
                message.as_mut_ptr(),
                message.len(),
            );
        }
    }
}
