//! `ringpipe cat` as its users see it: real processes, real files, real signals.

mod copying;
mod ending;
mod meeting;
mod side;
