//! The rules of the calls, over every transport and codec.
#![cfg(target_os = "linux")]

mod giving_up;
mod gob;
mod hostile;
mod json;
mod meeting;
mod rules;
mod setup;
