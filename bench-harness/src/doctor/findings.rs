//! From what the machine says to what a user should know: each finding with its remedy. A pure function.

use super::look::Facts;
use crate::units::{Size, nanos};

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Weight {
    /// Figures will vary, or mean something else.
    Spoils,
    /// Some figures are other than they could be, reliably; ratios hold.
    Bends,
    /// A transport has no figure.
    Missing,
}

/// One thing to know.
#[derive(Clone, Debug)]
pub(super) struct Finding {
    pub(super) weight: Weight,
    pub(super) what: String,
    pub(super) remedy: String,
}

/// Shares of processor time beyond which a run warns as well.
const STEAL: f64 = 0.01;
const OTHERS: f64 = 0.05;
/// The default of `--buffer`; the kernel doubles what a socket asks for, so half of it has to be allowed.
const BUFFER: u64 = 1 << 20;
/// The largest message of a quick run.
const LONGEST_MESSAGE: u64 = 64 << 10;
/// Reading the clock through the vDSO costs 20 to 40 ns; beyond this it is a system call or a slow device.
const SLOW_CLOCK_NS: f64 = 100.0;
/// Waking from a state deeper than this takes longer than the wake-up of a thread.
const DEEP_IDLE_US: u64 = 20;
/// What a run with messages of 16 MiB needs, twice.
const MEMORY_KIB: u64 = 256 << 10;

