//! What one cell of the result is: a scenario, a row (transport and way of waiting), a message size, a placement.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{pin::Placement, units::Size};

/// What the two sides do with each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Scenario {
    /// One message there, one back, one at a time; the latency of the round trip.
    Pingpong,
    /// Messages one way, as fast as they go; from the first byte sent to the last byte verified.
    Stream,
}

impl Scenario {
    pub(crate) const ALL: [Self; 2] = [Self::Pingpong, Self::Stream];

    pub(crate) fn tag(self) -> &'static str {
        match self {
            Self::Pingpong => "pingpong",
            Self::Stream => "stream",
        }
    }

    /// Whether a larger figure is the better one.
    pub(crate) fn more_is_better(self) -> bool {
        matches!(self, Self::Stream)
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
    /// The capacity asked of the transport's buffer, in bytes; what it got is read back and reported.
    pub(crate) buffer: Size,
}

impl Case {
    /// The name under which the cell stands in every report and can be asked for again.
    pub(crate) fn id(&self) -> String {
        let place = match self.placement {
            Placement::TwoCpus { .. } => String::new(),
            other => format!("/{}", other.tag()),
        };
        format!("{}/{}/{}{place}", self.scenario, self.size.tag(), self.row)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_named_after_everything_that_makes_it_up() {
        let mut case = Case {
            scenario: Scenario::Pingpong,
            size: Size(4096),
            row: Row { transport: "ring".to_owned(), wait: Wait::Spin, replica: 0 },
            placement: Placement::TwoCpus { initiator: 0, responder: 1 },
            buffer: Size(1 << 20),
        };
        assert_eq!(case.id(), "pingpong/4KiB/ring/spin");
        case.row.replica = 1;
        case.placement = Placement::OneCpu { cpu: 0 };
        assert_eq!(case.id(), "pingpong/4KiB/ring/spin#2/one-cpu");
    }

    #[test]
    fn an_unknown_word_is_answered_with_the_known_ones() {
        let error = "sleep".parse::<Wait>().unwrap_err();
        assert!(error.contains("block, adaptive, spin"), "{error}");
    }
}
