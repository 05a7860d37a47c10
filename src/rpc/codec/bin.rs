//! The library's own codec: postcard bodies in frames that begin with their length.
//!
//! ```text
//! request:  length u32 LE | number varint | method: length varint, bytes | body
//! reply:    length u32 LE | number varint | 0 | body
//!           length u32 LE | number varint | 1 | error text to the end of the frame
//! ```
//! The length counts what follows it. Varints are little-endian base 128. A null call fits a cache line in
//! both directions; that is why a reply does not repeat the method's name.

use postcard::ser_flavors::Flavor;
use serde::{Serialize, de::DeserializeOwned};

use super::{BodyAt, Buffer, Form, Garbage, MethodName, Reply, ReplyTo, Request};

const LENGTH: usize = 4;
const OK: u8 = 0;
const FAILED: u8 = 1;

/// Consumes one frame, if it is whole: where it starts and ends behind its length.
#[inline]
fn frame(buffer: &mut Buffer) -> Result<Option<std::ops::Range<usize>>, Garbage> {
    let Some(length) = buffer.unread().first_chunk::<LENGTH>() else {
        return Ok(None);
    };
    let length = u32::from_le_bytes(*length) as usize;
    if length > buffer.limit() {
        return Err(Garbage(format!(
            "a frame of {length} bytes is beyond the limit of {}",
            buffer.limit()
        )));
    }
    if buffer.unread().len() < LENGTH + length {
        return Ok(None);
    }
    let range = buffer.consume(LENGTH + length);
    Ok(Some(range.start + LENGTH..range.end))
}

#[inline]
pub(super) fn request(buffer: &mut Buffer) -> Result<Option<Request>, Garbage> {
    let Some(range) = frame(buffer)? else {
        return Ok(None);
    };
    let mut rest = buffer.slice(&range);
    let parse = |rest: &mut &[u8]| {
        let number = take_varint(rest)?;
        let length = usize::try_from(take_varint(rest)?).ok()?;
        *rest = rest.get(length..)?;
        Some((number, length))
    };
    let Some((number, length)) = parse(&mut rest) else {
        return Err(Garbage("a request without number and method".into()));
    };
    let body = range.end - rest.len()..range.end;
    Ok(Some(Request {
        method: MethodName::At(body.start - length..body.start),
        to: ReplyTo::Number(number),
        body: BodyAt { range: body, form: Form::Bin },
    }))
}

#[inline]
pub(super) fn reply(buffer: &mut Buffer) -> Result<Option<Reply>, Garbage> {
    let Some(range) = frame(buffer)? else {
        return Ok(None);
    };
    let mut rest = buffer.slice(&range);
    let number = take_varint(&mut rest);
    let result = match rest.split_first() {
        Some((&OK, body)) => {
            Ok(BodyAt { range: range.end - body.len()..range.end, form: Form::Bin })
        }
        Some((&FAILED, text)) => Err(String::from_utf8_lossy(text).into_owned()),
        _ => return Err(Garbage("a reply that is neither success nor error".into())),
    };
    Ok(Some(Reply { number, result }))
}

#[inline]
pub(super) fn write_request<A: Serialize + ?Sized>(
    out: &mut Vec<u8>,
    number: u64,
    method: &str,
    args: &A,
) -> Result<(), String> {
    write_frame(out, |out| {
        put_varint(out, number);
        put_varint(out, method.len() as u64);
        out.extend_from_slice(method.as_bytes());
        write_body(out, args)
    })
}

#[inline]
pub(super) fn write_reply<R: Serialize + ?Sized>(
    out: &mut Vec<u8>,
    number: u64,
    result: Result<&R, &str>,
) -> Result<(), String> {
    write_frame(out, |out| {
        put_varint(out, number);
        match result {
            Ok(reply) => {
                out.push(OK);
                write_body(out, reply)
            }
            Err(text) => {
                out.push(FAILED);
                out.extend_from_slice(text.as_bytes());
                Ok(())
            }
        }
    })
}

#[inline]
fn write_frame(
    out: &mut Vec<u8>,
    write: impl FnOnce(&mut Vec<u8>) -> Result<(), String>,
) -> Result<(), String> {
    let start = out.len();
    out.extend_from_slice(&[0; LENGTH]);
    write(out)?;
    let length = u32::try_from(out.len() - start - LENGTH)
        .map_err(|_| "a frame holds at most 4 GiB".to_owned())?;
    out[start..start + LENGTH].copy_from_slice(&length.to_le_bytes());
    Ok(())
}

#[inline]
fn write_body<T: Serialize + ?Sized>(out: &mut Vec<u8>, body: &T) -> Result<(), String> {
    postcard::serialize_with_flavor(body, Append(out)).map_err(|error| error.to_string())
}

/// Writes behind what is there.
struct Append<'a>(&'a mut Vec<u8>);

impl Flavor for Append<'_> {
    type Output = ();

    #[inline]
    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.0.push(byte);
        Ok(())
    }

    #[inline]
    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    fn finalize(self) -> postcard::Result<()> {
        Ok(())
    }
}

pub(super) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    let (value, rest) = postcard::take_from_bytes(bytes).map_err(|error| error.to_string())?;
    if rest.is_empty() {
        Ok(value)
    } else {
        Err(format!("{} bytes are left behind the value", rest.len()))
    }
}

#[inline]
fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[inline]
fn take_varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        let bits = u64::from(byte & 0x7f);
        if shift == 63 && bits > 1 {
            return None;
        }
        value |= bits << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn varints_read_back_and_end_within_ten_bytes() {
        for value in [0, 1, 127, 128, 16_383, 16_384, 1 << 62, u64::MAX] {
            let mut bytes = Vec::new();
            put_varint(&mut bytes, value);
            let mut rest = &bytes[..];
            assert_eq!(take_varint(&mut rest), Some(value));
            assert!(rest.is_empty());
        }
        assert_eq!(take_varint(&mut &[0xff; 20][..]), None);
        assert_eq!(take_varint(&mut &[0x80; 20][..]), None, "zeros without end");
        assert_eq!(take_varint(&mut &[0x80][..]), None);
    }

    #[test]
    fn bytes_behind_the_value_are_an_error() {
        assert_eq!(decode::<u8>(&[1]), Ok(1));
        assert!(decode::<u8>(&[1, 2]).unwrap_err().contains("1 bytes are left"));
        assert!(decode::<u32>(&[]).is_err());
    }
}
