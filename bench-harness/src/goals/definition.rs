//! The goals as data: which rows run together, and what must hold between them.
//!
//! A goal is measured in one or more parts. Everything in a part runs in the same rounds, one row after the other, so that a
//! ratio of two of its rows means something.

use crate::case::{Pace, Scenario};

/// One interleaved run.
#[derive(Debug)]
pub(super) struct Part {
    /// The goal, and what tells this part from its others: `P4-64B`.
    pub(super) name: &'static str,
    pub(super) what: &'static str,
    pub(super) kind: Kind,
    /// Milliseconds that a sample may take.
    pub(super) slot_ms: u64,
}

/// What is run.
#[derive(Debug)]
pub(super) enum Kind {
    /// Cells of the harness.
    Cells(Cells),
    /// One stream that goes on and on.
    Growth,
}

/// Cells that differ in their rows alone.
#[derive(Debug)]
pub(super) struct Cells {
    pub(super) scenario: Scenario,
    pub(super) pace: Option<Pace>,
    pub(super) size: usize,
    pub(super) one_cpu: bool,
    pub(super) metric: Metric,
    /// The row that the goal is about.
    pub(super) ours: &'static str,
    pub(super) claims: &'static [Claim],
    /// Rows that no claim is about, for the reader.
    pub(super) beside: &'static [&'static str],
}

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Metric {
    /// The value of the scenario.
    Value,
    /// Processor time of both sides for one message.
    Cpu,
}

/// What must hold between our row and the best of some others.
#[derive(Debug)]
pub(super) struct Claim {
    pub(super) best_of: &'static [&'static str],
    pub(super) bound: Bound,
}

/// Limits of the ratio of ours to the other.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Bound {
    AtMost(f64),
    AtLeast(f64),
}

/// The names of the goals in their order, with what tells exact counts from what is measured.
pub(super) const GOALS: [(&str, &str); 12] = [
    ("P1", "64 B round trip, both sides spinning"),
    ("P2", "64 B round trip, default waiting"),
    ("P3", "64 B round trip, asleep every time"),
    ("P4", "stream through Read and Write, defaults"),
    ("P5", "stream in place"),
    ("P6", "both ends on one CPU"),
    ("P7", "idle ends"),
    ("P8", "CPU for a paced message"),
    ("P9", "exact counts for a message"),
    ("P10", "a null call"),
    ("P11", "set-up"),
    ("P12", "growth"),
];

/// Everything that looks again and again for its message, between processes or threads.
const SPINNERS: &[&str] = &[
    "shmem-ipc/spin",
    "ringfire/spin",
    "rtrb/spin",
    "crossbeam/spin",
    "crossbeam/adaptive",
    "iceoryx2/spin",
    "shmring/spin",
    "unix/spin",
    "pipe/spin",
];

/// Everything that streams bytes, each in the ways of waiting that might suit it.
const STREAMS: &[&str] = &[
    "pipe/block",
    "unix/block",
    "tcp/block",
    "rtrb/spin",
    "crossbeam/adaptive",
    "crossbeam/spin",
    "iceoryx2/spin",
    "iceoryx2/block",
    "shmem-ipc/spin",
    "shmem-ipc/block",
    "shmring/block",
    "shmring/spin",
    "ringfire/spin",
    "ringfire/adaptive",
    "ipc-channel/block",
];

const CELLS: Cells = Cells {
    scenario: Scenario::Pingpong,
    pace: None,
    size: 64,
    one_cpu: false,
    metric: Metric::Value,
    ours: "",
    claims: &[],
    beside: &[],
};

/// A stream through `Read` and `Write` with default settings.
const fn stream(name: &'static str, what: &'static str, size: usize) -> Part {
    Part {
        name,
        what,
        slot_ms: 350,
        kind: Kind::Cells(Cells {
            scenario: Scenario::Stream,
            size,
            ours: "ring/adaptive",
            claims: &[
                Claim { best_of: STREAMS, bound: Bound::AtLeast(1.0) },
                Claim { best_of: &["unix/block"], bound: Bound::AtLeast(5.0) },
                Claim { best_of: &["relay/spin"], bound: Bound::AtLeast(0.8) },
            ],
            ..CELLS
        }),
    }
}

