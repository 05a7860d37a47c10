//! What the two processes of a proxied end say to each other: frames of an id, a code and some bytes.

use std::{
    io::{self, Read, Write},
    time::Duration,
};

use ringpipe::{Error, conformance::KINDS};

/// What the parent asks of the end in the child.
#[derive(Debug)]
pub(crate) enum Order {
    Read(u64),
    TryRead(u64),
    Write(Vec<u8>),
    TryWrite(Vec<u8>),
    SetTimeout(Option<Duration>),
    Timeout,
    SetNonblocking(bool),
    Drop,
    DropUnwinding,
    Close,
    CloseWithError(io::ErrorKind, String),
    /// Nanoseconds from now, negative for the past: the clocks of two processes have no common zero in Rust.
    SetDeadline(Option<i64>),
}

/// What the child answers.
#[derive(Debug)]
pub(crate) enum Answer {
    Count(u64),
    Bytes(Vec<u8>),
    Timeout(Option<Duration>),
    Failed(io::ErrorKind, String),
}

/// Kinds that are no errors of a closer, but answers all the same.
const MORE_KINDS: &[io::ErrorKind] = &[io::ErrorKind::WouldBlock, io::ErrorKind::Interrupted];

fn kind_code(kind: io::ErrorKind) -> u8 {
    let at = KINDS.iter().chain(MORE_KINDS).position(|known| *known == kind);
    u8::try_from(at.unwrap_or(KINDS.len() - 1)).expect("there are few kinds")
}

fn kind_of(code: u8) -> io::ErrorKind {
    KINDS.iter().chain(MORE_KINDS).nth(code.into()).copied().unwrap_or(io::ErrorKind::Other)
}

fn with_kind(kind: io::ErrorKind, text: &str) -> Vec<u8> {
    [&[kind_code(kind)], text.as_bytes()].concat()
}

fn kind_and_text(bytes: &[u8]) -> io::Result<(io::ErrorKind, String)> {
    let (code, text) = bytes.split_first().ok_or(io::ErrorKind::InvalidData)?;
    Ok((kind_of(*code), String::from_utf8_lossy(text).into_owned()))
}

fn number(bytes: &[u8]) -> io::Result<u64> {
    bytes.try_into().map(u64::from_le_bytes).map_err(io::Error::other)
}

fn optional(value: Option<u64>) -> Vec<u8> {
    value.map_or_else(Vec::new, |value| value.to_le_bytes().into())
}

fn duration(bytes: &[u8]) -> io::Result<Option<Duration>> {
    if bytes.is_empty() { Ok(None) } else { Ok(Some(Duration::from_nanos(number(bytes)?))) }
}

fn nanos(timeout: &Option<Duration>) -> Option<u64> {
    timeout.map(|timeout| timeout.as_nanos() as u64)
}

/// Something that travels.
pub(crate) trait Message: Sized {
    fn encode(&self) -> (u8, Vec<u8>);
    fn decode(code: u8, bytes: Vec<u8>) -> io::Result<Self>;
}

impl Message for Order {
    fn encode(&self) -> (u8, Vec<u8>) {
        match self {
            Self::Read(len) => (0, len.to_le_bytes().into()),
            Self::TryRead(len) => (1, len.to_le_bytes().into()),
            Self::Write(bytes) => (2, bytes.clone()),
            Self::TryWrite(bytes) => (3, bytes.clone()),
            Self::SetTimeout(timeout) => (4, optional(nanos(timeout))),
            Self::Timeout => (5, Vec::new()),
            Self::SetNonblocking(on) => (6, vec![u8::from(*on)]),
            Self::Drop => (7, Vec::new()),
            Self::DropUnwinding => (8, Vec::new()),
            Self::Close => (9, Vec::new()),
            Self::CloseWithError(kind, text) => (10, with_kind(*kind, text)),
            Self::SetDeadline(at) => (11, optional(at.map(|at| at as u64))),
        }
    }

    fn decode(code: u8, bytes: Vec<u8>) -> io::Result<Self> {
        Ok(match code {
            0 => Self::Read(number(&bytes)?),
            1 => Self::TryRead(number(&bytes)?),
            2 => Self::Write(bytes),
            3 => Self::TryWrite(bytes),
            4 => Self::SetTimeout(duration(&bytes)?),
            5 => Self::Timeout,
            6 => Self::SetNonblocking(bytes == [1]),
            7 => Self::Drop,
            8 => Self::DropUnwinding,
            9 => Self::Close,
            10 => {
                let (kind, text) = kind_and_text(&bytes)?;
                Self::CloseWithError(kind, text)
            }
            11 if bytes.is_empty() => Self::SetDeadline(None),
            11 => Self::SetDeadline(Some(number(&bytes)? as i64)),
            _ => return Err(io::ErrorKind::InvalidData.into()),
        })
    }
}

impl Message for Answer {
    fn encode(&self) -> (u8, Vec<u8>) {
        match self {
            Self::Count(n) => (0, n.to_le_bytes().into()),
            Self::Bytes(bytes) => (1, bytes.clone()),
            Self::Timeout(timeout) => (2, optional(nanos(timeout))),
            Self::Failed(kind, text) => (3, with_kind(*kind, text)),
        }
    }

    fn decode(code: u8, bytes: Vec<u8>) -> io::Result<Self> {
        Ok(match code {
            0 => Self::Count(number(&bytes)?),
            1 => Self::Bytes(bytes),
            2 => Self::Timeout(duration(&bytes)?),
            3 => {
                let (kind, text) = kind_and_text(&bytes)?;
                Self::Failed(kind, text)
            }
            _ => return Err(io::ErrorKind::InvalidData.into()),
        })
    }
}

impl Answer {
    pub(crate) fn of_error(error: &io::Error) -> Self {
        Self::Failed(error.kind(), error.to_string())
    }

    /// The error as the end in the child gave it: its kind and its text.
    pub(crate) fn into_error(self) -> io::Error {
        match self {
            Self::Failed(io::ErrorKind::WouldBlock, _) => io::ErrorKind::WouldBlock.into(),
            Self::Failed(io::ErrorKind::TimedOut, text) if text == Error::Timeout.to_string() => {
                Error::Timeout.into()
            }
            Self::Failed(kind, text) => io::Error::new(kind, text),
            other => io::Error::other(format!("the child answered {other:?}")),
        }
    }
}

/// Sends one frame.
pub(crate) fn send<M: Message>(to: &mut impl Write, id: u64, message: &M) -> io::Result<()> {
    let (code, bytes) = message.encode();
    let mut frame = Vec::with_capacity(13 + bytes.len());
    frame.extend((bytes.len() as u32).to_le_bytes());
    frame.extend(id.to_le_bytes());
    frame.push(code);
    frame.extend(bytes);
    to.write_all(&frame)
}

/// Receives one frame.
pub(crate) fn receive<M: Message>(from: &mut impl Read) -> io::Result<(u64, M)> {
    let mut head = [0; 13];
    from.read_exact(&mut head)?;
    let [a, b, c, d, id @ .., code] = head;
    let mut bytes = vec![0; u32::from_le_bytes([a, b, c, d]) as usize];
    from.read_exact(&mut bytes)?;
    Ok((u64::from_le_bytes(id), M::decode(code, bytes)?))
}
