//! What one cell of the result is: a scenario, a row (transport and way of waiting), a message size, a placement.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{
    pin::Placement,
    units::{self, Buffer, Size},
};

/// What the two sides do with each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Scenario {
    /// One message there, one back, one at a time; the latency of the round trip.
    Pingpong,
    /// Messages one way, as fast as they go; from the first byte sent to the last byte verified.
    Stream,
    /// Messages one way at a fixed rate, whether or not the other side keeps up; from the moment at which each was due
    /// until it has arrived.
    Paced,
    /// One message there, one back, after a silence; the latency of the round trip.
    IdleWake,
    /// Make a transport, connect, one byte there and back; the time of all of it.
    Setup,
}

impl Scenario {
    pub(crate) const ALL: [Self; 5] =
        [Self::Pingpong, Self::Stream, Self::Paced, Self::IdleWake, Self::Setup];

    pub(crate) fn tag(self) -> &'static str {
        match self {
            Self::Pingpong => "pingpong",
            Self::Stream => "stream",
            Self::Paced => "paced",
            Self::IdleWake => "idle-wake",
            Self::Setup => "setup",
        }
    }

    /// Whether a larger figure is the better one: bytes a second are, nanoseconds, which are all others, are not.
    pub(crate) fn more_is_better(self) -> bool {
        matches!(self, Self::Stream)
    }

    /// The value of a cell or a round as people read it.
    pub(crate) fn figure(self, value: f64) -> String {
        if self.more_is_better() { units::rate(value) } else { units::nanos(value) }
    }
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.tag())
    }
}

impl FromStr for Scenario {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        by_tag(text, &Self::ALL, Self::tag, "scenario")
    }
}

/// What a side does when it must wait for the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Wait {
    /// It sleeps in the kernel at once.
    Block,
    /// It polls for a while, then sleeps.
    Adaptive,
    /// It polls until something comes, and keeps its CPU busy meanwhile.
    Spin,
}

impl Wait {
    pub(crate) const ALL: [Self; 3] = [Self::Block, Self::Adaptive, Self::Spin];

    pub(crate) fn tag(self) -> &'static str {
        match self {
            Self::Block => "block",
            Self::Adaptive => "adaptive",
            Self::Spin => "spin",
        }
    }
}

impl fmt::Display for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.tag())
    }
}

impl FromStr for Wait {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        by_tag(text, &Self::ALL, Self::tag, "way of waiting")
    }
}

fn by_tag<T: Copy>(
    text: &str,
    all: &[T],
    tag: fn(T) -> &'static str,
    what: &str,
) -> Result<T, String> {
    all.iter().copied().find(|value| tag(*value) == text).ok_or_else(|| {
        let known: Vec<&str> = all.iter().map(|value| tag(*value)).collect();
        format!("there is no {what} `{text}`; take one of {}", known.join(", "))
    })
}

/// One contender: a transport and its way of waiting.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Row {
    /// The name of the transport in the registry.
    pub(crate) transport: String,
    pub(crate) wait: Wait,
    /// 0 for the row itself, 1 for its second copy in an A/A pair.
    pub(crate) replica: u8,
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let again = if self.replica == 0 { "" } else { "#2" };
        f.pad(&format!("{}/{}{again}", self.transport, self.wait))
    }
}

/// One cell: everything a peer must know to play its side.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Case {
    pub(crate) scenario: Scenario,
    pub(crate) size: Size,
    pub(crate) row: Row,
    pub(crate) placement: Placement,
    /// The capacity asked of the transport's buffer, in bytes; what it got is read back and reported. `None` leaves it
    /// the one it has by itself.
    pub(crate) buffer: Buffer,
    /// How the messages come, where that is not "as fast as they go".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) pace: Option<Pace>,
}

/// How the messages of a case come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Pace {
    /// So many a second, one due exactly as long after the other.
    Rate(u32),
    /// Each after a silence of so many nanoseconds.
    GapNs(u64),
}

impl Pace {
    /// From one message to the next, at least.
    pub(crate) fn period_ns(self) -> u64 {
        match self {
            Self::Rate(rate) => 1_000_000_000 / u64::from(rate),
            Self::GapNs(gap) => gap,
        }
    }
}

impl fmt::Display for Pace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Rate(rate) => f.pad(&units::count(rate)),
            Self::GapNs(gap) => f.pad(&units::time(gap)),
        }
    }
}

impl Case {
    /// The name under which the cell stands in every report and can be asked for again.
    pub(crate) fn id(&self) -> String {
        let pace = self.pace.map_or_else(String::new, |pace| format!("@{pace}"));
        let place = match self.placement {
            Placement::TwoCpus { .. } => String::new(),
            other => format!("/{}", other.tag()),
        };
        let buffer = if self.buffer.is_none() { "/own-buffer" } else { "" };
        format!("{}{pace}/{}/{}{place}{buffer}", self.scenario, self.size.tag(), self.row)
    }

    /// How much time a sample of it needs, compared with one whose messages follow each other at once.
    pub(crate) fn weight(&self) -> u32 {
        match self.pace {
            // A rate is about the tail: with less than this, three rounds have too few messages for a 99th percentile.
            Some(Pace::Rate(..=1_000)) => 5,
            Some(Pace::GapNs(1_000_000..10_000_000)) => 2,
            Some(Pace::GapNs(10_000_000..)) => 3,
            _ => 1,
        }
    }

    /// What a case shares with those it is compared with: everything but the row.
    pub(crate) fn block(&self) -> Block {
        (self.scenario, self.pace, self.size, self.placement, self.buffer)
    }
}

/// See [`Case::block`].
pub(crate) type Block = (Scenario, Option<Pace>, Size, Placement, Buffer);

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// 64-byte messages over `ring/spin`.
    pub(crate) fn case(scenario: Scenario) -> Case {
        Case {
            scenario,
            size: Size(64),
            row: Row { transport: "ring".to_owned(), wait: Wait::Spin, replica: 0 },
            placement: Placement::TwoCpus { initiator: 0, responder: 1 },
            buffer: Some(Size(1 << 20)),
            pace: None,
        }
    }

    #[test]
    fn a_cell_is_named_after_everything_that_makes_it_up() {
        let mut case = Case { size: Size(4096), ..case(Scenario::Pingpong) };
        assert_eq!(case.id(), "pingpong/4KiB/ring/spin");
        case.row.replica = 1;
        case.placement = Placement::OneCpu { cpu: 0 };
        assert_eq!(case.id(), "pingpong/4KiB/ring/spin#2/one-cpu");
        case = Case {
            scenario: Scenario::Paced,
            pace: Some(Pace::Rate(10_000)),
            buffer: None,
            ..case
        };
        assert_eq!(case.id(), "paced@10k/4KiB/ring/spin#2/one-cpu/own-buffer");
        case = Case { scenario: Scenario::IdleWake, pace: Some(Pace::GapNs(100_000)), ..case };
        assert!(case.id().starts_with("idle-wake@100us/4KiB/"), "{}", case.id());
    }

    #[test]
    fn an_unknown_word_is_answered_with_the_known_ones() {
        let error = "sleep".parse::<Wait>().unwrap_err();
        assert!(error.contains("block, adaptive, spin"), "{error}");
    }
}
