//! Everything of one direction in one sealed file and one mapping, for two ends that trust each other.
//!
//! ```text
//! 0x0000 producer's side    0x1000 consumer's side    0x2000 doorbells    0x3000 data, mapped twice in a row
//! ```

use std::{
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    sync::Arc,
};

use super::{
    mapping::{Access, Mapping},
    object::{self, FIXED_SIZE},
};
use crate::{
    error::Error,
    ring::core::{Areas, copy::Data, layout::AREA_SIZE},
};

const CONSUMER: usize = AREA_SIZE;
const BELLS: usize = 2 * AREA_SIZE;
/// Where the data begins.
pub(crate) const DATA: usize = 3 * AREA_SIZE;

/// The file behind a direction.
pub(crate) type File = OwnedFd;

/// Makes a direction of `capacity` bytes, which the caller has checked; also gives the file behind it.
pub(crate) fn create(capacity: usize) -> Result<(Areas, File), Error> {
    let fd = object::create(c"ringpipe", DATA + capacity)?;
    // Without these a process that holds the descriptor could turn our next access into SIGBUS.
    object::seal(fd.as_fd(), FIXED_SIZE)?;
    let areas = map(fd.as_fd(), capacity)?;
    Ok((areas, fd))
}

/// Maps a direction that another process made, if it is what it must be.
pub(crate) fn open(fd: BorrowedFd<'_>, capacity: usize) -> Result<Areas, Error> {
    object::check(fd, DATA + capacity, FIXED_SIZE, "ring")?;
    map(fd, capacity)
}

fn map(fd: BorrowedFd<'_>, capacity: usize) -> Result<Areas, Error> {
    let mapping = Arc::new(Mapping::new(fd, DATA + capacity, capacity, Access::ReadWrite)?);
    // SAFETY: the data begins at `DATA`, has `capacity` bytes, and is mapped again right behind.
    let data = unsafe { Data::new(mapping.at(DATA), capacity, true) };
    let (producer, consumer, bells) = (mapping.at(0), mapping.at(CONSUMER), mapping.at(BELLS));
    // SAFETY: each area lies within the mapping, page-aligned; fresh zeroed memory is their initial state, and they are
    // atomic whatever they hold. The mapping is writable.
    Ok(unsafe { Areas::new(producer.cast(), consumer.cast(), bells.cast(), data, mapping) })
}
