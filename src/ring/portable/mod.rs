//! The ring over the crates `shared_memory` and `raw_sync`: for systems without memfd and futex, between processes of one
//! user that trust each other.
//!
//! One process [`create`]s a stream at a path, another [`open`]s it; both get a [`Stream`] whose ends keep the
//! same rules as any other's: drain first, deadlines, errors across the border, [`Stats`](crate::Stats). [`ring`] makes
//! one with both ends in this process.
//!
//! ```
//! use std::{io::{Read, Write}, thread};
//! use ringpipe::{Options, portable};
//! let path = std::env::temp_dir().join(format!("ringpipe-doc-{}.portable", std::process::id()));
//! let offer = portable::create(&path, &Options::new())?;
//! let other = {
//!     let path = path.clone();
//!     thread::spawn(move || -> std::io::Result<()> {
//!         portable::open(&path, &Options::new())?.write_all(b"made it")
//!     })
//! };
//! let mut stream = offer.accept(None)?;
//! let mut text = String::new();
//! stream.read_to_string(&mut text)?;
//! assert_eq!(text, "made it");
//! assert!(!path.exists());
//! other.join().unwrap()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! On Linux take the ring proper ([`ring`](fn@crate::ring), [`Listener`](crate::Listener)), which is quicker and
//! promises more. On other Unix systems this is the only ring there is; only Linux is tested.
//!
//! # What it does not give
//! * **No defence against the peer.** Both processes can write the whole segment. A position that cannot be is still found
//!   out, but a peer that scribbles, or cuts the segment short, can garble data or crash this process.
//! * **A dead peer is noticed by the call that waits for it**, within 50 ms of its death, or by the next call that would
//!   block; nobody watches in between. The kernel releases a file lock that each process holds, so there are no
//!   heartbeats and no process ids; but a child that the dead one forked without `exec` holds the same lock, and
//!   delays the notice until it ends as well.
//! * **A wake-up passes through three threads**: the one that sets the event, the one that waits for it, and the one that
//!   called. Looking before sleeping ([`Wait::Adaptive`](crate::Wait)) makes that rare.
//! * **Idle is not free**: a blocked call looks for the peer 20 times a second, and an end that has ever slept has a thread
//!   that wakes every second.
//! * No descriptor to poll, and no end handed to a child. The memory is mapped once, so a [`Span`](crate::Span) ends where
//!   the ring's memory does.
//!
//! # What is wrong with the crates, and what is done about it
//! Both are what Rust programmers reach for first, and neither is maintained.
//!
//! | fault | here |
//! |---|---|
//! | `raw_sync` 0.1.5: a timed wait whose nanoseconds carry over a second fails at once (EINVAL) | waits for whole seconds only; a call's own limit is kept apart from it |
//! | it waits by the realtime clock: set back, a wait lasts as much longer | limits are kept on the monotonic clock; the event's time only says when to look again |
//! | its mutex is not robust: a process killed while it has it leaves it locked, and both setting and the end of a timed wait take it without a limit | no caller ever makes these calls; threads do that nobody waits for. A peer killed in such a moment leaves one blocked for good, with the segment mapped; the ends go on, and report the death |
//! | `shared_memory` 0.12.4: a segment has a name before it has a length, and opening it in between fails | the creator announces it when it is complete; until then, opening tries again |
//! | it sets the length and allocates nothing: a full `/dev/shm` is a SIGBUS at first touch | on Linux every page is allocated before the first touch, or [`create`] fails with `StorageFull`; elsewhere nothing can be asked |
//! | the name of a segment leaks when its creator is killed | the names go as soon as both have opened them; those of a creator that died before are removed by the next who creates or opens at the path |
//! | its slices of memory that another process writes are undefined behaviour | raw pointers, atomics and copies only |

mod place;
mod segment;

use std::{
    fmt,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    Options, Reader, Stream, Writer,
    core::{areas::Role, layout::PARKED},
    doorbell::{Doorbell as _, pollable::Doorbell},
    options::check_capacity,
    peer::Tie,
    wait::Fences,
};
use crate::{error::Error, sys::clock::Moment};
use place::{Guest, Host, Notice};
use segment::{Direction, Segment};

