//! How calls are written down: one file per codec, and here what they share.
//!
//! A codec turns a request or a reply into one contiguous frame, and finds the frames again in the bytes that
//! arrive. It never looks at a body until somebody says which type it should be, so a call nobody can
//! answer is still read to its end. Nothing is allocated for what a peer merely announced.

pub(crate) mod base64;
mod bin;
mod buffer;
#[cfg(feature = "gob")]
mod gob;
mod json;

use std::{fmt, ops::Range, str::FromStr};

use serde::{Serialize, de::DeserializeOwned};

pub(crate) use buffer::{Buffer, retire};

use super::SetupError;
#[cfg(feature = "gob")]
use super::gob::{TypesReceived, TypesSent};

/// How the calls of a connection are written; both sides must have chosen the same.
///
/// ```
/// use ringpipe::rpc::Codec;
/// assert_eq!("json".parse::<Codec>()?, Codec::Json);
/// assert_eq!(Codec::Bin.to_string(), "bin");
/// # Ok::<(), ringpipe::rpc::SetupError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Codec {
    /// Postcard in frames with a length: the fastest, for programs built with this library on both sides.
    Bin,
    /// JSON-RPC 1.0 as Go's `net/rpc/jsonrpc` speaks it. Use [`Bytes`](super::Bytes) for bytes.
    Json,
    /// Go's default, so that an ordinary `net/rpc` program works unchanged. What it can carry, the `gob` module says.
    #[cfg(feature = "gob")]
    Gob,
}

impl FromStr for Codec {
    type Err = SetupError;

    fn from_str(name: &str) -> Result<Self, SetupError> {
        match name {
            "bin" => Ok(Self::Bin),
            "json" => Ok(Self::Json),
            #[cfg(feature = "gob")]
            "gob" => Ok(Self::Gob),
            #[cfg(not(feature = "gob"))]
            "gob" => Err(SetupError::Unsupported(
                "gob is not built in; build with the feature gob, or take bin or json".into(),
            )),
            _ => Err(SetupError::Invalid(format!("{name:?} is no codec; take bin, json or gob"))),
        }
    }
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bin => "bin",
            Self::Json => "json",
            #[cfg(feature = "gob")]
            Self::Gob => "gob",
        })
    }
}

/// The peer sent what no correct peer sends; the framing is lost, and with it the connection.
#[derive(Debug)]
pub(crate) struct Garbage(pub(crate) String);

/// What a reply must carry so that the caller recognizes it.
#[derive(Debug)]
pub(crate) enum ReplyTo {
    Number(u64),
    Json(Box<serde_json::value::RawValue>),
    #[cfg(feature = "gob")]
    Gob(String, u64),
}

impl ReplyTo {
    /// How much of what the client sent it holds.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Number(_) => 0,
            Self::Json(id) => id.get().len(),
            #[cfg(feature = "gob")]
            Self::Gob(method, _) => method.len(),
        }
    }
}

/// A request whose frame lies in the buffer.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) method: MethodName,
    pub(crate) to: ReplyTo,
    pub(crate) body: BodyAt,
}

/// The method as it was sent: in the buffer if it stands there as it is, or a copy without its escapes.
#[derive(Debug)]
pub(crate) enum MethodName {
    At(Range<usize>),
    Owned(String),
}

/// A reply whose frame lies in the buffer.
#[derive(Debug)]
pub(crate) struct Reply {
    /// The number of the call, if the reply names one that can be ours.
    pub(crate) number: Option<u64>,
    pub(crate) result: Result<BodyAt, String>,
}

impl Reply {
    /// The length of its body.
    pub(crate) fn len(&self) -> usize {
        self.result.as_ref().map_or(0, |body| body.range.len())
    }
}

/// A body that lies in the buffer, until the buffer is used again.
#[derive(Debug)]
pub(crate) struct BodyAt {
    pub(crate) range: Range<usize>,
    pub(crate) form: Form,
}

/// What else has to be known to read a body.
#[derive(Clone, Debug)]
pub(crate) enum Form {
    Bin,
    Json,
    JsonParams,
    /// The types described so far, and that of the body.
    #[cfg(feature = "gob")]
    Gob(TypesReceived, i64),
}

/// A body that has left the buffer.
#[derive(Debug)]
pub(crate) struct OwnedBody {
    bytes: Vec<u8>,
    form: Form,
}

