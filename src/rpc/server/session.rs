//! One connection being served.
//!
//! Exactly one thread at a time leads: it reads requests and executes the quick ones. `turn` says which: it is even
//! while the leader reads and odd while it executes or replies. A leader returns to reading by moving `turn` on; the
//! watch deposes one that takes too long by moving it on first, and a new leader starts there.

use std::{
    io,
    sync::{Arc, Condvar, Mutex, PoisonError},
    time::{Duration, Instant},
};

use serde::Serialize;

use crate::sync::{AtomicU32, AtomicU64, Ordering};

use super::{
    super::{
        Codec, Connection, Limits,
        codec::{Buffer, Decoder, Encoder, Garbage, MethodName, OwnedBody, ReplyTo, Request},
        connection::{Hangup, Input, Output, Until},
        lock,
    },
    crew::CrewHandle,
    exchange::{Exchange, Source},
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
    active: Mutex<Active>,
    changed: Condvar,
}

pub(super) struct Incoming {
    input: Box<dyn Input>,
    pub(super) buffer: Buffer,
    decoder: Decoder,
    // The method of the last request, which is often that of the next.
    last: Option<Arc<Method>>,
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
    ended: bool,
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
                last: None,
            }),
            outgoing: Mutex::new(Outgoing {
                output,
                encoder: Encoder::new(codec),
                frame: Vec::new(),
                broken: false,
            }),
            turn: AtomicU64::new(0),
            running: AtomicU32::new(0),
            active: Mutex::new(Active { threads: 1, ended: false }),
            changed: Condvar::new(),
        })
    }

    pub(super) fn hang_up(&self) {
        self.hangup.hang_up();
    }

    /// Answers until the connection ends and every call is answered.
    pub(super) fn serve(self: &Arc<Self>) {
        self.crew.watch(self);
        self.lead(0);
        let mut active = lock(&self.active);
        while !active.ended {
            active = self.changed.wait(active).unwrap_or_else(PoisonError::into_inner);
        }
        drop(active);
        self.crew.unwatch(self);
    }

    /// Reads requests and sees to their execution, until the connection ends or somebody else leads.
    fn lead(self: &Arc<Self>, mut turn: u64) {
        self.wait_for_room();
        loop {
            let mut incoming = lock(&self.incoming);
            let Some(request) = incoming.next() else {
                break;
            };
            let name = match &request.method {
                MethodName::At(range) => {
                    std::str::from_utf8(incoming.buffer.slice(range)).unwrap_or_default()
                }
                MethodName::Owned(name) => name,
            };
            let found = match &incoming.last {
                Some(last) if last.name() == name => Ok(Arc::clone(last)),
                _ => self.registry.find(name),
            };
            match found {
                Ok(method) if method.is_slow() => {
                    let body = request.body.to_owned(&incoming.buffer);
                    drop(incoming);
                    self.dispatch(method, request.to, body);
                    self.wait_for_room();
                }
                Ok(method) => {
                    let name = method.name();
                    if incoming.last.as_ref().is_none_or(|last| last.name() != name) {
                        incoming.last = Some(Arc::clone(&method));
                    }
                    let mut exchange = Exchange {
                        session: self,
                        to: request.to,
                        source: Source::Buffer(incoming, request.body),
                        inline: Some((method.index(), turn)),
                        name,
                    };
                    method.run(&mut exchange);
                    drop(exchange);
                    if !self.finish(turn) {
                        break;
                    }
                    turn += 2;
                }
                Err(text) => {
                    drop(incoming);
                    // A client that does not read its errors must not keep the others' requests from being read.
                    self.begin(u32::MAX, turn);
                    let _ = self.send::<()>(&request.to, Err(&text));
                    if !self.finish(turn) {
                        break;
                    }
                    turn += 2;
                }
            }
        }
        self.leave();
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
        // Counted first: a leader that finds itself deposed leaves at once.
        lock(&self.active).threads += 1;
        let deposed =
            self.turn.compare_exchange(turn, turn + 1, Ordering::SeqCst, Ordering::SeqCst).is_ok();
        if !deposed {
            self.leave();
            return None;
        }
        if let Some(method) = self.registry.by_index(self.running.load(Ordering::Relaxed)) {
            method.mark_slow();
        }
        let session = Arc::clone(self);
        Some(move || session.lead(turn + 1))
    }

    /// Has a method executed beside the leader.
    fn dispatch(self: &Arc<Self>, method: Arc<Method>, to: ReplyTo, body: OwnedBody) {
        lock(&self.active).threads += 1;
        let session = Arc::clone(self);
        let task = Box::new(move || {
            let started = Instant::now();
            method.run(&mut Exchange {
                session: &session,
                to,
                source: Source::Owned(body),
                inline: None,
                name: method.name(),
            });
            method.ran(started.elapsed() < QUICK);
            session.leave();
        });
        if let Err(task) = self.crew.run(task) {
            // No thread to be had: better one after the other than not at all.
            task();
        }
    }

    /// Waits until fewer calls than allowed are in flight. Only the leader does, and it counts itself.
    fn wait_for_room(&self) {
        let mut active = lock(&self.active);
        while active.threads > self.limits.in_flight {
            active = self.changed.wait(active).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// One thread less; the last one ends the connection.
    fn leave(&self) {
        let mut active = lock(&self.active);
        active.threads -= 1;
        if active.threads == 0 {
            active.ended = true;
            drop(active);
            self.hang_up();
            self.changed.notify_all();
        } else if active.threads >= self.limits.in_flight {
            drop(active);
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
