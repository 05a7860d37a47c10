//! The layout between strangers: three files for a direction, each written by those who must, and by nobody else.
//!
//! | file | written by | holds | sealed against |
//! |---|---|---|---|
//! | producer's | its creator | header, write position, state; data | shrinking, growing, every further writable use |
//! | consumer's | its creator | read position, state | the same |
//! | doorbells | both | two counters | shrinking, growing |
//!
//! The creator maps its file writable first and seals it then, so that the peer, who gets the descriptor, can map it
//! for reading only, and can neither write to it, shrink it, nor punch holes into it.

use std::{
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    ptr::NonNull,
    sync::Arc,
};

use nix::fcntl::SealFlag;

use super::{
    mapping::{Access, Mapping},
    object::{self, FIXED_SIZE},
    page::Page,
};
use crate::{
    error::Error,
    ring::core::{
        Areas,
        copy::Data,
        header::{self, Header},
        layout::AREA_SIZE,
    },
};

const DATA: usize = AREA_SIZE;

const READ_ONLY_FOR_OTHERS: SealFlag = FIXED_SIZE.union(SealFlag::F_SEAL_FUTURE_WRITE);

/// The files of a direction's writing side, and their mappings, in either process.
#[derive(Debug)]
pub(crate) struct ProducerFiles {
    producer: Mapping,
    bells: Page,
    pub(crate) header: Header,
}

/// The file of a direction's reading side, and its mapping, in either process.
#[derive(Debug)]
pub(crate) struct ConsumerFile(Page);

/// Makes the writing side of a direction; the descriptors are for the peer: the producer's, then the doorbells'.
pub(crate) fn create_producer(
    capacity: usize,
    nonce: [u8; 16],
) -> Result<(ProducerFiles, [OwnedFd; 2]), Error> {
    let size = DATA + capacity;
    let fd = object::create(c"ringpipe-producer", size)?;
    let producer = Mapping::new(fd.as_fd(), size, capacity, Access::ReadWrite)?;
    let header = Header { capacity: capacity as u64, data_offset: DATA as u64, nonce };
    producer.warm(size);
    write_header(&producer, header);
    object::seal(fd.as_fd(), READ_ONLY_FOR_OTHERS)?;
    let bells_fd = object::create(c"ringpipe-doorbells", AREA_SIZE)?;
    object::seal(bells_fd.as_fd(), FIXED_SIZE)?;
    let bells = Page::map(bells_fd.as_fd(), Access::ReadWrite)?;
    Ok((ProducerFiles { producer, bells, header }, [fd, bells_fd]))
}

/// Makes the reading side of a direction; the descriptor is for the peer.
pub(crate) fn create_consumer() -> Result<(ConsumerFile, OwnedFd), Error> {
    let fd = object::create(c"ringpipe-consumer", AREA_SIZE)?;
    let page = Page::map(fd.as_fd(), Access::ReadWrite)?;
    object::seal(fd.as_fd(), READ_ONLY_FOR_OTHERS)?;
    Ok((ConsumerFile(page), fd))
}

/// Maps a peer's writing side, if it is exactly what was announced.
pub(crate) fn open_producer(
    fd: BorrowedFd<'_>,
    bells: BorrowedFd<'_>,
    announced: Header,
) -> Result<ProducerFiles, Error> {
    // The caller has checked the announced capacity against its limit.
    let capacity = announced.capacity as usize;
    let size = DATA + capacity;
    object::check(fd, size, READ_ONLY_FOR_OTHERS, "producer")?;
    object::check(bells, AREA_SIZE, FIXED_SIZE, "doorbell")?;
    let producer = Mapping::new(fd, size, capacity, Access::ReadOnly)?;
    let header = Header::from_bytes(&read_header(&producer))
        .map_err(|fault| Error::Refused(fault.0.into()))?;
    if header != announced || header.data_offset != DATA as u64 {
        return Err(Error::Refused(
            "the header in memory is not the one that was announced".into(),
        ));
    }
    producer.fill(size)?;
    let bells = Page::map(bells, Access::ReadWrite)?;
    bells.fill()?;
    Ok(ProducerFiles { producer, bells, header })
}

/// Maps a peer's reading side, if it is what it must be.
pub(crate) fn open_consumer(fd: BorrowedFd<'_>) -> Result<ConsumerFile, Error> {
    object::check(fd, AREA_SIZE, READ_ONLY_FOR_OTHERS, "consumer")?;
    let page = Page::map(fd, Access::ReadOnly)?;
    page.fill()?;
    Ok(ConsumerFile(page))
}

/// One direction, of which this process made one side and got the other.
pub(crate) fn join(producer: ProducerFiles, consumer: ConsumerFile) -> Areas {
    let capacity = producer.header.capacity as usize;
    // SAFETY: the data follows the first area, has `capacity` bytes, and is mapped again right behind.
    let data = unsafe { Data::new(producer.producer.at(DATA), capacity, true) };
    let (own, peer) = (producer.producer.at(0), consumer.0.base());
    let bells = producer.bells.base();
    // SAFETY: each area is a page of its own, and atomic whatever it holds. A side that this process made is mapped
    // writable, and it takes only the role of a side that it made.
    unsafe {
        Areas::new(own.cast(), peer.cast(), bells.cast(), data, Arc::new((producer, consumer)))
    }
}

fn write_header(producer: &Mapping, header: Header) {
    let bytes = header.to_bytes();
    let base: NonNull<[u8; header::LENGTH]> = producer.at(0).cast();
    // SAFETY: the first page is ours alone until the descriptor is sent, which orders these bytes before whatever the
    // receiver does.
    unsafe { base.write(bytes) };
}

fn read_header(producer: &Mapping) -> [u8; header::LENGTH] {
    let base: NonNull<[u8; header::LENGTH]> = producer.at(0).cast();
    // SAFETY: mapped and long enough; any bytes will do. A peer that writes them meanwhile garbles its own header.
    unsafe { base.read_volatile() }
}
