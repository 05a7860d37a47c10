//! Tells whether one build of a library is slower than another, on a machine that changes its speed meanwhile.
//!
//! Two builds are never measured one after the other. Each is linked into a *probe*, a program that does on request so and so
//! many operations of a *row* and says how long they took. The program `perf-gate` starts the probes of both builds, and one of
//! them twice; has them work in turn, in slices of milliseconds; and compares only slices that lie side by side. What the machine
//! does in the meantime, it does to both.
//!
//! [`Probe`] makes a program into a probe. [`protocol`] is what it says on its standard output, for probes in other languages.
//! `docs/perf-ci.md` of the repository says how to put the whole into a project's CI.

pub mod cpus;
pub mod probe;
pub mod protocol;

pub use probe::Probe;
