//! What a call costs beside what carries it, and what each codec costs by itself.
//!
//! `cargo bench -- rpc` runs these groups, with the options that the other benches take.

mod codecs;
#[path = "../common/mod.rs"]
mod common;
mod null_call;
mod values;

use common::settings;

fn main() {
    let mut criterion = settings();
    null_call::group(&mut criterion);
    codecs::groups(&mut criterion);
    criterion.final_summary();
}
