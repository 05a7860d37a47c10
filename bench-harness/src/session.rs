//! The coordinator's side of a sample: starts two fresh peers, tells them what to do, and sees to it that they end.
//!
//! The peers are new processes for every sample, so that no row profits from what another left behind and the
//! accidents of one start (addresses, page colours) do not last a whole run. While they measure, the coordinator sleeps
//! in `poll`; a peer that dies, hangs or outlives its time is noticed there.

use std::{
    env,
    io::{self, Read, Write},
    os::{
        fd::{AsFd, OwnedFd},
        unix::{net::UnixStream, process::CommandExt},
    },
    path::PathBuf,
    process::{self, Child, Stdio},
    time::{Duration, Instant},
};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::{
    case::{Case, Scenario},
    control::{self, Answer, Command, Facts, Part, Task},
    interrupt::Interrupt,
    report::record::{Calls, Payload},
    sample::{self, Effort, Sample, Session, Stop},
    transport::{self, Topology},
};

/// How long setting up may take: it is a matter of milliseconds, so a second would do on a busy machine.
const OPENING: Duration = Duration::from_secs(5);
/// How long a window may take that was meant to last a few hundredths of a second.
const WINDOW: Duration = Duration::from_secs(10);
/// How long peers that are being set up get to finish before they are killed.
const GRACE: Duration = Duration::from_millis(500);

/// Runs samples with real processes.
#[derive(Debug)]
pub(crate) struct Processes<'a> {
    pub(crate) interrupt: &'a Interrupt,
    /// The longest a window may take before the row counts as hung.
    pub(crate) watchdog: Option<Duration>,
    /// How much of a message is written and compared.
    pub(crate) payload: Payload,
    /// What plays the rows in Go, if it could be built.
    pub(crate) go: Option<PathBuf>,
}

impl<'a> Processes<'a> {
    /// Two peers for `case` that stay until they are dropped; `key` makes their messages unlike those of all others.
    pub(crate) fn open(&self, case: &Case, key: u64) -> Result<impl Session + use<'a>, Stop> {
        self.start(case, key, false)
    }

    fn start(&self, case: &Case, key: u64, counted: bool) -> Result<Peers<'a>, Stop> {
        let watchdog = self.watchdog.unwrap_or(WINDOW);
        let in_go = transport::find(&case.row.transport).is_some_and(|transport| transport.go);
        let program = if in_go { self.go.clone() } else { None };
        let task = Task { case: case.clone(), key, payload: self.payload, counted, program };
        Peers::start(&task, self.interrupt, watchdog)
    }
}

impl crate::run::Executor for Processes<'_> {
    fn sample(&mut self, case: &Case, key: u64, effort: Effort) -> Result<Sample, Stop> {
        sample::take(&mut self.start(case, key, false)?, case, effort)
    }

    fn calls(&mut self, case: &Case, key: u64, effort: Effort) -> Result<Calls, Stop> {
        sample::count(&mut self.start(case, key, true)?, case, effort)
    }

    fn interrupted(&mut self) -> bool {
        self.interrupt.pending()
    }
}

/// One or two peers with a transport between them. Dropping it ends them.
struct Peers<'a> {
    children: Vec<Child>,
    wires: Vec<Wire>,
    facts: Facts,
    interrupt: &'a Interrupt,
    watchdog: Duration,
    /// Peers that set something up may hold what only they can remove, so they are not killed at once.
    opening: bool,
    /// Whether the transport makes files that can be found by name, which a peer that is killed leaves behind.
    #[cfg(feature = "peers")]
    names: bool,
}

/// The coordinator's end of a control socket, with what has been read of the next line.
struct Wire {
    socket: UnixStream,
    line: Vec<u8>,
}

