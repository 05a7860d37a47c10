//! One request on its way through a method to its reply.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::MutexGuard,
    time::{Duration, Instant},
};

use serde::{Serialize, de::DeserializeOwned};

use super::{
    super::codec::{BodyAt, OwnedBody, ReplyTo},
    session::{Incoming, Session},
};

/// Where the arguments are.
pub(super) enum Source<'a> {
    /// In the connection's buffer, which nobody else may read into until they are understood.
    Buffer(MutexGuard<'a, Incoming>, BodyAt),
    Owned(OwnedBody),
    Used,
}

/// A request that is being answered.
pub(super) struct Exchange<'a> {
    pub(super) session: &'a Session,
    pub(super) to: ReplyTo,
    pub(super) source: Source<'a>,
    /// The method, and the turn under which it is executed by the thread that reads.
    pub(super) inline: Option<(u32, u64)>,
    pub(super) name: &'a str,
    pub(super) time: Time,
}

/// How long the method itself took, where that is to be known.
#[derive(Clone, Copy, Debug)]
pub(super) enum Time {
    Unwanted,
    Wanted,
    Since(Instant),
    Took(Duration),
}

impl Exchange<'_> {
    pub(super) fn args<A: DeserializeOwned>(&self) -> Result<A, String> {
        match &self.source {
            Source::Buffer(incoming, body) => body.decode(&incoming.buffer),
            Source::Owned(body) => body.decode(),
            Source::Used => Err("the arguments were read before".into()),
        }
    }

    /// The arguments are read, and from here on the method may take its time: others may read the connection.
    pub(super) fn begin(&mut self) {
        self.source = Source::Used;
        if let Time::Wanted = self.time {
            self.time = Time::Since(Instant::now());
        }
        if let Some((method, turn)) = self.inline.take() {
            self.session.begin(method, turn);
        }
    }

    /// The method has returned.
    pub(super) fn returned(&mut self) {
        if let Time::Since(began) = self.time {
            self.time = Time::Took(began.elapsed());
        }
    }

    pub(super) fn reply<R: Serialize>(&self, reply: &R) {
        // Whoever serializes may panic, and the caller waits all the same.
        match catch_unwind(AssertUnwindSafe(|| self.session.send(&self.to, Ok(reply)))) {
            Ok(Ok(())) => {}
            Ok(Err(text)) => self.fail(&format!("rpc: the reply cannot be sent: {text}")),
            Err(panic) => self.fail_panicked(&*panic),
        }
    }

    pub(super) fn fail(&self, text: &str) {
        // An empty text would be no error in codecs that have no other mark for one.
        let text = if text.is_empty() { "unspecified error" } else { text };
        // Its text alone cannot be refused, except for its size.
        if let Err(reason) = self.session.send::<()>(&self.to, Err(text)) {
            let _ = self
                .session
                .send::<()>(&self.to, Err(&format!("rpc: the error cannot be sent: {reason}")));
        }
    }

    pub(super) fn fail_panicked(&self, panic: &(dyn Any + Send)) {
        let what = panic
            .downcast_ref::<&str>()
            .copied()
            .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
            .unwrap_or("no message");
        self.fail(&format!("rpc: method {} panicked: {what}", self.name));
    }
}
