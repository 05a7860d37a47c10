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
        sync::atomic::{Ordering, compiler_fence},
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

        /// Whether every span is in one piece.
        pub(crate) fn is_mirrored(&self) -> bool {
            self.mirrored
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

        /// Has this processor fetch the line at `pos` for writing, while there is time.
        #[inline(always)]
        pub(crate) fn fetch(&self, pos: u64) {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: a hint, which changes nothing that a program can see.
            unsafe {
                std::arch::asm!(
                    "prefetchw [{}]",
                    in(reg) self.at(pos).as_ptr(),
                    options(nostack, preserves_flags, readonly)
                );
            }
            #[cfg(not(target_arch = "x86_64"))]
            let _ = pos;
        }

        /// Has this processor own the lines of `length` bytes from `pos` on without fetching what is in them, which becomes
        /// zeros. Only x86-64 has an instruction that is known to do so; elsewhere nothing happens.
        ///
        /// # Safety
        /// The caller is the producer, and owns the span: `length` is at most the free space after `pos`.
        pub(crate) unsafe fn claim(&self, pos: u64, length: usize) {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: the span belongs to the caller, and its first piece lies within the area.
            unsafe {
                std::arch::asm!(
                    "rep stosb",
                    inout("rdi") self.at(pos).as_ptr() => _,
                    inout("rcx") self.contiguous(pos, length) => _,
                    in("al") 0u8,
                    options(nostack, preserves_flags)
                );
            }
            #[cfg(not(target_arch = "x86_64"))]
            let _ = (pos, length);
        }

        /// Copies `bytes` to the positions from `pos` on, in one piece.
        ///
        /// # Safety
        /// As for [`put`](Self::put), and the area [is mirrored](Self::is_mirrored).
        #[inline(always)]
        pub(crate) unsafe fn put_whole(&self, pos: u64, bytes: &[u8]) {
            // SAFETY: the span belongs to the caller, and no span reaches over the end of the mirrored area. `bytes` is
            // private memory, so nothing overlaps.
            unsafe { copy(bytes.as_ptr(), self.at(pos).as_ptr(), bytes.len()) };
        }

        /// Copies the bytes from `pos` on into `buf`, in one piece; all of it is initialised afterwards.
        ///
        /// # Safety
        /// As for [`get`](Self::get), and the area [is mirrored](Self::is_mirrored).
        #[inline(always)]
        pub(crate) unsafe fn get_whole(&self, pos: u64, buf: &mut [MaybeUninit<u8>]) {
            // SAFETY: as in `put_whole`, with the directions exchanged.
            unsafe {
                let (from, to) = (self.at(pos).as_ptr(), buf.as_mut_ptr().cast());
                if buf.len() <= SHORT {
                    copy(from, to, buf.len());
                } else {
                    copy_out(from, to, buf.len());
                }
            }
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
                copy_out(self.at(pos).as_ptr(), buf.as_mut_ptr().cast(), first);
                if first < buf.len() {
                    let rest = &mut buf[first..];
                    copy_out(self.base.as_ptr(), rest.as_mut_ptr().cast(), rest.len());
                }
            }
        }
    }

    /// Longest copy that is made here and not by `memcpy`, whose call and choice of a way take as long as the copy.
    const SHORT: usize = 128;
    /// Longest copy out of the ring that is made here: where processors offer an instruction for copies, `memcpy` takes it
    /// from two kibibytes on, and out of pages that are mapped for reading only it has two thirds of the speed
    /// (`docs/performance.md`).
    const MIDDLE: usize = 8 << 10;
    /// What the registers of every x86-64 and AArch64 processor hold.
    type Block = [u8; 16];

    /// As [`ptr::copy_nonoverlapping`], and quicker for a few bytes.
    ///
    /// # Safety
    /// As for [`ptr::copy_nonoverlapping`].
    #[inline(always)]
    unsafe fn copy(from: *const u8, to: *mut u8, length: usize) {
        // SAFETY: each way copies the first and the last so many bytes of at least as many; they may overlap each other.
        unsafe {
            match length {
                65..=SHORT => both_ends::<[Block; 4]>(from, to, length),
                33..=64 => both_ends::<[Block; 2]>(from, to, length),
                16..=32 => both_ends::<Block>(from, to, length),
                8..=15 => both_ends::<[u8; 8]>(from, to, length),
                _ => ptr::copy_nonoverlapping(from, to, length),
            }
        }
    }

    /// As [`ptr::copy_nonoverlapping`], and quicker out of memory that may be mapped for reading only.
    ///
    /// # Safety
    /// As for [`ptr::copy_nonoverlapping`].
    #[inline(always)]
    unsafe fn copy_out(from: *const u8, to: *mut u8, length: usize) {
        // SAFETY: as the caller promises, and more than a line.
        unsafe {
            if length > SHORT && length <= MIDDLE {
                by_lines(from, to, length);
            } else {
                ptr::copy_nonoverlapping(from, to, length);
            }
        }
    }

    /// Copies `length` bytes, which are more than a line, a line at a time.
    ///
    /// # Safety
    /// As for [`ptr::copy_nonoverlapping`].
    unsafe fn by_lines(from: *const u8, to: *mut u8, length: usize) {
        type Line = [Block; 4];
        let last = length - size_of::<Line>();
        // SAFETY: every line begins at or before the last one, which ends where the bytes end.
        let line = |at| unsafe {
            let line = from.add(at).cast::<Line>().read_unaligned();
            to.add(at).cast::<Line>().write_unaligned(line);
        };
        for at in (0..last).step_by(size_of::<Line>()) {
            line(at);
            // Or the compiler makes one call of `memcpy` of it.
            compiler_fence(Ordering::SeqCst);
        }
        line(last);
    }

    /// Copies a `T` from the start and one from the end of `length` bytes, which are at least as many as a `T` has.
    #[inline(always)]
    unsafe fn both_ends<T>(from: *const u8, to: *mut u8, length: usize) {
        let last = length - size_of::<T>();
        // SAFETY: both lie within the `length` bytes, by the caller's promise.
        unsafe {
            let first = from.cast::<T>().read_unaligned();
            let tail = from.add(last).cast::<T>().read_unaligned();
            to.cast::<T>().write_unaligned(first);
            to.add(last).cast::<T>().write_unaligned(tail);
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

        /// Its copies take care of the end by themselves.
        pub(crate) fn is_mirrored(&self) -> bool {
            true
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

        pub(crate) fn fetch(&self, _pos: u64) {}

        pub(crate) unsafe fn claim(&self, pos: u64, length: usize) {
            // SAFETY: as the caller promises.
            unsafe { self.put(pos, &vec![0; length]) };
        }

        pub(crate) unsafe fn put_whole(&self, pos: u64, bytes: &[u8]) {
            // SAFETY: as the caller promises.
            unsafe { self.put(pos, bytes) };
        }

        pub(crate) unsafe fn get_whole(&self, pos: u64, buf: &mut [MaybeUninit<u8>]) {
            // SAFETY: as the caller promises.
            unsafe { self.get(pos, buf) };
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
