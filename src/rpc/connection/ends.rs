//! Pipe ends as the halves of a connection: their deadlines do the timing, their controls the hanging up.

use std::{
    io, thread,
    time::{Duration, Instant},
};

use crate::{
    ends::{Control, ReadEnd, WriteEnd},
    error::Error,
};

use super::{Hangup, Input, Output, Until};

/// How long one end of a stream may take to hear what the other has heard: that the peer is dead.
const DEATH_KNELL: Duration = Duration::from_millis(100);

pub(super) struct EndInput<R> {
    end: R,
    control: Control,
    // Whether the end has a deadline of an earlier read.
    armed: bool,
}

impl<R: ReadEnd> EndInput<R> {
    pub(super) fn new(end: R) -> Self {
        let control = end.control();
        Self { end, control, armed: false }
    }
}

/// Gives the end its deadline for the next call, and spares the end the call where nothing changes.
fn arm(control: &Control, armed: &mut bool, until: Until) {
    match until {
        Until::At(deadline) => {
            control.set_deadline(Some(deadline));
            *armed = true;
        }
        Until::Forever | Until::Now if *armed => {
            control.set_deadline(None);
            *armed = false;
        }
        Until::Forever | Until::Now => {}
    }
}

impl<R: ReadEnd> Input for EndInput<R> {
    fn read(&mut self, buf: &mut [u8], until: Until) -> io::Result<usize> {
        arm(&self.control, &mut self.armed, until);
        match until {
            Until::Now => self.end.try_read(buf),
            _ => self.end.read(buf),
        }
    }
}

pub(super) struct EndOutput<W> {
    end: W,
    control: Control,
    armed: bool,
}

impl<W: WriteEnd> EndOutput<W> {
    pub(super) fn new(end: W) -> Self {
        let control = end.control();
        Self { end, control, armed: false }
    }
}

impl<W: WriteEnd> Output for EndOutput<W> {
    fn write(&mut self, buf: &[u8], until: Until) -> io::Result<usize> {
        arm(&self.control, &mut self.armed, until);
        match until {
            Until::Now => self.end.try_write(buf),
            _ => self.end.write(buf),
        }
    }

    // A rule of every writing end: once the reader has closed, a write fails even where there is room.
    fn notices_the_end(&self) -> bool {
        true
    }

    fn unread(&mut self) -> Option<u64> {
        arm(&self.control, &mut self.armed, Until::Now);
        let until = Instant::now() + DEATH_KNELL;
        let mut sent_in_vain = 0;
        // The bytes go nowhere; the end answers with what it knows once it has heard what the other end has.
        while Instant::now() < until {
            let error = match self.end.try_write(&[0]) {
                Ok(n) => {
                    sent_in_vain += n as u64;
                    thread::sleep(Duration::from_millis(1));
                    continue;
                }
                Err(error) => error,
            };
            return match Error::of(&error) {
                Some(Error::PeerDied { unconsumed }) => {
                    unconsumed.as_ref()?.checked_sub(sent_in_vain)
                }
                _ => None,
            };
        }
        None
    }
}

pub(super) struct HangUpEnds(Control, Control);

impl HangUpEnds {
    pub(super) fn new(reader: &impl ReadEnd, writer: &impl WriteEnd) -> Self {
        Self(reader.control(), writer.control())
    }
}

impl Hangup for HangUpEnds {
    fn hang_up(&self) {
        // The writer first: its reader then sees the end of the stream and not an error.
        self.1.close();
        self.0.close();
    }
}
