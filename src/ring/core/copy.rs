//! The only place that touches the bytes of a ring: raw copies, in and out.
//!
//! No reference to the data ever exists here: the process on the other side may write it at any moment, which a
//! `&[u8]` would promise it does not. A copy of bytes that the peer scribbles over meanwhile yields garbled bytes,
//! and nothing else.

#[cfg(not(loom))]
pub(crate) use mapped::Data;
#[cfg(loom)]
pub(crate) use modelled::Data;

#[cfg(not(loom))]
mod mapped {
    use std::{
        mem::MaybeUninit,
        ptr::{self, NonNull},
    };

    /// The data area: `capacity` bytes, reached by free-running positions.
    #[derive(Debug)]
    pub(crate) struct Data {
        base: NonNull<u8>,
        /// `capacity - 1`; a private copy, never taken from shared memory after the handshake.
        mask: u64,
        /// Mapped twice in a row, so that every span is contiguous.
        mirrored: bool,
    }

    impl Data {
        /// A data area of `capacity` bytes at `base`.
        ///
        /// # Safety
        /// * `capacity` is a power of two.
        /// * `base` is valid for `capacity` bytes, or for twice as many if `mirrored`, in which case the second half
        ///   is the same memory as the first.
        pub(crate) unsafe fn new(base: NonNull<u8>, capacity: usize, mirrored: bool) -> Self {
            debug_assert!(capacity.is_power_of_two());
            Self { base, mask: capacity as u64 - 1, mirrored }
        }

        #[inline(always)]
        pub(crate) fn capacity(&self) -> u64 {
            self.mask + 1
        }

        /// Where the area is mapped: its first byte, and the bytes from there, both times.
        pub(crate) fn mapped(&self) -> (NonNull<u8>, usize) {
            let times = if self.mirrored { 2 } else { 1 };
            (self.base, self.capacity() as usize * times)
        }

        /// How many of `len` bytes from `pos` lie in one piece of memory.
        #[inline(always)]
        pub(crate) fn contiguous(&self, pos: u64, len: usize) -> usize {
            if self.mirrored {
                len
            } else {
                len.min((self.capacity() - (pos & self.mask)) as usize)
            }
        }

        /// The address of the byte at `pos`.
        #[inline(always)]
        pub(crate) fn at(&self, pos: u64) -> NonNull<u8> {
            // SAFETY: the offset is below the capacity, for which `base` is valid.
            unsafe { self.base.add((pos & self.mask) as usize) }
        }

        /// Copies `bytes` to the positions from `pos` on.
        ///
        /// # Safety
        /// The caller is the producer, and owns the span: `bytes.len()` is at most the free space after `pos`.
        #[inline(always)]
        pub(crate) unsafe fn put(&self, pos: u64, bytes: &[u8]) {
            let first = self.contiguous(pos, bytes.len());
            // SAFETY: the span belongs to the caller and lies within the area: `first` bytes do not reach over its
            // (mirrored) end, and what is left begins at its start. `bytes` is private memory, so nothing overlaps.
            unsafe {
                ptr::copy_nonoverlapping(bytes.as_ptr(), self.at(pos).as_ptr(), first);
                if first < bytes.len() {
                    let rest = &bytes[first..];
                    ptr::copy_nonoverlapping(rest.as_ptr(), self.base.as_ptr(), rest.len());
                }
            }
        }

        /// Copies the bytes from `pos` on into `buf`, all of which is initialised afterwards.
        ///
        /// # Safety
        /// The caller is the consumer, and owns the span: `buf.len()` is at most what is readable after `pos`.
        #[inline(always)]
        pub(crate) unsafe fn get(&self, pos: u64, buf: &mut [MaybeUninit<u8>]) {
            let first = self.contiguous(pos, buf.len());
            // SAFETY: as in `put`, with the directions exchanged.
            unsafe {
                ptr::copy_nonoverlapping(self.at(pos).as_ptr(), buf.as_mut_ptr().cast(), first);
                if first < buf.len() {
                    let rest = &mut buf[first..];
                    ptr::copy_nonoverlapping(
                        self.base.as_ptr(),
                        rest.as_mut_ptr().cast(),
                        rest.len(),
                    );
                }
            }
        }
    }
}

#[cfg(loom)]
mod modelled {
    use std::{mem::MaybeUninit, ptr::NonNull};

    use loom::cell::UnsafeCell;

    /// The data area in a model: beside every byte stands a cell whose accesses loom checks for races, which is how a
    /// missing Release or Acquire on a position shows.
    #[derive(Debug)]
    pub(crate) struct Data {
        bytes: Box<[std::cell::UnsafeCell<u8>]>,
        accesses: Box<[UnsafeCell<()>]>,
    }

    impl Data {
        pub(crate) fn new(capacity: usize) -> Self {
            Self {
                bytes: (0..capacity).map(|_| std::cell::UnsafeCell::new(0)).collect(),
                accesses: (0..capacity).map(|_| UnsafeCell::new(())).collect(),
            }
        }

        pub(crate) fn capacity(&self) -> u64 {
            self.bytes.len() as u64
        }

        pub(crate) fn contiguous(&self, pos: u64, len: usize) -> usize {
            len.min(self.bytes.len() - self.offset(pos))
        }

        /// The address of the byte at `pos`. What is done with it is not checked.
        pub(crate) fn at(&self, pos: u64) -> NonNull<u8> {
            NonNull::from(&self.bytes[self.offset(pos)]).cast()
        }

        fn offset(&self, pos: u64) -> usize {
            pos as usize & (self.bytes.len() - 1)
        }

        pub(crate) unsafe fn put(&self, pos: u64, bytes: &[u8]) {
            for (pos, byte) in (pos..).zip(bytes) {
                // SAFETY: `accesses` panics unless this thread has the byte to itself.
                self.accesses[self.offset(pos)].with_mut(|_| unsafe { self.at(pos).write(*byte) });
            }
        }

        pub(crate) unsafe fn get(&self, pos: u64, buf: &mut [MaybeUninit<u8>]) {
            for (pos, byte) in (pos..).zip(buf) {
                // SAFETY: `accesses` panics if another thread may write the byte meanwhile.
                self.accesses[self.offset(pos)]
                    .with(|_| byte.write(unsafe { self.at(pos).read() }));
            }
        }
    }
}
