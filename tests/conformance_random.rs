//! An hour of it in the long tier, a moment in CI: random sequences of calls, to real ends and to a model of them, whose
//! answers must be the same.
#![cfg(target_os = "linux")]

mod common;
#[path = "random/ends.rs"]
mod ends;
#[path = "random/plain.rs"]
mod plain;
#[path = "common/report.rs"]
mod report;
#[path = "random/verbs.rs"]
mod verbs;
