//! Pipe ends as the halves of a connection: their deadlines do the timing, their controls the hanging up.

use std::io;

use crate::{
    ends::{Control, ReadEnd, WriteEnd},
    error::Error,
};

use super::{Hangup, Input, Output, Until};

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

    fn unread(&mut self) -> Option<u64> {
        arm(&self.control, &mut self.armed, Until::Now);
        // The peer is dead or has hung up, so the byte goes nowhere; the end answers with what it knows.
        let error = self.end.try_write(&[0]).err()?;
        match Error::of(&error) {
            Some(Error::PeerDied { unconsumed }) => *unconsumed,
            _ => None,
        }
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
