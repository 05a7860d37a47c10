//! Which CPUs the two sides run on, and putting a thread there.

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
            Self::OneCpu { .. } => false,
            Self::Unpinned => cpus > 1,
            _ => true,
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
    cpu.map_or(Ok(()), |cpu| pin_to(&[cpu]))
}

/// Keeps the calling thread on `cpus`.
pub(crate) fn pin_to(cpus: &[usize]) -> Result<()> {
    let mut set = CpuSet::new();
    for cpu in cpus {
        set.set(*cpu).with_context(|| format!("there is no CPU {cpu}"))?;
    }
    sched_setaffinity(Pid::from_raw(0), &set)
        .with_context(|| format!("pinning to CPU {}", list(cpus)))
}

/// The placement on the CPUs that the user named: one or two.
pub(crate) fn named(cpus: &[usize], allowed: &[usize]) -> Result<Placement> {
    for cpu in cpus {
        if !allowed.contains(cpu) {
            bail!("CPU {cpu} is not among those this process may use ({})", list(allowed));
        }
    }
    match *cpus {
        [cpu] => Ok(Placement::OneCpu { cpu }),
        [initiator, responder] => Ok(two(initiator, responder)),
        _ => bail!("name one or two CPUs, such as --cpus 0,1"),
    }
}

/// Two CPUs, which may be the same.
pub(crate) fn two(initiator: usize, responder: usize) -> Placement {
    if initiator == responder {
        Placement::OneCpu { cpu: initiator }
    } else {
        Placement::TwoCpus { initiator, responder }
    }
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
    fn a_cpu_that_may_not_be_used_is_refused_with_the_list_of_those_that_may() {
        let error = named(&[0, 7], &[0, 1]).unwrap_err().to_string();
        assert!(error.contains("CPU 7") && error.contains("0,1"), "{error}");
        assert!(named(&[0, 0, 0], &[0, 1]).is_err());
        let two = Placement::TwoCpus { initiator: 1, responder: 0 };
        assert_eq!(named(&[1, 0], &[0, 1]).unwrap(), two);
        let one = named(&[0, 0], &[0, 1]).unwrap();
        assert_eq!(one, Placement::OneCpu { cpu: 0 });
        assert!(!one.parallel(2));
    }
}
