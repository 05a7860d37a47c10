//! Processes that may not make certain calls at all, together with their peer or alone.

use crate::{
    adversity::Adversity,
    cases::{Case, all_fine, run, tell},
    operation::Operation,
    operations::OPERATIONS,
    report::Report,
    sandbox::{Inmates, SANDBOXES},
    turn::alone,
};

#[test]
fn a_sandbox_is_lived_in_or_refused_with_a_reason() {
    let _turn = alone();
    let mut report = Report::new("T8 sandboxes", "operations in sandboxes");
    let cases = SANDBOXES.iter().flat_map(|sandbox| {
        [Inmates::One, Inmates::Both].into_iter().flat_map(move |inmates| {
            let adversity = Adversity::Sandbox(sandbox, inmates);
            let able =
                |operation: &&Operation| sandbox.without != "threads" || !operation.needs_threads();
            OPERATIONS
                .iter()
                .filter(able)
                .map(move |operation| Case { operation, adversity: adversity.clone() })
        })
    });
    let done = all_fine(run(cases));
    tell(&mut report, &done);
    report.done(done.len() as u64, 200);
}
