//! What the command tells on standard error.

use std::{
    fmt,
    io::{self, IsTerminal, Write},
    sync::atomic::{AtomicU64, Ordering},
    time::Instant,
};

use ringpipe::{Error, Stats};

/// One line on standard error; if nobody can read it, the exit code has to do.
pub(crate) fn say(text: fmt::Arguments<'_>) {
    let _ = writeln!(io::stderr(), "ringpipe: {text}");
}

/// An error of the stream in the words of somebody who knows two processes and nothing of ends.
pub(crate) fn describe(error: &io::Error) -> String {
    match Error::of(error) {
        Some(Error::PeerDied { .. }) => format!("peer died: {error}"),
        Some(Error::ClosedWith(_)) => format!("the peer failed: {error}"),
        Some(Error::Closed) => "the peer stopped reading before the end of the input".into(),
        _ => error.to_string(),
    }
}

/// Bytes that have passed so far; written by the copying threads.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    pub(crate) sent: AtomicU64,
    pub(crate) received: AtomicU64,
}

/// The line that shows how far it is.
#[derive(Debug)]
pub(crate) struct Live {
    began: Instant,
    /// On a terminal the line is drawn over itself.
    terminal: bool,
}

impl Live {
    pub(crate) fn new() -> Self {
        Self { began: Instant::now(), terminal: io::stderr().is_terminal() }
    }

    pub(crate) fn show(&self, progress: &Progress) {
        let sent = progress.sent.load(Ordering::Relaxed);
        let received = progress.received.load(Ordering::Relaxed);
        let seconds = self.began.elapsed().as_secs_f64();
        let (before, after) = if self.terminal { ("\r", "\x1b[K") } else { ("", "\n") };
        let _ = write!(
            io::stderr(),
            "{before}ringpipe: {seconds:.1} s, sent {}, received {}{after}",
            Amount(sent),
            Amount(received)
        );
    }

    /// Leaves the line to what comes next.
    pub(crate) fn end(&self, progress: &Progress) {
        self.show(progress);
        if self.terminal {
            let _ = writeln!(io::stderr());
        }
    }
}

/// The line at the end: `name=value` pairs, sizes in bytes, times in seconds. `-` stands for a direction whose counts
/// could not be had, because its thread is still blocked on standard input or output.
pub(crate) fn stats_line(seconds: f64, sent: Option<&Stats>, received: Option<&Stats>) {
    let bytes = [sent, received].into_iter().flatten().map(|stats| stats.bytes).sum::<u64>();
    say(format_args!(
        "seconds={seconds:.3} bytes_per_second={:.0} sent[{}] received[{}]",
        bytes as f64 / seconds.max(1e-9),
        Counts(sent),
        Counts(received)
    ));
}

struct Counts<'a>(Option<&'a Stats>);

impl fmt::Display for Counts<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(stats) = self.0 else { return f.write_str("-") };
        write!(
            f,
            "bytes={} capacity={} wakes_sent={} wakes_received={} parks={} spins_won={} blocked={:.3}",
            stats.bytes,
            stats.capacity,
            stats.wakes_sent,
            stats.wakes_received,
            stats.parks,
            stats.spins_won,
            stats.blocked.as_secs_f64()
        )
    }
}

/// A number of bytes for people.
struct Amount(u64);

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            n if n < 1 << 10 => write!(f, "{n} B"),
            n if n < 1 << 20 => write!(f, "{:.1} KiB", n as f64 / (1u64 << 10) as f64),
            n if n < 1 << 30 => write!(f, "{:.1} MiB", n as f64 / (1u64 << 20) as f64),
            n => write!(f, "{:.2} GiB", n as f64 / (1u64 << 30) as f64),
        }
    }
}
