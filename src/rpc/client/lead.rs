//! The right to read the connection, of which there is one.

use std::{
    io,
    ops::{Deref, DerefMut},
    time::Instant,
};

use super::{
    super::{
        Codec,
        codec::{Buffer, Decoder, Garbage, Reply},
        connection::{Input, Until},
        lock,
    },
    core::Core,
    state::State,
};

/// The half that is read from, and what has arrived.
pub(super) struct Incoming {
    input: Box<dyn Input>,
    pub(super) buffer: Buffer,
    decoder: Decoder,
}

impl Incoming {
    #[inline]
    pub(super) fn new(input: Box<dyn Input>, codec: Codec, limit: usize) -> Self {
        Self { input, buffer: Buffer::new(limit), decoder: Decoder::new(codec) }
    }

    #[inline]
    pub(super) fn next(&mut self) -> Result<Option<Reply>, Garbage> {
        self.decoder.reply(&mut self.buffer)
    }

    #[inline]
    pub(super) fn fill(&mut self, until: Until) -> io::Result<usize> {
        self.buffer.fill(&mut *self.input, until)
    }
}

/// The right to read; given back when dropped, also by a panic in somebody's `Deserialize`.
///
/// With it goes the book's entry for the [own call](State::insert_own) of whoever has it.
pub(super) struct Lead<'a> {
    core: &'a Core,
    // None only on the way out.
    incoming: Option<Box<Incoming>>,
}

const HELD: &str = "what is read from is held until it is given back";

impl<'a> Lead<'a> {
    #[inline]
    pub(super) fn new(core: &'a Core, incoming: Box<Incoming>) -> Self {
        Self { core, incoming: Some(incoming) }
    }

    /// Takes it if nobody has it.
    #[inline]
    pub(super) fn take(core: &'a Core, state: &mut State) -> Option<Self> {
        Some(Self::new(core, state.incoming.take()?))
    }

    /// Gives it back, and finds somebody who needs it.
    #[inline]
    pub(super) fn give(mut self, state: &mut State) {
        if let Some(incoming) = self.incoming.take() {
            self.core.give_lead(state, incoming);
        }
    }
}

impl Deref for Lead<'_> {
    type Target = Incoming;

    fn deref(&self) -> &Incoming {
        self.incoming.as_ref().expect(HELD)
    }
}

impl DerefMut for Lead<'_> {
    fn deref_mut(&mut self) -> &mut Incoming {
        self.incoming.as_mut().expect(HELD)
    }
}

impl Drop for Lead<'_> {
    fn drop(&mut self) {
        if let Some(incoming) = self.incoming.take() {
            self.core.give_lead(&mut lock(&self.core.state), incoming);
        }
    }
}

impl Core {
    #[inline]
    fn give_lead(&self, state: &mut State, incoming: Box<Incoming>) {
        state.clear_own();
        state.incoming = Some(incoming);
        self.hand_over(state);
    }

    /// Finds somebody to read, now that nobody does.
    #[inline]
    pub(super) fn hand_over(&self, state: &mut State) {
        if state.is_led() {
            return;
        }
        if let Some(number) = state.followers.pop_first() {
            if let Some(slot) = state.slot(number) {
                slot.nudge();
            }
        } else if state.wants_reader() || (state.reader_sleeps && state.has_loose_ends()) {
            self.reading_needed.notify_one();
        }
    }

    /// Reads for everybody until nobody waits, or until `deadline`.
    pub(super) fn lead_until(&self, mut lead: Lead<'_>, deadline: Instant) {
        loop {
            match lead.next() {
                Ok(Some(reply)) => {
                    self.deliver(&lead, reply);
                    continue;
                }
                Ok(None) if lock(&self.state).len() > 0 => {}
                Ok(None) | Err(_) => return,
            }
            match lead.fill(Until::At(deadline)) {
                Ok(n) if n > 0 => {}
                _ => return,
            }
        }
    }
}
