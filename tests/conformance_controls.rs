//! The suite over the kernel's own pipe and socket, which keep some rules and break others: it must notice just those.
#![cfg(target_os = "linux")]

#[path = "support/fd_ends.rs"]
mod fd_ends;
#[path = "support/kernel.rs"]
mod kernel;
#[path = "support/signals.rs"]
mod signals;

use std::{io, os::unix::net::UnixStream};

use fd_ends::FdEnd;
use ringpipe::conformance::Suite;

/// `poll` says so when a signal came.
const SIGNALS_SURFACE: &[&str] =
    &["read.is_not_disturbed_by_signals", "write.is_not_disturbed_by_signals"];

#[test]
fn a_unix_socket_breaks_exactly_these_rules() {
    let make = || {
        let (a, b) = UnixStream::pair()?;
        Ok::<_, io::Error>((FdEnd::reader(a)?, FdEnd::writer(b)?))
    };
    kernel::breaks_exactly(
        Suite::new("UnixStream", kernel::rules(16 << 10), make),
        SIGNALS_SURFACE,
    );
}

#[test]
fn a_pipe_of_the_kernel_breaks_exactly_these_rules() {
    let make = || {
        let (reader, writer) = io::pipe()?;
        Ok::<_, io::Error>((FdEnd::reader(reader)?, FdEnd::writer(writer)?))
    };
    kernel::breaks_exactly(Suite::new("std::io::pipe", kernel::rules(4096), make), SIGNALS_SURFACE);
}
