//! One connection being served.
//!
//! Exactly one thread at a time leads: it reads requests and executes the quick ones. `turn` says which: it is even
//! while the leader reads and odd while it executes or replies. A leader returns to reading by moving `turn` on; the
//! watch deposes one that takes too long by moving it on first, and a new leader starts there.

use std::{
    collections::VecDeque,
    io,
    sync::{Arc, Condvar, Mutex, PoisonError},
    thread,
    time::Duration,
};

use serde::Serialize;

use crate::sync::{AtomicU32, AtomicU64, Ordering};

use super::{
    super::{
        Codec, Connection, Limits,
        codec::{
            Buffer, Decoder, Encoder, Garbage, MethodName, OwnedBody, ReplyTo, Request, retire,
        },
        connection::{Hangup, Input, Output, Until},
        lock,
    },
    crew::CrewHandle,
    exchange::{Exchange, Source, Time},
    service::{Method, Registry},
};

/// A run in a thread of its own that ends within this was quick enough for the reading thread.
const QUICK: Duration = Duration::from_micros(50);

pub(super) struct Session {
    registry: Arc<Registry>,
    crew: CrewHandle,
    limits: Limits,
    hangup: Arc<dyn Hangup>,
    incoming: Mutex<Incoming>,
    outgoing: Mutex<Outgoing>,
    turn: AtomicU64,
    /// The method being executed while `turn` is odd; advice for the watch.
    running: AtomicU32,
    /// How many calls are executed beside the leader: a copy of what `active` holds, for the leader.
    beside: AtomicU32,
    active: Mutex<Active>,
    changed: Condvar,
}

pub(super) struct Incoming {
    input: Box<dyn Input>,
    pub(super) buffer: Buffer,
    decoder: Decoder,
}

struct Outgoing {
    output: Box<dyn Output>,
    encoder: Encoder,
    frame: Vec<u8>,
    broken: bool,
}

struct Active {
    /// The leader, if somebody reads, and the calls being executed beside it.
    threads: usize,
    leading: bool,
    /// Calls that wait because enough are being executed, in the order they came, and what they hold.
    backlog: VecDeque<Job>,
    backlog_bytes: usize,
    ended: bool,
}

/// A call that has left the buffer.
struct Job {
    method: Arc<Method>,
    to: ReplyTo,
    body: OwnedBody,
}

impl Job {
    /// What it holds in memory: whatever of it the client chose the size of.
    fn bytes(&self) -> usize {
        self.body.len() + self.to.len() + self.method.held() + size_of::<Self>()
    }
}

/// A session that the watch looks at, until this is dropped: the watch must not keep one that ended, however it ended.
struct WatchedSession<'a>(&'a Arc<Session>);

impl Drop for WatchedSession<'_> {
    fn drop(&mut self) {
        self.0.crew.unwatch(self.0);
    }
}

/// Ends a session whose thread panics: not in a method, whose panics are answered, but in a transport of somebody's own.
struct EndOnPanic<'a>(&'a Session);

impl Drop for EndOnPanic<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.hang_up();
            lock(&self.0.active).ended = true;
            self.0.changed.notify_all();
        }
    }
}

impl Session {
    pub(super) fn new(
        connection: Connection,
        codec: Codec,
        limits: Limits,
        registry: Arc<Registry>,
        crew: CrewHandle,
    ) -> Arc<Self> {
        let Connection { input, output, hangup } = connection;
        Arc::new(Self {
            registry,
            crew,
            limits,
            hangup,
            incoming: Mutex::new(Incoming {
                input,
                buffer: Buffer::new(limits.message),
                decoder: Decoder::new(codec),
            }),
            outgoing: Mutex::new(Outgoing {
                output,
                encoder: Encoder::new(codec),
                frame: Vec::new(),
                broken: false,
            }),
            turn: AtomicU64::new(0),
            running: AtomicU32::new(0),
            beside: AtomicU32::new(0),
            active: Mutex::new(Active {
                threads: 1,
                leading: true,
                backlog: VecDeque::new(),
                backlog_bytes: 0,
                ended: false,
            }),
            changed: Condvar::new(),
        })
    }

