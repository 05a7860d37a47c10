//! The calls that a victim dies in, and what may be seen of them.

use std::{
    hint::black_box,
    io::{Read, Write},
};

use ringpipe::{Reader, Writer};

use crate::{
    survivor::{End, Saw},
    tracee::mark,
};

/// Bytes of a call, and of those that were acknowledged before it.
pub(crate) const PART: usize = 100;
/// Bytes of the ring.
pub(crate) const RING: usize = 4096;
/// What the writer closes with.
pub(crate) const CAUSE: &str = "the disk is full";

/// A call of the victim's. Before it, a writer has had [`PART`] bytes acknowledged unless it says otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    Write,
    Send,
    /// Of bytes that the reader has not seen yet.
    Read,
    /// Of bytes that it knows of.
    ReadOn,
    Close,
    CloseWithError,
    CloseReader,
    /// The survivor sleeps until the deed wakes it.
    WriteWakes,
    ReadWakes,
    CloseWakes,
    /// The victim sleeps until the survivor wakes it.
    ReadSleeps,
    /// Behind a full ring.
    WriteSleeps,
    FinishSleeps,
}

pub(crate) const ACTS: [Act; 13] = [
    Act::Write,
    Act::Send,
    Act::Read,
    Act::ReadOn,
    Act::Close,
    Act::CloseWithError,
    Act::CloseReader,
    Act::WriteWakes,
    Act::ReadWakes,
    Act::CloseWakes,
    Act::ReadSleeps,
    Act::WriteSleeps,
    Act::FinishSleeps,
];

/// The bytes from `pos` on.
pub(crate) fn bytes(pos: usize, n: usize) -> Vec<u8> {
    (pos..pos + n).map(|pos| (pos % 251) as u8).collect()
}

impl Act {
    /// Nobody sleeps, nobody is woken, and no text is made.
    pub(crate) fn is_fast(self) -> bool {
        use Act::*;
        matches!(self, Write | Send | Read | ReadOn | Close | CloseReader)
    }

    /// Whether the victim is the one who reads.
    pub(crate) fn victim_reads(self) -> bool {
        use Act::*;
        matches!(self, Read | ReadOn | ReadWakes | ReadSleeps | CloseReader)
    }

    /// Fails unless this may be seen of a victim that died in the call, or behind it if that had returned.
    pub(crate) fn check(self, saw: &Saw, returned: bool) {
        // Bytes before the call and of it, and how it may end but by a death.
        let (before, more, word) = match self {
            Self::Write | Self::Send => (PART, PART, None),
            Self::Read => (0, PART, None),
            Self::ReadOn => (PART, PART, None),
            Self::Close | Self::FinishSleeps => (PART, 0, Some(End::Closed)),
            Self::CloseWithError => (PART, 0, Some(End::Error)),
            Self::CloseReader | Self::CloseWakes => (0, 0, Some(End::Closed)),
            Self::WriteWakes => (0, PART, None),
            Self::ReadWakes => (0, RING, None),
            Self::ReadSleeps => (0, PART / 2, None),
            Self::WriteSleeps => (RING, PART, None),
        };
        let whole = saw.bytes == before + more;
        let nothing = saw.bytes == before && !returned;
        assert!(whole || nothing, "{self:?}: {saw:?}, returned: {returned}");
        let said = word.is_some_and(|word| saw.end == word);
        let died = saw.end == End::Died && !(returned && word.is_some());
        assert!(said || died, "{self:?}: {saw:?}, returned: {returned}");
    }
}

/// What the victim does. Between the marks it is stopped anywhere; behind the last one it never goes.
pub(crate) fn perform(act: Act, mut reader: Reader, mut writer: Writer) {
    use Act::*;
    let (first, second) = (bytes(0, PART), bytes(PART, PART));
    let mut buf = vec![0; RING];
    match act {
        Write | Close | CloseWithError | FinishSleeps => writer.write_all(&first).unwrap(),
        Send => writer.send(&first).unwrap(),
        ReadOn => reader.read_exact(&mut buf[..PART]).unwrap(),
        WriteSleeps => writer.write_all(&bytes(0, RING)).unwrap(),
        _ => {}
    }
    let behind = bytes(RING, PART);
    match act {
        Write => {
            mark();
            black_box(writer.write(black_box(&second))).unwrap();
            mark();
        }
        Send => {
            mark();
            black_box(writer.send(black_box(&second))).unwrap();
            mark();
        }
        Read | ReadOn | ReadSleeps => {
            mark();
            black_box(reader.read(black_box(&mut buf[..PART]))).unwrap();
            mark();
        }
        ReadWakes => {
            mark();
            black_box(reader.read(black_box(&mut buf))).unwrap();
            mark();
        }
        Close | CloseWakes => {
            mark();
            black_box(&writer).close();
            mark();
        }
        CloseWithError => {
            mark();
            black_box(&writer).close_with_error(CAUSE);
            mark();
        }
        CloseReader => {
            mark();
            black_box(&reader).close();
            mark();
        }
        WriteWakes => {
            mark();
            black_box(writer.write(black_box(&first))).unwrap();
            mark();
        }
        WriteSleeps => {
            mark();
            black_box(writer.write(black_box(&behind))).unwrap();
            mark();
        }
        FinishSleeps => {
            mark();
            black_box(writer.finish()).unwrap();
            mark();
        }
    }
}
