//! A named segment of shared memory, and what lies where in it.
//!
//! One direction, or two in a row, each in the layout of a compact ring:
//!
//! ```text
//! 0x0000 producer's side, 0x1000 consumer's side
//! 0x2000 doorbells: the two words; 0x2400 the consumer's event, 0x2800 the producer's event
//! 0x3000 data, mapped once
//! ```

use std::{mem::ManuallyDrop, ptr::NonNull, sync::Arc};

use nix::errno::Errno;
use shared_memory::{Shmem, ShmemConf, ShmemError};

use crate::{
    error::Error,
    ring::{
        core::{
            Areas,
            areas::Role,
            copy::Data,
            header::{self, Header},
            layout::{AREA_SIZE, MAGIC},
        },
        doorbell::event::{self, Events, OwnBell, PeerBell, SharedEvent},
    },
    sync::{AtomicU64, Ordering},
    sys::{
        fork::Origin,
        limits::{check_file_size, out_of_memory},
        os_error,
    },
};

const CONSUMER: usize = AREA_SIZE;
const BELLS: usize = 2 * AREA_SIZE;
/// Where the data of a direction begins.
pub(super) const DATA: usize = 3 * AREA_SIZE;

/// Bytes of `directions` directions of `capacity` bytes.
pub(super) fn size(capacity: usize, directions: usize) -> usize {
    (DATA + capacity) * directions
}

/// Fails for a segment that this process may not have.
pub(super) fn check_size(size: usize) -> Result<(), Error> {
    check_file_size(size).map_err(|e| out_of_memory(size, e))
}

/// A mapped segment. Its name is the business of whoever made it: dropping a segment removes nothing.
pub(super) struct Segment {
    map: ManuallyDrop<Shmem>,
    origin: Origin,
}

// SAFETY: it is a range of addresses; what is done with them is up to those who use them.
unsafe impl Send for Segment {}
// SAFETY: as for `Send`.
unsafe impl Sync for Segment {}

impl Segment {
    /// Makes a segment called `name`, zeroed, with every byte of it allocated.
    pub(super) fn create(name: &str, size: usize) -> Result<Self, Error> {
        check_size(size)?;
        let map = ShmemConf::new().os_id(name).size(size).create();
        let mut map = map.map_err(|e| failed(format!("making a segment of {size} bytes"), &e))?;
        // Nothing was touched yet: a page that cannot be had would be a SIGBUS. If this fails, `map` removes the name.
        allocate(name, size)?;
        map.set_owner(false);
        Self::adopt(map)
    }

    /// Maps the segment called `name`; `None` if it is not there, or not yet as long as `size`. Its creator gives
    /// it a length only after it has a name, and in between it cannot even be mapped.
    pub(super) fn open(name: &str, size: usize) -> Result<Option<Self>, Error> {
        match ShmemConf::new().os_id(name).open() {
            Ok(map) if map.len() >= size => Self::adopt(map).map(Some),
            Ok(_) => Ok(None),
            Err(ShmemError::MapOpenFailed(code))
                if [Errno::ENOENT, Errno::EINVAL].contains(&Errno::from_raw(code as i32)) =>
            {
                Ok(None)
            }
            Err(e) => Err(failed(format!("opening the segment {name}"), &e)),
        }
    }

    fn adopt(map: Shmem) -> Result<Self, Error> {
        // A forked child has no business here. Other systems leave the mapping in the child, which does not use it.
        #[cfg(target_os = "linux")]
        if let Some(base) = NonNull::new(map.as_ptr()) {
            use nix::sys::mman::{MmapAdvise, madvise};
            // SAFETY: the range is this mapping's.
            unsafe { madvise(base.cast(), map.len(), MmapAdvise::MADV_DONTFORK) }
                .map_err(|e| os_error("keeping a segment from forked children", e))?;
        }
        Ok(Self { map: ManuallyDrop::new(map), origin: Origin::here() })
    }

    fn at(&self, offset: usize) -> NonNull<u8> {
        assert!(offset < self.map.len());
        // SAFETY: within the mapping, which is never at address 0.
        unsafe { NonNull::new_unchecked(self.map.as_ptr().add(offset)) }
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        // In a forked child the range was never mapped, and may hold something else by now.
        if self.origin.is_here() {
            // SAFETY: dropped once, here.
            unsafe { ManuallyDrop::drop(&mut self.map) };
        }
    }
}

/// One direction of a segment.
#[derive(Clone)]
pub(super) struct Direction {
    segment: Arc<Segment>,
    base: usize,
    capacity: usize,
}

impl Direction {
    /// The direction number `index` of a segment that holds at least so many, each of `capacity` bytes.
    pub(super) fn new(segment: &Arc<Segment>, index: usize, capacity: usize) -> Self {
        assert!(segment.map.len() >= size(capacity, index + 1));
        Self { segment: segment.clone(), base: size(capacity, index), capacity }
    }

    fn at(&self, offset: usize) -> NonNull<u8> {
        self.segment.at(self.base + offset)
    }