/// A stream that is written and read in place, against what copies twice.
const fn in_place(name: &'static str, what: &'static str, size: usize) -> Part {
    Part {
        name,
        what,
        slot_ms: 500,
        kind: Kind::Cells(Cells {
            scenario: Scenario::Stream,
            size,
            ours: "ring-in-place/adaptive",
            claims: &[Claim { best_of: &["relay/spin"], bound: Bound::AtLeast(1.0) }],
            beside: &["ring/adaptive", "iceoryx2/spin", "ring-in-place/spin", "memcpy/spin"],
            ..CELLS
        }),
    }
}

/// A stream with both ends on one CPU.
const fn one_cpu(name: &'static str, what: &'static str, size: usize) -> Part {
    Part {
        name,
        what,
        slot_ms: 350,
        kind: Kind::Cells(Cells {
            scenario: Scenario::Stream,
            size,
            one_cpu: true,
            ours: "ring/adaptive",
            claims: &[Claim { best_of: &["pipe/block"], bound: Bound::AtLeast(1.0) }],
            beside: &["ring/block", "unix/block", "shmem-ipc/block"],
            ..CELLS
        }),
    }
}

/// Messages that come one at a time, at a fixed rate.
const fn paced(name: &'static str, what: &'static str, rate: u32) -> Part {
    Part {
        name,
        what,
        slot_ms: 700,
        kind: Kind::Cells(Cells {
            scenario: Scenario::Paced,
            pace: Some(Pace::Rate(rate)),
            metric: Metric::Cpu,
            ours: "ring/adaptive",
            claims: &[Claim { best_of: &["unix/block"], bound: Bound::AtMost(1.0) }],
            beside: &["ring/block", "pipe/block", "shmem-ipc/block", "shmring/block"],
            ..CELLS
        }),
    }
}

/// The same stream with many rings open that nobody uses.
const fn crowd(name: &'static str, what: &'static str, size: usize) -> Part {
    Part {
        name,
        what,
        slot_ms: 600,
        kind: Kind::Cells(Cells {
            scenario: Scenario::Stream,
            size,
            ours: "ring-crowd/adaptive",
            claims: &[Claim { best_of: &["ring/adaptive"], bound: Bound::AtLeast(0.95) }],
            ..CELLS
        }),
    }
}

