//! The client's threads: each started when first needed, and joined when the client closes.

use std::{
    io,
    sync::{Arc, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use super::{
    super::{CallError, connection::Until, lock},
    core::{Core, broken, garbage},
    lead::Lead,
    send::{Outgoing, Sent, Turn},
    state::{Attention, State},
};

/// How long a reply that nobody waits for is left to callers, who read past it on their way and faster than a thread that
/// has to be woken: that of a call whose caller may still come for it, and that of a call given up.
const SOON: Duration = Duration::from_millis(1);
const LATE: Duration = Duration::from_millis(100);
/// After so many waits for late replies without a byte nobody is calling either, and the reader sleeps until something comes.
const SILENT_WAITS: u32 = 10;

/// Ends the connection when one of its threads panics, in a transport of somebody's own: the calls that depend on the thread
/// would wait for ever.
struct EndOnPanic<'a>(&'a Core);

impl Drop for EndOnPanic<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.end(broken(io::Error::other("the transport panicked")));
        }
    }
}

impl Core {
    /// Over a connection without time-outs a caller cannot leave a read, so it must not begin one.
    pub(super) fn start_reader_if_untimed(self: &Arc<Self>) -> io::Result<()> {
        if self.input_is_timed {
            return Ok(());
        }
        let mut state = lock(&self.state);
        // Nobody else ever reads.
        let Some(incoming) = state.incoming.take() else {
            return Ok(());
        };
        state.has_reader = true;
        self.spawn(&mut state, "rpc-replies", move |core| {
            core.lead_in_background(Lead::new(core, incoming));
        })
    }

    /// Sees to it that there is somebody to read, and to watch deadlines, when nobody waits for a call.
    pub(super) fn start_helpers(
        self: &Arc<Self>,
        state: &mut MutexGuard<'_, State>,
        timed: bool,
    ) -> io::Result<()> {
        self.start_reader(state)?;
        if timed && !state.has_timer && !state.closed {
            self.spawn(state, "rpc-deadlines", Self::watch_deadlines)?;
            state.has_timer = true;
        }
        Ok(())
    }

    /// Sees to it that the replies of calls given up are read, so that the server is not stuck with them.
    pub(super) fn read_late_replies(self: &Arc<Self>) {
        let mut state = lock(&self.state);
        if state.forgotten > 0 && self.start_reader(&mut state).is_ok() {
            self.hand_over(&mut state);
        }
        // Without a thread the next caller reads past them.
    }

    /// Has somebody read what no caller waits for, because somebody else cannot go on before.
    pub(super) fn read_now(&self) {
        let mut state = lock(&self.state);
        if state.has_loose_ends() {
            state.read_now = true;
            self.hand_over(&mut state);
        }
    }

    fn start_reader(self: &Arc<Self>, state: &mut MutexGuard<'_, State>) -> io::Result<()> {
        if !state.has_reader && !state.closed {
            self.spawn(state, "rpc-replies", Self::read_in_background)?;
            state.has_reader = true;
        }
        Ok(())
    }

    fn spawn(
        self: &Arc<Self>,
        state: &mut MutexGuard<'_, State>,
        name: &str,
        run: impl FnOnce(&Self) + Send + 'static,
    ) -> io::Result<()> {
        let core = Arc::clone(self);
        let thread = thread::Builder::new().name(name.into()).spawn(move || {
            let _end = EndOnPanic(&core);
            run(&core);
        })?;
        state.threads.retain(|thread| !thread.is_finished());
        state.threads.push(thread);
        Ok(())
    }