/// How long the creator waits at most until it looks again whether somebody came: somebody may have been killed between joining
/// and ringing.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// How long to wait until a creator may have got further.
const MOMENT: Duration = Duration::from_millis(1);

/// A stream that waits at a path for the other process. Made by [`create`]; dropping it takes it back.
pub struct Offer {
    host: Host,
    notice: Notice,
    outgoing: Direction,
    incoming: Direction,
    options: Options,
}

/// Makes a stream of two rings, each of the capacity in `options`, and offers it at `path` to the one process that
/// [`open`]s it.
///
/// `path` names a new file in a directory on a local file system; it and its like are gone as soon as both processes have
/// them open. What a killed creator has left there is removed; a live one's, and any other file, stays. An empty file is
/// taken for a leftover.
///
/// # Errors
/// [`Error::Os`] if another process waits at the path (`AddrInUse`), if something else stands there (`AlreadyExists`), if
/// there is not enough shared memory (`StorageFull`), or if the directory is missing or closed to us; [`Error::Capacity`]
/// for a capacity that cannot be; [`Error::Unsupported`] for [`Doorbell::EventFd`].
pub fn create(path: impl AsRef<Path>, options: &Options) -> Result<Offer, Error> {
    check(options)?;
    let notice = Notice::new(options.capacity);
    let size = segment::size(notice.capacity, 2);
    // Before a line is written anywhere.
    segment::check_size(size)?;
    let host = Host::new(path.as_ref(), &notice)?;
    let segment = Segment::create(&notice.segment(), size)?;
    let [outgoing, incoming] = directions(segment, notice.capacity);
    outgoing.make_events()?;
    incoming.make_events()?;
    outgoing.announce(notice.nonce);
    Ok(Offer { host, notice, outgoing, incoming, options: options.clone() })
}

impl Offer {
    /// Waits until another process has opened the stream.
    ///
    /// # Blocking
    /// Until then, or until `deadline`.
    ///
    /// # Errors
    /// [`Error::Timeout`] past the deadline, with the offer withdrawn; [`Error::Refused`] for a process that is not this
    /// version.
    pub fn accept(self, deadline: Option<Instant>) -> Result<Stream, Error> {
        let deadline = deadline.map(Moment::of);
        let (areas, consumer) = (Arc::new(self.incoming.areas()), Role::Consumer);
        let bell = self.incoming.events(&areas, consumer)?.own;
        loop {
            let listened = bell.listen();
            if self.incoming.announced(self.notice.nonce)? {
                break;
            }
            let now = Moment::now();
            if deadline.is_some_and(|deadline| deadline <= now) {
                return Err(Error::Timeout);
            }
            let again = now.after(LOOK_AGAIN);
            bell.sleep(listened, Some(deadline.map_or(again, |deadline| deadline.min(again))));
        }
        let Host { names, own, guest } = self.host;
        // The guest removes them too, unless it was killed before.
        drop(names);
        let tie = Tie::new(own, guest);
        Ok(ends(&self.incoming, &self.outgoing, tie, &self.options)?.into())
    }
}

impl fmt::Debug for Offer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Offer").field("host", &self.host).finish_non_exhaustive()
    }
}

/// Opens the stream that another process has [`create`]d at `path`.
///
/// # Blocking
/// For as long as the creator has not finished, or another process is about to open the same stream, up to
/// [`Options::handshake_timeout`]. The creator need not have called [`Offer::accept`]: what is written until then is
/// in the ring.
///
/// # Errors
/// [`Error::Os`] if nothing is there (`NotFound`), its creator died (`ConnectionRefused`), or something else stands there
/// (`AlreadyExists`); [`Error::Timeout`] when the time is up; [`Error::Refused`] for another version, another C library, or a
/// ring over [`Options::max_peer_capacity`].
pub fn open(path: impl AsRef<Path>, options: &Options) -> Result<Stream, Error> {
    check(options)?;
    let deadline = Moment::now().after(options.handshake_timeout);
    loop {
        if let Some(guest) = Guest::claim(path.as_ref())? {
            if let Some(stream) = join(guest, options)? {
                return Ok(stream);
            }
        }
        if deadline <= Moment::now() {
            return Err(Error::Timeout);
        }
        std::thread::sleep(MOMENT);
    }
}