impl<'a> Peers<'a> {
    fn start(task: &Task, interrupt: &'a Interrupt, watchdog: Duration) -> Result<Self, Stop> {
        let mut peers = Self {
            children: vec![],
            wires: vec![],
            facts: Facts::new(),
            interrupt,
            watchdog,
            opening: true,
            #[cfg(feature = "peers")]
            names: transport::find(&task.case.row.transport)
                .is_some_and(|transport| transport.peer),
        };
        peers
            .spawn(&task.case)
            .map_err(|error| Stop::Failed(format!("starting peers: {error}")))?;
        for wire in &mut peers.wires {
            // A peer that could not start has hung up; collecting the answers says so.
            let _ = wire.send(&Command::Open(task.clone()));
        }
        let answers = peers.collect(OPENING)?;
        for answer in answers.into_iter().rev() {
            match answer {
                Answer::Opened { facts } => peers.facts.extend(facts),
                Answer::Unavailable { reason } => return Err(Stop::Unavailable(reason)),
                Answer::Failed { reason } => return Err(Stop::Failed(reason)),
                Answer::Done(_) => {
                    return Err(Stop::Failed("a peer answered out of turn".to_owned()));
                }
            }
        }
        peers.opening = task.case.scenario == Scenario::Setup;
        Ok(peers)
    }

    fn spawn(&mut self, case: &Case) -> io::Result<()> {
        let topology = transport::find(&case.row.transport).map(|transport| transport.topology);
        match topology {
            Some(Topology::Threads) => {
                let second = self.wire()?;
                let first = self.wire()?;
                self.wires.reverse();
                self.children.push(start("both", first, second)?);
            }
            Some(Topology::Solo) => {
                let (meet, _) = UnixStream::pair()?;
                let control = self.wire()?;
                self.children.push(start("initiator", control, meet)?);
            }
            Some(Topology::Processes) | None => {
                let (here, there) = UnixStream::pair()?;
                let control = self.wire()?;
                self.children.push(start("initiator", control, here)?);
                let control = self.wire()?;
                self.children.push(start("responder", control, there)?);
            }
        }
        Ok(())
    }

    /// A new control socket; the end for the peer.
    fn wire(&mut self) -> io::Result<UnixStream> {
        let (ours, theirs) = UnixStream::pair()?;
        ours.set_nonblocking(true)?;
        self.wires.push(Wire { socket: ours, line: Vec::new() });
        Ok(theirs)
    }

    /// One answer from each peer, in their order; the first bad one ends the waiting.
    fn collect(&mut self, limit: Duration) -> Result<Vec<Answer>, Stop> {
        let deadline = Instant::now() + limit;
        let mut answers: Vec<Option<Answer>> = self.wires.iter().map(|_| None).collect();
        while answers.iter().any(Option::is_none) {
            let mut set: Vec<PollFd<'_>> = self
                .wires
                .iter()
                .map(|wire| PollFd::new(wire.socket.as_fd(), PollFlags::POLLIN))
                .collect();
            for (fd, answer) in set.iter_mut().zip(&answers) {
                if answer.is_some() {
                    fd.set_events(PollFlags::empty());
                }
            }
            set.push(PollFd::new(self.interrupt.as_fd(), PollFlags::POLLIN));
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Stop::Failed(format!(
                    "a peer did not answer within {} s",
                    limit.as_secs_f32()
                )));
            }
            // Rounded up, so that the last millisecond is not spent polling.
            let timeout =
                PollTimeout::try_from(left + Duration::from_millis(1)).unwrap_or(PollTimeout::MAX);
            match poll(&mut set, timeout) {
                Ok(_) | Err(nix::errno::Errno::EINTR) => {}
                Err(error) => return Err(Stop::Failed(format!("waiting for peers: {error}"))),
            }
            if self.interrupt.pending() {
                return Err(Stop::Interrupted);
            }
            for (wire, answer) in self.wires.iter_mut().zip(&mut answers) {
                if answer.is_some() {
                    continue;
                }
                match wire.receive() {
                    Ok(None) => {}
                    Ok(Some(bad @ (Answer::Unavailable { .. } | Answer::Failed { .. }))) => {
                        return Ok(vec![bad]);
                    }
                    Ok(Some(good)) => *answer = Some(good),
                    Err(error) => return Err(Stop::Failed(format!("a peer is gone: {error}"))),
                }
            }
        }
        Ok(answers.into_iter().flatten().collect())
    }
}

