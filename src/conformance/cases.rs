//! The list of all cases, in the order of the report.

use super::{
    blocked, case::Case, closing, compare, deadlines, death, drain, dropping, errors, integrity,
    nonblocking, parallel, reading, timeouts, unwinding, vectored, waking, writing,
};
use crate::ends::{ReadEnd, WriteEnd};

pub(super) fn all<R: ReadEnd + 'static, W: WriteEnd + 'static>() -> Vec<Case<R, W>> {
    [
        reading::cases(),
        writing::cases(),
        closing::cases(),
        dropping::cases(),
        waking::cases(),
        drain::cases(),
        errors::cases(),
        unwinding::cases(),
        deadlines::cases(),
        blocked::cases(),
        timeouts::cases(),
        nonblocking::cases(),
        parallel::cases(),
        vectored::cases(),
        integrity::cases(),
        death::cases(),
        compare::cases(),
    ]
    .into_iter()
    .flatten()
    .collect()
}
