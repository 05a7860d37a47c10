//! The default doorbell: a futex word in shared memory.

use super::{Doorbell, Woke};
use crate::{
    sync::{FutexWord, Ordering},
    sys::{clock::Moment, futex},
};

/// Rings and sleeps on the word itself.
#[derive(Debug)]
pub(crate) struct FutexBell<'a>(pub(crate) &'a FutexWord);

impl Doorbell for FutexBell<'_> {
    #[inline]
    fn listen(&self) -> u32 {
        // ORDER(E3): the fence that follows in `Sleeper::sleep` makes an Acquire of it, for whoever rang before.
        self.0.load(Ordering::Relaxed)
    }

    fn sleep(&self, listened: u32, deadline: Option<Moment>) -> Woke {
        futex::wait(self.0, listened, deadline)
    }

    fn ring(&self) -> bool {
        // ORDER(E3): whatever was published or flagged before the ring is visible to a sleeper that listened after it.
        if !cfg!(mutant = "wake_without_bump") {
            self.0.fetch_add(1, Ordering::Release);
        }
        futex::wake(self.0)
    }
}
