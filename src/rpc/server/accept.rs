//! The connections of a server, and the threads that serve those it accepted itself.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex},
    thread::{self, JoinHandle},
};

use super::{super::lock, session::Session};

#[derive(Default)]
pub(super) struct Sessions(Mutex<State>);

#[derive(Default)]
struct State {
    next: u64,
    sessions: HashMap<u64, Arc<Session>>,
    threads: Vec<JoinHandle<()>>,
    closed: bool,
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Sessions").field(&self.len()).finish()
    }
}

impl Sessions {
    /// Enters a session until the entry is dropped; `None` when the server is closed.
    pub(super) fn enter(self: &Arc<Self>, session: &Arc<Session>) -> Option<Entry> {
        let mut state = lock(&self.0);
        if state.closed {
            return None;
        }
        let id = state.next;
        state.next += 1;
        state.sessions.insert(id, Arc::clone(session));
        Some(Entry { sessions: Arc::clone(self), id })
    }

    /// Runs `serve` in a thread; without one, its connection is dropped, and so ended.
    pub(super) fn spawn(&self, serve: impl FnOnce() + Send + 'static) {
        let mut state = lock(&self.0);
        if state.closed {
            return;
        }
        state.threads.retain(|thread| !thread.is_finished());
        if let Ok(thread) = thread::Builder::new().name("rpc-connection".into()).spawn(serve) {
            state.threads.push(thread);
        }
    }

    pub(super) fn close(&self) {
        let (sessions, threads) = {
            let mut state = lock(&self.0);
            state.closed = true;
            (
                state.sessions.values().cloned().collect::<Vec<_>>(),
                std::mem::take(&mut state.threads),
            )
        };
        for session in sessions {
            session.hang_up();
        }
        for thread in threads {
            if thread.thread().id() != thread::current().id() {
                let _ = thread.join();
            }
        }
    }

    pub(super) fn len(&self) -> usize {
        lock(&self.0).sessions.len()
    }
}

pub(super) struct Entry {
    sessions: Arc<Sessions>,
    id: u64,
}

impl Drop for Entry {
    fn drop(&mut self) {
        lock(&self.sessions.0).sessions.remove(&self.id);
    }
}