/// Everything worth saying about `facts`.
pub(super) fn findings(facts: &Facts) -> Vec<Finding> {
    let mut found = vec![];
    let mut add = |weight, what: String, remedy: &str| {
        found.push(Finding { weight, what, remedy: remedy.to_owned() });
    };
    use Weight::{Bends, Missing, Spoils};
    if facts.debug_build {
        let what = "this is a debug build, and `run` will refuse to measure";
        add(Spoils, what.to_owned(), "build with cargo build --release -p bench-harness");
    }
    if facts.cpus < 2 {
        let what = "this process may use one CPU only: both sides share it, and no row can spin";
        add(
            Spoils,
            what.to_owned(),
            "allow two CPUs: taskset -c 0,1, or the CPU set of the container",
        );
    }
    if facts.siblings {
        let what = "the two CPUs are two threads of one core: they share its caches and its time";
        add(
            Spoils,
            what.to_owned(),
            "name two of different cores with --cpus; lscpu -e lists them",
        );
    }
    if let Some(quota) = facts.quota.filter(|quota| *quota < facts.cpus.max(2) as f64) {
        let what =
            format!("the control group grants {quota:.1} CPUs: a side that spins will be stopped");
        add(Spoils, what, "raise cpu.max (docker run --cpus, CPUQuota=) to two and more");
    }
    if let Some(shares) = facts.shares {
        if shares.steal > STEAL {
            let what =
                format!("the hypervisor took {:.1} % of the last second", shares.steal * 100.0);
            add(Spoils, what, "measure at a quieter hour, or on a machine of your own");
        }
        if shares.others > OTHERS {
            let names = if facts.busiest.is_empty() {
                String::new()
            } else {
                format!(" ({})", facts.busiest.join(", "))
            };
            let what = format!(
                "other processes used {:.0} % of the last second{names}",
                shares.others * 100.0
            );
            add(Spoils, what, "stop them, or wait until they are done");
        }
    }
    if let Some(pid) = facts.tracer {
        let what = format!("process {pid} traces this one: each system call stops twice");
        add(Spoils, what, "run without the debugger or strace");
    }
    if let Some(nice) = facts.nice.filter(|nice| *nice > 0) {
        let what = format!("this process has nice {nice}: everybody else goes first");
        add(Spoils, what, "start it without nice");
    }
    if facts.battery {
        let what = "the machine runs on its battery and saves power";
        add(Spoils, what.to_owned(), "plug it in");
    }
    if facts.clock_ns > SLOW_CLOCK_NS {
        let source = facts.clocksource.as_deref().unwrap_or("unknown");
        let what = format!("reading the clock takes {} (source {source})", nanos(facts.clock_ns));
        add(
            Spoils,
            what,
            "choose a clock source that user space can read, if the machine has one: tsc",
        );
    }
    if let Some(kib) = facts.available_kib.filter(|kib| *kib < MEMORY_KIB) {
        let what = format!("{} MiB of memory are left", kib >> 10);
        add(Spoils, what, "free some, or leave out --preset full");
    }
    if let Some(governor) =
        facts.governor.as_ref().filter(|governor| governor.as_str() != "performance")
    {
        let what =
            format!("the frequency governor is {governor}: a CPU that was asleep starts slowly");
        add(Bends, what, "cpupower frequency-set -g performance");
    }
    if facts.boost {
        let what = "the CPU boosts: how fast it runs depends on how warm it is";
        let remedy = "compare within one run only, or switch it off (…/cpufreq/boost, …/intel_pstate/no_turbo)";
        add(Bends, what.to_owned(), remedy);
    }
    if let Some(us) = facts.deepest_idle_us.filter(|us| *us > DEEP_IDLE_US) {
        let what = format!(
            "an idle CPU may need {us} µs to wake up, which idle-wake and blocking rows contain"
        );
        add(Bends, what, "it is so in production too; cpupower idle-set -D 20 leaves it out");
    }
    if facts.seccomp {
        let what = "a seccomp filter looks at each system call: kernel transports cost more than elsewhere";
        add(
            Bends,
            what.to_owned(),
            "measure where the program will run, or outside of the sandbox",
        );
    }
    if let Some(max) = facts.pipe_max.filter(|max| *max < BUFFER) {
        let what = format!("pipes end at {}: buffers cannot be equal", Size(max as usize));
        add(Bends, what, "sysctl fs.pipe-max-size=1048576, or a smaller --buffer");
    }
    if let Some(max) = facts.socket_max.filter(|max| *max < BUFFER / 2) {
        let what = format!(
            "sockets end at buffers of twice {}: buffers cannot be equal",
            Size(max as usize)
        );
        add(
            Bends,
            what,
            "sysctl net.core.wmem_max=524288 net.core.rmem_max=524288, or a smaller --buffer",
        );
    }
    if let Some(max) = facts.queue_max.filter(|max| *max < LONGEST_MESSAGE) {
        let what = format!(
            "messages of a queue end at {}: mqueue has no figure beyond",
            Size(max as usize)
        );
        add(Bends, what, "sysctl fs.mqueue.msgsize_max=65536, and ulimit -q where it is lower");
    }
    for (what, reason) in &facts.missing {
        add(Missing, what.clone(), reason);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Shares;

    fn quiet() -> Facts {
        Facts {
            cpus: 2,
            governor: Some("performance".to_owned()),
            clock_ns: 25.0,
            shares: Some(Shares { steal: 0.0, others: 0.0 }),
            nice: Some(0),
            pipe_max: Some(1 << 20),
            socket_max: Some(4 << 20),
            available_kib: Some(8 << 20),
            deepest_idle_us: Some(2),
            quota: Some(2.0),
            ..Facts::default()
        }
    }

    #[test]
    fn a_quiet_machine_has_no_findings() {
        let found = findings(&quiet());
        assert!(found.is_empty(), "{found:?}");
    }

    #[test]
    fn each_thing_that_disturbs_has_its_finding_with_a_remedy() {
        type Change = fn(&mut Facts);
        let cases: &[(Change, Weight, &str)] = &[
            (|f| f.debug_build = true, Weight::Spoils, "debug build"),
            (|f| f.cpus = 1, Weight::Spoils, "one CPU only"),
            (|f| f.siblings = true, Weight::Spoils, "threads of one core"),
            (|f| f.quota = Some(1.5), Weight::Spoils, "grants 1.5 CPUs"),
            (
                |f| f.shares = Some(Shares { steal: 0.02, others: 0.0 }),
                Weight::Spoils,
                "hypervisor took 2.0 %",
            ),
            (
                |f| {
                    f.shares = Some(Shares { steal: 0.0, others: 0.4 });
                    f.busiest = vec!["rustc".to_owned()];
                },
                Weight::Spoils,
                "40 % of the last second (rustc)",
            ),
            (|f| f.tracer = Some(7), Weight::Spoils, "process 7 traces"),
            (|f| f.nice = Some(5), Weight::Spoils, "nice 5"),
            (|f| f.battery = true, Weight::Spoils, "battery"),
            (|f| f.clock_ns = 900.0, Weight::Spoils, "900 ns"),
            (|f| f.available_kib = Some(1 << 10), Weight::Spoils, "1 MiB of memory"),
            (|f| f.governor = Some("powersave".to_owned()), Weight::Bends, "powersave"),
            (|f| f.boost = true, Weight::Bends, "boosts"),
            (|f| f.deepest_idle_us = Some(133), Weight::Bends, "133 µs"),
            (|f| f.seccomp = true, Weight::Bends, "seccomp"),
            (|f| f.pipe_max = Some(65_536), Weight::Bends, "pipes end at 64 KiB"),
            (|f| f.socket_max = Some(212_992), Weight::Bends, "sockets end"),
            (
                |f| f.missing = vec![("ring".to_owned(), "EPERM".to_owned())],
                Weight::Missing,
                "ring",
            ),
        ];
        for (change, weight, what) in cases {
            let mut facts = quiet();
            change(&mut facts);
            let found = findings(&facts);
            assert_eq!(found.len(), 1, "{what}: {found:?}");
            assert_eq!(found[0].weight, *weight, "{what}");
            assert!(found[0].what.contains(what) && !found[0].remedy.is_empty(), "{found:?}");
        }
        eprintln!("{} findings tried", cases.len());
    }
}
