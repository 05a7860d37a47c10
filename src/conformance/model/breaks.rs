//! The deliberate breaks of the model: one rule each, and the case that has to notice it.

/// Declares the breaks, so that the list, the sentence and the expected case cannot drift apart.
macro_rules! breaks {
    ($($name:ident, $kinds:ident, $case:literal, $says:literal;)+) => {
        /// A rule of the [`Model`](super::Model) that is broken on purpose.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum Break {
            $(#[doc = concat!($says, " (noticed by `", $case, "`)")] $name,)+
        }

        impl Break {
            /// Every break.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// What the broken model does, as a sentence.
            pub fn says(self) -> &'static str {
                match self {
                    $(Self::$name => $says,)+
                }
            }

            /// The id of the case that has to fail.
            pub fn noticed_by(self) -> &'static str {
                match self {
                    $(Self::$name => $case,)+
                }
            }

            fn kinds(self) -> Kinds {
                match self {
                    $(Self::$name => Kinds::$kinds,)+
                }
            }
        }
    };
}

/// Which kinds of model have the rule that is broken.
enum Kinds {
    Rendezvous,
    Buffered,
    Both,
}

impl Break {
    /// Whether a model without a buffer has the rule.
    pub fn breaks_rendezvous(self) -> bool {
        !matches!(self.kinds(), Kinds::Buffered)
    }

    /// Whether a model with a buffer has the rule.
    pub fn breaks_buffered(self) -> bool {
        !matches!(self.kinds(), Kinds::Rendezvous)
    }
}

