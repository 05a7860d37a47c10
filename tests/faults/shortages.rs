//! Resources of which there is nothing left, a little, and enough in the end.

use crate::{
    adversity::Adversity,
    cases::{Case, all_fine, run, tell},
    limits::Limit,
    operations::OPERATIONS,
    report::{Report, scaled},
    turn::alone,
};

/// Runs every operation under every limit; with the last one each must succeed.
fn sweep(id: &'static str, what: &'static str, limits: &[Limit]) {
    let _turn = alone();
    let mut report = Report::new(id, what);
    let cases = OPERATIONS.iter().flat_map(|operation| {
        limits.iter().map(move |&limit| Case { operation, adversity: Adversity::Limit(limit) })
    });
    let done = all_fine(run(cases));
    let last = limits.last().unwrap().to_string();
    for (case, verdict) in &done {
        if case.adversity.to_string() == last && case.operation.name != "refusing a stranger" {
            assert_eq!(verdict.outcome(), "fine", "{case}: {}", verdict.outcome);
        }
    }
    tell(&mut report, &done);
    report.done(done.len() as u64, (limits.len() * 10) as u64);
}

#[test]
fn descriptors_may_run_out_at_any_number() {
    let limits: Vec<_> = (0..20).map(Limit::Descriptors).collect();
    sweep("T8 descriptors", "cases with so many descriptors left", &limits);
}

#[test]
fn address_space_may_run_out_at_any_byte() {
    // More than any operation needs.
    let most = 16 << 20;
    let steps = scaled(16);
    let limits: Vec<_> = (0..=steps).map(|n| Limit::Space(n * most / steps)).collect();
    sweep("T8 address space", "cases with so much address space left", &limits);
}

#[test]
fn files_may_have_any_size_or_none() {
    let areas = [0, 1, 4095, 4096, 12288];
    let limits = areas.into_iter().chain([1, 4].map(|mib| (mib << 20) + 4096)).chain([16 << 20]);
    let limits: Vec<_> = limits.map(Limit::FileSize).collect();
    sweep("T8 file sizes", "cases with so long files", &limits);
}
