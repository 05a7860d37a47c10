//! How a sleeper is woken: one file per mechanism, the same three functions.

#[cfg(feature = "portable")]
pub(crate) mod event;
pub(crate) mod futex;
#[cfg_attr(loom, path = "modelled.rs")]
#[cfg_attr(all(not(target_os = "linux"), not(loom)), path = "elsewhere.rs")]
pub(crate) mod pollable;

use crate::sys::clock::Moment;
pub(crate) use crate::sys::futex::Woke;

/// A word that counts rings, and a way to sleep until it moves.
pub(crate) trait Doorbell {
    /// The count now; what rings later makes [`sleep`](Self::sleep) with this value return at once.
    fn listen(&self) -> u32;

    /// Sleeps until somebody rings after `listened`, or until the deadline. May return for no reason.
    fn sleep(&self, listened: u32, deadline: Option<Moment>) -> Woke;

    /// Wakes the sleeper, or the next call of `sleep` that listened before; `false` if the kernel refuses, and a sleeper
    /// may sleep on.
    fn ring(&self) -> bool;
}

/// The doorbell of an end, whichever kind it has.
#[derive(Debug)]
pub(crate) enum Bell<'a> {
    Futex(futex::FutexBell<'a>),
    #[cfg(feature = "portable")]
    Event(&'a event::OwnBell),
}

impl Doorbell for Bell<'_> {
    fn listen(&self) -> u32 {
        match self {
            Self::Futex(bell) => bell.listen(),
            #[cfg(feature = "portable")]
            Self::Event(bell) => bell.listen(),
        }
    }

    fn sleep(&self, listened: u32, deadline: Option<Moment>) -> Woke {
        match self {
            Self::Futex(bell) => bell.sleep(listened, deadline),
            #[cfg(feature = "portable")]
            Self::Event(bell) => bell.sleep(listened, deadline),
        }
    }

    fn ring(&self) -> bool {
        match self {
            Self::Futex(bell) => bell.ring(),
            #[cfg(feature = "portable")]
            Self::Event(bell) => bell.ring(),
        }
    }
}