breaks! {
    ReadJoinsWrites, Rendezvous, "read.never_joins_two_writes",
        "a read goes on into the next write";
    ReadDropsTheRest, Rendezvous, "read.takes_a_write_in_pieces",
        "what did not fit into the buffer of a read is dropped";
    ReadStopsAtBorders, Buffered, "read.crosses_the_borders_of_writes",
        "a read stops where a write ended";
    ReadWaitsForAFullBuffer, Buffered, "read.takes_what_is_there",
        "a read waits until its whole buffer can be filled";
    EmptyBufferBlocks, Both, "read.an_empty_buffer_returns_at_once",
        "a read into nothing waits for bytes";
    EmptyLooksLikeTheEnd, Both, "read.waits_for_bytes",
        "a read of an open pipe that is empty answers Ok(0)";
    EmptyWriteLooksLikeTheEnd, Rendezvous, "write.an_empty_write_is_not_the_end",
        "a read that meets an empty write answers Ok(0)";
    ReadWritesBeyondItsCount, Both, "read.leaves_the_rest_of_the_buffer_alone",
        "a read changes the buffer behind the bytes it counts";
    WriteReturnsBeforeTheRead, Rendezvous, "write.returns_when_all_is_consumed",
        "a write returns as soon as it holds its bytes out";
    WriteReturnsAfterOneRead, Rendezvous, "write.returns_when_all_is_consumed",
        "a write returns after the first read of it";
    WriteWaitsForTheReader, Buffered, "write.returns_when_it_is_in_the_buffer",
        "a buffered write waits until it was read";
    OneByteOfRoomIsLost, Buffered, "write.fills_the_whole_capacity",
        "the buffer holds one byte less than its capacity";
    LargeWritesAreRefused, Buffered, "write.larger_than_the_buffer_streams_through",
        "a write larger than the buffer is an error";
    LargeWritesAreCut, Buffered, "write.larger_than_the_buffer_streams_through",
        "a write larger than the buffer returns early";
    EmptyWriteWaitsForRoom, Buffered, "write.an_empty_write_does_nothing",
        "an empty write waits until the buffer has room";
    EmptyWriteReturnsAtOnce, Rendezvous, "write.an_empty_write_waits_for_a_read",
        "an empty write does not wait for a reader";
    EndIsClosedToReader, Both, "close.table.writer_closed",
        "after the writer's close a read says closed instead of the end";
    WriterErrorLooksLikeTheEnd, Both, "close.table.writer_closed_with_error",
        "after the writer closed with an error a read says the end";
    WriterHearsItsOwnError, Both, "close.table.writer_closed_with_error",
        "a write returns the error its own end was closed with";
    WriterErrorIsReplaced, Both, "close.table.writer_closed_with_error_first",
        "a later close of the writer replaces its error";
    WriterCloseIsReplaced, Both, "close.table.writer_closed_first",
        "a later error of the writer replaces its plain close";
    ReaderErrorIsLost, Both, "close.table.reader_closed_with_error",
        "the error the reader closed with does not reach the writer";
    ReaderHearsItsOwnError, Both, "close.table.reader_closed_with_error",
        "a read returns the error its own end was closed with";
    ReaderErrorIsReplaced, Both, "close.table.reader_closed_with_error_first",
        "a later close of the reader replaces its error";
    ReaderCloseIsReplaced, Both, "close.table.reader_closed_first",
        "a later error of the reader replaces its plain close";
    ReaderHearsAfterOwnClose, Rendezvous, "close.table.both_ends",
        "a reader that closed still hears what the writer closed with";
    WriterHearsAfterOwnClose, Rendezvous, "close.table.both_ends",
        "a writer that closed still hears what the reader closed with";
    EndIsSaidOnce, Both, "close.results_are_sticky",
        "the second read after the end would block";
    WriterHearsTheErrorOnce, Both, "close.results_are_sticky",
        "the second write after the reader's error only says closed";
    WriterCloseWakesNoRead, Both, "close.wakes_a_blocked_read",
        "the writer's close leaves a blocked read asleep";
    OwnCloseWakesNoRead, Both, "close.wakes_a_blocked_read",
        "a reader's own close leaves its blocked read asleep";
    ReaderCloseWakesNoWrite, Both, "close.wakes_a_blocked_write",
        "the reader's close leaves a blocked write asleep";
    OwnCloseWakesNoWrite, Both, "close.wakes_a_blocked_write",
        "a writer's own close leaves its blocked write asleep";
    CloseWakesOnlyOne, Both, "parallel.close_wakes_every_blocked_call",
        "closing wakes one blocked call and leaves the others asleep";
    CloseWaitsForTheCall, Both, "close.never_blocks",
        "closing waits until the blocked call has ended";
    SecondCloseFails, Both, "close.is_idempotent",
        "closing twice panics";
    DroppedWriterStaysOpen, Both, "close.dropping_the_writer_closes_it",
        "a dropped writer leaves the stream open";
    DroppedReaderStaysOpen, Both, "close.dropping_the_reader_closes_it",
        "a dropped reader leaves the stream open";
    ControlKeepsTheEndOpen, Both, "close.a_control_does_not_keep_its_end_open",
        "an end stays open while somebody holds a control of it";
    UnwindingLooksLikeTheEnd, Both, "unwind.a_panicking_writer_is_an_error",
        "a writer dropped by a panic looks like the end";
    ClosedWriteForgetsItsCount, Both, "write.cut_short_by_close_counts_its_bytes",
        "a write cut short by a close returns the error and no count";
    ClosedWriteMiscounts, Both, "write.cut_short_by_close_counts_its_bytes",
        "a write cut short by a close counts one byte less";
    CloseIsGraceful, Rendezvous, "close.loses_the_unread_rest_of_a_write",
        "a close lets a blocked write finish";
    CloseDropsTheBuffer, Buffered, "drain.every_byte_comes_before_the_end",
        "the writer's close throws away what was not read";
    ErrorOvertakesData, Buffered, "drain.every_byte_comes_before_the_error",
        "the writer's error arrives before bytes written earlier";
    LastBytesRaceTheClose, Buffered, "drain.a_close_right_behind_a_write_loses_nothing",
        "the reader looks at the bytes first and at the end afterwards";
    RoomBeatsTheClosedReader, Buffered, "write.fails_after_the_reader_closed_even_with_room",
        "a write goes into the buffer although the reader closed";
    ErrorKindIsLost, Both, "errors.every_kind_arrives",
        "an error arrives with another kind";
    ErrorTextIsLost, Both, "errors.texts_arrive",
        "an error arrives without its text";
    ErrorObjectIsLost, Rendezvous, "errors.the_object_arrives_as_often_as_asked",
        "an error arrives as a kind and a text only";
    ErrorObjectIsGivenOnce, Rendezvous, "errors.the_object_arrives_as_often_as_asked",
        "the second call gets only the text of the error";
    ErrorTextIsCutAnywhere, Buffered, "errors.long_texts_are_cut_at_a_character",
        "a long text is cut in the middle of a character";
    ErrorTextIsNotCut, Buffered, "errors.long_texts_are_cut_at_a_character",
        "a long text arrives whole";
    ErrorTextIsShownRaw, Buffered, "errors.control_characters_are_shown_escaped",
        "the peer's control characters reach the terminal";
    PastDeadlineStillReads, Both, "deadline.past_fails_a_read_at_once",
        "a read whose deadline has passed returns bytes that are there";
    PastDeadlineStillWrites, Both, "deadline.past_fails_a_write_at_once",
        "a write whose deadline has passed goes ahead";
    BlockedReadIgnoresTheDeadline, Both, "deadline.ends_a_blocked_read",
        "a blocked read never looks at its deadline";
    BlockedWriteIgnoresTheDeadline, Both, "deadline.ends_a_blocked_write",
        "a blocked write never looks at its deadline";
    BlockedReadMissesANewDeadline, Both, "deadline.reaches_a_blocked_read",
        "a deadline set while a read is blocked does not wake it";
    BlockedWriteMissesANewDeadline, Both, "deadline.reaches_a_blocked_write",
        "a deadline set while a write is blocked does not wake it";
    DeadlineIsReadOnlyAtTheStart, Both, "deadline.can_be_moved_later_while_blocked",
        "a blocked call keeps the deadline it started with";
    DeadlineFiresEarly, Both, "deadline.never_fires_early",
        "a call gives up eight milliseconds before its deadline";
    DeadlineReachesBothEnds, Both, "deadline.belongs_to_one_end",
        "a deadline of one end ends the calls of the other";
    DeadlineBeatsData, Buffered, "deadline.loses_against_bytes_that_arrived",
        "a read that was blocked times out although bytes are there";
    DeadlineBeatsTheEnd, Both, "deadline.leaves_sticky_results_alone",
        "a deadline hides the end of the stream";
    ReadTimeoutSticks, Both, "deadline.a_read_works_again_when_cleared",
        "a read that timed out once goes on timing out";
    WriteTimeoutSticks, Both, "deadline.a_write_works_again_when_cleared",
        "a write that timed out once goes on timing out";
    TimedOutWriteForgetsItsCount, Both, "deadline.a_write_says_how_many_bytes_went_in",
        "a write cut short by its deadline returns no count";
    TimedOutWriteMiscounts, Both, "deadline.a_write_says_how_many_bytes_went_in",
        "a write cut short by its deadline counts one byte less";
    TimedOutWriteLeavesTheRest, Rendezvous, "deadline.a_write_takes_the_rest_back",
        "bytes of a write that timed out are still read later";
    TimeoutSaysWouldBlock, Both, "deadline.past_fails_a_read_at_once",
        "a deadline that passed says WouldBlock";
    ZeroTimeoutIsTaken, Both, "timeout.zero_is_refused",
        "a timeout of zero is accepted";
    TimeoutIsNotTold, Both, "timeout.is_told_as_it_was_set",
        "the timeout cannot be asked for";
    ReadTimeoutIsIgnored, Both, "timeout.limits_every_read_from_its_own_start",
        "the timeout of a reader has no effect";
    WriteTimeoutIsIgnored, Both, "timeout.limits_every_write_from_its_own_start",
        "the timeout of a writer has no effect";
    TimeoutCountsFromItsSetting, Both, "timeout.limits_every_read_from_its_own_start",
        "a timeout counts from the moment it was set";
    TimeoutIsNotCleared, Both, "timeout.none_waits_again",
        "None does not clear a timeout";
    TryReadBlocks, Both, "nonblocking.try_read_would_block",
        "try_read waits for bytes";
    TryReadGivesZero, Both, "nonblocking.try_read_would_block",
        "try_read of an empty pipe answers Ok(0)";
    TryWriteBlocks, Both, "nonblocking.try_write_would_block",
        "try_write waits for room or a reader";
    TryWriteIsAllOrNothing, Buffered, "nonblocking.try_write_takes_what_there_is_room_for",
        "try_write takes all of its bytes or none";
    NonblockingIsIgnored, Both, "nonblocking.the_switch_makes_calls_return",
        "set_nonblocking(true) has no effect";
    NonblockingStays, Both, "nonblocking.the_switch_goes_back",
        "set_nonblocking(false) has no effect";
    WritesInterleave, Both, "parallel.each_write_is_contiguous",
        "bytes of two parallel writes are mixed";
    FlipsABit, Both, "integrity.random_sizes",
        "one bit in five thousand bytes is flipped";
    SwapsNeighbours, Both, "integrity.random_sizes",
        "now and then two bytes change places";
    RepeatsAByte, Both, "integrity.random_sizes",
        "one byte of a large read is replaced by its neighbour";
    VectoredReadFillsBackwards, Both, "vectored.a_read_fills_buffers_in_order",
        "a vectored read fills the last buffer first";
    VectoredWriteClaimsAll, Both, "vectored.a_write_counts_what_it_took",
        "a vectored write writes one buffer and counts all";
    ClosedReaderStillReads, Buffered, "close.forgets_what_a_closed_reader_left",
        "a reader that closed still gets what lies in the buffer";
    EndIsSaidLate, Both, "close.is_seen_by_what_starts_after_it",
        "the first read after the end would block";
    TryReadFindsNothing, Both, "nonblocking.try_read_takes_what_is_there",
        "try_read never finds bytes";
    TryCallsHideTheEnd, Both, "nonblocking.try_calls_tell_how_it_ended",
        "the try calls of a closed pipe would block";
    TimedOutReadDropsAByte, Buffered, "drain.a_deadline_loses_nothing",
        "a read that times out drops a byte";
    LongWaitLooksLikeADeadlock, Both, "read.a_long_wait_is_not_a_deadlock",
        "a read that waits long claims a deadlock";
    ParallelReadsRepeatBytes, Both, "parallel.reads_share_the_stream",
        "two parallel reads get the same bytes";
    BorderOfTheBufferIsHurt, Buffered, "integrity.every_small_size_at_every_place",
        "the byte at the border of the buffer is damaged";
    FullBufferGrows, Buffered, "write.blocks_while_there_is_no_room",
        "a write to a full buffer does not wait";
    LongTextLeavesItsObject, Rendezvous, "errors.long_texts_arrive_whole",
        "an error with a long text is cut although it stays in the process";
    DeadlineWakesOnlyOne, Both, "parallel.deadline_wakes_every_blocked_call",
        "a new deadline wakes one blocked call and leaves the others asleep";
    TimeoutHidesTheDeadline, Both, "timeout.yields_to_an_earlier_deadline",
        "a timeout makes an end forget its deadline";
    DeadlineFiresOnce, Both, "deadline.is_absolute",
        "a deadline is forgotten once it ended a call";
    UnwindingReplacesAClose, Both, "unwind.an_earlier_close_stands",
        "a panic replaces the close of a writer that had closed";
    UnwindingWakesNobody, Both, "unwind.a_panicking_writer_wakes_the_reader",
        "a panic of the writer leaves a blocked read asleep";
    UnwindingReaderStaysOpen, Both, "unwind.a_panicking_reader_closes",
        "a reader dropped by a panic leaves the stream open";
    FlushWaitsForTheReader, Buffered, "write.flush_does_not_wait",
        "a flush waits until everything was read";
}
