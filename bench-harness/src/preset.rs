//! How thorough a run is: what each preset has time for when the user names nothing else.

use std::time::Duration;

use crate::{
    case::{Scenario, Wait},
    transport::Transport,
    units::Size,
};

/// How thorough a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub(crate) enum Preset {
    /// 3 rounds, at most 90 s.
    Quick,
    /// 9 rounds and more rows, at most 10 minutes.
    Standard,
    /// 15 rounds, every row, more sizes and rates, at most an hour.
    Full,
}

impl Preset {
    pub(crate) fn tag(self) -> &'static str {
        match self {
            Self::Quick => "quick",
            Self::Standard => "standard",
            Self::Full => "full",
        }
    }

    pub(crate) fn rounds(self) -> u32 {
        match self {
            Self::Quick => 3,
            Self::Standard => 9,
            Self::Full => 15,
        }
    }

    /// Below the promised limit by what starting and writing the report may take.
    pub(crate) fn budget(self) -> Duration {
        Duration::from_secs(match self {
            Self::Quick => 82,
            Self::Standard => 585,
            Self::Full => 3_560,
        })
    }

    pub(crate) fn sizes(self) -> Vec<Size> {
        let sizes: &[usize] = match self {
            Self::Quick => &[64, 1 << 10, 4 << 10, 64 << 10],
            Self::Standard => &[64, 1 << 10, 4 << 10, 64 << 10, 1 << 20],
            Self::Full => &[16, 64, 1 << 10, 4 << 10, 64 << 10, 1 << 20, 16 << 20],
        };
        sizes.iter().copied().map(Size).collect()
    }

    /// The rates of the paced scenario, in messages a second.
    pub(crate) fn rates(self) -> Vec<u32> {
        match self {
            Self::Quick | Self::Standard => vec![1_000, 10_000],
            // Up to where the slowest rows no longer keep up.
            Self::Full => vec![1_000, 10_000, 30_000, 100_000, 300_000],
        }
    }

    /// The silences of the idle-wake scenario, in nanoseconds.
    pub(crate) fn gaps(self) -> Vec<u64> {
        vec![10_000, 100_000, 1_000_000, 10_000_000]
    }

    /// The ways of waiting of a transport that there is time for in a scenario.
    pub(crate) fn waits(self, transport: &Transport, scenario: Scenario) -> &'static [Wait] {
        let rare = matches!(scenario, Scenario::Paced | Scenario::IdleWake);
        match self {
            Self::Quick if rare => transport.rare,
            Self::Quick => transport.quick,
            Self::Standard if rare => transport.quick,
            Self::Standard => transport.standard,
            Self::Full => transport.waits,
        }
    }

    /// Which rows are also run in other placements and with the buffers they have by themselves.
    pub(crate) fn aside(self) -> Option<Self> {
        match self {
            Self::Quick => None,
            Self::Standard => Some(Self::Quick),
            Self::Full => Some(Self::Standard),
        }
    }
}
