//! The two ends of a model pipe.

use std::{
    io::{self, IoSlice, IoSliceMut, Read, Write},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use super::{
    breaks::Break,
    core::{Core, Side},
};
use crate::{
    ends::{Control, Controlled, ReadEnd, WriteEnd},
    error::Cause,
};

/// What a control holds: the pipe, and which end of it.
#[derive(Debug)]
struct Handle {
    core: Arc<Core>,
    side: Side,
}

impl Controlled for Handle {
    fn close(&self, cause: Option<Cause>) {
        self.core.close(self.side, cause);
    }

    fn set_deadline(&self, deadline: Option<Instant>) {
        self.core.set_deadline(self.side, deadline);
    }
}

/// What an end holds.
#[derive(Debug)]
struct End {
    core: Arc<Core>,
    handle: Arc<Handle>,
}

impl End {
    fn new(core: &Arc<Core>, side: Side) -> Self {
        Self { core: Arc::clone(core), handle: Arc::new(Handle { core: Arc::clone(core), side }) }
    }

    fn control(&self) -> Control {
        Control::new(Arc::clone(&self.handle) as Arc<dyn Controlled>)
    }

    fn set_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.core.set_timeout(self.handle.side, timeout)
    }

    fn timeout(&self) -> Option<Duration> {
        let timeout = self.core.lock().end(self.handle.side).timeout;
        timeout.filter(|_| !self.core.is(Break::TimeoutIsNotTold))
    }

    fn set_nonblocking(&self, nonblocking: bool) {
        let stays = self.core.is(Break::NonblockingStays);
        self.core.lock().end(self.handle.side).nonblocking |= nonblocking;
        if !nonblocking && !stays {
            self.core.lock().end(self.handle.side).nonblocking = false;
        }
    }

    fn dropped(&self, forgets: Break) {
        let controls_live = Arc::strong_count(&self.handle) > 1;
        if self.core.is(forgets) || (self.core.is(Break::ControlKeepsTheEndOpen) && controls_live) {
            return;
        }
        if self.handle.side == Side::Reader
            && thread::panicking()
            && self.core.is(Break::UnwindingReaderStaysOpen)
        {
            return;
        }
        let panicked = self.handle.side == Side::Writer
            && thread::panicking()
            && !self.core.is(Break::UnwindingLooksLikeTheEnd);
        self.core.close(self.handle.side, panicked.then(|| Cause::new("writer panicked")));
    }
}

pub(super) fn pair(core: Core) -> (ModelReader, ModelWriter) {
    let core = Arc::new(core);
    (ModelReader(End::new(&core, Side::Reader)), ModelWriter(End::new(&core, Side::Writer)))
}

/// The reading end of a [`Model`](super::Model).
#[derive(Debug)]
pub struct ModelReader(End);

/// The writing end of a [`Model`](super::Model).
#[derive(Debug)]
pub struct ModelWriter(End);

impl Read for &ModelReader {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.core.read(buf, true)
    }
}

impl Read for ModelReader {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        (&*self).read(buf)
    }

    fn read_vectored(&mut self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        let wanted = bufs.iter().map(|buf| buf.len()).sum();
        let mut flat = vec![0; wanted];
        let n = self.read(&mut flat)?;
        let mut rest = &flat[..n];
        let mut fill = |buf: &mut IoSliceMut<'_>| {
            let (now, later) = rest.split_at(rest.len().min(buf.len()));
            buf[..now.len()].copy_from_slice(now);
            rest = later;
        };
        if self.0.core.is(Break::VectoredReadFillsBackwards) {
            bufs.iter_mut().rev().for_each(&mut fill);
        } else {
            bufs.iter_mut().for_each(&mut fill);
        }
        Ok(n)
    }
}

impl ReadEnd for ModelReader {
    fn try_read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.core.read(buf, false)
    }

    fn control(&self) -> Control {
        self.0.control()
    }

    fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.0.set_timeout(timeout)
    }

    fn read_timeout(&self) -> Option<Duration> {
        self.0.timeout()
    }

    fn set_nonblocking(&self, nonblocking: bool) {
        self.0.set_nonblocking(nonblocking);
    }
}

impl Drop for ModelReader {
    fn drop(&mut self) {
        self.0.dropped(Break::DroppedReaderStaysOpen);
    }
}

impl Write for &ModelWriter {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.0.core.write(buf, true)
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.0.core.is(Break::FlushWaitsForTheReader) {
            self.0.core.drained();
        }
        Ok(())
    }
}

impl Write for ModelWriter {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        (&*self).write(buf)
    }

    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        let flat: Vec<u8> = bufs.iter().flat_map(|buf| buf.iter().copied()).collect();
        if self.0.core.is(Break::VectoredWriteClaimsAll) {
            let first = bufs.iter().find(|buf| !buf.is_empty());
            return self.write(first.map_or(&[], |buf| buf)).map(|_| flat.len());
        }
        self.write(&flat)
    }

    fn flush(&mut self) -> io::Result<()> {
        (&*self).flush()
    }
}

impl WriteEnd for ModelWriter {
    fn try_write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.0.core.write(buf, false)
    }

    fn control(&self) -> Control {
        self.0.control()
    }

    fn set_write_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.0.set_timeout(timeout)
    }

    fn write_timeout(&self) -> Option<Duration> {
        self.0.timeout()
    }

    fn set_nonblocking(&self, nonblocking: bool) {
        self.0.set_nonblocking(nonblocking);
    }
}

impl Drop for ModelWriter {
    fn drop(&mut self) {
        self.0.dropped(Break::DroppedWriterStaysOpen);
    }
}
