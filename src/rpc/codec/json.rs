//! JSON-RPC 1.0 as Go's `net/rpc/jsonrpc` speaks it: objects back to back on the stream.
//!
//! ```text
//! {"method":"Arith.Multiply","params":[{"A":17,"B":8}],"id":0}
//! {"id":0,"result":136,"error":null}
//! ```
//! An id comes back exactly as it was sent, whatever JSON value it is. A success never has `"result":null`, which
//! Go's client takes for an error: a reply that would be null is `{}`.

use std::{borrow::Cow, fmt, ops::Range};

use serde::{
    Deserialize, Deserializer, Serialize,
    de::{self, DeserializeOwned, IgnoredAny, MapAccess, SeqAccess},
};
use serde_json::value::RawValue;

use super::{BodyAt, Buffer, Form, Garbage, MethodName, Reply, ReplyTo, Request};

/// Finds the end of the object that is arriving; looks at each byte once.
#[derive(Debug, Default)]
pub(crate) struct Scanner {
    // How many unread bytes have been looked at.
    seen: usize,
    depth: usize,
    in_string: bool,
    escaped: bool,
}

impl Scanner {
    /// Consumes one object, if it is whole.
    fn object(&mut self, buffer: &mut Buffer) -> Result<Option<Range<usize>>, Garbage> {
        if self.depth == 0 {
            let blank =
                buffer.unread().iter().take_while(|byte| byte.is_ascii_whitespace()).count();
            buffer.consume(blank);
            match buffer.unread().first() {
                None => return Ok(None),
                Some(b'{') => {}
                Some(byte) => {
                    return Err(Garbage(format!(
                        "an object was expected, not {:?}",
                        char::from(*byte)
                    )));
                }
            }
        }
        let unread = buffer.unread();
        for &byte in &unread[self.seen..] {
            self.seen += 1;
            if self.in_string {
                match byte {
                    _ if self.escaped => self.escaped = false,
                    b'\\' => self.escaped = true,
                    b'"' => self.in_string = false,
                    _ => {}
                }
                continue;
            }
            match byte {
                b'"' => self.in_string = true,
                b'{' | b'[' => self.depth += 1,
                // The parser tells a bracket from a brace; here it is enough to find the end.
                b'}' | b']' => {
                    self.depth -= 1;
                    if self.depth == 0 {
                        let length = std::mem::take(&mut self.seen);
                        return if length > buffer.limit() {
                            Err(too_large(buffer))
                        } else {
                            Ok(Some(buffer.consume(length)))
                        };
                    }
                }
                _ => {}
            }
        }
        if unread.len() > buffer.limit() {
            return Err(too_large(buffer));
        }
        Ok(None)
    }

    pub(super) fn request(&mut self, buffer: &mut Buffer) -> Result<Option<Request>, Garbage> {
        let Some(range) = self.object(buffer)? else {
            return Ok(None);
        };
        let text = buffer.slice(&range);
        let fields: Fields<'_> = parse(text)?;
        let method = match fields.method {
            None => String::new(),
            // Go leaves the name empty then.
            Some(raw) if raw.get() == "null" => String::new(),
            Some(raw) => serde_json::from_str::<Cow<'_, str>>(raw.get())
                .map_err(|error| Garbage(format!("method: {error}")))?
                .into_owned(),
        };
        let to =
            ReplyTo::Json(fields.id.map_or_else(|| RawValue::NULL.to_owned(), ToOwned::to_owned));
        // Without params the body is empty, and decoding it says so; the call may as well be of an unknown method.
        let body = fields
            .params
            .map_or(range.end..range.end, |params| locate(text, range.start, params.get()));
        Ok(Some(Request {
            method: MethodName::Owned(method),
            to,
            body: BodyAt { range: body, form: Form::JsonParams },
        }))
    }

    pub(super) fn reply(&mut self, buffer: &mut Buffer) -> Result<Option<Reply>, Garbage> {
        let Some(range) = self.object(buffer)? else {
            return Ok(None);
        };
        let text = buffer.slice(&range);
        let fields: Fields<'_> = parse(text)?;
        let number = fields.id.and_then(|id| id.get().parse().ok());
        let result = match fields.error.map(RawValue::get) {
            None | Some("null") => Ok(BodyAt {
                range: fields
                    .result
                    .map_or(range.end..range.end, |result| locate(text, range.start, result.get())),
                form: Form::Json,
            }),
            Some(error) => Err(match serde_json::from_str::<String>(error) {
                Ok(text) if text.is_empty() => "unspecified error".to_owned(),
                Ok(text) => text,
                Err(_) => error.to_owned(),
            }),
        };
        Ok(Some(Reply { number, result }))
    }
}

