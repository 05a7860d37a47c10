//! What is left of an error at the other end.

use std::{fmt, io};

use super::{
    case::{Case, Cx, Verdict, check, read},
    needs,
    words::{Says, Word},
};
use crate::{
    ends::{ReadEnd, WriteEnd},
    error::{BoxError, Error},
};

/// The most text that crosses to another process, in bytes.
const TEXT: usize = 240;

/// Kinds that any error may have. `Interrupted` and `WouldBlock` are left out: callers give these a meaning of their own.
pub const KINDS: &[io::ErrorKind] = &[
    io::ErrorKind::NotFound,
    io::ErrorKind::PermissionDenied,
    io::ErrorKind::ConnectionRefused,
    io::ErrorKind::ConnectionReset,
    io::ErrorKind::HostUnreachable,
    io::ErrorKind::NetworkUnreachable,
    io::ErrorKind::ConnectionAborted,
    io::ErrorKind::NotConnected,
    io::ErrorKind::AddrInUse,
    io::ErrorKind::AddrNotAvailable,
    io::ErrorKind::NetworkDown,
    io::ErrorKind::BrokenPipe,
    io::ErrorKind::AlreadyExists,
    io::ErrorKind::NotADirectory,
    io::ErrorKind::IsADirectory,
    io::ErrorKind::DirectoryNotEmpty,
    io::ErrorKind::ReadOnlyFilesystem,
    io::ErrorKind::StaleNetworkFileHandle,
    io::ErrorKind::InvalidInput,
    io::ErrorKind::InvalidData,
    io::ErrorKind::TimedOut,
    io::ErrorKind::WriteZero,
    io::ErrorKind::StorageFull,
    io::ErrorKind::NotSeekable,
    io::ErrorKind::QuotaExceeded,
    io::ErrorKind::FileTooLarge,
    io::ErrorKind::ResourceBusy,
    io::ErrorKind::ExecutableFileBusy,
    io::ErrorKind::CrossesDevices,
    io::ErrorKind::Deadlock,
    io::ErrorKind::TooManyLinks,
    io::ErrorKind::ArgumentListTooLong,
    io::ErrorKind::Unsupported,
    io::ErrorKind::UnexpectedEof,
    io::ErrorKind::OutOfMemory,
    io::ErrorKind::Other,
];

pub(super) fn cases<R: ReadEnd + 'static, W: WriteEnd + 'static>() -> Vec<Case<R, W>> {
    vec![
        Case::new(
            "errors.every_kind_arrives",
            "an error keeps its kind, in both directions",
            needs::always,
            every_kind_arrives,
        ),
        Case::new(
            "errors.texts_arrive",
            "an error of up to 240 bytes of text keeps it to the letter, in both directions",
            needs::always,
            texts_arrive,
        ),
        Case::new(
            "errors.the_object_arrives_as_often_as_asked",
            "an error comes back as the very object the closer gave, as often as asked",
            needs::same_object,
            the_object_arrives_as_often_as_asked,
        ),
        Case::new(
            "errors.long_texts_arrive_whole",
            "an error that stays in the process keeps any length of text",
            needs::same_object,
            long_texts_arrive_whole,
        ),
        Case::new(
            "errors.long_texts_are_cut_at_a_character",
            "more than 240 bytes of text are cut at the border of a character",
            needs::kind_and_text,
            long_texts_are_cut_at_a_character,
        ),
        Case::new(
            "errors.control_characters_are_shown_escaped",
            "control characters in the text of the other process are shown escaped",
            needs::kind_and_text,
            control_characters_are_shown_escaped,
        ),
    ]
}

/// What the other end hears when one end is closed with `error`: first the reader, then the writer.
fn heard<R: ReadEnd + 'static, W: WriteEnd + 'static>(
    cx: &Cx<R, W>,
    error: impl Fn() -> BoxError,
) -> Result<[io::Result<usize>; 2], String> {
    cx.step("a call on a pipe that was closed with an error waits");
    let (mut reader, writer) = cx.pair()?;
    writer.close_with_error(error());
    let by_reader = read(&mut reader, 16).map(|bytes| bytes.len());
    let (reader, mut writer) = cx.pair()?;
    reader.close_with_error(error());
    let by_writer = writer.write(b"x");
    Ok([by_reader, by_writer])
}

fn arrives<R: ReadEnd + 'static, W: WriteEnd + 'static>(cx: &Cx<R, W>, word: &Word) -> Verdict {
    let [by_reader, by_writer] = heard(cx, || word.error())?;
    let says = Says::Word(word.clone());
    says.check("the read", &by_reader, &cx.rules)?;
    says.check("the write", &by_writer, &cx.rules)
}