pub(super) static PARTS: &[Part] = &[
    Part {
        name: "P1",
        what: "64 B round trip, both sides spinning",
        slot_ms: 250,
        kind: Kind::Cells(Cells {
            ours: "ring/spin",
            claims: &[
                Claim { best_of: &["flag/spin"], bound: Bound::AtMost(1.2) },
                Claim { best_of: SPINNERS, bound: Bound::AtMost(1.0) },
            ],
            beside: &["bare/spin", "ring/adaptive", "memory/adaptive"],
            ..CELLS
        }),
    },
    Part {
        name: "P2",
        what: "64 B round trip, default waiting, both sides busy",
        slot_ms: 400,
        kind: Kind::Cells(Cells {
            ours: "ring/adaptive",
            claims: &[Claim { best_of: &["flag/spin"], bound: Bound::AtMost(1.4) }],
            beside: &["crossbeam/adaptive", "ringfire/adaptive", "unix/block"],
            ..CELLS
        }),
    },
    Part {
        name: "P3-two-cpus",
        what: "64 B round trip, asleep every time",
        slot_ms: 350,
        kind: Kind::Cells(Cells {
            ours: "ring/block",
            claims: &[Claim {
                best_of: &["futex/block", "pipe/block", "unix/block"],
                bound: Bound::AtMost(1.05),
            }],
            beside: &[
                "tcp/block",
                "shmem-ipc/block",
                "shmring/block",
                "ringfire/block",
                "iceoryx2/block",
                "ipc-channel/block",
            ],
            ..CELLS
        }),
    },
    Part {
        name: "P3-one-cpu",
        what: "the same, both ends on one CPU",
        slot_ms: 350,
        kind: Kind::Cells(Cells {
            one_cpu: true,
            ours: "ring/block",
            claims: &[Claim { best_of: &["futex/block"], bound: Bound::AtMost(1.15) }],
            beside: &["ring/adaptive", "pipe/block", "unix/block", "shmem-ipc/block"],
            ..CELLS
        }),
    },
    stream("P4-64B", "stream of 64 B, defaults", 64),
    stream("P4-1KiB", "stream of 1 KiB, defaults", 1 << 10),
    stream("P4-4KiB", "stream of 4 KiB, defaults", 4 << 10),
    stream("P4-64KiB", "stream of 64 KiB, defaults", 64 << 10),
    in_place("P5-4KiB", "stream of 4 KiB in place", 4 << 10),
    in_place("P5-64KiB", "stream of 64 KiB in place", 64 << 10),
    one_cpu("P6-64B", "stream of 64 B, both ends on one CPU", 64),
    one_cpu("P6-1KiB", "stream of 1 KiB, both ends on one CPU", 1 << 10),
    one_cpu("P6-4KiB", "stream of 4 KiB, both ends on one CPU", 4 << 10),
    one_cpu("P6-64KiB", "stream of 64 KiB, both ends on one CPU", 64 << 10),
    paced("P8-1k", "CPU of both sides for a message, 1,000 a second", 1_000),
    paced("P8-10k", "CPU of both sides for a message, 10,000 a second", 10_000),
    Part {
        name: "P10",
        what: "null call of 64 B over the ring",
        slot_ms: 400,
        kind: Kind::Cells(Cells {
            ours: "rpc-ring/adaptive",
            claims: &[
                Claim { best_of: &["ring/adaptive"], bound: Bound::AtMost(2.5) },
                Claim { best_of: &["tarpc/block"], bound: Bound::AtMost(0.05) },
                Claim { best_of: &["tonic/block"], bound: Bound::AtMost(0.05) },
            ],
            beside: &["rpc-unix/block", "unix/block"],
            ..CELLS
        }),
    },
    Part {
        name: "P11",
        what: "from nothing to the first byte and back",
        slot_ms: 400,
        kind: Kind::Cells(Cells {
            scenario: Scenario::Setup,
            size: 1,
            ours: "ring/block",
            claims: &[Claim { best_of: &["zeroed/block"], bound: Bound::AtMost(3.0) }],
            beside: &["unix/block", "pipe/block", "tcp/block"],
            ..CELLS
        }),
    },
    crowd("P12-crowd-64B", "stream of 64 B beside 1,000 open rings", 64),
    crowd("P12-crowd-64KiB", "stream of 64 KiB beside 1,000 open rings", 64 << 10),
    Part {
        name: "P12-total",
        what: "cost of a byte while a stream goes on",
        slot_ms: 0,
        kind: Kind::Growth,
    },
];

impl Part {
    /// The goal that this is a part of: `P4` of `P4-64B`.
    pub(super) fn goal(&self) -> &'static str {
        self.name.split('-').next().unwrap_or(self.name)
    }
}

impl Cells {
    /// All rows, ours first, each once.
    pub(super) fn rows(&self) -> Vec<&'static str> {
        let mut rows = vec![self.ours];
        let claimed = self.claims.iter().flat_map(|claim| claim.best_of);
        for row in claimed.chain(self.beside) {
            if !rows.contains(row) {
                rows.push(row);
            }
        }
        rows
    }
}

impl Bound {
    /// As it stands in the table.
    pub(super) fn text(self) -> String {
        match self {
            Self::AtMost(limit) => format!("≤ {limit}"),
            Self::AtLeast(limit) => format!("≥ {limit}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport;

    #[test]
    fn every_row_of_every_part_exists_and_has_its_scenario() {
        let (mut checked, mut absent) = (0, Vec::new());
        for part in PARTS {
            let Kind::Cells(cells) = &part.kind else { continue };
            for row in cells.rows() {
                let (name, wait) = row.split_once('/').unwrap();
                let Some(transport) = transport::find(name) else {
                    absent.push(row);
                    continue;
                };
                assert!(transport.waits.contains(&wait.parse().unwrap()), "{}: {row}", part.name);
                assert!(transport.scenarios.contains(&cells.scenario), "{}: {row}", part.name);
                checked += 1;
            }
        }
        assert!(checked > 50, "{checked} rows");
        // Without them the rows of peers are absent, and nothing else is.
        if cfg!(feature = "peers") {
            assert_eq!(absent, [""; 0]);
        }
    }

    #[test]
    fn every_part_has_a_name_of_its_own_and_belongs_to_a_goal() {
        for part in PARTS {
            assert_eq!(PARTS.iter().filter(|other| other.name == part.name).count(), 1);
            assert!(GOALS.iter().any(|(name, _)| *name == part.goal()), "{}", part.name);
        }
    }
}
