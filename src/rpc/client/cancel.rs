//! Calling calls off from elsewhere.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, Weak},
};

use super::{
    super::{CallError, lock},
    core::Core,
};

/// Cancels every call made with it, of one client or of many, now and later.
///
/// ```
/// use ringpipe::rpc::Cancel;
/// let cancel = Cancel::new();
/// let elsewhere = cancel.clone();
/// elsewhere.cancel();
/// assert!(cancel.is_canceled());
/// ```
#[derive(Clone, Default)]
pub struct Cancel(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    canceled: bool,
    next: u64,
    calls: HashMap<u64, (Weak<Core>, u64)>,
}

impl fmt::Debug for Cancel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Cancel").field(&self.is_canceled()).finish()
    }
}

impl Cancel {
    /// A cancellation that has not happened.
    pub fn new() -> Self {
        Self::default()
    }

    /// Ends the calls with [`CallError::Canceled`], unless their replies have arrived. Idempotent, never blocks.
    pub fn cancel(&self) {
        let calls = {
            let mut state = lock(&self.0);
            state.canceled = true;
            std::mem::take(&mut state.calls)
        };
        for (core, number) in calls.into_values() {
            if let Some(core) = core.upgrade() {
                core.give_up(number, CallError::Canceled);
            }
        }
    }

    /// Whether it has happened.
    pub fn is_canceled(&self) -> bool {
        lock(&self.0).canceled
    }

    /// Enters a call; `None` when it comes too late.
    pub(super) fn enter(&self, core: &Arc<Core>, number: u64) -> Option<Entry> {
        let mut state = lock(&self.0);
        if state.canceled {
            return None;
        }
        let key = state.next;
        state.next += 1;
        state.calls.insert(key, (Arc::downgrade(core), number));
        Some(Entry { cancel: self.clone(), key })
    }
}

/// A call that can be canceled, until this is dropped.
#[derive(Debug)]
pub(super) struct Entry {
    cancel: Cancel,
    key: u64,
}

impl Drop for Entry {
    fn drop(&mut self) {
        lock(&self.cancel.0).calls.remove(&self.key);
    }
}
