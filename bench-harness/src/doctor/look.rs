//! What the machine says about itself, as far as the doctor asks. Nothing is changed; what cannot be read is `None`.

use std::{
    collections::BTreeMap,
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use nix::{
    sys::memfd::{MFdFlags, memfd_create},
    unistd::{AccessFlags, access},
};

use crate::{
    clock,
    host::{Shares, Ticks},
    pin::{self, Placement},
    place::Machine,
    transport::go,
};

/// How long the doctor watches what else runs.
const WATCH: Duration = Duration::from_secs(1);

/// Everything the findings are made from.
#[derive(Clone, Debug, Default)]
pub(super) struct Facts {
    pub(super) debug_build: bool,
    pub(super) cpus: usize,
    /// The placement that a run would take by itself is on two threads of one core.
    pub(super) siblings: bool,
    /// How many CPUs the control group grants.
    pub(super) quota: Option<f64>,
    pub(super) shares: Option<Shares>,
    /// What used the most processor time meanwhile.
    pub(super) busiest: Vec<String>,
    pub(super) nice: Option<i32>,
    pub(super) tracer: Option<u32>,
    pub(super) seccomp: bool,
    pub(super) governor: Option<String>,
    pub(super) boost: bool,
    pub(super) battery: bool,
    /// The longest time that an enabled idle state needs to wake up, in microseconds.
    pub(super) deepest_idle_us: Option<u64>,
    pub(super) clocksource: Option<String>,
    pub(super) clock_ns: f64,
    pub(super) available_kib: Option<u64>,
    pub(super) pipe_max: Option<u64>,
    /// The longest message of a POSIX queue.
    pub(super) queue_max: Option<u64>,
    pub(super) socket_max: Option<u64>,
    /// What the transports need and do not get, with the reason.
    pub(super) missing: Vec<(String, String)>,
}

impl Facts {
    /// Looks at this machine for about a second.
    pub(super) fn look() -> Self {
        let root = Path::new("/");
        let allowed = pin::allowed().unwrap_or_default();
        let machine = Machine::new(&allowed);
        let before = (Ticks::now(), processes(root));
        thread::sleep(WATCH);
        let (ticks, running) = (Ticks::now(), processes(root));
        Self {
            debug_build: cfg!(debug_assertions),
            cpus: allowed.len(),
            siblings: machine.choose().and_then(Placement::cpus).is_some_and(|(first, second)| {
                first != second && machine.siblings(first).contains(&second)
            }),
            shares: before.0.until(ticks),
            busiest: busiest(&before.1, &running),
            clock_ns: clock::cost_ns(),
            missing: missing(),
            ..Self::read(root)
        }
    }

    /// What files below `root` say.
    pub(super) fn read(root: &Path) -> Self {
        let text = |path: &str| text(&root.join(path));
        let number = |path: &str| text(path)?.parse::<u64>().ok();
        let status = |name: &str| {
            let status = text("proc/self/status")?;
            let line =
                status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
            Some(line.trim().to_owned())
        };
        let flag = |path: &str, value: &str| text(path).is_some_and(|text| text == value);
        Self {
            quota: quota(root),
            nice: text("proc/self/stat").and_then(|stat| {
                // The 19th field of proc_pid_stat(5), counted from the state behind the name.
                stat.rsplit_once(')')?.1.split_whitespace().nth(16)?.parse().ok()
            }),
            tracer: status("TracerPid").and_then(|pid| pid.parse().ok()).filter(|pid| *pid != 0),
            seccomp: status("Seccomp").is_some_and(|mode| mode == "2"),
            governor: text("sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
            boost: flag("sys/devices/system/cpu/cpufreq/boost", "1")
                || flag("sys/devices/system/cpu/intel_pstate/no_turbo", "0"),
            battery: on_battery(root),
            deepest_idle_us: deepest_idle(root),
            clocksource: text("sys/devices/system/clocksource/clocksource0/current_clocksource"),
            available_kib: text("proc/meminfo").and_then(|info| {
                let line = info.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
                line.split_whitespace().next()?.parse().ok()
            }),
            pipe_max: number("proc/sys/fs/pipe-max-size"),
            queue_max: number("proc/sys/fs/mqueue/msgsize_max"),
            socket_max: number("proc/sys/net/core/wmem_max")
                .into_iter()
                .chain(number("proc/sys/net/core/rmem_max"))
                .min(),
            ..Self::default()
        }
    }
}

fn text(path: &Path) -> Option<String> {
    Some(fs::read_to_string(path).ok()?.trim().to_owned()).filter(|text| !text.is_empty())
}

/// The CPUs that the control group of this process may use, from `cpu.max` (version 2) or the two files of version 1.
fn quota(root: &Path) -> Option<f64> {
    let groups = text(&root.join("proc/self/cgroup"))?;
    let below = |controller: &str, path: &str| {
        root.join("sys/fs/cgroup").join(controller).join(path.trim_start_matches('/'))
    };
    let ratio = |quota: &str, period: &str| {
        let (quota, period): (f64, f64) = (quota.parse().ok()?, period.parse().ok()?);
        (quota > 0.0 && period > 0.0).then(|| quota / period)
    };
    groups.lines().find_map(|line| {
        let mut fields = line.splitn(3, ':');
        let (_, controllers, path) = (fields.next()?, fields.next()?, fields.next()?);
        if controllers.is_empty() {
            let max = text(&below("", path).join("cpu.max"))?;
            let (quota, period) = max.split_once(' ')?;
            ratio(quota, period)
        } else if controllers.split(',').any(|name| name == "cpu") {
            let folder = below("cpu", path);
            ratio(
                &text(&folder.join("cpu.cfs_quota_us"))?,
                &text(&folder.join("cpu.cfs_period_us"))?,
            )
        } else {
            None
        }
    })
}

fn on_battery(root: &Path) -> bool {
    let supplies = children(&root.join("sys/class/power_supply"));
    let mains: Vec<bool> = supplies
        .iter()
        .filter(|supply| text(&supply.join("type")).as_deref() == Some("Mains"))
        .map(|supply| text(&supply.join("online")).as_deref() == Some("1"))
        .collect();
    !mains.is_empty() && !mains.contains(&true)
}

fn deepest_idle(root: &Path) -> Option<u64> {
    children(&root.join("sys/devices/system/cpu/cpu0/cpuidle"))
        .iter()
        .filter(|state| text(&state.join("disable")).as_deref() != Some("1"))
        .filter_map(|state| text(&state.join("latency"))?.parse().ok())
        .max()
}

fn children(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder)
        .map_or_else(|_| vec![], |entries| entries.flatten().map(|entry| entry.path()).collect())
}

/// The name and the processor time in ticks of each process but this one.
fn processes(root: &Path) -> BTreeMap<u32, (String, u64)> {
    let own = std::process::id();
    children(&root.join("proc"))
        .iter()
        .filter_map(|folder| {
            let pid: u32 = folder.file_name()?.to_str()?.parse().ok()?;
            let stat = text(&folder.join("stat"))?;
            let (head, rest) = stat.rsplit_once(')')?;
            let name = head.split_once('(')?.1.to_owned();
            // utime and stime, fields 14 and 15 of proc_pid_stat(5); `rest` begins with field 3.
            let ticks =
                rest.split_whitespace().skip(11).take(2).filter_map(|n| n.parse::<u64>().ok());
            (pid != own).then(|| (pid, (name, ticks.sum())))
        })
        .collect()
}

/// Up to three names, the one that used the most first.
fn busiest(
    before: &BTreeMap<u32, (String, u64)>,
    after: &BTreeMap<u32, (String, u64)>,
) -> Vec<String> {
    let mut used: BTreeMap<&str, u64> = BTreeMap::new();
    for (pid, (name, ticks)) in after {
        let since = before.get(pid).map_or(0, |(_, ticks)| *ticks);
        *used.entry(name).or_default() += ticks.saturating_sub(since);
    }
    let mut used: Vec<(&str, u64)> = used.into_iter().filter(|(_, ticks)| *ticks > 0).collect();
    used.sort_by_key(|(name, ticks)| (std::cmp::Reverse(*ticks), *name));
    used.into_iter().take(3).map(|(name, _)| name.to_owned()).collect()
}

/// Tries what the transports need, and gives each of it back at once.
fn missing() -> Vec<(String, String)> {
    let mut missing = vec![];
    let mut needs = |what: &str, result: Result<(), String>| {
        if let Err(reason) = result {
            missing.push((what.to_owned(), reason));
        }
    };
    let memfd =
        memfd_create(c"ipc-bench-doctor", MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING);
    needs("ring: a sealable memory file", memfd.map(drop).map_err(|e| e.to_string()));
    let tcp = TcpListener::bind("127.0.0.1:0");
    needs("tcp: a port of the loopback", tcp.map(drop).map_err(|e| e.to_string()));
    let folder = std::env::temp_dir();
    let writable = access(&folder, AccessFlags::W_OK | AccessFlags::X_OK);
    needs(
        "fifo: a folder for its names",
        writable.map_err(|e| format!("{}: {e}", folder.display())),
    );
    needs("go-pipe, go-rpc: a Go to build them with", go::version().map(drop));
    missing
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A machine made of files.
    fn machine(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, content) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        root
    }

    #[test]
    fn what_the_files_of_a_machine_say_is_understood() {
        let root = machine(&[
            ("proc/self/cgroup", "0::/user.slice\n"),
            ("sys/fs/cgroup/user.slice/cpu.max", "150000 100000\n"),
            ("proc/self/status", "Name:\tx\nTracerPid:\t17\nSeccomp:\t2\n"),
            ("proc/self/stat", "1 (a b) R 1 1 1 0 -1 0 0 0 0 0 5 6 0 0 25 5 1 0 100\n"),
            ("sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "powersave\n"),
            ("sys/devices/system/cpu/intel_pstate/no_turbo", "0\n"),
            ("sys/class/power_supply/AC/type", "Mains\n"),
            ("sys/class/power_supply/AC/online", "0\n"),
            ("sys/devices/system/cpu/cpu0/cpuidle/state1/latency", "2\n"),
            ("sys/devices/system/cpu/cpu0/cpuidle/state3/latency", "133\n"),
            ("sys/devices/system/cpu/cpu0/cpuidle/state4/latency", "800\n"),
            ("sys/devices/system/cpu/cpu0/cpuidle/state4/disable", "1\n"),
            ("proc/meminfo", "MemTotal: 9 kB\nMemAvailable:   123456 kB\n"),
            ("proc/sys/net/core/wmem_max", "212992\n"),
            ("proc/sys/net/core/rmem_max", "4194304\n"),
        ]);
        let facts = Facts::read(root.path());
        assert_eq!(facts.quota, Some(1.5));
        assert_eq!((facts.tracer, facts.seccomp, facts.nice), (Some(17), true, Some(5)));
        assert_eq!(facts.governor.as_deref(), Some("powersave"));
        assert!(facts.boost && facts.battery);
        assert_eq!((facts.deepest_idle_us, facts.available_kib), (Some(133), Some(123_456)));
        assert_eq!((facts.socket_max, facts.pipe_max), (Some(212_992), None));
    }

    #[test]
    fn a_quota_of_the_older_kind_and_no_quota_are_told_apart() {
        let group = ("proc/self/cgroup", "3:cpu,cpuacct:/box\n1:name=systemd:/\n");
        let files = |quota| {
            [
                group,
                ("sys/fs/cgroup/cpu/box/cpu.cfs_quota_us", quota),
                ("sys/fs/cgroup/cpu/box/cpu.cfs_period_us", "100000"),
            ]
        };
        assert_eq!(Facts::read(machine(&files("50000")).path()).quota, Some(0.5));
        assert_eq!(Facts::read(machine(&files("-1")).path()).quota, None);
        let root =
            machine(&[("proc/self/cgroup", "0::/\n"), ("sys/fs/cgroup/cpu.max", "max 100000")]);
        assert_eq!(Facts::read(root.path()).quota, None);
    }

    #[test]
    fn a_machine_that_tells_nothing_is_no_reason_to_fail() {
        let facts = Facts::read(machine(&[]).path());
        assert!(facts.quota.is_none() && facts.governor.is_none() && !facts.battery);
    }

    #[test]
    fn the_busiest_are_summed_by_name_and_sorted() {
        let process = |name: &str, ticks| (name.to_owned(), ticks);
        let before = BTreeMap::from([(1, process("init", 10)), (2, process("rustc", 100))]);
        let after = BTreeMap::from([
            (1, process("init", 10)),
            (2, process("rustc", 130)),
            (3, process("rustc", 20)),
            (4, process("sshd", 3)),
        ]);
        assert_eq!(busiest(&before, &after), ["rustc", "sshd"]);
    }
}
