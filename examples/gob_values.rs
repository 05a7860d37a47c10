//! What gob carries, and how it finds its way into another type: by the names of the fields.
//!
//! ```text
//! cargo run --example gob_values
//! ```
//! `gob_send` and `gob_recv` do the same between two programs, one of which may be written in Go.

use std::{collections::BTreeMap, error::Error};

use ringpipe::{
    pipe::scope,
    rpc::{
        Bytes,
        gob::{Decoder, Encoder},
    },
};
use serde::{Deserialize, Serialize};

#[derive(Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Everything {
    name: String,
    below_zero: i64,
    fraction: f64,
    flags: Vec<bool>,
    bytes: Bytes,
    by_name: BTreeMap<String, Point>,
    path: Vec<Point>,
    corners: [i64; 2],
}

#[derive(Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Point {
    x: i64,
    y: i64,
}

/// Fewer fields, another one, and in another order.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Excerpt {
    #[serde(default)]
    unknown: String,
    below_zero: i64,
    name: String,
}

/// A number where the sender has text.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Mistaken {
    #[expect(dead_code, reason = "it is never read into")]
    name: i64,
}

fn main() -> Result<(), Box<dyn Error>> {
    let sent = Everything {
        name: "Example".into(),
        below_zero: -123,
        fraction: -0.5,
        flags: vec![true, false],
        bytes: vec![0, 255].into(),
        by_name: BTreeMap::from([("origin".into(), Point { x: 0, y: 0 })]),
        path: vec![Point { x: 1, y: -1 }, Point { x: 2, y: -2 }],
        corners: [i64::MIN, i64::MAX],
    };
    let (written, ()) = scope(
        |writer| {
            let mut encoder = Encoder::new(writer);
            // The type is described once, whatever number of values follows.
            (0..3).try_for_each(|_| encoder.encode(&sent))
        },
        |reader| {
            let mut decoder = Decoder::new(reader);
            let whole: Option<Everything> = decoder.decode().expect("what was sent");
            assert_eq!(whole.as_ref(), Some(&sent));
            println!("all of it: {} points, {:?}", sent.path.len(), sent.bytes);
            let excerpt: Option<Excerpt> = decoder.decode().expect("fields that match by name");
            if let Some(Excerpt { unknown, below_zero, name }) = excerpt {
                println!("by name: {name}, {below_zero}, and {unknown:?} for what was not sent");
            }
            let mistaken = decoder.decode::<Mistaken>().expect_err("text is no number");
            println!("another kind: {mistaken}");
            assert!(matches!(decoder.decode::<Excerpt>(), Ok(None)), "the stream ends");
        },
    );
    written?;
    Ok(())
}
