//! The reference model: a pipe written as plainly as the rules read, of both kinds.
//!
//! One mutex, one condition variable that wakes everybody, and no attempt at speed: every call looks at the whole
//! state under the lock. It answers three questions: whether the suite passes over a correct pipe, whether it
//! notices each rule being broken ([`Break`]), and what another transport should have answered to the same sequence of
//! calls.

mod breaks;
mod core;
mod ends;
mod read;
mod write;

pub use breaks::Break;
pub use ends::{ModelReader, ModelWriter};

use super::rules::{Errors, Rules};

/// A plain pipe of one kind, correct or with one rule broken.
///
/// ```
/// use std::io::{Read, Write};
/// use ringpipe::{WriteEnd, conformance::model::Model};
///
/// let (mut reader, mut writer) = Model::buffered(16).pair();
/// assert_eq!(writer.write(b"bytes").unwrap(), 5);
/// writer.close();
/// let mut buf = [0; 16];
/// assert_eq!(reader.read(&mut buf).unwrap(), 5);
/// assert_eq!(reader.read(&mut buf).unwrap(), 0);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Model {
    capacity: Option<usize>,
    errors: Errors,
    broken: Option<Break>,
}

impl Model {
    /// Without a buffer: a write meets a read.
    pub fn rendezvous() -> Self {
        Self { capacity: None, errors: Errors::SameObject, broken: None }
    }

    /// With a buffer of `capacity` bytes; errors cross it as a kind and a text, as they do between processes.
    pub fn buffered(capacity: usize) -> Self {
        Self { capacity: Some(capacity), errors: Errors::KindAndText, broken: None }
    }

    /// The model of a transport with these rules.
    pub fn of(rules: &Rules) -> Self {
        Self { capacity: rules.capacity(), errors: rules.errors, broken: None }
    }

    /// The same pipe with one rule broken.
    #[must_use]
    pub fn broken(self, rule: Break) -> Self {
        Self { broken: Some(rule), ..self }
    }

    /// What the model promises when nothing is broken.
    pub fn rules(&self) -> Rules {
        match self.capacity {
            None => Rules { errors: self.errors, ..Rules::in_memory() },
            Some(capacity) => Rules { errors: self.errors, ..Rules::ring(capacity) },
        }
    }

    /// A fresh pipe.
    pub fn pair(&self) -> (ModelReader, ModelWriter) {
        ends::pair(core::Core::new(self.capacity, self.errors, self.broken))
    }
}
