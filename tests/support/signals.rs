//! Interrupting the system calls of one thread.

use std::sync::Once;

use nix::{
    sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction},
    unistd::{getpid, gettid},
};
use ringpipe::conformance::Interrupt;

extern "C" fn do_nothing(_signal: libc::c_int) {}

/// Makes an interrupt of the calling thread: a signal whose handler does nothing and restarts no call.
pub(crate) fn interrupt() -> Interrupt {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let action =
            SigAction::new(SigHandler::Handler(do_nothing), SaFlags::empty(), SigSet::empty());
        // SAFETY: the handler touches nothing, so it may run at any moment.
        unsafe { sigaction(Signal::SIGUSR1, &action) }.expect("a handler can be installed");
    });
    let (process, thread) = (getpid().as_raw(), gettid().as_raw());
    Box::new(move || {
        // SAFETY: the call takes three numbers; for a thread that has ended it answers ESRCH, which does no harm.
        unsafe { libc::syscall(libc::SYS_tgkill, process, thread, libc::SIGUSR1) };
    })
}
