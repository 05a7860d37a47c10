//! How a ring is made.

#[cfg(target_os = "linux")]
use std::sync::Arc;
use std::time::Duration;

#[cfg(target_os = "linux")]
use super::{Reader, Writer, doorbell::pollable::Light, end::Home, memory::compact, wait::Fences};
use super::{
    Residency,
    core::layout::{MAX_CAPACITY, MIN_CAPACITY},
    doorbell::pollable::Doorbell,
    wait::Wait,
};
use crate::error::Error;
#[cfg(target_os = "linux")]
use crate::sys::io_error;

/// What a new ring shall be like. Both sides may choose their own, but for the capacity, which is the writer's.
///
/// ```
/// use ringpipe::{Options, Wait};
/// let (reader, _writer) = Options::new().capacity(64 << 10).wait(Wait::Park).ring()?;
/// assert_eq!(reader.capacity(), 65536);
/// # Ok::<(), ringpipe::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Options {
    pub(crate) capacity: usize,
    pub(crate) wait: Wait,
    pub(crate) doorbell: Doorbell,
    pub(crate) max_peer_capacity: usize,
    pub(crate) max_message: u32,
    pub(crate) handshake_timeout: Duration,
    pub(crate) any_user: bool,
    pub(crate) residency: Residency,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            capacity: 1 << 20,
            wait: Wait::default(),
            doorbell: Doorbell::default(),
            max_peer_capacity: 64 << 20,
            max_message: 64 << 20,
            handshake_timeout: Duration::from_secs(1),
            any_user: false,
            residency: Residency::default(),
        }
    }
}

impl Options {
    /// One MiB, adaptive waiting, peers of the same user.
    pub fn new() -> Self {
        Self::default()
    }

    /// Bytes the ring holds: a power of two, from 4 KiB to 1 GiB.
    #[must_use]
    pub fn capacity(mut self, bytes: usize) -> Self {
        self.capacity = bytes;
        self
    }

    /// How the ends wait.
    #[must_use]
    pub fn wait(mut self, wait: Wait) -> Self {
        self.wait = wait;
        self
    }

    /// How this side's ends can be waited for.
    #[must_use]
    pub fn doorbell(mut self, doorbell: Doorbell) -> Self {
        self.doorbell = doorbell;
        self
    }

    /// The largest ring that a peer may bring to a stream, in bytes; 64 MiB unless set.
    #[must_use]
    pub fn max_peer_capacity(mut self, bytes: usize) -> Self {
        self.max_peer_capacity = bytes;
        self
    }

    /// The longest message that [`Writer::send`] takes and [`Reader::recv`] accepts, in bytes; 64 MiB unless set.
    #[must_use]
    pub fn max_message(mut self, bytes: u32) -> Self {
        self.max_message = bytes;
        self
    }

    /// How long a peer may take for its part of the handshake; one second unless set.
    #[must_use]
    pub fn handshake_timeout(mut self, timeout: Duration) -> Self {
        self.handshake_timeout = timeout;
        self
    }

    /// Lets processes of other users be the peer of a stream; only those of the same user unless set.
    #[must_use]
    pub fn any_user(mut self, any: bool) -> Self {
        self.any_user = any;
        self
    }

    /// Asks for huge pages, which take the processor fewer steps to find: for rings of 2 MiB and
    /// more. The ring works without; [`Stats::memory`](crate::Stats::memory) tells. Making it takes
    /// some milliseconds more, since pages are copied.
    ///
    /// The kernel must know the call (6.1), and allow them for shared memory: `advise` or more in
    /// `/sys/kernel/mm/transparent_hugepage/shmem_enabled`.
    #[must_use]
    pub fn huge_pages(mut self, wanted: bool) -> Self {
        self.residency.huge_pages = wanted;
        self
    }

    /// Maps every page of the ring when it is made, so that the first round through it is as quick as any other. They are
    /// allocated either way.
    #[must_use]
    pub fn prefault(mut self, wanted: bool) -> Self {
        self.residency.prefaulted = wanted;
        self
    }

    /// Asks to keep the ring from being paged out. It counts twice against `RLIMIT_MEMLOCK`, because it is mapped twice, and the
    /// ring works without; [`Stats::memory`](crate::Stats::memory) tells.
    #[must_use]
    pub fn lock(mut self, wanted: bool) -> Self {
        self.residency.locked = wanted;
        self
    }

    /// Makes a ring with both ends in this process.
    ///
    /// # Errors
    /// [`Error::Capacity`] for a capacity that cannot be; [`Error::Os`] if there is not enough memory, address space or no
    /// descriptor left; [`Error::Unsupported`] if a filter of system calls keeps this process from waking others.
    #[cfg(target_os = "linux")]
    pub fn ring(&self) -> Result<(Reader, Writer), Error> {
        check_capacity(self.capacity)?;
        check_system()?;
        let (areas, file) = compact::create(self.capacity)?;
        let file = Arc::new(file);
        let areas = Arc::new(areas);
        let fences = Fences::offer(self.doorbell);
        let mut reader = Reader::new(areas.clone(), self, fences, 0);
        let mut writer = Writer::new(areas, self, fences, 0, 0);
        for (end, other) in [(&reader.end, &writer.end), (&writer.end, &reader.end)] {
            end.set_home(Home { file: file.clone(), sibling: Arc::downgrade(other) });
        }
        if self.doorbell == Doorbell::EventFd {
            let failed = |e| io_error("making descriptors to poll", &e);
            let (reader_light, reader_switch) = Light::local().map_err(failed)?;
            let (writer_light, writer_switch) = Light::local().map_err(failed)?;
            reader.end.set_peer_switch(writer_switch);
            writer.end.set_peer_switch(reader_switch);
            reader.set_pollable(reader_light);
            writer.set_pollable(writer_light);
        }
        Ok((reader, writer))
    }
}

/// Refuses a process that could sleep, but not wake its peer, which would sleep for ever.
#[cfg(target_os = "linux")]
pub(crate) fn check_system() -> Result<(), Error> {
    if crate::sys::futex::available() {
        return Ok(());
    }
    Err(Error::Unsupported(
        "this process may not call futex on shared memory; a filter that allows FUTEX_WAIT_BITSET and FUTEX_WAKE without \
         FUTEX_PRIVATE_FLAG lets it"
            .into(),
    ))
}

/// Refuses what no ring can have.
pub(crate) fn check_capacity(capacity: usize) -> Result<(), Error> {
    let nearest = capacity.clamp(MIN_CAPACITY, MAX_CAPACITY).next_power_of_two();
    if nearest == capacity { Ok(()) } else { Err(Error::Capacity { asked: capacity, nearest }) }
}
