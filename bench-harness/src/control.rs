//! What the coordinator and a peer say to each other: JSON lines over a socket pair.
//!
//! Nothing is said while a window is measured, so its form costs no sample anything.

use std::{
    collections::BTreeMap,
    io::{self, BufRead, BufReader, Write},
    os::unix::net::UnixStream,
    path::PathBuf,
};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{case::Case, pattern::Fault, report::record::Payload, stats::percentile::Buckets};

/// What a transport says of itself once it stands, such as the buffer sizes the system granted.
pub(crate) type Facts = BTreeMap<String, String>;

/// From the coordinator to a peer.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Command {
    /// Set up the transport of a case.
    Open(Task),
    /// Exchange this many messages and report.
    Window { count: u64 },
}

/// What a peer needs to know to play its side.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Task {
    pub(crate) case: Case,
    /// Makes the messages unlike those of any other sample.
    pub(crate) key: u64,
    pub(crate) payload: Payload,
    /// Whether the system calls are counted. Nothing may be timed then.
    pub(crate) counted: bool,
    /// The program that plays the sides in the place of this one.
    pub(crate) program: Option<PathBuf>,
}

/// From a peer to the coordinator.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Answer {
    /// The transport stands.
    Opened { facts: Facts },
    /// The transport cannot run here.
    Unavailable { reason: String },
    /// The transport failed while it ran.
    Failed { reason: String },
    /// The window is over.
    Done(Box<Part>),
}

/// One side of one window.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Part {
    /// The first byte left, or the first wait began; nanoseconds of the monotonic clock.
    pub(crate) start_ns: u64,
    /// The last byte was verified, or handed to the transport.
    pub(crate) end_ns: u64,
    pub(crate) usage: Usage,
    /// Messages this side compared byte by byte.
    pub(crate) verified: u64,
    /// The first message that did not arrive as it was sent.
    pub(crate) fault: Option<Fault>,
    /// Latencies in nanoseconds, where this side timed them.
    pub(crate) latencies: Buckets,
    /// Where it takes both sides: when each message was due, or when it had arrived.
    pub(crate) stamps: Vec<u64>,
    /// System calls of this side, where they are counted.
    pub(crate) calls: Option<u64>,
}

/// What a side used of the machine during a window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Usage {
    /// Processor time, user and system, without the pacer's.
    pub(crate) cpu_ns: u64,
    /// Processor time that the pacer spent waiting for the next message to be due.
    #[serde(default)]
    pub(crate) pacing_ns: u64,
    /// Context switches because it waited.
    pub(crate) voluntary: u64,
    /// Context switches because its time was up or somebody else was due.
    pub(crate) involuntary: u64,
}

/// One line as it goes over the socket.
pub(crate) fn encode(message: &impl Serialize) -> io::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    Ok(line)
}

/// A peer's end of the control socket. The end of the stream means that the coordinator is gone.
#[derive(Debug)]
pub(crate) struct Wire(BufReader<UnixStream>);

impl Wire {
    pub(crate) fn new(socket: UnixStream) -> Self {
        Self(BufReader::new(socket))
    }

    pub(crate) fn send(&mut self, answer: &Answer) -> io::Result<()> {
        self.0.get_mut().write_all(&encode(answer)?)
    }

    /// The next command; `None` once the coordinator hung up.
    pub(crate) fn recv<T: DeserializeOwned>(&mut self) -> io::Result<Option<T>> {
        let mut line = Vec::new();
        match self.0.read_until(b'\n', &mut line)? {
            0 => Ok(None),
            _ => Ok(Some(serde_json::from_slice(&line)?)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_arrives_as_it_was_sent_and_a_hang_up_is_the_end() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let mut wire = Wire::new(theirs);
        (&ours).write_all(&encode(&Command::Window { count: 7 }).unwrap()).unwrap();
        drop(ours);
        assert!(matches!(wire.recv().unwrap(), Some(Command::Window { count: 7 })));
        assert!(wire.recv::<Command>().unwrap().is_none());
    }
}
