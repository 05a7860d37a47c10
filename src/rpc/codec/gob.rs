//! Go's default codec: a gob stream in each direction, in which a header precedes each body.

use serde::{Deserialize, Serialize};

use super::{
    super::gob::{Messages, TypesReceived, TypesSent, decode},
    BodyAt, Buffer, Form, Garbage, MethodName, Reply, ReplyTo, Request,
};

#[derive(Debug, Deserialize, Serialize)]
#[serde(rename = "Request", rename_all = "PascalCase")]
struct RequestHeader {
    service_method: String,
    seq: u64,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(rename = "Response", rename_all = "PascalCase")]
struct ReplyHeader {
    service_method: String,
    seq: u64,
    error: String,
}

/// One direction that arrives. A header waits here for its body.
#[derive(Debug, Default)]
pub(crate) struct Stream {
    messages: Messages,
    request: Option<RequestHeader>,
    reply: Option<ReplyHeader>,
}

impl Stream {
    fn body(&mut self, buffer: &mut Buffer) -> Result<Option<BodyAt>, Garbage> {
        let next = self.messages.next(buffer).map_err(Garbage)?;
        Ok(next
            .map(|(id, range)| BodyAt { range, form: Form::Gob(self.messages.types.clone(), id) }))
    }

    pub(super) fn request(&mut self, buffer: &mut Buffer) -> Result<Option<Request>, Garbage> {
        if self.request.is_none() {
            let Some(header) = self.body(buffer)? else {
                return Ok(None);
            };
            self.request = Some(header.decode(buffer).map_err(Garbage)?);
        }
        let Some(body) = self.body(buffer)? else {
            return Ok(None);
        };
        Ok(self.request.take().map(|header| Request {
            method: MethodName::Owned(header.service_method.clone()),
            to: ReplyTo::Gob(header.service_method, header.seq),
            body,
        }))
    }

    pub(super) fn reply(&mut self, buffer: &mut Buffer) -> Result<Option<Reply>, Garbage> {
        if self.reply.is_none() {
            let Some(header) = self.body(buffer)? else {
                return Ok(None);
            };
            self.reply = Some(header.decode(buffer).map_err(Garbage)?);
        }
        let Some(body) = self.body(buffer)? else {
            return Ok(None);
        };
        Ok(self.reply.take().map(|header| Reply {
            number: Some(header.seq),
            // With an error the body is a placeholder.
            result: if header.error.is_empty() { Ok(body) } else { Err(header.error) },
        }))
    }
}

pub(super) fn decode_body<T: serde::de::DeserializeOwned>(
    bytes: &[u8],
    types: &TypesReceived,
    id: i64,
) -> Result<T, String> {
    decode(bytes, types, id)
}

pub(super) fn write_request<A: Serialize + ?Sized>(
    types: &mut TypesSent,
    out: &mut Vec<u8>,
    number: u64,
    method: &str,
    args: &A,
) -> Result<(), String> {
    let header = RequestHeader { service_method: method.into(), seq: number };
    types.write(out, &header)?;
    types.write(out, args)
}

pub(super) fn write_reply<R: Serialize + ?Sized>(
    types: &mut TypesSent,
    out: &mut Vec<u8>,
    method: &str,
    number: u64,
    result: Result<&R, &str>,
) -> Result<(), String> {
    let header = ReplyHeader {
        service_method: method.into(),
        seq: number,
        error: result.err().unwrap_or_default().into(),
    };
    types.write(out, &header)?;
    match result {
        Ok(reply) => types.write(out, reply),
        Err(_) => types.write(out, &()),
    }
}
