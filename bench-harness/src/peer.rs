//! A peer: one process that plays one side of a case, or both on two threads, as the coordinator tells it to.
//!
//! Its standard input is the control socket; its standard output is the socket on which it meets the other peer, or,
//! where both sides are threads of this process, the control socket of the second one. So a peer needs no numbers of
//! descriptors and no names of files.

use std::{
    io,
    os::{
        fd::AsFd,
        unix::{net::UnixStream, process::CommandExt},
    },
    path::Path,
    process,
};

use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use nix::{
    sys::{
        resource::{UsageWho, getrusage},
        socket::{getsockopt, sockopt},
    },
    unistd::Pid,
};

use crate::{
    case::{Case, Scenario},
    clock::{process_cpu_ns, thread_cpu_ns},
    control::{Answer, Command, Facts, Part, Task, Usage, Wire},
    interrupt, orphan,
    pattern::Pattern,
    pin,
    scenario::{self, Batch, Pacer},
    syscalls,
    transport::{self, Link, Role, Topology, Visit},
};

/// Which sides this process plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Sides {
    Initiator,
    Responder,
    Both,
}

/// Plays until the coordinator hangs up.
pub(crate) fn main(part: Sides, coordinator: i32) -> Result<()> {
    let first = socket(io::stdin().as_fd())?;
    let second = socket(io::stdout().as_fd())?;
    orphan::die_with(Pid::from_raw(coordinator))?;
    interrupt::reset()?;
    let mut wire = Wire::new(first);
    let Some(Command::Open(task)) = wire.recv()? else {
        return Ok(());
    };
    if let Some(program) = &task.program {
        return become_program(program, part, &task, &mut wire, second);
    }
    if task.counted
        && let Err(error) = syscalls::start()
    {
        return report(Err(error), false, &mut wire);
    }
    let topology = transport::find(&task.case.row.transport).map(|transport| transport.topology);
    match (part, topology) {
        (Sides::Both, Some(Topology::Threads)) => {
            let mut other = Wire::new(second);
            let Some(Command::Open(_)) = other.recv()? else {
                return Ok(());
            };
            threads(&task, &mut wire, &mut other)
        }
        (_, Some(Topology::Solo)) => solo(&task, &mut wire),
        (Sides::Initiator, _) => play(&task, Role::Initiator, &mut wire, &second),
        (Sides::Responder, _) => play(&task, Role::Responder, &mut wire, &second),
        (Sides::Both, _) => bail!("{} does not run in one process", task.case.row),
    }
}

/// Has another program play this peer's sides, on the CPUs that they would have; it takes over the sockets.
fn become_program(
    program: &Path,
    sides: Sides,
    task: &Task,
    wire: &mut Wire,
    second: UnixStream,
) -> Result<()> {
    let cpus = task.case.placement.cpus();
    match (sides, cpus) {
        (Sides::Initiator, _) => pin::pin(cpu(&task.case, Role::Initiator))?,
        (Sides::Responder, _) => pin::pin(cpu(&task.case, Role::Responder))?,
        (Sides::Both, Some((initiator, responder))) => pin::pin_to(&[initiator, responder])?,
        (Sides::Both, None) => {}
    }
    if sides == Sides::Both {
        // The other side is told the same.
        Wire::new(second).recv::<Command>()?;
    }
    let sides =
        sides.to_possible_value().map_or(String::new(), |sides| sides.get_name().to_owned());
    // Returns only if there is no such program.
    let error = process::Command::new(program).args([sides, serde_json::to_string(task)?]).exec();
    report(Err(error), false, wire)
}

fn socket(descriptor: std::os::fd::BorrowedFd<'_>) -> Result<UnixStream> {
    if getsockopt(&descriptor, sockopt::SockType).is_err() {
        bail!("`peer` is a part of `ipc-bench run`, which starts it by itself");
    }
    Ok(UnixStream::from(descriptor.try_clone_to_owned().context("taking over a control socket")?))
}

fn play(task: &Task, role: Role, wire: &mut Wire, meet: &UnixStream) -> Result<()> {
    // Before the transport stands, so that its memory is touched first from the CPU that uses it.
    pin::pin(cpu(&task.case, role))?;
    let mut opened = false;
    let player =
        Player { task, role, wire: &mut *wire, scope: Scope::Process, opened: &mut opened };
    let result = match task.case.scenario {
        Scenario::Setup => player.set_up(meet),
        _ => transport::connect(&task.case, role, meet, player),
    };
    report(result, opened, wire)
}

fn threads(task: &Task, first: &mut Wire, second: &mut Wire) -> Result<()> {
    let scope = Scope::Thread;
    let (mut first_opened, mut second_opened) = (false, false);
    let (wire, opened) = (&mut *first, &mut first_opened);
    let initiator = Player { task, role: Role::Initiator, wire, scope, opened };
    let (wire, opened) = (&mut *second, &mut second_opened);
    let responder = Player { task, role: Role::Responder, wire, scope, opened };
    let (ours, theirs) = match transport::connect_threads(&task.case, initiator, responder) {
        Ok(results) => results,
        Err(error) => (Err(error), Ok(())),
    };
    report(theirs, second_opened, second)?;
    report(ours, first_opened, first)
}

