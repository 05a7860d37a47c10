//! A peer: one process that plays one side of a case, or both on two threads, as the coordinator tells it to.
//!
//! Its standard input is the control socket; its standard output is the socket on which it meets the other peer, or,
//! where both sides are threads of this process, the control socket of the second one. So a peer needs no numbers of
//! descriptors and no names of files.

use std::{
    io,
    os::{fd::AsFd, unix::net::UnixStream},
};

use anyhow::{Context, Result, bail};
use nix::{
    sys::{
        resource::{UsageWho, getrusage},
        socket::{getsockopt, sockopt},
    },
    unistd::Pid,
};

use crate::{
    case::Case,
    clock::{process_cpu_ns, thread_cpu_ns},
    control::{Answer, Command, Part, Usage, Wire},
    interrupt, orphan,
    pattern::Pattern,
    pin,
    scenario::{self, Batch},
    transport::{self, Link, Role, Topology, Visit},
};

/// Which sides this process plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
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
    let Some(Command::Open { case, key }) = wire.recv()? else {
        return Ok(());
    };
    let topology = transport::find(&case.row.transport).map(|transport| transport.topology);
    match (part, topology) {
        (Sides::Both, Some(Topology::Threads)) => {
            let mut other = Wire::new(second);
            let Some(Command::Open { .. }) = other.recv()? else {
                return Ok(());
            };
            threads(&case, key, &mut wire, &mut other)
        }
        (_, Some(Topology::Solo)) => solo(&case, key, &mut wire),
        (Sides::Initiator, _) => process(&case, key, Role::Initiator, &mut wire, &second),
        (Sides::Responder, _) => process(&case, key, Role::Responder, &mut wire, &second),
        (Sides::Both, _) => bail!("{} does not run in one process", case.row),
    }
}

fn socket(descriptor: std::os::fd::BorrowedFd<'_>) -> Result<UnixStream> {
    if getsockopt(&descriptor, sockopt::SockType).is_err() {
        bail!("`peer` is a part of `ipc-bench run`, which starts it by itself");
    }
    Ok(UnixStream::from(descriptor.try_clone_to_owned().context("taking over a control socket")?))
}

fn process(case: &Case, key: u64, role: Role, wire: &mut Wire, meet: &UnixStream) -> Result<()> {
    // Before the transport stands, so that its memory is touched first from the CPU that uses it.
    pin::pin(cpu(case, role))?;
    let mut opened = false;
    let player =
        Player { case, key, role, wire: &mut *wire, scope: Scope::Process, opened: &mut opened };
    let result = transport::connect(case, role, meet, player);
    report(result, opened, wire)
}

fn threads(case: &Case, key: u64, first: &mut Wire, second: &mut Wire) -> Result<()> {
    let scope = Scope::Thread;
    let (mut first_opened, mut second_opened) = (false, false);
    let initiator = Player {
        case,
        key,
        role: Role::Initiator,
        wire: &mut *first,
        scope,
        opened: &mut first_opened,
    };
    let responder = Player {
        case,
        key,
        role: Role::Responder,
        wire: &mut *second,
        scope,
        opened: &mut second_opened,
    };
    let (ours, theirs) = match transport::connect_threads(case, initiator, responder) {
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

/// Whose processor time and context switches count: a side that is a thread shares its process with the other.
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

    /// Runs `work` and adds to its part what it used.
    fn measure(self, work: impl FnOnce() -> io::Result<Part>) -> io::Result<Part> {
        let before = self.usage();
        let part = work()?;
        let after = self.usage();
        Ok(Part {
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

/// Plays windows over a link as long as the coordinator asks for them.
struct Player<'a> {
    case: &'a Case,
    key: u64,
    role: Role,
    wire: &'a mut Wire,
    scope: Scope,
    opened: &'a mut bool,
}

impl Visit for Player<'_> {
    fn visit(self, mut link: impl Link) -> io::Result<()> {
        pin::pin(cpu(self.case, self.role)).map_err(io::Error::other)?;
        *self.opened = true;
        self.wire.send(&Answer::Opened { facts: link.facts() })?;
        let mut buffer = vec![0; self.case.size.0];
        let mut batch = Batch { pattern: Pattern::new(self.key), first: 0, count: 0 };
        while let Some(Command::Window { count }) = self.wire.recv()? {
            batch.count = count;
            let part = self.scope.measure(|| {
                scenario::play(self.case.scenario, self.role, &mut link, batch, &mut buffer)
            })?;
            batch.first += count;
            self.wire.send(&Answer::Done(Box::new(part)))?;
        }
        Ok(())
    }
}

fn solo(case: &Case, key: u64, wire: &mut Wire) -> Result<()> {
    pin::pin(cpu(case, Role::Initiator))?;
    let mut message = vec![0; case.size.0];
    let mut window = transport::window(case);
    wire.send(&Answer::Opened { facts: Default::default() })?;
    let mut batch = Batch { pattern: Pattern::new(key), first: 0, count: 0 };
    while let Some(Command::Window { count }) = wire.recv()? {
        batch.count = count;
        let part =
            Scope::Process.measure(|| Ok(scenario::copy(batch, &mut message, &mut window)))?;
        batch.first += count;
        wire.send(&Answer::Done(Box::new(part)))?;
    }
    Ok(())
}
