//! What a call costs beside what carries it, and what each codec costs by itself.
//!
//! `cargo bench -- rpc` runs these groups, with the options that the other benches take.

mod codecs;
mod null_call;
mod values;

use std::time::Duration;

use criterion::Criterion;

fn main() {
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(1))
        .configure_from_args();
    null_call::group(&mut criterion);
    codecs::groups(&mut criterion);
    criterion.final_summary();
}
