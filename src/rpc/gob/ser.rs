//! From Rust types to [`Value`]s.

use std::fmt;

use serde::ser::{self, Impossible, Serialize};

use super::value::Value;

/// Why a value cannot be written.
#[derive(Debug)]
pub(super) struct Error(pub(super) String);

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Error {}

impl ser::Error for Error {
    fn custom<T: fmt::Display>(text: T) -> Self {
        Self(text.to_string())
    }
}

fn unsupported<T>(what: &str) -> Result<T, Error> {
    Err(Error(format!("gob has no {what}")))
}

pub(super) fn value<T: Serialize + ?Sized>(value: &T) -> Result<Value, Error> {
    value.serialize(Serializer)
}

struct Serializer;

macro_rules! numbers {
    ($($method:ident($from:ty) => $variant:ident as $to:ty;)*) => {
        $(fn $method(self, value: $from) -> Result<Value, Error> {
            Ok(Value::$variant(<$to>::from(value)))
        })*
    };
}

impl ser::Serializer for Serializer {
    type Ok = Value;
    type Error = Error;
    type SerializeSeq = Elements;
    type SerializeTuple = Elements;
    type SerializeTupleStruct = Elements;
    type SerializeTupleVariant = Impossible<Value, Error>;
    type SerializeMap = Entries;
    type SerializeStruct = Fields;
    type SerializeStructVariant = Impossible<Value, Error>;

    numbers! {
        serialize_bool(bool) => Bool as bool;
        serialize_i8(i8) => Int as i64;
        serialize_i16(i16) => Int as i64;
        serialize_i32(i32) => Int as i64;
        serialize_i64(i64) => Int as i64;
        serialize_u8(u8) => Byte as u8;
        serialize_u16(u16) => Uint as u64;
        serialize_u32(u32) => Uint as u64;
        serialize_u64(u64) => Uint as u64;
        serialize_f32(f32) => Float as f64;
        serialize_f64(f64) => Float as f64;
        serialize_str(&str) => Text as String;
        serialize_bytes(&[u8]) => Bytes as Vec<u8>;
    }

    fn serialize_i128(self, _: i128) -> Result<Value, Error> {
        unsupported("128-bit integers")
    }

    fn serialize_u128(self, _: u128) -> Result<Value, Error> {
        unsupported("128-bit integers")
    }

    fn serialize_char(self, _: char) -> Result<Value, Error> {
        unsupported("characters; send a string or a number")
    }

    fn serialize_none(self) -> Result<Value, Error> {
        Ok(Value::Nothing)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Value, Error> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<Value, Error> {
        Ok(Value::Nothing)
    }

    fn serialize_unit_struct(self, name: &'static str) -> Result<Value, Error> {
        Ok(Value::Struct(name, Vec::new()))
    }

    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
    ) -> Result<Value, Error> {
        unsupported("enums; send a string or a number")
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<Value, Error> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<Value, Error> {
        unsupported("enums; send a struct with a field for each case")
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Elements, Error> {
        Ok(Elements { values: Vec::new(), is_list: true })
    }

    fn serialize_tuple(self, _: usize) -> Result<Elements, Error> {
        Ok(Elements { values: Vec::new(), is_list: false })
    }

    fn serialize_tuple_struct(self, _: &'static str, len: usize) -> Result<Elements, Error> {
        self.serialize_tuple(len)
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Impossible<Value, Error>, Error> {
        unsupported("enums; send a struct with a field for each case")
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Entries, Error> {
        Ok(Entries { entries: Vec::new(), key: None })
    }

    fn serialize_struct(self, name: &'static str, _: usize) -> Result<Fields, Error> {
        Ok(Fields { name, fields: Vec::new() })
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Impossible<Value, Error>, Error> {
        unsupported("enums; send a struct with a field for each case")
    }

    fn is_human_readable(&self) -> bool {
        false
    }
}

struct Elements {
    values: Vec<Value>,
    is_list: bool,
}

impl Elements {
    fn push<T: Serialize + ?Sized>(&mut self, element: &T) -> Result<(), Error> {
        self.values.push(value(element)?);
        Ok(())
    }

    fn finish(self) -> Value {
        if !self.is_list {
            return Value::Array(self.values);
        }
        let bytes: Option<Vec<u8>> = self
            .values
            .iter()
            .map(|value| match value {
                Value::Byte(byte) => Some(*byte),
                _ => None,
            })
            .collect();
        match bytes {
            // A list of bytes is a byte string, as in Go; an empty list shows no type.
            Some(bytes) if !bytes.is_empty() => Value::Bytes(bytes),
            _ => Value::List(self.values),
        }
    }
}

impl ser::SerializeSeq for Elements {
    type Ok = Value;
    type Error = Error;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, element: &T) -> Result<(), Error> {
        self.push(element)
    }

    fn end(self) -> Result<Value, Error> {
        Ok(self.finish())
    }
}

impl ser::SerializeTuple for Elements {
    type Ok = Value;
    type Error = Error;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, element: &T) -> Result<(), Error> {
        self.push(element)
    }

    fn end(self) -> Result<Value, Error> {
        Ok(self.finish())
    }
}

impl ser::SerializeTupleStruct for Elements {
    type Ok = Value;
    type Error = Error;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, element: &T) -> Result<(), Error> {
        self.push(element)
    }

    fn end(self) -> Result<Value, Error> {
        Ok(self.finish())
    }
}

struct Entries {
    entries: Vec<(Value, Value)>,
    key: Option<Value>,
}

impl ser::SerializeMap for Entries {
    type Ok = Value;
    type Error = Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Error> {
        self.key = Some(value(key)?);
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, element: &T) -> Result<(), Error> {
        let Some(key) = self.key.take() else {
            return Err(Error("a map value came before its key".into()));
        };
        self.entries.push((key, value(element)?));
        Ok(())
    }

    fn end(self) -> Result<Value, Error> {
        Ok(Value::Map(self.entries))
    }
}

struct Fields {
    name: &'static str,
    fields: Vec<(&'static str, Value)>,
}

impl ser::SerializeStruct for Fields {
    type Ok = Value;
    type Error = Error;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        field: &T,
    ) -> Result<(), Error> {
        self.fields.push((name, value(field)?));
        Ok(())
    }

    fn end(self) -> Result<Value, Error> {
        Ok(Value::Struct(self.name, self.fields))
    }
}
