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
    state::State,
};

/// How long a late reply is left for a caller to read past before the background reader looks for it, and how long the
/// reader looks before it asks whether a caller would rather read.
const SLICE: Duration = Duration::from_millis(100);
/// After this many slices without a byte nobody is calling either, and the reader sleeps until something comes.
const SILENT_SLICES: u32 = 10;

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

    /// Sees to it that somebody reads and somebody watches `deadline` when nobody waits for a call.
    pub(super) fn start_helpers(self: &Arc<Self>, deadline: Option<Instant>) -> io::Result<()> {
        let mut state = lock(&self.state);
        self.start_reader(&mut state)?;
        if deadline.is_some() {
            if state.has_timer || state.closed {
                self.timer_needed.notify_one();
            } else {
                self.spawn(&mut state, "rpc-deadlines", Self::watch_deadlines)?;
                state.has_timer = true;
            }
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
        let thread = thread::Builder::new().name(name.into()).spawn(move || run(&core))?;
        state.threads.retain(|thread| !thread.is_finished());
        state.threads.push(thread);
        Ok(())
    }

    fn read_in_background(&self) {
        let mut state = lock(&self.state);
        while state.reason.is_none() {
            if !state.is_led() && state.started > 0 {
                state = self.lead_unless_wanted(state);
                continue;
            }
            if state.forgotten == 0 {
                state = self.reading_needed.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            // Callers who read for themselves read past late replies too, and faster than by way of this thread.
            let leads = state.leads;
            state = self
                .reading_needed
                .wait_timeout_while(state, SLICE, |state| {
                    state.reason.is_none() && (state.is_led() || state.started == 0)
                })
                .unwrap_or_else(PoisonError::into_inner)
                .0;
            if !state.is_led() && state.leads == leads && state.forgotten > 0 {
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

    /// Reads while there are calls that nobody waits for.
    fn lead_in_background(&self, mut lead: Lead<'_>) {
        let mut silent = 0;
        let reason = loop {
            match lead.next() {
                Ok(Some(reply)) => {
                    self.deliver(&lead, reply);
                    continue;
                }
                Ok(None) => {}
                Err(error) => break garbage(error),
            }
            let until = {
                let mut state = lock(&self.state);
                if state.started > 0 || !self.input_is_timed {
                    Until::Forever
                } else if state.forgotten == 0 || !state.followers.is_empty() {
                    lead.give(&mut state);
                    return;
                } else if silent < SILENT_SLICES {
                    Until::At(Instant::now() + SLICE)
                } else {
                    Until::Forever
                }
            };
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