fn every_kind_arrives<R: ReadEnd + 'static, W: WriteEnd + 'static>(cx: &Cx<R, W>) -> Verdict {
    for kind in KINDS {
        arrives(cx, &Word::Io(*kind, "a text".into()))?;
    }
    arrives(cx, &Word::Marker(1))?;
    cx.note(format!("{} kinds", KINDS.len()));
    Ok(())
}

fn texts_arrive<R: ReadEnd + 'static, W: WriteEnd + 'static>(cx: &Cx<R, W>) -> Verdict {
    let longest = "x".repeat(TEXT);
    let longest_in_two = "é".repeat(TEXT / 2);
    for text in ["", "a", "disk full on /data", "Zwölf Boxkämpfer 🦀 狐", &longest, &longest_in_two]
    {
        arrives(cx, &Word::Io(io::ErrorKind::InvalidData, text.into()))?;
        arrives(cx, &Word::Io(io::ErrorKind::Other, text.into()))?;
    }
    Ok(())
}

/// An error whose address is what the case is about.
#[derive(Debug)]
struct Located(u64);

impl fmt::Display for Located {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "located {}", self.0)
    }
}

impl std::error::Error for Located {}

fn the_object_arrives_as_often_as_asked<R: ReadEnd + 'static, W: WriteEnd + 'static>(
    cx: &Cx<R, W>,
) -> Verdict {
    let given = Box::new(Located(11));
    let address = &raw const *given as usize;
    let (mut reader, writer) = cx.pair()?;
    writer.close_with_error(given as BoxError);
    let mut places = Vec::new();
    for time in 0..5 {
        cx.step("a read waits");
        let Err(error) = read(&mut reader, 16) else {
            return Err(format!("read {time} brought no error"));
        };
        let Some(found) = Error::cause::<Located>(&error) else {
            return Err(format!("read {time}: a downcast finds nothing in {error:?}"));
        };
        check!(found.0 == 11, "read {time} brought {found:?}");
        places.push(&raw const *found as usize);
    }
    // Whether the error moved once, into shared ownership, is the transport's affair; later it stays where it is.
    check!(
        places.iter().all(|place| *place == places[0]),
        "the object given at {address:#x} was found at different places: {places:x?}"
    );
    let (reader, mut writer) = cx.pair()?;
    reader.close_with_error(Box::new(Located(12)) as BoxError);
    for time in 0..5 {
        let Err(error) = writer.write(b"x") else {
            return Err(format!("write {time} brought no error"));
        };
        let found = Error::cause::<Located>(&error).map(|found| found.0);
        check!(found == Some(12), "write {time}: a downcast finds {found:?}");
    }
    Ok(())
}

fn long_texts_arrive_whole<R: ReadEnd + 'static, W: WriteEnd + 'static>(cx: &Cx<R, W>) -> Verdict {
    arrives(cx, &Word::Io(io::ErrorKind::Other, "long é ".repeat(1000)))
}

fn long_texts_are_cut_at_a_character<R: ReadEnd + 'static, W: WriteEnd + 'static>(
    cx: &Cx<R, W>,
) -> Verdict {
    for (lead, character) in
        [("", "x"), ("x", "é"), ("", "狐"), ("xx", "狐"), ("x", "🦀"), ("xxx", "🦀")]
    {
        let text = format!("{lead}{}", character.repeat(400));
        for heard in heard(cx, || io::Error::new(io::ErrorKind::StorageFull, text.clone()).into())?
        {
            let Err(error) = heard else {
                return Err(format!("{heard:?} instead of an error with a long text"));
            };
            let got = error.to_string();
            check!(error.kind() == io::ErrorKind::StorageFull, "the kind is {:?}", error.kind());
            check!(
                text.starts_with(&got),
                "the text is not a beginning of what was given: {got:?}"
            );
            check!(
                got.len() <= TEXT && got.len() + character.len() > TEXT,
                "{} bytes of text arrived",
                got.len()
            );
        }
    }
    Ok(())
}

fn control_characters_are_shown_escaped<R: ReadEnd + 'static, W: WriteEnd + 'static>(
    cx: &Cx<R, W>,
) -> Verdict {
    let text = "red \u{1b}[31m bell \u{7} line\nnext \u{9b}";
    for heard in heard(cx, || io::Error::other(text).into())? {
        let Err(error) = heard else {
            return Err(format!("{heard:?} instead of an error"));
        };
        let shown = error.to_string();
        check!(
            !shown.chars().any(char::is_control),
            "control characters are shown as they came: {shown:?}"
        );
        check!(
            shown.contains("red ") && shown.contains(" bell "),
            "the text is shown as {shown:?}"
        );
    }
    Ok(())
}
