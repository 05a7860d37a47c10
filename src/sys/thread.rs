//! Threads of the library's own.

use std::thread;

use nix::sys::signal::{SigSet, SigmaskHow, pthread_sigmask};

/// Bytes of stack: none of these threads calls deeply.
const STACK: usize = 64 << 10;

/// Starts a thread with every signal blocked: the application's handlers run on threads of its own. `None` if no thread
/// can be had.
pub(crate) fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Option<()> {
    let mut before = SigSet::empty();
    pthread_sigmask(SigmaskHow::SIG_BLOCK, Some(&SigSet::all()), Some(&mut before)).ok()?;
    let thread = thread::Builder::new().name(name.into()).stack_size(STACK).spawn(work);
    let _ = pthread_sigmask(SigmaskHow::SIG_SETMASK, Some(&before), None);
    thread.ok().map(drop)
}