    /// The areas of the direction.
    pub(super) fn areas(&self) -> Areas {
        // SAFETY: the data begins at `DATA` and has `capacity` bytes, a power of two; the constructor has seen that the
        // segment is long enough.
        let data = unsafe { Data::new(self.at(DATA), self.capacity, false) };
        let (producer, consumer, bells) = (self.at(0), self.at(CONSUMER), self.at(BELLS));
        // SAFETY: each area lies within the mapping, page-aligned; fresh zeroed memory is their initial state, and they
        // are atomic whatever they hold. The mapping is writable.
        unsafe {
            Areas::new(producer.cast(), consumer.cast(), bells.cast(), data, self.segment.clone())
        }
    }

    /// Makes the events of the two sides. Called once in the life of a segment, before anybody else may use it.
    pub(super) fn make_events(&self) -> Result<(), Error> {
        [Role::Producer, Role::Consumer].into_iter().try_for_each(|role| {
            // SAFETY: the place is for this event alone, and nobody uses it yet.
            unsafe { SharedEvent::at(self.event_place(role), true) }.map(drop)
        })
    }

    /// The bells of the end that has `role` in `areas`, the areas of this direction.
    pub(super) fn events(&self, areas: &Arc<Areas>, role: Role) -> Result<Events, Error> {
        // SAFETY: the events were made before the segment was shown to anybody, and the bells keep `areas`, hence the
        // mapping.
        let event = |role| unsafe { SharedEvent::at(self.event_place(role), false) };
        Ok(Events {
            own: OwnBell::new(areas.clone(), role, event(role)?),
            peer: PeerBell::new(areas.clone(), role.peer(), event(role.peer())?),
        })
    }

    fn event_place(&self, role: Role) -> NonNull<u8> {
        let number = match role {
            Role::Consumer => 1,
            Role::Producer => 2,
        };
        self.at(BELLS + number * event::ROOM)
    }

    /// Writes the producer's header: its magic last, so that whoever sees that sees everything before.
    pub(super) fn announce(&self, nonce: [u8; 16]) {
        let bytes = self.header(nonce).to_bytes();
        let base = self.at(0);
        // SAFETY: the header's room belongs to the producer, who writes it once; readers wait for the magic.
        unsafe {
            base.add(8)
                .copy_from_nonoverlapping(NonNull::from(&bytes[8..]).cast(), header::LENGTH - 8);
        }
        // ORDER(E4): synchronizes with the Acquire in `announced`; the header and what was made before it are visible.
        self.magic().store(MAGIC.to_le(), Ordering::Release);
    }

    /// Whether the producer has announced itself; [`Error::Refused`] if it is another one than `nonce` tells.
    pub(super) fn announced(&self, nonce: [u8; 16]) -> Result<bool, Error> {
        // ORDER(E4): synchronizes with the Release in `announce`.
        if self.magic().load(Ordering::Acquire) == 0 {
            return Ok(false);
        }
        let base: NonNull<[u8; header::LENGTH]> = self.at(0).cast();
        // SAFETY: mapped and long enough; any bytes will do.
        let bytes = unsafe { base.read_volatile() };
        let header = Header::from_bytes(&bytes).map_err(|e| Error::Refused(e.0.into()))?;
        if header == self.header(nonce) {
            return Ok(true);
        }
        Err(Error::Refused("the header in memory is not the one that was announced".into()))
    }

    fn header(&self, nonce: [u8; 16]) -> Header {
        Header { capacity: self.capacity as u64, data_offset: DATA as u64, nonce }
    }

    fn magic(&self) -> &AtomicU64 {
        // SAFETY: mapped for as long as `self` lives, aligned, and only ever used atomically while others can see it.
        unsafe { self.at(0).cast().as_ref() }
    }
}

/// Removes the name of a segment; whoever has mapped it keeps it.
pub(super) fn remove_name(name: &str) {
    let _ = nix::sys::mman::shm_unlink(name);
}

/// Has the system find every page now. `shared_memory` 0.12.4 only sets the length, so that a full file system of shared memory
/// would show as SIGBUS at the first touch; it keeps its descriptor to itself, hence the path.
#[cfg(target_os = "linux")]
fn allocate(name: &str, size: usize) -> Result<(), Error> {
    use std::{fs::File, os::fd::AsFd};

    use crate::{ring::memory::object, sys::io_error};

    let path = format!("/dev/shm{name}");
    let file = File::options().write(true).open(&path);
    let file = file.map_err(|e| io_error(format!("opening {path} to allocate it"), &e))?;
    object::allocate(file.as_fd(), size).map_err(|e| out_of_memory(size, e))
}

/// Other systems keep segments in memory that can be paged out, and out of sight.
#[cfg(not(target_os = "linux"))]
fn allocate(_name: &str, _size: usize) -> Result<(), Error> {
    Ok(())
}

fn failed(doing: String, error: &ShmemError) -> Error {
    match error {
        ShmemError::MapCreateFailed(code)
        | ShmemError::MapOpenFailed(code)
        | ShmemError::UnknownOsError(code) => os_error(doing, Errno::from_raw(*code as i32)),
        ShmemError::MappingIdExists => os_error(doing, Errno::EEXIST),
        other => Error::Unsupported(format!("{doing}: {other}").into()),
    }
}
