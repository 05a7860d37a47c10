//! The machine a run took place on, as far as it tells. What cannot be found out is `null`.

use std::{collections::BTreeMap, fs, path::Path};

use serde::{Deserialize, Serialize};

use crate::pin;

/// A description of the machine and its state before and after the run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Host {
    pub(crate) cpu: Option<String>,
    pub(crate) cpus_online: Option<usize>,
    pub(crate) cpus_allowed: Vec<usize>,
    /// Per cache of the first CPU: `L1d 48K`, and which CPUs share it.
    pub(crate) caches: Vec<String>,
    pub(crate) smt: Option<String>,
    pub(crate) governor: Option<String>,
    pub(crate) hypervisor: bool,
    pub(crate) memory_kib: Option<u64>,
    pub(crate) kernel: Option<String>,
    pub(crate) clocksource: Option<String>,
    pub(crate) huge_pages: Option<String>,
    pub(crate) pipe_max_size: Option<u64>,
    pub(crate) rmem_max: Option<u64>,
    pub(crate) wmem_max: Option<u64>,
    pub(crate) vulnerabilities: BTreeMap<String, String>,
    pub(crate) load_before: Option<f64>,
    pub(crate) load_after: Option<f64>,
    /// Shares of all processor time during the run.
    pub(crate) shares: Option<Shares>,
    /// Why a field above is `null`.
    #[serde(default)]
    pub(crate) unknown: BTreeMap<String, String>,
}

/// Where the processor time of all CPUs went during the run.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Shares {
    /// Taken by the hypervisor for others.
    pub(crate) steal: f64,
    /// Used by processes other than the run's own.
    pub(crate) others: f64,
}

/// The counters of `/proc/stat` at one moment, in ticks, and the run's own processor time.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Ticks {
    total: u64,
    busy: u64,
    steal: u64,
    own: u64,
}

impl Host {
    /// Looks at the machine.
    pub(crate) fn look() -> Self {
        let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let field = |name: &str| {
            cpuinfo.lines().find_map(|line| {
                let (key, value) = line.split_once(':')?;
                (key.trim() == name).then(|| value.trim().to_owned())
            })
        };
        Self {
            cpu: field("model name").or_else(|| field("Processor")),
            cpus_online: text("/sys/devices/system/cpu/online")
                .map(|list| pin::parse_list(&list).len()),
            cpus_allowed: pin::allowed().unwrap_or_default(),
            caches: caches(),
            smt: text("/sys/devices/system/cpu/smt/control"),
            governor: text("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
            hypervisor: cpuinfo
                .lines()
                .any(|line| line.starts_with("flags") && line.contains(" hypervisor")),
            memory_kib: fs::read_to_string("/proc/meminfo")
                .ok()
                .and_then(|text| text.lines().next()?.split_whitespace().nth(1)?.parse().ok()),
            kernel: text("/proc/sys/kernel/osrelease"),
            clocksource: text("/sys/devices/system/clocksource/clocksource0/current_clocksource"),
            huge_pages: text("/sys/kernel/mm/transparent_hugepage/shmem_enabled"),
            pipe_max_size: number("/proc/sys/fs/pipe-max-size"),
            rmem_max: number("/proc/sys/net/core/rmem_max"),
            wmem_max: number("/proc/sys/net/core/wmem_max"),
            vulnerabilities: vulnerabilities(),
            load_before: load(),
            load_after: None,
            shares: None,
            unknown: BTreeMap::new(),
        }
    }

    /// A short word for the name of a results folder: `amd-epyc-2cpu`.
    pub(crate) fn slug(&self) -> String {
        let name = self.cpu.as_deref().unwrap_or("unknown");
        let words = name
            .split(|c: char| !c.is_ascii_alphanumeric())
            .filter(|word| !word.is_empty() && !matches!(*word, "R" | "TM" | "CPU" | "Processor"));
        let name = words.take(4).collect::<Vec<_>>().join("-").to_lowercase();
        format!("{name}-{}cpu", self.cpus_allowed.len())
    }
}

impl Ticks {
    /// The counters now.
    pub(crate) fn now() -> Self {
        fs::read_to_string("/proc/stat")
            .ok()
            .and_then(|text| Self::parse(&text))
            .map_or_else(Self::default, |ticks| Self { own: own_ticks().unwrap_or(0), ..ticks })
    }

