//! Every transport with what it can do: the one list that the command line, the plan and the report share.

#[cfg(feature = "peers")]
use super::peers;
use crate::{
    case::{Scenario, Wait},
    units::Size,
};

/// Who runs the two sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Topology {
    /// Two processes.
    Processes,
    /// Two threads of one process.
    Threads,
    /// One thread, no other side.
    Solo,
}

/// A transport as the registry knows it.
#[derive(Debug)]
pub(crate) struct Transport {
    /// Its name on the command line and in every cell.
    pub(crate) name: &'static str,
    /// One line for people.
    pub(crate) what: &'static str,
    pub(crate) topology: Topology,
    /// The ways of waiting it has; the first is the headline.
    pub(crate) waits: &'static [Wait],
    /// Those of them that the default run has time for. A row that is left out answers no question of its own: a
    /// FIFO is a pipe, and who would spin on TCP has the Unix socket's row to look at.
    pub(crate) quick: &'static [Wait],
    /// Those whose waking up after a silence it has time for.
    pub(crate) rare: &'static [Wait],
    /// Those that a standard run has time for.
    pub(crate) standard: &'static [Wait],
    pub(crate) scenarios: &'static [Scenario],
    /// Sizes that this row streams in every preset, whether or not the others do.
    pub(crate) also: &'static [Size],
    /// A row to measure others by, which nobody can choose.
    pub(crate) floor: bool,
    /// Played by a program in Go, where Go is installed.
    pub(crate) go: bool,
    /// Not run unless it is named: it exists to prove that the harness notices, or for one goal.
    pub(crate) hidden: bool,
    /// How much a user takes on with it; of two that perform alike the smaller number is advised.
    pub(crate) complexity: u8,
    /// Can be waited for together with other descriptors.
    pub(crate) pollable: bool,
    /// The other side can be a stranger: it can neither crash nor stop us by what it writes.
    pub(crate) untrusted: bool,
    /// The same code reaches another machine when its address is changed.
    pub(crate) remote: bool,
    /// Somebody else's crate.
    pub(crate) peer: bool,
}

pub(super) const KERNEL: Transport = Transport {
    name: "",
    what: "",
    topology: Topology::Processes,
    waits: &[Wait::Block, Wait::Spin],
    quick: &[Wait::Block, Wait::Spin],
    rare: &[Wait::Block],
    standard: &Wait::ALL,
    scenarios: &Scenario::ALL,
    also: &[],
    floor: false,
    go: false,
    hidden: false,
    complexity: 0,
    pollable: true,
    untrusted: true,
    remote: false,
    peer: false,
};

/// A call waits for its reply, so there is no stream of them; a client is not a descriptor, so it cannot be polled.
pub(super) const RPC: Transport = Transport {
    waits: &[Wait::Block],
    quick: &[],
    rare: &[],
    scenarios: &[Scenario::Pingpong, Scenario::IdleWake, Scenario::Setup],
    pollable: false,
    remote: true,
    ..KERNEL
};

const FLOOR: Transport =
    Transport { floor: true, pollable: false, untrusted: false, quick: &Wait::ALL, ..KERNEL };