/// A failure before the link stood means that the transport cannot run here; after that, that it broke.
fn report(result: io::Result<()>, opened: bool, wire: &mut Wire) -> Result<()> {
    if let Err(error) = result {
        let reason = error.to_string();
        let answer =
            if opened { Answer::Failed { reason } } else { Answer::Unavailable { reason } };
        // The coordinator may be gone already; then there is nobody to tell.
        let _ = wire.send(&answer);
    }
    Ok(())
}

fn cpu(case: &Case, role: Role) -> Option<usize> {
    case.placement.cpus().map(|(initiator, responder)| match role {
        Role::Initiator => initiator,
        Role::Responder => responder,
    })
}

/// Whose processor time, context switches and system calls count: a side that is a thread shares its process with the other.
#[derive(Clone, Copy, Debug)]
enum Scope {
    Process,
    Thread,
}

impl Scope {
    fn usage(self) -> Usage {
        let (who, cpu_ns) = match self {
            Self::Process => (UsageWho::RUSAGE_SELF, process_cpu_ns()),
            Self::Thread => (UsageWho::RUSAGE_THREAD, thread_cpu_ns()),
        };
        getrusage(who).map_or(Usage { cpu_ns, ..Usage::default() }, |usage| Usage {
            cpu_ns,
            pacing_ns: 0,
            voluntary: usage.voluntary_context_switches() as u64,
            involuntary: usage.involuntary_context_switches() as u64,
        })
    }

    fn calls(self) -> u64 {
        match self {
            Self::Process => syscalls::of_process(),
            Self::Thread => syscalls::of_thread(),
        }
    }

    /// Runs `work` and adds to its part what it used.
    fn measure(self, counted: bool, work: impl FnOnce() -> io::Result<Part>) -> io::Result<Part> {
        let before = self.usage();
        let calls = self.calls();
        let part = work()?;
        let calls = self.calls() - calls;
        let after = self.usage();
        Ok(Part {
            calls: counted.then_some(calls),
            usage: Usage {
                cpu_ns: after
                    .cpu_ns
                    .saturating_sub(before.cpu_ns)
                    .saturating_sub(part.usage.pacing_ns),
                pacing_ns: part.usage.pacing_ns,
                voluntary: after.voluntary.saturating_sub(before.voluntary),
                involuntary: after.involuntary.saturating_sub(before.involuntary),
            },
            ..part
        })
    }
}

/// Plays windows as long as the coordinator asks for them.
struct Player<'a> {
    task: &'a Task,
    role: Role,
    wire: &'a mut Wire,
    scope: Scope,
    opened: &'a mut bool,
}

impl Player<'_> {
    /// Says that the transport stands, then plays window after window, the first of which begins with message `first`.
    fn windows(
        self,
        facts: Facts,
        first: u64,
        mut play: impl FnMut(Batch) -> io::Result<Part>,
    ) -> io::Result<()> {
        pin::pin(cpu(&self.task.case, self.role)).map_err(io::Error::other)?;
        *self.opened = true;
        self.wire.send(&Answer::Opened { facts })?;
        let mut batch = Batch { first, ..batch(self.task)? };
        while let Some(Command::Window { count }) = self.wire.recv()? {
            batch.count = count;
            let part = self.scope.measure(self.task.counted, || play(batch))?;
            batch.first += count;
            self.wire.send(&Answer::Done(Box::new(part)))?;
        }
        Ok(())
    }

    /// Plays windows of setting up: as many connections as another window has messages.
    fn set_up(self, meet: &UnixStream) -> io::Result<()> {
        let (case, role) = (&self.task.case, self.role);
        // Once beforehand, to find out whether it works and what it is.
        let once = Batch { count: 1, ..batch(self.task)? };
        let (_, facts) = scenario::setup(case, role, meet, once)?;
        self.windows(facts, 1, |batch| Ok(scenario::setup(case, role, meet, batch)?.0))
    }
}

impl Visit for Player<'_> {
    fn visit(self, mut link: impl Link) -> io::Result<()> {
        let (case, role) = (&self.task.case, self.role);
        let mut buffer = vec![0; case.size.0];
        self.windows(link.facts(), 0, |batch| {
            scenario::play(case.scenario, role, &mut link, batch, &mut buffer)
        })
    }
}

/// No messages yet, from the first one on.
fn batch(task: &Task) -> io::Result<Batch> {
    let cpus = pin::allowed().map_err(io::Error::other)?.len();
    Ok(Batch {
        pattern: Pattern::new(task.key, task.payload),
        first: 0,
        count: 0,
        pacer: Pacer::new(&task.case, cpus),
    })
}

fn solo(task: &Task, wire: &mut Wire) -> Result<()> {
    let mut message = vec![0; task.case.size.0];
    let mut window = transport::window(&task.case);
    let (role, scope, mut opened) = (Role::Initiator, Scope::Process, false);
    let player = Player { task, role, wire: &mut *wire, scope, opened: &mut opened };
    let result = player
        .windows(Facts::new(), 0, |batch| Ok(scenario::copy(batch, &mut message, &mut window)));
    report(result, opened, wire)
}
