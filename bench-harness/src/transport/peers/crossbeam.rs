//! crossbeam-channel between two threads: a bounded channel of owned messages. A message is allocated by its sender and
//! given away; the receiver looks at it where it is, and the responder sends the very same back.
//!
//! `recv` and `send` look a few times and then park, which is what the adaptive row has; the spin row asks again and again.

use std::io;

use crossbeam_channel::{Receiver, Sender, TryRecvError, TrySendError, bounded};

use super::{
    super::{Link, Transport, spins},
    THREADS, slots,
};
use crate::{
    case::{Case, Wait},
    pattern::Replier,
};

pub(in super::super) const TRANSPORT: Transport = Transport {
    name: "crossbeam",
    what: "crossbeam-channel, bounded, a Vec for each message",
    waits: &[Wait::Adaptive, Wait::Spin],
    quick: &[Wait::Adaptive],
    complexity: 26,
    ..THREADS
};

/// One side of two channels.
#[derive(Debug)]
pub(super) struct Crossbeam {
    sender: Sender<Vec<u8>>,
    receiver: Receiver<Vec<u8>>,
    spins: bool,
}

/// Both sides, the initiator's first.
pub(super) fn open(case: &Case) -> (Crossbeam, Crossbeam) {
    let (request_sender, request_receiver) = bounded(slots(case));
    let (reply_sender, reply_receiver) = bounded(slots(case));
    let spins = spins(case);
    (
        Crossbeam { sender: request_sender, receiver: reply_receiver, spins },
        Crossbeam { sender: reply_sender, receiver: request_receiver, spins },
    )
}

impl Crossbeam {
    fn give(&self, mut message: Vec<u8>) -> io::Result<()> {
        if !self.spins {
            return self.sender.send(message).map_err(|_| io::ErrorKind::BrokenPipe.into());
        }
        loop {
            match self.sender.try_send(message) {
                Ok(()) => return Ok(()),
                Err(TrySendError::Full(back)) => message = back,
                Err(TrySendError::Disconnected(_)) => return Err(io::ErrorKind::BrokenPipe.into()),
            }
            std::hint::spin_loop();
        }
    }

    fn take(&self) -> io::Result<Vec<u8>> {
        if !self.spins {
            return self.receiver.recv().map_err(|_| io::ErrorKind::UnexpectedEof.into());
        }
        loop {
            match self.receiver.try_recv() {
                Ok(message) => return Ok(message),
                Err(TryRecvError::Empty) => std::hint::spin_loop(),
                Err(TryRecvError::Disconnected) => return Err(io::ErrorKind::UnexpectedEof.into()),
            }
        }
    }
}

impl Link for Crossbeam {
    fn send(&mut self, message: &[u8]) -> io::Result<()> {
        self.give(message.to_vec())
    }

    fn recv(&mut self, message: &mut [u8]) -> io::Result<()> {
        message.copy_from_slice(&self.take()?);
        Ok(())
    }

    fn send_with(&mut self, buffer: &mut [u8], fill: impl FnOnce(&mut [u8])) -> io::Result<()> {
        let mut message = vec![0; buffer.len()];
        fill(&mut message);
        self.give(message)
    }

    fn recv_with(&mut self, _: &mut [u8], look: impl FnOnce(&[u8])) -> io::Result<()> {
        look(&self.take()?);
        Ok(())
    }

    fn serve(&mut self, count: u64, _: &mut [u8], replier: &mut Replier) -> io::Result<()> {
        for _ in 0..count {
            let mut message = self.take()?;
            replier.answer(&mut message);
            self.give(message)?;
        }
        Ok(())
    }
}
