//! What `/proc` says of another process.

use std::{collections::BTreeMap, fs, thread, time::Duration};

/// What the threads of some processes have used so far, by their numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Used(BTreeMap<u32, Thread>);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Thread {
    /// Nanoseconds on a CPU.
    ran: u64,
    switches: u64,
    /// Waits in the kernel; neither runs nor could, nor was stopped by somebody.
    sleeps: bool,
}

impl Used {
    /// Of all these processes.
    pub(crate) fn by(processes: &[u32]) -> Self {
        let mut used = BTreeMap::new();
        for pid in processes {
            for task in fs::read_dir(format!("/proc/{pid}/task")).unwrap().flatten() {
                let Ok(tid) = task.file_name().to_string_lossy().parse() else { continue };
                let read = |file: &str| fs::read_to_string(task.path().join(file));
                // One that has ended between the two is gone.
                let (Ok(times), Ok(status)) = (read("schedstat"), read("status")) else { continue };
                let ran = times.split_whitespace().next().unwrap().parse().unwrap();
                let switches = status
                    .lines()
                    .filter(|line| line.contains("ctxt_switches"))
                    .map(|line| line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap())
                    .sum();
                let sleeps = status.lines().any(|line| line.starts_with("State:\tS"));
                used.insert(tid, Thread { ran, switches, sleeps });
            }
        }
        Self(used)
    }

    pub(crate) fn threads(&self) -> usize {
        self.0.len()
    }

    /// Nanoseconds and switches since `before`.
    pub(crate) fn since(&self, before: &Self) -> (u64, u64) {
        self.0.iter().fold((0, 0), |(ran, switches), (tid, now)| {
            let then = before.0.get(tid).copied().unwrap_or_default();
            (ran + now.ran - then.ran, switches + now.switches - then.switches)
        })
    }
}

/// Two looks that are this far apart and alike mean that nobody runs.
const QUIET: Duration = Duration::from_millis(100);

/// Returns once none of these processes has anything to do any more, with what they have used until then. `least` threads
/// must be there.
pub(crate) fn come_to_rest(processes: &[u32], least: usize) -> Used {
    let mut last = Used::by(processes);
    loop {
        thread::sleep(QUIET);
        let now = Used::by(processes);
        let asleep = now.0.values().all(|thread| thread.sleeps);
        if now == last && asleep && now.threads() >= least {
            return now;
        }
        last = now;
    }
}

/// Bytes of memory files that the process has in memory, each counted once however often it is mapped.
pub(crate) fn memory_files(pid: u32) -> u64 {
    let maps = fs::read_to_string(format!("/proc/{pid}/smaps")).unwrap();
    let (mut inside, mut kilobytes) = (false, 0);
    for line in maps.lines() {
        let mut words = line.split_whitespace();
        let first = words.next().unwrap_or_default();
        if !first.ends_with(':') {
            inside = line.contains("/memfd:");
        } else if inside && first == "Pss:" {
            kilobytes += words.next().unwrap().parse::<u64>().unwrap();
        }
    }
    kilobytes * 1024
}
