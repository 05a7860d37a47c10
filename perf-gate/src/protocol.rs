//! What the two programs say to each other: lines of words, on the probe's standard input and output.
//!
//! ```text
//! probe says       perf-probe 1
//!                  row ring/copy/64 alone
//!                  row ring/round-trip/64 pair
//!                  ready
//! driver asks      do ring/copy/64 20000 100000      that many operations unmeasured, then that many measured
//! probe answers    took 812345                       nanoseconds
//! ```
//! The end of its input ends the probe. An operation of the same name has to be the same work in both builds.

use std::{fmt, str::FromStr};

/// The first word of a probe; what follows it is the version of the protocol.
pub const GREETING: &str = "perf-probe 1";
/// After the last row.
pub const READY: &str = "ready";
/// Names the CPUs of a probe: the one it stays on, and the one for its partner, such as `1,0`.
pub const CPUS: &str = "PERF_PROBE_CPUS";

/// How much of the machine a row needs, and so how much its times can be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One thread, which neither waits nor is waited for.
    Alone,
    /// Two threads on two CPUs, whose distance the machine changes.
    Pair,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Alone => "alone",
            Self::Pair => "pair",
        })
    }
}

impl FromStr for Kind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "alone" => Ok(Self::Alone),
            "pair" => Ok(Self::Pair),
            other => Err(format!("a row is `alone` or `pair`, not `{other}`")),
        }
    }
}

/// A slice of work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slice {
    /// The row.
    pub row: String,
    /// Operations before the clock is started.
    pub unmeasured: u64,
    /// Operations that are measured.
    pub measured: u64,
}

impl fmt::Display for Slice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "do {} {} {}", self.row, self.unmeasured, self.measured)
    }
}

impl FromStr for Slice {
    type Err = String;

    fn from_str(line: &str) -> Result<Self, String> {
        let wrong = || format!("`{line}` is no order; one is `do ROW UNMEASURED MEASURED`");
        let words: Vec<&str> = line.split_whitespace().collect();
        let ["do", row, unmeasured, measured] = words[..] else {
            return Err(wrong());
        };
        let count = |word: &str| word.parse().map_err(|_| wrong());
        Ok(Self { row: row.to_owned(), unmeasured: count(unmeasured)?, measured: count(measured)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_is_read_as_it_was_said() {
        let slice = Slice { row: "ring/copy/64".into(), unmeasured: 10, measured: 100 };
        assert_eq!(slice.to_string().parse(), Ok(slice));
        for kind in [Kind::Alone, Kind::Pair] {
            assert_eq!(kind.to_string().parse(), Ok(kind));
        }
    }

    #[test]
    fn what_is_no_order_is_refused_with_an_example() {
        for line in ["", "do", "do row", "do row 1 x", "do row 1 2 3", "undo row 1 2"] {
            assert!(line.parse::<Slice>().unwrap_err().contains("do ROW"), "{line}");
        }
    }
}
