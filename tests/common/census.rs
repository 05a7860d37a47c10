//! What a process holds, so that it can be compared with what it held before.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part of it")]

use std::{
    fs, thread,
    time::{Duration, Instant},
};

/// Descriptors, shared mappings, threads, children and files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Census {
    /// What each open descriptor leads to, sorted.
    pub descriptors: Vec<String>,
    /// Mappings of files in memory.
    pub mappings: usize,
    /// Threads of the library's own, those of its calls among them; those of the test runner come and go.
    pub threads: usize,
    /// Children, dead ones that nobody waited for among them.
    pub children: usize,
    /// Names in the directory of shared memory that speak of this library.
    pub files: Vec<String>,
}

/// How long what is closed in the background may take: the thread that watches peers stays for a second.
const PATIENCE: Duration = Duration::from_secs(20);

impl Census {
    pub fn take() -> Self {
        let names = |path: &str| -> Vec<String> {
            fs::read_dir(path)
                .into_iter()
                .flatten()
                .flatten()
                .map(|entry| entry.file_name().to_string_lossy().into_owned())
                .collect()
        };
        let mut descriptors: Vec<String> = names("/proc/self/fd")
            .into_iter()
            .filter_map(|fd| fs::read_link(format!("/proc/self/fd/{fd}")).ok())
            .map(|target| target.to_string_lossy().into_owned())
            // The one that lists them.
            .filter(|target| !target.starts_with("/proc/"))
            // Numbers that tell one socket or pipe from the next.
            .map(|target| target.split(":[").next().unwrap_or_default().to_owned())
            .collect();
        descriptors.sort();
        let maps = fs::read_to_string("/proc/self/maps").unwrap();
        let tasks = names("/proc/self/task");
        let children = tasks
            .iter()
            .filter_map(|task| fs::read_to_string(format!("/proc/self/task/{task}/children")).ok())
            .map(|children| children.split_whitespace().count())
            .sum();
        let mut files = names("/dev/shm");
        files.retain(|name| name.contains("ringpipe"));
        files.sort();
        Self {
            descriptors,
            mappings: maps.lines().filter(|line| line.contains("memfd:")).count(),
            threads: tasks
                .iter()
                .filter_map(|task| fs::read_to_string(format!("/proc/self/task/{task}/comm")).ok())
                .filter(|name| name.starts_with("ringpipe") || name.starts_with("rpc-"))
                .count(),
            children,
            files,
        }
    }

    /// The same once nothing is left of the test before, whose last thread stays for a moment, and what it waited with
    /// for another: descriptors of no file, which this process may have been given as well.
    pub fn take_when_quiet() -> Self {
        let (begin, end) = (Instant::now(), Instant::now() + PATIENCE);
        loop {
            let now = Self::take();
            let waits = now.descriptors.iter().any(|target| target.starts_with("anon_inode"));
            if now.threads == 0 && (!waits || begin.elapsed() > PATIENCE / 4) {
                return now;
            }
            assert!(Instant::now() < end, "left by the test before: {now:#?}");
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until everything is as it was, and fails if it never is.
    pub fn assert_unchanged(&self) {
        let end = Instant::now() + PATIENCE;
        loop {
            let now = Self::take();
            if now == *self {
                return;
            }
            assert!(Instant::now() < end, "left behind: {now:#?}\nbefore: {self:#?}");
            thread::sleep(Duration::from_millis(20));
        }
    }
}