impl Session for Peers<'_> {
    fn facts(&self) -> Facts {
        self.facts.clone()
    }

    fn window(&mut self, count: u64) -> Result<sample::Window, Stop> {
        // The responder first, so that it waits when the first message comes.
        for wire in self.wires.iter_mut().rev() {
            let sent = wire.send(&Command::Window { count });
            sent.map_err(|error| Stop::Failed(format!("a peer is gone: {error}")))?;
        }
        let mut parts: Vec<Part> = Vec::new();
        for answer in self.collect(self.watchdog)? {
            match answer {
                Answer::Done(part) => parts.push(*part),
                Answer::Failed { reason } | Answer::Unavailable { reason } => {
                    return Err(Stop::Failed(reason));
                }
                Answer::Opened { .. } => {
                    return Err(Stop::Failed("a peer answered out of turn".to_owned()));
                }
            }
        }
        let mut parts = parts.into_iter();
        Ok(sample::Window { initiator: parts.next().unwrap_or_default(), responder: parts.next() })
    }
}

impl Wire {
    fn send(&mut self, command: &Command) -> io::Result<()> {
        // A command is far smaller than the socket's buffer, so this does not block.
        self.socket.write_all(&control::encode(command)?)
    }

    /// The next answer, once its line is complete.
    fn receive(&mut self) -> io::Result<Option<Answer>> {
        let mut chunk = [0; 65_536];
        loop {
            if let Some(end) = self.line.iter().position(|byte| *byte == b'\n') {
                let rest = self.line.split_off(end + 1);
                let line = std::mem::replace(&mut self.line, rest);
                return Ok(Some(serde_json::from_slice(&line)?));
            }
            match self.socket.read(&mut chunk) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(given) => self.line.extend_from_slice(&chunk[..given]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

fn start(sides: &str, control: UnixStream, other: UnixStream) -> io::Result<Child> {
    process::Command::new(myself()?)
        .args(["peer", sides, &process::id().to_string()])
        .stdin(Stdio::from(OwnedFd::from(control)))
        .stdout(Stdio::from(OwnedFd::from(other)))
        // A terminal's ^C is for the coordinator, which then ends its peers in order.
        .process_group(0)
        .spawn()
}

impl Drop for Peers<'_> {
    fn drop(&mut self) {
        if self.opening {
            for wire in &self.wires {
                let _ = wire.socket.shutdown(std::net::Shutdown::Write);
            }
            // Each answers once it is through, then sees the hang-up and leaves.
            let deadline = Instant::now() + GRACE;
            for wire in &mut self.wires {
                wire.drain(deadline);
            }
        }
        for child in &mut self.children {
            // It may have ended by itself; either way it is reaped.
            let _ = child.kill();
            let _ = child.wait();
        }
        #[cfg(feature = "peers")]
        if let Some(initiator) = self.children.first().filter(|_| self.names) {
            transport::sweep(initiator.id());
        }
    }
}

impl Wire {
    /// Reads until the peer hangs up or time is over.
    fn drain(&mut self, deadline: Instant) {
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::ZERO);
            let ready = poll(&mut [PollFd::new(self.socket.as_fd(), PollFlags::POLLIN)], timeout);
            if left.is_zero() || !matches!(ready, Ok(1..)) {
                return;
            }
            match self.socket.read(&mut [0; 4096]) {
                Ok(0) => return,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => return,
            }
        }
    }
}

/// This very program, even if its file was replaced by a newer build during the run.
fn myself() -> io::Result<PathBuf> {
    let link = PathBuf::from("/proc/self/exe");
    if link.exists() { Ok(link) } else { env::current_exe() }
}
