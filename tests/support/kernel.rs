//! What the suite has to say about ends that are made of the kernel's own pipes and sockets.

use std::time::Duration;

use ringpipe::{
    ReadEnd, WriteEnd,
    conformance::{Rules, Suite, WriteReturns},
};

/// Rows that hang wait this long; the others are done long before.
const WATCHDOG: Duration = Duration::from_secs(20);

/// What a descriptor of the kernel promises, if it takes `capacity` bytes at least.
pub(crate) fn rules(capacity: usize) -> Rules {
    Rules { write_returns: WriteReturns::Buffered { capacity, exact: false }, ..Rules::ring(4096) }
}

/// An error cannot cross: the other end hears of a plain close.
const ERRORS_ARE_LOST: &[&str] = &[
    "close.dropping_the_reader_closes_it",
    "close.dropping_the_writer_closes_it",
    "close.is_seen_by_what_starts_after_it",
    "close.may_race_with_calls",
    "close.results_are_sticky",
    "close.table.reader_closed_with_error",
    "close.table.reader_closed_with_error_first",
    "close.table.writer_closed_with_error",
    "close.table.writer_closed_with_error_first",
    "close.wakes_a_blocked_read",
    "drain.a_close_right_behind_a_write_loses_nothing",
    "drain.every_byte_comes_before_the_error",
    "errors.control_characters_are_shown_escaped",
    "errors.every_kind_arrives",
    "errors.long_texts_are_cut_at_a_character",
    "errors.texts_arrive",
    "nonblocking.try_calls_tell_how_it_ended",
    "unwind.a_panicking_writer_is_an_error",
    "unwind.a_panicking_writer_wakes_the_reader",
    "write.cut_short_by_close_counts_its_bytes",
];

/// Nothing wakes a call that sleeps in `poll`, but the other side.
const BLOCKED_CALLS_HEAR_NOTHING: &[&str] = &[
    "close.never_blocks",
    "close.wakes_a_blocked_write",
    "deadline.a_write_says_how_many_bytes_went_in",
    "deadline.can_be_moved_later_while_blocked",
    "deadline.reaches_a_blocked_read",
    "deadline.reaches_a_blocked_write",
    "gate.closing_does_not_wait_for_the_call_inside",
];

/// The deadline is looked at before the kernel is asked.
const DEADLINES_COME_FIRST: &[&str] = &["deadline.leaves_sticky_results_alone"];

/// Fails unless exactly the known rows and `more` fail.
pub(crate) fn breaks_exactly<R: ReadEnd + 'static, W: WriteEnd + 'static>(
    suite: Suite<R, W>,
    more: &[&str],
) {
    let report = suite.interrupt_by(crate::signals::interrupt).watchdog(WATCHDOG).jobs(24).run();
    println!("{report}");
    let mut expected =
        [more, ERRORS_ARE_LOST, BLOCKED_CALLS_HEAR_NOTHING, DEADLINES_COME_FIRST].concat();
    let mut failed = report.failed();
    expected.sort_unstable();
    failed.sort_unstable();
    assert_eq!(failed, expected, "{report}");
}
