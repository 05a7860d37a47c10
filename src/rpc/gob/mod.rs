//! Go's `encoding/gob`: streams of values that describe themselves, between Rust and Go programs.
//!
//! Fields match by name; those one side does not know are ignored or zero, as in Go. Supported are booleans, signed and
//! unsigned integers, floats, strings, bytes ([`Bytes`](super::Bytes), or a `Vec<u8>` that is not empty), lists, arrays and
//! tuples of one type, maps, and structs of these. A `None` and an empty list are left out, so a `Some` of a zero comes back
//! as `None`; where any type is taken, as by `#[serde(flatten)]`, both come back as the zero of the type that was described.
//! Enums, characters, 128-bit integers, Go's interfaces, complex numbers and types that write themselves are errors that
//! say so; where such a Go field is not wanted, it is read past.
//!
//! ```
//! use ringpipe::rpc::gob::{Decoder, Encoder};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Debug, Deserialize, PartialEq, Serialize)]
//! #[serde(rename_all = "PascalCase")]
//! struct Data { name: String, value: i64 }
//!
//! let sent = Data { name: "Example".into(), value: 123 };
//! let mut stream = Vec::new();
//! Encoder::new(&mut stream).encode(&sent)?;
//!
//! let mut decoder = Decoder::new(&stream[..]);
//! assert_eq!(decoder.decode::<Data>()?, Some(sent));
//! assert_eq!(decoder.decode::<Data>()?, None);
//! # Ok::<(), std::io::Error>(())
//! ```

mod de;
mod ser;
mod types;
mod value;
mod wire;
mod write;
mod zero;

use std::{
    io::{self, Read, Write},
    ops::Range,
};

use serde::{Serialize, de::DeserializeOwned};

pub(crate) use types::TypesReceived;
pub(crate) use write::TypesSent;

use self::wire::Reader;
use super::{DEFAULT_MESSAGE_LIMIT, codec::Buffer};

/// Writes values to a stream.
#[derive(Debug)]
pub struct Encoder<W> {
    writer: W,
    types: TypesSent,
    frame: Vec<u8>,
}

impl<W: Write> Encoder<W> {
    /// An encoder at the beginning of a stream.
    pub fn new(writer: W) -> Self {
        Self { writer, types: TypesSent::default(), frame: Vec::new() }
    }

    /// Writes a value, and before it what the stream does not know of its type, with one `write_all`, and flushes.
    ///
    /// # Errors
    /// `Unsupported` for what gob cannot express, with nothing written; else what the writer says.
    pub fn encode<T: Serialize + ?Sized>(&mut self, value: &T) -> io::Result<()> {
        self.frame.clear();
        if let Err(text) = self.types.write(&mut self.frame, value) {
            self.types.roll_back();
            return Err(io::Error::new(io::ErrorKind::Unsupported, text));
        }
        self.types.commit();
        self.writer.write_all(&self.frame)?;
        self.writer.flush()
    }

    /// The writer.
    pub fn into_inner(self) -> W {
        self.writer
    }
}

/// Reads values from a stream.
#[derive(Debug)]
pub struct Decoder<R> {
    reader: R,
    buffer: Buffer,
    messages: Messages,
}

impl<R: Read> Decoder<R> {
    /// A decoder at the beginning of a stream, of messages of at most 64 MiB.
    pub fn new(reader: R) -> Self {
        Self::with_message_limit(reader, DEFAULT_MESSAGE_LIMIT)
    }

    /// The same with a limit of its own.
    pub fn with_message_limit(reader: R, limit: usize) -> Self {
        Self { reader, buffer: Buffer::new(limit), messages: Messages::default() }
    }

    /// Reads the next value; `None` at the end of the stream.
    ///
    /// # Blocking
    /// As long as the reader does.
    ///
    /// # Errors
    /// `InvalidData` for a value that does not fit `T`, after which the next one can be read, and for a stream that is not
    /// gob; `UnexpectedEof` for one that ends within a message; else what the reader says.
    pub fn decode<T: DeserializeOwned>(&mut self) -> io::Result<Option<T>> {
        let invalid = |text| io::Error::new(io::ErrorKind::InvalidData, text);
        loop {
            if let Some((id, range)) = self.messages.next(&mut self.buffer).map_err(invalid)? {
                let message = self.buffer.slice(&range);
                return decode(message, &self.messages.types, id).map(Some).map_err(invalid);
            }
            let reader = &mut self.reader;
            match self.buffer.fill_with(|buf| reader.read(buf)) {
                Ok(0) if self.buffer.unread().is_empty() => return Ok(None),
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// A value of type `id`, from what follows its type in its message.
pub(crate) fn decode<T: DeserializeOwned>(
    message: &[u8],
    types: &TypesReceived,
    id: i64,
) -> Result<T, String> {
    de::value(types, id, message)
}

/// Finds the messages of a stream and remembers the types they describe.
#[derive(Debug, Default)]
pub(crate) struct Messages {
    pub(crate) types: TypesReceived,
}

impl Messages {
    /// The next value in the buffer, if it is whole: its type, and where the rest of its message lies.
    pub(crate) fn next(
        &mut self,
        buffer: &mut Buffer,
    ) -> Result<Option<(i64, Range<usize>)>, String> {
        loop {
            let unread = buffer.unread();
            let mut reader = Reader(unread);
            let Some(length) = reader.try_uint()? else {
                return Ok(None);
            };
            let length = match usize::try_from(length) {
                Ok(length) if length <= buffer.limit() => length,
                _ => {
                    return Err(format!(
                        "a message of {length} bytes is beyond the limit of {}",
                        buffer.limit()
                    ));
                }
            };
            if reader.0.len() < length {
                return Ok(None);
            }
            let prefix = unread.len() - reader.0.len();
            let message = &reader.0[..length];
            let mut rest = Reader(message);
            let id = rest.int()?;
            if id < 0 {
                let id = id.checked_neg().ok_or_else(|| "a type number out of range".to_owned())?;
                self.types.define(id, rest)?;
                buffer.consume(prefix + length);
                continue;
            }
            let used = length - rest.0.len();
            let range = buffer.consume(prefix + length);
            return Ok(Some((id, range.start + prefix + used..range.end)));
        }
    }
}