    fn parse(text: &str) -> Option<Self> {
        let fields: Vec<u64> = text
            .lines()
            .next()?
            .strip_prefix("cpu ")?
            .split_whitespace()
            .filter_map(|n| n.parse().ok())
            .collect();
        // user nice system idle iowait irq softirq steal; guest time is part of user time already.
        let [user, nice, system, idle, iowait, irq, softirq, steal, ..] = fields[..] else {
            return None;
        };
        let busy = user + nice + system + irq + softirq;
        Some(Self { total: busy + idle + iowait + steal, busy, steal, own: 0 })
    }

    /// Where the time between `self` and `after` went.
    pub(crate) fn until(self, after: Self) -> Option<Shares> {
        let total = after.total.checked_sub(self.total).filter(|total| *total > 0)? as f64;
        let busy = after.busy.saturating_sub(self.busy);
        let own = after.own.saturating_sub(self.own);
        Some(Shares {
            steal: after.steal.saturating_sub(self.steal) as f64 / total,
            others: busy.saturating_sub(own) as f64 / total,
        })
    }
}

/// Processor time of this process and of the children it has reaped, in ticks.
fn own_ticks() -> Option<u64> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    let rest = stat.rsplit_once(')')?.1;
    // utime, stime, cutime, cstime are fields 14 to 17 of proc_pid_stat(5); `rest` begins with field 3.
    Some(rest.split_whitespace().skip(11).take(4).filter_map(|n| n.parse::<u64>().ok()).sum())
}

/// The load average of the last minute.
pub(crate) fn load() -> Option<f64> {
    text("/proc/loadavg")?.split_whitespace().next()?.parse().ok()
}

fn caches() -> Vec<String> {
    (0..8)
        .filter_map(|index| {
            let folder = format!("/sys/devices/system/cpu/cpu0/cache/index{index}");
            let read = |name: &str| text(&format!("{folder}/{name}"));
            let kind = match read("type")?.as_str() {
                "Data" => "d",
                "Instruction" => "i",
                _ => "",
            };
            Some(format!(
                "L{}{kind} {}, CPUs {}",
                read("level")?,
                read("size")?,
                read("shared_cpu_list")?
            ))
        })
        .collect()
}

fn vulnerabilities() -> BTreeMap<String, String> {
    let Ok(entries) = fs::read_dir("/sys/devices/system/cpu/vulnerabilities") else {
        return BTreeMap::new();
    };
    entries
        .flatten()
        .filter_map(|entry| {
            let state = fs::read_to_string(entry.path()).ok()?.trim().to_owned();
            (state != "Not affected")
                .then(|| (entry.file_name().to_string_lossy().into_owned(), state))
        })
        .collect()
}

fn text(path: &str) -> Option<String> {
    let text = fs::read_to_string(Path::new(path)).ok()?;
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}

fn number(path: &str) -> Option<u64> {
    text(path)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_time_is_divided_between_the_run_others_and_the_hypervisor() {
        let before = Ticks::parse("cpu  100 0 100 800 0 0 0 0 0 0\ncpu0 1").unwrap();
        let after = Ticks::parse("cpu  150 0 130 900 0 0 0 20 0 0\n").unwrap();
        let shares = before.until(Ticks { own: 40, ..after }).unwrap();
        assert!((shares.steal - 0.1).abs() < 1e-9, "{shares:?}");
        assert!((shares.others - 0.2).abs() < 1e-9, "{shares:?}");
        assert_eq!(after.until(after), None);
    }

    #[test]
    fn the_slug_of_a_machine_is_fit_for_a_file_name() {
        let mut host = Host::look();
        host.cpu = Some("Intel(R) Core(TM) i7-1185G7 @ 3.00GHz".to_owned());
        host.cpus_allowed = vec![0, 1];
        assert_eq!(host.slug(), "intel-core-i7-1185g7-2cpu");
    }
}