    pub(super) fn hang_up(&self) {
        self.hangup.hang_up();
    }

    /// Answers until the connection ends and every call is answered.
    pub(super) fn serve(self: &Arc<Self>) {
        self.crew.watch(self);
        let _watched = WatchedSession(self);
        self.lead(0);
        let mut active = lock(&self.active);
        while !active.ended {
            active = self.changed.wait(active).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Reads requests and sees to their execution, until the connection ends or somebody else leads.
    fn lead(self: &Arc<Self>, mut turn: u64) {
        let _end = EndOnPanic(self);
        // The method of the last request is often that of the next.
        let mut last: Option<Arc<Method>> = None;
        let ended = loop {
            let mut incoming = lock(&self.incoming);
            let Some(request) = incoming.next() else {
                break true;
            };
            let name = match &request.method {
                MethodName::At(range) => incoming.buffer.slice(range),
                MethodName::Owned(name) => name.as_bytes(),
            };
            // One that was missing may be registered now.
            if last.as_ref().is_none_or(|last| !last.is(name)) {
                last = None;
            }
            let method = last.get_or_insert_with(|| self.registry.find(name));
            if method.is_slow() || self.is_full() {
                let body = request.body.to_owned(&incoming.buffer);
                drop(incoming);
                let method = Arc::clone(method);
                self.dispatch(Job { method, to: request.to, body });
                continue;
            }
            method.run(&mut Exchange {
                session: self,
                to: request.to,
                source: Source::Buffer(incoming, request.body),
                inline: Some((method.index(), turn)),
                name: method.name(),
                time: Time::Unwanted,
            });
            if !self.finish(turn) {
                break false;
            }
            turn += 2;
        };
        self.leave(ended);
    }

    /// The leader begins to execute.
    pub(super) fn begin(&self, method: u32, turn: u64) {
        // ORDER: read by the watch after it saw the turn odd.
        self.running.store(method, Ordering::Relaxed);
        // ORDER: SeqCst, and so are the watch's accesses: either it sees that somebody executes before it falls
        // asleep, or we see that it is asleep and wake it.
        self.turn.store(turn + 1, Ordering::SeqCst);
        self.crew.wake_watch();
    }

    /// The leader has executed; whether it still leads.
    fn finish(&self, turn: u64) -> bool {
        self.turn.compare_exchange(turn + 1, turn + 2, Ordering::SeqCst, Ordering::SeqCst).is_ok()
    }

    pub(super) fn turn(&self) -> u64 {
        self.turn.load(Ordering::SeqCst)
    }

    /// Deposes the leader that has been executing since `turn`; the task is to lead in its place.
    pub(super) fn depose(self: &Arc<Self>, turn: u64) -> Option<impl FnOnce() + Send + 'static> {
        if turn % 2 == 0 {
            return None;
        }
        // Under the lock, so that a leader that finds itself deposed is counted when it leaves.
        let mut active = lock(&self.active);
        self.turn.compare_exchange(turn, turn + 1, Ordering::SeqCst, Ordering::SeqCst).ok()?;
        active.threads += 1;
        self.count(&active);
        drop(active);
        if let Some(method) = self.registry.by_index(self.running.load(Ordering::Relaxed)) {
            method.mark_slow();
        }
        let session = Arc::clone(self);
        Some(move || session.lead(turn + 1))
    }

    /// Whether as many calls as allowed are executed beside the leader, which then executes none itself.
    fn is_full(&self) -> bool {
        // ORDER: only the leader adds to it, or was made leader after it was added to.
        self.beside.load(Ordering::Relaxed) as usize >= self.limits.in_flight
    }

    fn count(&self, active: &Active) {
        let beside = active.threads - usize::from(active.leading);
        self.beside.store(u32::try_from(beside).unwrap_or(u32::MAX), Ordering::Relaxed);
    }

    /// Has a call executed beside the leader: now, or when its turn comes.
    fn dispatch(self: &Arc<Self>, job: Job) {
        let mut active = lock(&self.active);
        if active.threads > self.limits.in_flight {
            active.backlog_bytes += job.bytes();
            active.backlog.push_back(job);
            // The client is answered slower than it asks. What it asks meanwhile may wait in its own memory.
            while active.backlog_bytes > self.limits.message && !active.ended {
                active = self.changed.wait(active).unwrap_or_else(PoisonError::into_inner);
            }
            return;
        }
        active.threads += 1;
        self.count(&active);
        drop(active);
        let session = Arc::clone(self);
        let task = Box::new(move || {
            let _end = EndOnPanic(&session);
            session.execute(job);
            session.leave(false);
        });
        if let Err(task) = self.crew.run(task) {
            // No thread to be had: better one after the other than not at all.
            task();
        }
    }

    fn execute(&self, job: Job) {
        let mut exchange = Exchange {
            session: self,
            to: job.to,
            source: Source::Owned(job.body),
            inline: None,
            name: job.method.name(),
            time: Time::Wanted,
        };
        job.method.run(&mut exchange);
        // Only the method counts: sending may wait for others who send.
        if let Time::Took(time) = exchange.time {
            job.method.ran(time < QUICK);
        }
    }

    /// This thread has done its call, or, as leader, has read to the end. It does what waits to be done; the last one ends the
    /// connection.
    fn leave(&self, was_leader: bool) {
        let mut active = lock(&self.active);
        if was_leader {
            active.leading = false;
        }
        // A leader that has read to the end is one more than may execute, unless there is room.
        let others = active.threads - 1 - usize::from(active.leading);
        let may_execute = others < self.limits.in_flight;
        let next = |active: &mut Active| may_execute.then(|| active.backlog.pop_front()).flatten();
        while let Some(job) = next(&mut active) {
            active.backlog_bytes -= job.bytes();
            drop(active);
            self.changed.notify_all();
            self.execute(job);
            active = lock(&self.active);
        }
        active.threads -= 1;
        self.count(&active);
        if active.threads == 0 {
            active.ended = true;
            drop(active);
            self.hang_up();
            self.changed.notify_all();
        }
    }

    /// Writes a reply: one frame, one write.
    ///
    /// # Errors
    /// Why it cannot be expressed; nothing was written then. A connection that cannot be written to has no errors: its
    /// caller is gone, and whoever reads it will notice.
    pub(super) fn send<R: Serialize>(
        &self,
        to: &ReplyTo,
        result: Result<&R, &str>,
    ) -> Result<(), String> {
        let mut outgoing = lock(&self.outgoing);
        let out = &mut *outgoing;
        if out.broken {
            return Ok(());
        }
        out.frame.clear();
        // Left behind by a serializer that panicked.
        out.encoder.roll_back();
        let encoded = out.encoder.reply(&mut out.frame, to, result).and_then(|()| {
            if out.frame.len() <= self.limits.message {
                return Ok(());
            }
            let size = out.frame.len();
            Err(format!("{size} bytes are beyond the limit of {}", self.limits.message))
        });
        if let Err(text) = encoded {
            out.encoder.roll_back();
            out.frame = Vec::new();
            return Err(text);
        }
        out.encoder.commit();
        let mut rest = &out.frame[..];
        while !rest.is_empty() {
            match out.output.write(rest, Until::Forever) {
                Ok(n) if n > 0 => rest = &rest[n..],
                _ => {
                    // Half a reply may be out, so no other may follow; what the peer still sends is of no use.
                    out.broken = true;
                    self.hang_up();
                    break;
                }
            }
        }
        retire(&mut out.frame);
        Ok(())
    }
}

impl Incoming {
    /// The next request; `None` when no more can come.
    fn next(&mut self) -> Option<Request> {
        loop {
            match self.decoder.request(&mut self.buffer) {
                Ok(Some(request)) => return Some(request),
                Ok(None) => {}
                Err(Garbage(_)) => return None,
            }
            match self.fill() {
                Ok(n) if n > 0 => {}
                _ => return None,
            }
        }
    }

    fn fill(&mut self) -> io::Result<usize> {
        self.buffer.fill(&mut *self.input, Until::Forever)
    }
}
