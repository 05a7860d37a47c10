//! The parts: what is done, what counts it, and the tests.

mod allocations;
pub(crate) mod allocator;
mod copies;
mod figures;
mod idle;
mod proc;
pub(crate) mod roles;
mod seccomp;
mod system_calls;
mod traffic;
mod wakes;
