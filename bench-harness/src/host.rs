//! The machine a run took place on, as far as it tells. What cannot be found out is `null`.

use std::{collections::BTreeMap, fs};

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
    /// What else limits a process here, as the system writes it.
    #[serde(default)]
    pub(crate) limits: BTreeMap<String, String>,
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

/// The limits that decide what transports get, by the name under which the report shows them.
const LIMITS: [(&str, &str); 3] = [
    ("cgroup cpu.max", "/sys/fs/cgroup/cpu.max"),
    ("mqueue msg_max", "/proc/sys/fs/mqueue/msg_max"),
    ("mqueue msgsize_max", "/proc/sys/fs/mqueue/msgsize_max"),
];

impl Host {
    /// Looks at the machine.
    pub(crate) fn look() -> Self {
        let mut unknown = BTreeMap::new();
        let mut known = |field: &str, found: Result<String, String>| {
            found.map_err(|reason| unknown.insert(field.to_owned(), reason)).ok()
        };
        let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let cpu = entry(&cpuinfo, "model name").or_else(|| entry(&cpuinfo, "Processor"));
        let memory = || {
            let memory = text("/proc/meminfo")?;
            let total = entry(&memory, "MemTotal").ok_or("/proc/meminfo has no MemTotal")?;
            Ok(total.trim_end_matches(" kB").to_owned())
        };
        let limits = LIMITS.iter().filter_map(|(name, path)| {
            Some(((*name).to_owned(), known(&format!("limits.{name}"), text(path))?))
        });
        Self {
            limits: limits.collect(),
            cpu: known("cpu", cpu.ok_or_else(|| "/proc/cpuinfo names no model".to_owned())),
            cpus_online: known("cpus_online", text("/sys/devices/system/cpu/online"))
                .map(|list| pin::parse_list(&list).len()),
            cpus_allowed: pin::allowed().unwrap_or_default(),
            caches: caches(),
            smt: known("smt", text("/sys/devices/system/cpu/smt/control")),
            governor: known(
                "governor",
                text("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
            ),
            hypervisor: cpuinfo
                .lines()
                .any(|line| line.starts_with("flags") && line.contains(" hypervisor")),
            memory_kib: known("memory_kib", memory()).and_then(|kib| kib.parse().ok()),
            kernel: known("kernel", text("/proc/sys/kernel/osrelease")),
            clocksource: known(
                "clocksource",
                text("/sys/devices/system/clocksource/clocksource0/current_clocksource"),
            ),
            huge_pages: known(
                "huge_pages",
                text("/sys/kernel/mm/transparent_hugepage/shmem_enabled"),
            ),
            pipe_max_size: known("pipe_max_size", text("/proc/sys/fs/pipe-max-size"))
                .and_then(|bytes| bytes.parse().ok()),
            rmem_max: known("rmem_max", text("/proc/sys/net/core/rmem_max"))
                .and_then(|bytes| bytes.parse().ok()),
            wmem_max: known("wmem_max", text("/proc/sys/net/core/wmem_max"))
                .and_then(|bytes| bytes.parse().ok()),
            vulnerabilities: vulnerabilities(),
            load_before: load(),
            load_after: None,
            shares: None,
            unknown,
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
    text("/proc/loadavg").ok()?.split_whitespace().next()?.parse().ok()
}

fn caches() -> Vec<String> {
    (0..8)
        .filter_map(|index| {
            let folder = format!("/sys/devices/system/cpu/cpu0/cache/index{index}");
            let read = |name: &str| text(&format!("{folder}/{name}")).ok();
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

/// The value of a line such as `model name : AMD EPYC`.
fn entry(text: &str, name: &str) -> Option<String> {
    text.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        (key.trim() == name).then(|| value.trim().to_owned())
    })
}

/// What a file holds; or why that is not known.
fn text(path: &str) -> Result<String, String> {
    let text = fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))?;
    match text.trim() {
        "" => Err(format!("{path} is empty")),
        text => Ok(text.to_owned()),
    }
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
    fn what_is_not_known_has_a_reason() {
        let host = Host::look();
        let value = serde_json::to_value(&host).unwrap();
        let absent = ["cpu", "smt", "governor", "kernel", "clocksource", "huge_pages", "wmem_max"];
        for field in absent.iter().filter(|field| value[**field].is_null()) {
            assert!(host.unknown.contains_key(*field), "{field} is null without a reason");
        }
        assert!(text("/proc/nowhere").unwrap_err().starts_with("/proc/nowhere: No such file"));
    }

    #[test]
    fn the_slug_of_a_machine_is_fit_for_a_file_name() {
        let mut host = Host::look();
        host.cpu = Some("Intel(R) Core(TM) i7-1185G7 @ 3.00GHz".to_owned());
        host.cpus_allowed = vec![0, 1];
        assert_eq!(host.slug(), "intel-core-i7-1185g7-2cpu");
    }
}
