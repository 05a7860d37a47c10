//! How far the run is: a bar on a terminal, now and then a line elsewhere. On stderr, never on stdout.

use std::{
    io::{IsTerminal, Write, stderr},
    time::Duration,
};

use indicatif::{ProgressBar, ProgressStyle};

use crate::run::Observer;

/// Shows progress on stderr.
#[derive(Debug)]
pub(crate) enum Progress {
    /// A bar that moves between samples only, so that it takes no time from one.
    Bar(ProgressBar),
    /// A line for every tenth of the way.
    Lines { tenths: usize },
}

impl Progress {
    pub(crate) fn new(total: usize) -> Self {
        if !stderr().is_terminal() {
            return Self::Lines { tenths: 0 };
        }
        let bar = ProgressBar::new(total as u64);
        let style = ProgressStyle::with_template("{bar:30} {pos}/{len}  {msg}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Self::Bar(bar)
    }

    pub(crate) fn finish(&self) {
        if let Self::Bar(bar) = self {
            bar.finish_and_clear();
        }
    }
}

impl Observer for Progress {
    fn next(&mut self, done: usize, total: usize, left: Duration, what: &str) {
        match self {
            Self::Bar(bar) => {
                bar.set_position(done as u64);
                bar.set_message(format!("at most {} s  {what}", left.as_secs()));
                bar.tick();
            }
            Self::Lines { tenths } => {
                let now = done * 10 / total.max(1) + 1;
                if now > *tenths {
                    *tenths = now;
                    let percent = done * 100 / total.max(1);
                    say(&format!("{percent:3} %, at most {} s left: {what}", left.as_secs()));
                }
            }
        }
    }

    fn note(&mut self, text: &str) {
        match self {
            Self::Bar(bar) => bar.suspend(|| say(text)),
            Self::Lines { .. } => say(text),
        }
    }
}

/// A line on stderr. A terminal that is gone is no reason to stop measuring.
pub(crate) fn say(line: &str) {
    let _ = writeln!(stderr(), "{line}");
}
