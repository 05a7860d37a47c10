//! What is called: it notes that it was executed, takes its time, and answers what can be checked.

use std::{
    sync::{Arc, Condvar, Mutex},
    thread,
    time::Duration,
};

use ringpipe::rpc::{Bytes, Service};
use serde::{Deserialize, Serialize};

use crate::ledger::Ledger;

/// A pause that has no end while the server lives.
pub(crate) const FOREVER: u64 = u64::MAX;

/// The arguments. The number is the call's own in its round.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Work {
    pub(crate) number: u64,
    pub(crate) pause_us: u64,
    pub(crate) payload: Bytes,
}

#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(crate) struct Done {
    number: u64,
    sum: u64,
    payload: Bytes,
}

impl Work {
    /// The right reply.
    pub(crate) fn done(&self) -> Done {
        let sum = self.payload.iter().fold(self.number, |sum, &byte| {
            sum.wrapping_mul(0x0100_0000_01b3).wrapping_add(u64::from(byte))
        });
        Done { number: self.number, sum, payload: self.payload.clone() }
    }
}

/// What methods without an end wait for.
#[derive(Debug, Default)]
pub(crate) struct Release {
    released: Mutex<bool>,
    changed: Condvar,
}

impl Release {
    pub(crate) fn release(&self) {
        *self.released.lock().unwrap() = true;
        self.changed.notify_all();
    }

    fn wait(&self) {
        let released = self.released.lock().unwrap();
        drop(self.changed.wait_while(released, |released| !*released).unwrap());
    }
}

/// `Kills.Work`, which notes in `ledger`, and tells `executed` which execution of all it is before it does anything more.
pub(crate) fn service(
    ledger: Arc<Ledger>,
    release: Arc<Release>,
    executed: impl Fn(u32) + Send + Sync + 'static,
) -> Service {
    Service::new("Kills").method("Work", move |work: Work| {
        executed(ledger.enter(work.number));
        match work.pause_us {
            0 => {}
            FOREVER => release.wait(),
            pause => thread::sleep(Duration::from_micros(pause)),
        }
        Ok::<_, String>(work.done())
    })
}
