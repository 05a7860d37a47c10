//! What is done while calls fail: all that makes, uses, closes and hands over a ring.
//!
//! Each either succeeds, and then has seen that every byte was right, or gives the error it met.

use crate::{
    handing,
    operation::{Operation, operation},
    polling, rings, strangers,
};

/// Every operation.
pub(crate) const OPERATIONS: &[Operation] = &[
    operation("a ring", rings::ring),
    operation("a ring that is polled", polling::polled_ring),
    operation("a ring kept in memory", rings::resident_ring),
    operation("a ring between threads", rings::threads),
    operation("a listener", strangers::listener),
    operation("a listener where one died", strangers::stale_listener),
    operation("accepting", strangers::accepting),
    operation("connecting", strangers::connecting),
    operation("accepting a polled stream", polling::accepting_polled),
    operation("connecting a polled stream", polling::connecting_polled),
    operation("refusing a stranger", strangers::refusing),
    operation("handing over a reader", handing::handing_reader),
    operation("handing over a writer", handing::handing_writer),
    operation("taking up a reader", handing::taking_reader),
    operation("taking up a writer", handing::taking_writer),
    operation("sleeping", strangers::sleeping),
    operation("closing and deadlines", strangers::closing),
    operation("the death of the peer", strangers::death),
    operation("dropping", strangers::dropping),
    operation("a forked copy", rings::forking),
];