static TRANSPORTS: &[Transport] = &[
    Transport { name: "pipe", what: "two anonymous pipes", complexity: 0, ..KERNEL },
    Transport {
        name: "fifo",
        what: "two named pipes",
        quick: &[Wait::Block],
        rare: &[],
        standard: &[Wait::Block],
        complexity: 1,
        ..KERNEL
    },
    Transport { name: "unix", what: "Unix stream socket", complexity: 2, ..KERNEL },
    Transport {
        name: "unix-seqpacket",
        what: "Unix packet socket, a message a packet",
        quick: &[],
        rare: &[],
        standard: &[Wait::Block],
        complexity: 3,
        ..KERNEL
    },
    Transport {
        name: "mqueue",
        what: "two POSIX message queues",
        quick: &[],
        rare: &[],
        standard: &[Wait::Block],
        complexity: 4,
        ..KERNEL
    },
    Transport {
        name: "tcp",
        what: "TCP over loopback, TCP_NODELAY",
        quick: &[Wait::Block],
        complexity: 5,
        remote: true,
        ..KERNEL
    },
    Transport {
        name: "ring",
        what: "two shared-memory rings of this project (memfd, futex)",
        waits: &Wait::ALL,
        quick: &Wait::ALL,
        rare: &Wait::ALL,
        complexity: 9,
        // A futex cannot be waited for beside descriptors.
        pollable: false,
        ..KERNEL
    },
    Transport {
        name: "ring-in-place",
        what: "the same through reserve and peek: written and read where it lies",
        waits: &Wait::ALL,
        quick: &[],
        rare: &[],
        standard: &[Wait::Adaptive],
        scenarios: &[Scenario::Stream],
        complexity: 19,
        pollable: false,
        // The reader looks at memory that its peer can still write.
        untrusted: false,
        ..KERNEL
    },
    Transport {
        name: "ring-eventfd",
        what: "the same rings in an event loop: their descriptors are polled",
        waits: &[Wait::Block],
        quick: &[Wait::Block],
        complexity: 10,
        ..KERNEL
    },
    Transport {
        name: "ring-portable",
        what: "the rings for systems without memfd and futex (shared_memory, raw_sync)",
        waits: &Wait::ALL,
        quick: &[],
        rare: &[],
        standard: &[Wait::Block, Wait::Adaptive],
        complexity: 11,
        pollable: false,
        // The other side can write all of the memory.
        untrusted: false,
        ..KERNEL
    },
    Transport {
        name: "rpc-unix",
        what: "calls of this project over a Unix socket, codec bin",
        quick: &[Wait::Block],
        complexity: 6,
        ..RPC
    },
    Transport {
        name: "rpc-tcp",
        what: "calls of this project over TCP loopback, codec bin",
        complexity: 7,
        ..RPC
    },
    Transport {
        name: "rpc-ring",
        what: "calls of this project over two rings, codec bin",
        waits: &Wait::ALL,
        quick: &Wait::ALL,
        complexity: 12,
        ..RPC
    },
    Transport {
        name: "rpc-ring-json",
        what: "the same, codec JSON-RPC 1.0",
        waits: &Wait::ALL,
        standard: &[Wait::Adaptive],
        complexity: 13,
        ..RPC
    },
    Transport {
        name: "rpc-ring-gob",
        what: "the same, codec gob, as Go's net/rpc speaks it",
        waits: &Wait::ALL,
        standard: &[Wait::Adaptive],
        complexity: 14,
        ..RPC
    },
    Transport {
        name: "memory",
        what: "two in-memory pipes of this project between threads; no buffer, no other process",
        topology: Topology::Threads,
        waits: &[Wait::Adaptive],
        quick: &[Wait::Adaptive],
        also: &[Size(1)],
        // One call makes it, and there is nobody to connect to.
        scenarios: &[Scenario::Pingpong, Scenario::Stream, Scenario::Paced, Scenario::IdleWake],
        complexity: 15,
        pollable: false,
        ..KERNEL
    },
    Transport {
        name: "memory-bufio",
        what: "the same between a BufWriter and a BufReader",
        topology: Topology::Threads,
        waits: &[Wait::Adaptive],
        quick: &[Wait::Adaptive],
        scenarios: &[Scenario::Stream],
        also: &[Size(1)],
        complexity: 16,
        pollable: false,
        ..KERNEL
    },
    Transport {
        name: "go-pipe",
        what: "two io.Pipe of Go between goroutines",
        topology: Topology::Threads,
        waits: &[Wait::Adaptive],
        quick: &[],
        rare: &[],
        scenarios: &[Scenario::Pingpong, Scenario::Stream],
        go: true,
        complexity: 17,
        pollable: false,
        ..KERNEL
    },
    Transport {
        name: "go-rpc",
        what: "calls of Go's net/rpc over a Unix socket, codec gob, both sides in Go",
        scenarios: &[Scenario::Pingpong],
        go: true,
        complexity: 18,
        ..RPC
    },
    Transport {
        name: "flag",
        what: "floor: a flag and the message in shared memory, both sides spinning",
        waits: &[Wait::Spin],
        scenarios: &[Scenario::Pingpong, Scenario::IdleWake],
        ..FLOOR
    },
    Transport {
        name: "futex",
        what: "floor: the same with a futex, both sides sleeping",
        waits: &[Wait::Block],
        scenarios: &[Scenario::Pingpong, Scenario::IdleWake],
        ..FLOOR
    },
    Transport {
        name: "bare",
        what: "floor: two rings of positions and bytes, both sides spinning, and nothing else",
        waits: &[Wait::Spin],
        quick: &[],
        scenarios: &[Scenario::Pingpong],
        ..FLOOR
    },
    Transport {
        name: "zeroed",
        what: "floor: a Unix socket is made, and as much memory as a ring has is written once",
        waits: &[Wait::Block],
        scenarios: &[Scenario::Setup],
        ..FLOOR
    },
    Transport {
        name: "memcpy",
        what: "floor: one copy by one thread, no other side",
        topology: Topology::Solo,
        waits: &[Wait::Spin],
        scenarios: &[Scenario::Stream],
        ..FLOOR
    },
    Transport {
        name: "relay",
        what: "floor: copied in and copied out by two processes that meet only every 256 KiB",
        waits: &[Wait::Spin],
        scenarios: &[Scenario::Stream],
        ..FLOOR
    },
    #[cfg(feature = "peers")]
    peers::iceoryx2::TRANSPORT,
    #[cfg(feature = "peers")]
    peers::ipc_channel::TRANSPORT,
    #[cfg(feature = "peers")]
    peers::shmem_ipc::TRANSPORT,
    #[cfg(feature = "peers")]
    peers::shmring::TRANSPORT,
    #[cfg(feature = "peers")]
    peers::ringfire::TRANSPORT,
    #[cfg(feature = "peers")]
    peers::rtrb::TRANSPORT,
    #[cfg(feature = "peers")]
    peers::crossbeam::TRANSPORT,
    #[cfg(feature = "peers")]
    peers::tarpc::TRANSPORT,
    #[cfg(feature = "peers")]
    peers::tonic::TRANSPORT,
    Transport {
        name: "ring-crowd",
        what: "goal: the rings of this project beside a thousand that nobody uses",
        waits: &[Wait::Adaptive],
        scenarios: &[Scenario::Pingpong, Scenario::Stream],
        pollable: false,
        hidden: true,
        ..KERNEL
    },
    Transport {
        name: "corrupt",
        what: "self-test: a Unix socket that falsifies one byte in a million",
        waits: &[Wait::Block],
        hidden: true,
        ..KERNEL
    },
    Transport {
        name: "stuck",
        what: "self-test: a Unix socket whose responder stops answering",
        waits: &[Wait::Block],
        hidden: true,
        ..KERNEL
    },
];

/// All transports in the order of the tables.
pub(crate) fn known() -> &'static [Transport] {
    TRANSPORTS
}

/// The transport called `name`.
pub(crate) fn find(name: &str) -> Option<&'static Transport> {
    TRANSPORTS.iter().find(|transport| transport.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_there_once_and_has_a_way_of_waiting_and_a_scenario() {
        for transport in known() {
            assert_eq!(known().iter().filter(|other| other.name == transport.name).count(), 1);
            assert!(!transport.waits.is_empty() && !transport.scenarios.is_empty());
        }
    }

    #[test]
    fn the_simpler_of_two_contenders_is_always_known() {
        let mut levels: Vec<u8> =
            known().iter().filter(|t| !t.floor && !t.hidden).map(|t| t.complexity).collect();
        let all = levels.len();
        levels.sort_unstable();
        levels.dedup();
        assert_eq!(levels.len(), all);
    }
}
