//! Which CPUs the two sides run on, and putting a thread there.

use std::fs;

use anyhow::{Context, Result, bail};
use nix::{
    sched::{CpuSet, sched_getaffinity, sched_setaffinity},
    unistd::Pid,
};
use serde::{Deserialize, Serialize};

/// Where the two sides of a case run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Placement {
    /// Each on a CPU of its own.
    TwoCpus { initiator: usize, responder: usize },
    /// Both on one CPU: whoever waits must let the other run.
    OneCpu { cpu: usize },
    /// Wherever the scheduler puts them.
    Unpinned,
    /// On the two threads of one core.
    SmtSibling { initiator: usize, responder: usize },
    /// On two cores that share their last cache.
    SameCache { initiator: usize, responder: usize },
    /// On two memory nodes.
    OtherNode { initiator: usize, responder: usize },
}

impl Placement {
    /// The word that stands for this placement in the name of a cell.
    pub(crate) fn tag(self) -> &'static str {
        match self {
            Self::TwoCpus { .. } => "two-cpus",
            Self::OneCpu { .. } => "one-cpu",
            Self::Unpinned => "unpinned",
            Self::SmtSibling { .. } => "smt-sibling",
            Self::SameCache { .. } => "same-cache",
            Self::OtherNode { .. } => "other-node",
        }
    }

    /// Whether both sides can run at the same moment.
    pub(crate) fn parallel(self, cpus: usize) -> bool {
        match self {
            Self::TwoCpus { .. }
            | Self::SmtSibling { .. }
            | Self::SameCache { .. }
            | Self::OtherNode { .. } => true,
            Self::OneCpu { .. } => false,
            Self::Unpinned => cpus > 1,
        }
    }

    /// The CPUs of the initiator and of the responder; `None` leaves it to the scheduler.
    pub(crate) fn cpus(self) -> Option<(usize, usize)> {
        match self {
            Self::TwoCpus { initiator, responder }
            | Self::SmtSibling { initiator, responder }
            | Self::SameCache { initiator, responder }
            | Self::OtherNode { initiator, responder } => Some((initiator, responder)),
            Self::OneCpu { cpu } => Some((cpu, cpu)),
            Self::Unpinned => None,
        }
    }
}

/// The CPUs this process may use, in ascending order.
pub(crate) fn allowed() -> Result<Vec<usize>> {
    let set =
        sched_getaffinity(Pid::from_raw(0)).context("asking for the CPUs this process may use")?;
    Ok((0..CpuSet::count()).filter(|cpu| set.is_set(*cpu).unwrap_or(false)).collect())
}

/// Pins the calling thread to `cpu`; `None` leaves it where it is.
pub(crate) fn pin(cpu: Option<usize>) -> Result<()> {
    let Some(cpu) = cpu else { return Ok(()) };
    let mut set = CpuSet::new();
    set.set(cpu).with_context(|| format!("there is no CPU {cpu}"))?;
    sched_setaffinity(Pid::from_raw(0), &set).with_context(|| format!("pinning to CPU {cpu}"))
}

/// The placement of a run: the CPUs the user named, or the first two allowed ones on different cores.
pub(crate) fn choose(named: Option<&[usize]>, allowed: &[usize]) -> Result<Placement> {
    match named {
        Some([initiator, responder]) => {
            for cpu in [initiator, responder] {
                if !allowed.contains(cpu) {
                    bail!("CPU {cpu} is not among those this process may use ({})", list(allowed));
                }
            }
            Ok(two(*initiator, *responder))
        }
        Some([cpu]) if allowed.contains(cpu) => Ok(Placement::OneCpu { cpu: *cpu }),
        Some([cpu]) => {
            bail!("CPU {cpu} is not among those this process may use ({})", list(allowed))
        }
        Some(_) => bail!("name one or two CPUs, such as --cpus 0,1"),
        None => {
            let first = *allowed.first().context("this process may use no CPU at all")?;
            let siblings = siblings(first);
            let other = allowed.iter().copied().find(|cpu| !siblings.contains(cpu));
            Ok(two(first, other.or(allowed.get(1).copied()).unwrap_or(first)))
        }
    }
}

fn two(initiator: usize, responder: usize) -> Placement {
    if initiator == responder {
        Placement::OneCpu { cpu: initiator }
    } else {
        Placement::TwoCpus { initiator, responder }
    }
}

/// The CPUs that share a core with `cpu`, itself included; just itself where the system does not say.
pub(crate) fn siblings(cpu: usize) -> Vec<usize> {
    let path = format!("/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list");
    let listed = fs::read_to_string(path).map(|text| parse_list(&text)).unwrap_or_default();
    if listed.is_empty() { vec![cpu] } else { listed }
}

/// Parses the kernel's lists of CPUs: `0-3,8`.
pub(crate) fn parse_list(text: &str) -> Vec<usize> {
    text.trim()
        .split(',')
        .filter_map(|part| {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            Some(first.trim().parse::<usize>().ok()?..=last.trim().parse().ok()?)
        })
        .flatten()
        .collect()
}

fn list(cpus: &[usize]) -> String {
    cpus.iter().map(usize::to_string).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_lists_of_cpus_are_understood() {
        assert_eq!(parse_list("0-3,8\n"), [0, 1, 2, 3, 8]);
        assert_eq!(parse_list("5"), [5]);
        assert_eq!(parse_list(""), [0_usize; 0]);
    }

    #[test]
    fn a_machine_with_one_cpu_gets_the_one_cpu_placement() {
        assert_eq!(choose(None, &[3]).unwrap(), Placement::OneCpu { cpu: 3 });
        assert!(!choose(None, &[3]).unwrap().parallel(1));
    }

    #[test]
    fn a_cpu_that_may_not_be_used_is_refused_with_the_list_of_those_that_may() {
        let error = choose(Some(&[0, 7]), &[0, 1]).unwrap_err().to_string();
        assert!(error.contains("CPU 7") && error.contains("0,1"), "{error}");
        assert_eq!(
            choose(Some(&[1, 0]), &[0, 1]).unwrap(),
            Placement::TwoCpus { initiator: 1, responder: 0 }
        );
    }
}
