//! The conformance suite over every pair of ends that lives in one process.

use ringpipe::conformance::{Suite, model::Model};

/// Runs a suite, prints its table, and fails with it.
macro_rules! conforms {
    ($suite:expr) => {{
        let report = $suite.run();
        println!("{report}");
        if let Err(table) = report.verdict() {
            panic!("{table}");
        }
    }};
}

#[test]
fn the_rendezvous_model_keeps_every_rule() {
    let model = Model::rendezvous();
    conforms!(Suite::new("model without a buffer", model.rules(), move || Ok(model.pair())).parallel());
}

#[test]
fn the_buffered_model_keeps_every_rule() {
    for capacity in [64, 4096] {
        let model = Model::buffered(capacity);
        let name = format!("model with a buffer of {capacity}");
        conforms!(Suite::new(name, model.rules(), move || Ok(model.pair())).parallel());
    }
}
