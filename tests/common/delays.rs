//! How long deaths took to be told, beside the floor of the same deaths.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part of it")]

use crate::report::Report;

/// Nanoseconds from the kill, of death after death.
#[derive(Debug, Default)]
pub struct Delays {
    /// Until a bare `epoll_wait` in a process of its own showed the first sign.
    floor: Vec<u64>,
    /// Until the survivor had its error.
    ours: Vec<u64>,
    /// What the survivor took beyond the floor of the same death.
    beyond: Vec<u64>,
}

impl Delays {
    /// One death, told at `told` and seen by the bare wait at `seen`, of a process killed at `killed`.
    pub fn add(&mut self, killed: u64, seen: u64, told: u64) {
        self.floor.push(seen.saturating_sub(killed));
        self.ours.push(told.saturating_sub(killed));
        self.beyond.push(told.saturating_sub(seen));
    }

    pub fn len(&self) -> usize {
        self.ours.len()
    }

    /// Adds the percentiles to `report`, in milliseconds.
    pub fn report(&mut self, report: &mut Report) {
        self.report_ours(report);
        for delays in [&mut self.floor, &mut self.beyond] {
            delays.sort_unstable();
        }
        let mut field = |name, delays: &[u64], share| {
            report.field(name, format!("{:.2}", percentile(delays, share)));
        };
        field("floor_p50_ms", &self.floor, 0.5);
        field("floor_p99_ms", &self.floor, 0.99);
        field("floor_worst_ms", &self.floor, 1.0);
        field("beyond_floor_p50_ms", &self.beyond, 0.5);
        field("beyond_floor_p99_ms", &self.beyond, 0.99);
    }

    /// The same of deaths that nobody but the survivor saw.
    pub fn report_ours(&mut self, report: &mut Report) {
        self.ours.sort_unstable();
        for (name, share) in [("p50_ms", 0.5), ("p99_ms", 0.99), ("worst_ms", 1.0)] {
            report.field(name, format!("{:.2}", percentile(&self.ours, share)));
        }
    }

    /// After [`report`](Self::report): fails if more than one in a hundred took longer than `goal_ms`. Says nothing about fewer
    /// than a hundred, nor about a machine so busy that the bare wait took half of that: there the kernel is late, and
    /// not the library.
    pub fn assert_p99(&self, goal_ms: f64) {
        if self.len() < 100 {
            return;
        }
        let (ours, floor) = (percentile(&self.ours, 0.99), percentile(&self.floor, 0.99));
        if floor > goal_ms / 2.0 {
            println!("too busy a machine to judge by: {floor:.1} ms without the library");
            return;
        }
        assert!(ours <= goal_ms, "{ours:.1} ms, and {floor:.1} ms without the library");
    }
}

/// Of sorted nanoseconds, in milliseconds.
fn percentile(sorted: &[u64], share: f64) -> f64 {
    let at = (sorted.len().saturating_sub(1) as f64 * share) as usize;
    sorted.get(at).copied().unwrap_or_default() as f64 / 1e6
}
