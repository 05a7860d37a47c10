//! The slices a blocked call lends to the other end, and the copy between them.
//!
//! A pipe without a buffer copies from one caller's memory straight into the other's, on whichever thread arrives
//! second. The first one therefore lends its slices across threads as bare pointers. What makes that sound is kept
//! by [`Call`](super::call::Call): the lender's frame does not go away, and does not touch its slices, before it took the
//! loan back under the lock, and it never takes it back while a copy is running.

use std::{
    io::{IoSlice, IoSliceMut},
    slice,
};

/// The slices of a blocked write.
pub(super) struct Offer {
    slices: *const IoSlice<'static>,
    count: usize,
    /// Bytes in all slices together.
    len: usize,
    /// Bytes of this write which readers have; in `0..=len`.
    pub(super) taken: usize,
    /// A read has met this write. It tells an empty write that it is done.
    met: bool,
    /// The writer gave up and waits for nothing but the end of the copy that is running.
    pub(super) leaving: bool,
}

// SAFETY: `Sync` bytes behind a shared borrow may be read from any thread; that they outlive the reading is the
// obligation of `Offer::slices`.
unsafe impl Send for Offer {}

impl Offer {
    pub(super) fn new(slices: &[IoSlice<'_>], taken: usize) -> Self {
        Self {
            slices: slices.as_ptr().cast(),
            count: slices.len(),
            len: total(slices),
            taken,
            met: false,
            leaving: false,
        }
    }

    /// All of it is taken, and nothing more will be asked of its slices.
    pub(super) fn complete(&self) -> bool {
        self.met && self.taken == self.len
    }

    /// Counts `n` more bytes as taken; 0 for meeting an empty write.
    pub(super) fn took(&mut self, n: usize) {
        self.met = true;
        self.taken += n;
    }

    /// What has not been taken has no bytes.
    pub(super) fn is_empty(&self) -> bool {
        self.taken == self.len
    }

    /// The writer's slices.
    ///
    /// # Safety
    /// * The writer that made this offer is blocked, and stays so for all of `'a`.
    pub(super) unsafe fn slices<'a>(&self) -> &'a [IoSlice<'a>] {
        // SAFETY: `new` took pointer and count from one live slice, and the caller vouches that its owner, who
        // borrowed it for the whole call, is still in that call.
        unsafe { slice::from_raw_parts(self.slices.cast(), self.count) }
    }
}

/// The buffers of a blocked read.
pub(super) struct Want {
    buffers: *mut IoSliceMut<'static>,
    count: usize,
    /// Bytes a writer put into the buffers; 0 until one came.
    pub(super) filled: usize,
}

// SAFETY: bytes behind an exclusive borrow may be written from any thread; that nobody else has the borrow
// meanwhile is the obligation of `Want::buffers`.
unsafe impl Send for Want {}

impl Want {
    pub(super) fn new(buffers: &mut [IoSliceMut<'_>]) -> Self {
        Self { buffers: buffers.as_mut_ptr().cast(), count: buffers.len(), filled: 0 }
    }

    /// The reader's buffers.
    ///
    /// # Safety
    /// * The reader that made this request is blocked, and stays so for all of `'a`.
    /// * Nobody else holds its buffers during `'a`.
    pub(super) unsafe fn buffers<'a>(&self) -> &'a mut [IoSliceMut<'a>] {
        // SAFETY: `new` took pointer and count from one exclusive slice, and the caller vouches that its owner is
        // still in that call and that this is the only borrow in use.
        unsafe { slice::from_raw_parts_mut(self.buffers.cast(), self.count) }
    }
}

/// Bytes in all slices together. Shared slices may overlap, so that their sum can exceed the address space.
pub(super) fn total<T: std::ops::Deref<Target = [u8]>>(slices: &[T]) -> usize {
    slices.iter().fold(0, |sum: usize, slice| sum.saturating_add(slice.len()))
}

/// Copies from `from`, without its first `skip` bytes, into `to` until either is used up; the number of bytes copied.
pub(super) fn copy(from: &[IoSlice<'_>], mut skip: usize, to: &mut [IoSliceMut<'_>]) -> usize {
    let mut to = to.iter_mut();
    let mut room: &mut [u8] = &mut [];
    let mut copied = 0;
    for slice in from {
        let Some(mut rest) = slice.get(skip..) else {
            skip -= slice.len();
            continue;
        };
        skip = 0;
        while !rest.is_empty() {
            if room.is_empty() {
                match to.next() {
                    Some(buffer) => room = buffer,
                    None => return copied,
                }
            }
            let n = rest.len().min(room.len());
            let (now, later) = std::mem::take(&mut room).split_at_mut(n);
            now.copy_from_slice(&rest[..n]);
            room = later;
            rest = &rest[n..];
            copied += n;
        }
    }
    copied
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every way to cut eight bytes into three slices and up to eight bytes of room into three buffers.
    #[test]
    fn a_copy_agrees_with_concatenation_for_every_cut() {
        let data: Vec<u8> = (1..=8).collect();
        let mut cases = 0;
        for (a, b) in cuts(8) {
            for room in 0..=10 {
                for (c, d) in cuts(room) {
                    for skip in 0..=8 {
                        let from = [&data[..a], &data[a..b], &data[b..]].map(IoSlice::new);
                        let mut target = vec![0; room];
                        let (first, rest) = target.split_at_mut(c);
                        let (second, third) = rest.split_at_mut(d - c);
                        let mut to = [first, second, third].map(IoSliceMut::new);
                        let n = copy(&from, skip, &mut to);
                        assert_eq!(n, room.min(8 - skip));
                        assert_eq!(target[..n], data[skip..skip + n]);
                        assert!(target[n..].iter().all(|&byte| byte == 0));
                        cases += 1;
                    }
                }
            }
        }
        assert!(cases > 50_000, "{cases}");
    }

    fn cuts(len: usize) -> impl Iterator<Item = (usize, usize)> {
        (0..=len).flat_map(move |a| (a..=len).map(move |b| (a, b)))
    }

    #[test]
    fn a_sum_beyond_the_address_space_saturates() {
        struct Huge;
        impl std::ops::Deref for Huge {
            type Target = [u8];
            fn deref(&self) -> &[u8] {
                static BYTES: [u8; 1 << 16] = [0; 1 << 16];
                &BYTES
            }
        }
        assert_eq!(total(&[Huge, Huge]), 1 << 17);
        let many = vec![(); 3].into_iter().map(|()| Huge).collect::<Vec<_>>();
        assert_eq!(total(&many), 3 << 16);
    }
}
