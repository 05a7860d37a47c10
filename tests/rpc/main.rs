//! The rules of the calls, over every transport and codec.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "in a test a panic is the verdict")]

mod failures;
mod giving_up;
mod gob;
mod gob_shapes;
mod gob_values;
mod hostile;
mod json;
mod meeting;
mod rules;
mod setup;
mod transports;
