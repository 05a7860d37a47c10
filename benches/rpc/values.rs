//! What is written down and read again.

use ringpipe::rpc::Bytes;
use serde::{Deserialize, Serialize};

/// A record as programs pass it around.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Order {
    id: u64,
    customer: String,
    lines: Vec<Line>,
    note: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Line {
    article: String,
    count: u32,
    price: f64,
}

pub(crate) fn record() -> Order {
    let line =
        |i: u32| Line { article: format!("article {i}"), count: i, price: 0.25 * f64::from(i) };
    Order { id: 4711, customer: "a name".into(), lines: (1..=8).map(line).collect(), note: None }
}

pub(crate) fn bytes() -> Bytes {
    (0..4096u32).map(|i| (i % 251) as u8).collect::<Vec<_>>().into()
}