    /// The background reader: reads where it must, and otherwise only what has been waiting for a while.
    fn read_in_background(&self) {
        let mut state = lock(&self.state);
        let mut leads = state.leads;
        while state.reason.is_none() {
            if !state.is_led() && state.wants_reader() {
                state.read_now = false;
                state = self.lead_unless_wanted(state);
                continue;
            }
            let busy = std::mem::replace(&mut leads, state.leads) != leads;
            if !busy && !state.has_loose_ends() {
                state.reader_sleeps = true;
                state = self.reading_needed.wait(state).unwrap_or_else(PoisonError::into_inner);
                state.reader_sleeps = false;
                continue;
            }
            let patience = if state.later > 0 || busy { SOON } else { LATE };
            state = self
                .reading_needed
                .wait_timeout_while(state, patience, |state| {
                    state.reason.is_none() && (state.is_led() || !state.wants_reader())
                })
                .unwrap_or_else(PoisonError::into_inner)
                .0;
            if !state.is_led() && state.leads == leads && state.has_loose_ends() {
                state = self.lead_unless_wanted(state);
            }
        }
    }

    /// Leads, unless a caller wants to.
    fn lead_unless_wanted<'a>(&'a self, mut state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        if !state.followers.is_empty() {
            self.hand_over(&mut state);
        } else if let Some(lead) = Lead::take(self, &mut state) {
            drop(state);
            self.lead_in_background(lead);
            return lock(&self.state);
        }
        state
    }

    /// Reads while there are replies to come that nobody waits for, and no caller who would rather read.
    fn lead_in_background(&self, mut lead: Lead<'_>) {
        // Before the right to read is given back to callers, who would fare no better.
        let _end = EndOnPanic(self);
        let mut silent = 0;
        let reason = loop {
            let reply = match lead.next() {
                Ok(reply) => reply,
                Err(error) => break garbage(error),
            };
            let is_more = reply.is_some();
            // Who was waiting for this reply will read the next one himself, if he is left to.
            let wanted =
                reply.is_some_and(|reply| self.deliver(&lead, reply) == Some(Attention::Caller));
            if is_more && !wanted {
                continue;
            }
            let until = {
                let mut state = lock(&self.state);
                if state.eager > 0 || !self.input_is_timed {
                    Until::Forever
                } else if wanted || !state.followers.is_empty() || !state.has_loose_ends() {
                    lead.give(&mut state);
                    return;
                } else if state.later > 0 || silent >= SILENT_WAITS {
                    Until::Forever
                } else {
                    Until::At(Instant::now() + LATE)
                }
            };
            if is_more {
                continue;
            }
            match lead.fill(until) {
                Ok(0) => break CallError::UnexpectedEof,
                Ok(_) => silent = 0,
                Err(error) if error.kind() == io::ErrorKind::TimedOut => silent += 1,
                Err(error) => break broken(error),
            }
        };
        self.end(reason);
    }

    /// Gives up started calls at their deadlines.
    fn watch_deadlines(&self) {
        let mut state = lock(&self.state);
        while state.reason.is_none() {
            let Some(&(deadline, number)) = state.deadlines.first() else {
                state = self.timer_needed.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                drop(state);
                self.give_up(number, CallError::Deadline);
                state = lock(&self.state);
            } else {
                state = self
                    .timer_needed
                    .wait_timeout(state, left)
                    .unwrap_or_else(PoisonError::into_inner)
                    .0;
            }
        }
    }

    /// Leaves the rest of the frame, and the turn to write, to a thread.
    pub(super) fn finish_in_background<'a>(self: &'a Arc<Self>, mut turn: Turn<'a>) -> Sent<'a> {
        let Some(outgoing) = turn.leave_to_another() else {
            return Sent::Yes(turn);
        };
        let mut state = lock(&self.state);
        let spawned = self.spawn(&mut state, "rpc-frame", move |core| core.finish_frame(outgoing));
        drop(state);
        match spawned {
            Ok(()) => Sent::Yes(turn),
            Err(error) => {
                // The frame is lost, and with it the connection.
                let reason = broken(error);
                self.refuse(&reason);
                Sent::Poisoned(reason)
            }
        }
    }

    fn finish_frame(&self, mut outgoing: Box<Outgoing>) {
        match outgoing.write_rest(Until::Forever) {
            Ok(()) => self.give_turn(&mut lock(&self.state), outgoing),
            // Nobody may append to half a frame, so the turn is never given back.
            Err(error) => self.poison(broken(error)),
        }
    }
}
