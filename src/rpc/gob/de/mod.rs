//! From messages to Rust types: fields by name, numbers by kind, zeros where nothing was sent.
//!
//! Go leaves zeros out, so a field that was described and not sent is zero. A field that was never described is
//! what the Rust type says (`Option`, `#[serde(default)]`), and zero where it says nothing: the decoding is done again with
//! that field given, once for each such field.

mod parts;

use std::{collections::BTreeSet, fmt};

use serde::de::{self, DeserializeOwned, Visitor};

use self::parts::{Current, Elements, Entries, Fields, Next};
use super::{
    types::{self, Definition, Kind, TypesReceived},
    wire::Reader,
};

/// Deeper values are refused, before they exhaust the stack.
const MOST_DEPTH: usize = 100;

/// Why a message is no value of the wanted type.
#[derive(Debug)]
pub(super) struct Error {
    text: String,
    missing: Option<&'static str>,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Error {}

impl From<String> for Error {
    fn from(text: String) -> Self {
        Self { text, missing: None }
    }
}

impl de::Error for Error {
    fn custom<T: fmt::Display>(text: T) -> Self {
        text.to_string().into()
    }

    fn missing_field(field: &'static str) -> Self {
        Self { text: format!("missing field {field}"), missing: Some(field) }
    }
}

/// Reads a value of type `id` from the rest of its message.
pub(super) fn value<T: DeserializeOwned>(
    types: &TypesReceived,
    id: i64,
    message: &[u8],
) -> Result<T, String> {
    let mut zeros = BTreeSet::new();
    loop {
        let mut reader = Reader(message);
        let error = match read(types, id, &mut reader, &zeros) {
            Ok(value) if reader.0.is_empty() => return Ok(value),
            Ok(_) => return Err("bytes are left behind the value".into()),
            Err(error) => error,
        };
        match error.missing {
            Some(field) if zeros.insert(field) => {}
            _ => return Err(error.text),
        }
    }
}

fn read<T: DeserializeOwned>(
    types: &TypesReceived,
    id: i64,
    reader: &mut Reader<'_>,
    zeros: &BTreeSet<&'static str>,
) -> Result<T, Error> {
    let is_struct = id >= types::FIRST_ID - 1 && matches!(types.get(id)?.kind, Kind::Struct(_));
    if !is_struct && reader.uint()? != 0 {
        return Err("a single value that is none".to_owned().into());
    }
    T::deserialize(Decoder { types, id, reader, zeros, depth: 0 })
}

struct Decoder<'a, 'm> {
    types: &'a TypesReceived,
    id: i64,
    reader: &'a mut Reader<'m>,
    zeros: &'a BTreeSet<&'static str>,
    depth: usize,
}

impl<'a, 'm> Decoder<'a, 'm> {
    fn mismatch(&self, wanted: &str) -> Error {
        format!("type mismatch: {wanted} is wanted, {} was sent", self.types.name(self.id)).into()
    }

    fn wants(&self, id: i64, wanted: &str) -> Result<(), Error> {
        if self.id == id { Ok(()) } else { Err(self.mismatch(wanted)) }
    }

    fn definition(&self) -> Result<&'a Definition, Error> {
        self.types.get(self.id).map_err(Error::from)
    }

    fn is_described(&self) -> bool {
        self.id >= types::FIRST_ID - 1
    }

    /// A decoder of a part, of which each is one deeper.
    fn part(&mut self, id: i64) -> Result<Decoder<'_, 'm>, Error> {
        if self.depth >= MOST_DEPTH {
            return Err(format!("more than {MOST_DEPTH} values lie in each other").into());
        }
        Ok(Decoder {
            types: self.types,
            id,
            reader: &mut *self.reader,
            zeros: self.zeros,
            depth: self.depth + 1,
        })
    }