/// Makes a ring of the portable backend with both ends in this process.
///
/// # Errors
/// As [`create`], but for what concerns the path.
///
/// ```
/// use std::io::{Read, Write};
/// let options = ringpipe::Options::new().capacity(4096);
/// let (mut reader, mut writer) = ringpipe::portable::ring(&options)?;
/// writer.write_all(b"here")?;
/// let mut buf = [0; 8];
/// assert_eq!(reader.read(&mut buf)?, 4);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn ring(options: &Options) -> Result<(Reader, Writer), Error> {
    check(options)?;
    let name = Notice::new(options.capacity).segment();
    let segment = Segment::create(&name, segment::size(options.capacity, 1))?;
    segment::remove_name(&name);
    let direction = Direction::new(&Arc::new(segment), 0, options.capacity);
    direction.make_events()?;
    Ok((reader(&direction, options)?, writer(&direction, options)?))
}

/// Enters the stream that the guest has claimed, if it is complete.
fn join(guest: Guest, options: &Options) -> Result<Option<Stream>, Error> {
    let Guest { notice, names, host, own } = guest;
    let (capacity, most) = (notice.capacity, options.max_peer_capacity);
    if capacity > most {
        return Err(Error::Refused(
            format!("the creator's ring of {capacity} bytes is over the limit of {most}").into(),
        ));
    }
    let Some(segment) = Segment::open(&notice.segment(), segment::size(capacity, 2))? else {
        return Ok(None);
    };
    let [incoming, outgoing] = directions(segment, capacity);
    if !incoming.announced(notice.nonce)? {
        return Ok(None);
    }
    let (reader, writer) = ends(&incoming, &outgoing, Tie::new(own, host), options)?;
    outgoing.announce(notice.nonce);
    writer.end.ring_peer(PARKED);
    names.remove();
    Ok(Some((reader, writer).into()))
}

/// The creator's outgoing direction, and its incoming one.
fn directions(segment: Segment, capacity: usize) -> [Direction; 2] {
    let segment = Arc::new(segment);
    [0, 1].map(|index| Direction::new(&segment, index, capacity))
}

fn ends(
    incoming: &Direction,
    outgoing: &Direction,
    tie: Tie,
    options: &Options,
) -> Result<(Reader, Writer), Error> {
    let (reader, writer) = (reader(incoming, options)?, writer(outgoing, options)?);
    let tie = Arc::new(tie);
    for end in [&reader.end, &writer.end] {
        end.areas().presence().go();
        end.set_tie(tie.clone());
    }
    Ok((reader, writer))
}

fn reader(direction: &Direction, options: &Options) -> Result<Reader, Error> {
    let areas = Arc::new(direction.areas());
    let events = direction.events(&areas, Role::Consumer)?;
    let reader = Reader::new(areas, options, Fences::Both, 0);
    reader.end.set_events(events);
    Ok(reader)
}

fn writer(direction: &Direction, options: &Options) -> Result<Writer, Error> {
    let areas = Arc::new(direction.areas());
    let events = direction.events(&areas, Role::Producer)?;
    let writer = Writer::new(areas, options, Fences::Both, 0, 0);
    writer.end.set_events(events);
    Ok(writer)
}

fn check(options: &Options) -> Result<(), Error> {
    if options.doorbell == Doorbell::EventFd {
        return Err(Error::Unsupported(
            "the portable backend has no descriptor to poll; use Doorbell::Futex, or a Stream of the ring proper".into(),
        ));
    }
    check_capacity(options.capacity)
}