impl BodyAt {
    pub(crate) fn to_owned(&self, buffer: &Buffer) -> OwnedBody {
        OwnedBody { bytes: buffer.slice(&self.range).to_vec(), form: self.form.clone() }
    }

    pub(crate) fn decode<T: DeserializeOwned>(&self, buffer: &Buffer) -> Result<T, String> {
        decode(buffer.slice(&self.range), &self.form)
    }
}

impl OwnedBody {
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(crate) fn decode<T: DeserializeOwned>(&self) -> Result<T, String> {
        decode(&self.bytes, &self.form)
    }
}

fn decode<T: DeserializeOwned>(bytes: &[u8], form: &Form) -> Result<T, String> {
    match form {
        Form::Bin => bin::decode(bytes),
        Form::Json => json::decode(bytes),
        Form::JsonParams => json::decode_params(bytes),
        #[cfg(feature = "gob")]
        Form::Gob(types, id) => gob::decode_body(bytes, types, *id),
    }
}

/// Finds frames in what arrives.
#[derive(Debug)]
pub(crate) enum Decoder {
    Bin,
    Json(json::Scanner),
    #[cfg(feature = "gob")]
    Gob(gob::Stream),
}

impl Decoder {
    pub(crate) fn new(codec: Codec) -> Self {
        match codec {
            Codec::Bin => Self::Bin,
            Codec::Json => Self::Json(json::Scanner::default()),
            #[cfg(feature = "gob")]
            Codec::Gob => Self::Gob(gob::Stream::default()),
        }
    }

    /// The next request in the buffer, if it is whole.
    pub(crate) fn request(&mut self, buffer: &mut Buffer) -> Result<Option<Request>, Garbage> {
        match self {
            Self::Bin => bin::request(buffer),
            Self::Json(scanner) => scanner.request(buffer),
            #[cfg(feature = "gob")]
            Self::Gob(stream) => stream.request(buffer),
        }
    }

    /// The next reply in the buffer, if it is whole.
    pub(crate) fn reply(&mut self, buffer: &mut Buffer) -> Result<Option<Reply>, Garbage> {
        match self {
            Self::Bin => bin::reply(buffer),
            Self::Json(scanner) => scanner.reply(buffer),
            #[cfg(feature = "gob")]
            Self::Gob(stream) => stream.reply(buffer),
        }
    }
}

/// Writes frames; remembers what the other side has been told.
///
/// After an error the output holds part of a frame, which the caller drops.
#[derive(Debug)]
pub(crate) enum Encoder {
    Bin,
    Json,
    #[cfg(feature = "gob")]
    Gob(TypesSent),
}

impl Encoder {
    pub(crate) fn new(codec: Codec) -> Self {
        match codec {
            Codec::Bin => Self::Bin,
            Codec::Json => Self::Json,
            #[cfg(feature = "gob")]
            Codec::Gob => Self::Gob(TypesSent::default()),
        }
    }

    pub(crate) fn request<A: Serialize + ?Sized>(
        &mut self,
        out: &mut Vec<u8>,
        number: u64,
        method: &str,
        args: &A,
    ) -> Result<(), String> {
        match self {
            Self::Bin => bin::write_request(out, number, method, args),
            Self::Json => json::write_request(out, number, method, args),
            #[cfg(feature = "gob")]
            Self::Gob(types) => gob::write_request(types, out, number, method, args),
        }
    }

    pub(crate) fn reply<R: Serialize + ?Sized>(
        &mut self,
        out: &mut Vec<u8>,
        to: &ReplyTo,
        result: Result<&R, &str>,
    ) -> Result<(), String> {
        match (self, to) {
            (Self::Bin, ReplyTo::Number(number)) => bin::write_reply(out, *number, result),
            (Self::Json, ReplyTo::Json(id)) => json::write_reply(out, id, result),
            #[cfg(feature = "gob")]
            (Self::Gob(types), ReplyTo::Gob(method, number)) => {
                gob::write_reply(types, out, method, *number, result)
            }
            _ => Err("a reply to a request of another codec".into()),
        }
    }

    /// The frame that was just written has left, or is certain to.
    pub(crate) fn commit(&mut self) {
        #[cfg(feature = "gob")]
        if let Self::Gob(types) = self {
            types.commit();
        }
    }

    /// The frame that was just written will never leave.
    pub(crate) fn roll_back(&mut self) {
        #[cfg(feature = "gob")]
        if let Self::Gob(types) = self {
            types.roll_back();
        }
    }
}