    fn text(&mut self) -> Result<&'m str, Error> {
        self.wants(types::STRING, "a string")?;
        Ok(self.reader.text()?)
    }

    fn bytes(&mut self) -> Result<&'m [u8], Error> {
        self.wants(types::BYTES, "bytes")?;
        Ok(self.reader.bytes()?)
    }

    /// Reads past a value nobody wants.
    fn skip(mut self) -> Result<(), Error> {
        match self.id {
            types::BOOL | types::INT | types::UINT | types::FLOAT => drop(self.reader.uint()?),
            types::BYTES | types::STRING => drop(self.reader.bytes()?),
            types::COMPLEX => {
                self.reader.uint()?;
                self.reader.uint()?;
            }
            types::INTERFACE => {
                if self.reader.bytes()?.is_empty() {
                    return Ok(());
                }
                if self.reader.int()? < 0 {
                    return Err("gob has described a type within a value, which is not supported"
                        .to_owned()
                        .into());
                }
                self.reader.bytes()?;
            }
            _ => match &self.definition()?.kind {
                Kind::Opaque => drop(self.reader.bytes()?),
                Kind::Array(element, _) | Kind::List(element) => {
                    let count = self.reader.count()?;
                    self.skip_parts(&[*element], count)?;
                }
                Kind::Map(key, value) => {
                    let count = self.reader.count()?;
                    self.skip_parts(&[*key, *value], count)?;
                }
                Kind::Struct(members) => {
                    let mut next = 0_usize;
                    while let Some(index) = next_field(self.reader, &mut next, members.len())? {
                        self.part(members[index].id)?.skip()?;
                    }
                }
            },
        }
        Ok(())
    }

    /// Reads so many times past values of these types, one after the other.
    fn skip_parts(&mut self, ids: &[i64], times: usize) -> Result<(), Error> {
        for _ in 0..times {
            for id in ids {
                self.part(*id)?.skip()?;
            }
        }
        Ok(())
    }

    fn list<'de, V: Visitor<'de>>(
        mut self,
        visitor: V,
        length: Option<usize>,
    ) -> Result<V::Value, Error> {
        if self.id == types::BYTES {
            let bytes = self.reader.bytes()?;
            check_length(length, bytes.len())?;
            return visitor
                .visit_seq(de::value::SeqDeserializer::<_, Error>::new(bytes.iter().copied()));
        }
        let element = match self.is_described().then(|| self.definition()).transpose()? {
            Some(Definition { kind: Kind::List(element) | Kind::Array(element, _), .. }) => {
                *element
            }
            _ => return Err(self.mismatch("a list")),
        };
        let left = self.reader.count()?;
        check_length(length, left)?;
        let mut elements = Elements { decoder: &mut self, element, left };
        let value = visitor.visit_seq(&mut elements)?;
        // A visitor may be content with less.
        let left = elements.left;
        self.skip_parts(&[element], left)?;
        Ok(value)
    }

    fn fields<'de, V: Visitor<'de>>(
        mut self,
        visitor: V,
        wanted: &'static [&'static str],
    ) -> Result<V::Value, Error> {
        let members = match self.is_described().then(|| self.definition()).transpose()? {
            Some(Definition { kind: Kind::Struct(members), .. }) => members,
            _ => return Err(self.mismatch("a struct")),
        };
        let unknown = wanted
            .iter()
            .filter(|name| self.zeros.contains(*name))
            .filter(|name| members.iter().all(|member| *member.name != ***name))
            .copied()
            .collect();
        let mut fields = Fields {
            members,
            sent: vec![false; members.len()],
            next: 0,
            state: Next::Sent,
            unknown,
            current: Current::Unknown,
            decoder: &mut self,
        };
        let value = visitor.visit_map(&mut fields)?;
        // A visitor may be content with less.
        while let Next::Sent = fields.state {
            match next_field(fields.decoder.reader, &mut fields.next, members.len())? {
                Some(index) => fields.decoder.part(members[index].id)?.skip()?,
                None => break,
            }
        }
        Ok(value)
    }
}

