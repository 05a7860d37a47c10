//! One suite that holds every kind of pipe end to the same rules.
//!
//! Whoever implements [`ReadEnd`](crate::ReadEnd) and [`WriteEnd`](crate::WriteEnd) gives a constructor of a pair and a
//! description of what their transport promises where transports may differ ([`Rules`]); [`Suite::run`] does the rest
//! and answers with a [`Report`], a row for each rule.
//!
//! ```
//! use ringpipe::conformance::{Rules, Suite, model::Model};
//!
//! let report = Suite::new("my transport", Rules::ring(4096), || Ok(Model::buffered(4096).pair()))
//!     .only("read.")
//!     .run();
//! report.verdict().unwrap();
//! ```
//!
//! How it is trusted:
//! * Every case runs under a watchdog, which ends a hang with the step it hung at. Nothing else limits time: a slow
//!   machine makes the suite slow, not red.
//! * No case relies on one thread being faster than another. Where a call has to be blocked, the case makes it likely
//!   and asserts only what holds in either order.
//! * [`model::Model`] passes it, and does not pass with any single rule broken ([`model::Break`]).
//! * A run in which no case applied is an error ([`Report::verdict`]).
//!
//! The suite does not judge speed, resources or set-up, and hostile peers are not its subject.

mod blocked;
mod case;
mod cases;
mod closing;
mod compare;
mod deadlines;
mod death;
mod drain;
mod dropping;
mod errors;
mod integrity;
pub mod model;
mod needs;
mod nonblocking;
mod parallel;
mod reading;
mod report;
mod rng;
mod rules;
mod suite;
mod timeouts;
mod unwinding;
mod vectored;
mod waking;
mod words;
mod writing;

pub use errors::KINDS;
pub use report::{Outcome, Report, Row};
pub use rules::{BothClosed, EmptyWrite, Errors, Reads, Rules, Unread, WriteReturns};
pub use suite::{Interrupt, Suite};
