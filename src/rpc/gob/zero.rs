//! What was not sent, as whatever type is wanted.

use std::collections::BTreeSet;

use serde::de::{self, DeserializeSeed, IntoDeserializer, MapAccess, SeqAccess, Visitor};

use super::{
    de::Error,
    types::{self, Kind, TypesReceived},
};

/// Deserializes to zeros.
#[derive(Clone, Copy)]
pub(super) struct Zero<'a> {
    /// Of a struct these fields are zero, and the others what the type says.
    pub(super) zeros: &'a BTreeSet<&'static str>,
    /// What was left out, where it was described: whoever takes any type gets the zero of this one.
    pub(super) of: Option<(&'a TypesReceived, i64)>,
}

impl<'a> Zero<'a> {
    /// A zero within this one.
    fn part(self) -> Zero<'a> {
        Self { of: None, ..self }
    }
}

macro_rules! zeros {
    ($($method:ident => $visit:ident($($zero:expr)?);)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            visitor.$visit($($zero)?)
        })*
    };
}

impl<'de> de::Deserializer<'de> for Zero<'_> {
    type Error = Error;

    zeros! {
        deserialize_bool => visit_bool(false);
        deserialize_i8 => visit_i64(0);
        deserialize_i16 => visit_i64(0);
        deserialize_i32 => visit_i64(0);
        deserialize_i64 => visit_i64(0);
        deserialize_i128 => visit_i64(0);
        deserialize_u8 => visit_u64(0);
        deserialize_u16 => visit_u64(0);
        deserialize_u32 => visit_u64(0);
        deserialize_u64 => visit_u64(0);
        deserialize_u128 => visit_u64(0);
        deserialize_f32 => visit_f64(0.0);
        deserialize_f64 => visit_f64(0.0);
        deserialize_str => visit_str("");
        deserialize_string => visit_str("");
        deserialize_bytes => visit_bytes(&[]);
        deserialize_byte_buf => visit_bytes(&[]);
        deserialize_identifier => visit_str("");
        deserialize_option => visit_none();
        deserialize_unit => visit_unit();
        deserialize_ignored_any => visit_unit();
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let Some((types, id)) = self.of else {
            return visitor.visit_unit();
        };
        match id {
            types::BOOL => visitor.visit_bool(false),
            types::INT => visitor.visit_i64(0),
            types::UINT => visitor.visit_u64(0),
            types::FLOAT => visitor.visit_f64(0.0),
            types::BYTES => visitor.visit_bytes(&[]),
            types::STRING => visitor.visit_str(""),
            _ => match types.get(id).map(|definition| &definition.kind) {
                Ok(Kind::List(_)) => self.deserialize_seq(visitor),
                Ok(Kind::Map(..)) => self.deserialize_map(visitor),
                // A pointer or an interface that is nil, and nothing of which the length is another's to choose.
                _ => visitor.visit_unit(),
            },
        }
    }

    fn deserialize_char<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
        Err("gob has no characters; take a string or a number".to_owned().into())
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_seq(Repeat(self, 0))
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_map(Names(self, Vec::new()))
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_seq(Repeat(self, length))
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_seq(Repeat(self, length))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let names = fields.iter().filter(|name| self.zeros.contains(*name)).copied().collect();
        visitor.visit_map(Names(self, names))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Error> {
        Err("gob has no enums; take a string or a number".to_owned().into())
    }

    fn is_human_readable(&self) -> bool {
        false
    }
}

/// So many zeros.
struct Repeat<'a>(Zero<'a>, usize);

impl<'de> SeqAccess<'de> for Repeat<'_> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Error> {
        if self.1 == 0 {
            return Ok(None);
        }
        self.1 -= 1;
        seed.deserialize(self.0.part()).map(Some)
    }
}

/// A struct whose named fields are zero.
struct Names<'a>(Zero<'a>, Vec<&'static str>);

impl<'de> MapAccess<'de> for Names<'_> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Error> {
        match self.1.pop() {
            Some(name) => seed.deserialize(name.into_deserializer()).map(Some),
            None => Ok(None),
        }
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, Error> {
        seed.deserialize(self.0.part())
    }
}
