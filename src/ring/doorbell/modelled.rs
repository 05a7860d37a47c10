//! A descriptor to poll, as a flag behind a lock.

use std::{io, sync::Arc};

use loom::sync::{Condvar, Mutex};

/// How an end can be waited for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Doorbell {
    /// By a call that blocks.
    #[default]
    Futex,
    /// Also by polling.
    EventFd,
}

#[derive(Debug, Default)]
struct Flag {
    up: Mutex<bool>,
    changed: Condvar,
}

/// What an end polls.
#[derive(Clone, Debug)]
pub(crate) struct Light(Arc<Flag>);

/// What makes an end's [`Light`] readable.
#[derive(Debug)]
pub(crate) struct Switch(Arc<Flag>);

impl Light {
    pub(crate) fn local() -> io::Result<(Self, Switch)> {
        let flag = Arc::<Flag>::default();
        Ok((Self(flag.clone()), Switch(flag)))
    }

    pub(crate) fn clear(&self) {
        *self.0.up.lock().unwrap() = false;
    }

    pub(crate) fn raise(&self) {
        self.0.raise();
    }

    pub(crate) fn raise_for_good(&self) {
        self.0.raise();
    }

    /// Waits until it is readable, as `poll` does.
    pub(crate) fn poll(&self) {
        let mut up = self.0.up.lock().unwrap();
        while !*up {
            up = self.0.changed.wait(up).unwrap();
        }
    }
}

impl Switch {
    pub(crate) fn raise(&self) -> bool {
        self.0.raise();
        true
    }
}

impl Flag {
    fn raise(&self) {
        *self.up.lock().unwrap() = true;
        self.changed.notify_one();
    }
}
