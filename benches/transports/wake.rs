//! A round trip in which both sides are asleep every time: what waking costs, beside the kernel's own ways to do it.

use criterion::{BenchmarkId, Criterion};

use crate::{contenders::contenders, round_trip::between_threads};

/// The ring sleeps at once if it is told to; the kernel's two have no other way to wait.
const SLEEPERS: [&str; 3] = ["ring-park", "kernel-pipe", "unix-socket"];

pub(crate) fn group(c: &mut Criterion) {
    let mut group = c.benchmark_group("wake");
    for (name, make) in contenders().into_iter().filter(|(name, _)| SLEEPERS.contains(name)) {
        group.bench_function(BenchmarkId::new(name, 64), |b| {
            b.iter_custom(|rounds| between_threads(make(), make(), rounds));
        });
    }
    group.finish();
}
