//! No diagnosis: the same verbs, at no cost.

use super::Look;
use std::time::Duration;

#[derive(Debug, Default)]
pub(in crate::pipe) struct Waits;

impl Waits {
    pub(in crate::pipe) fn strike(&mut self) {}
}

#[derive(Debug)]
pub(in crate::pipe) struct Watch;

impl Watch {
    pub(in crate::pipe) fn new(_patience: Duration) -> Self {
        Self
    }

    pub(in crate::pipe) fn look(&mut self, _waits: &mut Waits) -> Look {
        Look::Sleep(None)
    }

    pub(in crate::pipe) fn end(&mut self, _waits: &mut Waits) {}
}