fn too_large(buffer: &Buffer) -> Garbage {
    Garbage(format!("an object is beyond the limit of {} bytes", buffer.limit()))
}

fn parse(text: &[u8]) -> Result<Fields<'_>, Garbage> {
    serde_json::from_slice(text).map_err(|error| Garbage(error.to_string()))
}

/// Where `part`, a piece of `text`, lies in the buffer, in which `text` starts at `start`.
fn locate(text: &[u8], start: usize, part: &str) -> Range<usize> {
    let offset = part.as_ptr() as usize - text.as_ptr() as usize;
    start + offset..start + offset + part.len()
}

/// The fields of either kind of object, not looked into. Of a repeated field the last counts, and case does not: so
/// does Go read them.
#[derive(Default)]
struct Fields<'a> {
    method: Option<&'a RawValue>,
    params: Option<&'a RawValue>,
    id: Option<&'a RawValue>,
    result: Option<&'a RawValue>,
    error: Option<&'a RawValue>,
}

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields<'de>, A::Error> {
                let mut fields = Fields::default();
                while let Some(mut key) = map.next_key::<String>()? {
                    key.make_ascii_lowercase();
                    let field = match key.as_str() {
                        "method" => &mut fields.method,
                        "params" => &mut fields.params,
                        "id" => &mut fields.id,
                        "result" => &mut fields.result,
                        "error" => &mut fields.error,
                        _ => {
                            map.next_value::<IgnoredAny>()?;
                            continue;
                        }
                    };
                    *field = Some(map.next_value()?);
                }
                Ok(fields)
            }
        }
        deserializer.deserialize_map(Visitor)
    }
}

pub(super) fn write_request<A: Serialize + ?Sized>(
    out: &mut Vec<u8>,
    number: u64,
    method: &str,
    args: &A,
) -> Result<(), String> {
    out.extend_from_slice(b"{\"method\":");
    write_value(out, method)?;
    out.extend_from_slice(b",\"params\":[");
    write_value(out, args)?;
    out.extend_from_slice(b"],\"id\":");
    write_value(out, &number)?;
    out.extend_from_slice(b"}\n");
    Ok(())
}

pub(super) fn write_reply<R: Serialize + ?Sized>(
    out: &mut Vec<u8>,
    id: &RawValue,
    result: Result<&R, &str>,
) -> Result<(), String> {
    out.extend_from_slice(b"{\"id\":");
    out.extend_from_slice(id.get().as_bytes());
    out.extend_from_slice(b",\"result\":");
    match result {
        Ok(reply) => {
            let start = out.len();
            write_value(out, reply)?;
            if &out[start..] == b"null" {
                out.truncate(start);
                out.extend_from_slice(b"{}");
            }
            out.extend_from_slice(b",\"error\":null}\n");
        }
        Err(text) => {
            out.extend_from_slice(b"null,\"error\":");
            write_value(out, text)?;
            out.extend_from_slice(b"}\n");
        }
    }
    Ok(())
}

fn write_value<T: Serialize + ?Sized>(out: &mut Vec<u8>, value: &T) -> Result<(), String> {
    serde_json::to_writer(out, value).map_err(|error| error.to_string())
}

/// The one element of a request's params.
pub(super) fn decode_params<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    if bytes.is_empty() || bytes == b"null" {
        return Err("jsonrpc: request body missing params".into());
    }
    let params: Params<'_> =
        serde_json::from_slice(bytes).map_err(|error| format!("params: {error}"))?;
    match params {
        Params { first: Some(first), count: 1 } => decode(first.get().as_bytes()),
        _ => Err(format!("params must hold exactly one element, not {}", params.count)),
    }
}

/// An array of which only the first element counts; the others are not kept, however many there are.
struct Params<'a> {
    first: Option<&'a RawValue>,
    count: usize,
}

impl<'de> Deserialize<'de> for Params<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Params<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array with one element")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Params<'de>, A::Error> {
                let first = seq.next_element()?;
                let mut count = usize::from(first.is_some());
                while seq.next_element::<IgnoredAny>()?.is_some() {
                    count += 1;
                }
                Ok(Params { first, count })
            }
        }
        deserializer.deserialize_seq(Visitor)
    }
}

/// The result of a reply.
pub(super) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    let error = match serde_json::from_slice(bytes) {
        Ok(value) => return Ok(value),
        Err(error) => error,
    };
    // `{}` also stands for a reply without content, which is null where nobody minds.
    if bytes == b"{}" {
        if let Ok(value) = serde_json::from_slice(b"null") {
            return Ok(value);
        }
    }
    Err(error.to_string())
}