fn check_length(wanted: Option<usize>, sent: usize) -> Result<(), Error> {
    match wanted {
        Some(wanted) if wanted != sent => {
            Err(format!("type mismatch: an array of length {wanted} is wanted, {sent} were sent")
                .into())
        }
        _ => Ok(()),
    }
}

/// The index of the next field that was sent; `next` is one more than that of the last.
fn next_field(
    reader: &mut Reader<'_>,
    next: &mut usize,
    members: usize,
) -> Result<Option<usize>, Error> {
    match reader.uint()? {
        0 => Ok(None),
        delta => {
            *next = usize::try_from(delta)
                .ok()
                .and_then(|delta| next.checked_add(delta))
                .filter(|next| *next <= members)
                .ok_or_else(|| Error::from("a field that was not described".to_owned()))?;
            Ok(Some(*next - 1))
        }
    }
}

macro_rules! integers {
    ($($method:ident)*, $id:expr, $wanted:literal, $read:ident, $visit:ident) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            self.wants($id, $wanted)?;
            visitor.$visit(self.reader.$read()?)
        })*
    };
}

impl<'de> de::Deserializer<'de> for Decoder<'_, '_> {
    type Error = Error;

    integers!(deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128,
        types::INT, "a signed integer", int, visit_i64);
    integers!(deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128,
        types::UINT, "an unsigned integer", uint, visit_u64);
    integers!(deserialize_f64, types::FLOAT, "a float", float, visit_f64);

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.id {
            types::BOOL => self.deserialize_bool(visitor),
            types::INT => self.deserialize_i64(visitor),
            types::UINT => self.deserialize_u64(visitor),
            types::FLOAT => self.deserialize_f64(visitor),
            types::BYTES => self.deserialize_bytes(visitor),
            types::STRING => self.deserialize_str(visitor),
            types::COMPLEX | types::INTERFACE => Err(self.mismatch("a type this library knows")),
            _ => match self.definition()?.kind {
                Kind::Array(..) | Kind::List(_) => self.deserialize_seq(visitor),
                Kind::Map(..) | Kind::Struct(_) => self.deserialize_map(visitor),
                Kind::Opaque => Err(self.mismatch("a type this library knows")),
            },
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.wants(types::BOOL, "a bool")?;
        visitor.visit_bool(self.reader.uint()? != 0)
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.wants(types::FLOAT, "a float")?;
        let value = self.reader.float()?;
        if value.is_finite() && value.abs() > f64::from(f32::MAX) {
            return Err(format!("{value:e} is beyond a 32-bit float").into());
        }
        visitor.visit_f64(value)
    }

    fn deserialize_char<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
        Err("gob has no characters; take a string or a number".to_owned().into())
    }

    fn deserialize_str<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_str(self.text()?)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_bytes<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_bytes(self.bytes()?)
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_bytes(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_some(self)
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if !self.is_described() || !matches!(self.definition()?.kind, Kind::Struct(_)) {
            return Err(self.mismatch("a struct"));
        }
        self.skip()?;
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.list(visitor, None)
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.list(visitor, Some(length))
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.list(visitor, Some(length))
    }

    fn deserialize_map<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Error> {
        match self
            .is_described()
            .then(|| self.definition())
            .transpose()?
            .map(|definition| &definition.kind)
        {
            Some(Kind::Struct(_)) => self.fields(visitor, &[]),
            Some(Kind::Map(key, value)) => {
                let left = self.reader.count()?;
                let mut entries = Entries { decoder: &mut self, key: *key, value: *value, left };
                let taken = visitor.visit_map(&mut entries)?;
                // A visitor may be content with less.
                let left = entries.left;
                self.skip_parts(&[*key, *value], left)?;
                Ok(taken)
            }
            _ => Err(self.mismatch("a map")),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.fields(visitor, fields)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Error> {
        Err("gob has no enums; take a string or a number".to_owned().into())
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.skip()?;
        visitor.visit_unit()
    }

    fn is_human_readable(&self) -> bool {
        false
    }
}
