//! How long everything is measured.

use std::{env, time::Duration};

use criterion::Criterion;

/// Half a second to warm up and one to measure, because some ninety benches have to end within minutes; and then what the
/// command line says. Two samples of a `--quick` run are nothing to draw, and drawing takes longer than they do.
pub(crate) fn settings() -> Criterion {
    let criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(1));
    let quick = env::args().any(|argument| argument == "--quick");
    let criterion = if quick { criterion.without_plots() } else { criterion };
    criterion.configure_from_args()
}
