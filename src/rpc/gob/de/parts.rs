//! What lies in a value: elements, entries, fields, one after the other as serde asks for them.

use serde::de::{DeserializeSeed, IntoDeserializer, MapAccess, SeqAccess};

use super::{
    super::{types, zero::Zero},
    Decoder, Error, next_field,
};

/// The elements of a list or an array.
pub(super) struct Elements<'x, 'a, 'm> {
    pub(super) decoder: &'x mut Decoder<'a, 'm>,
    pub(super) element: i64,
    pub(super) left: usize,
}

impl<'de> SeqAccess<'de> for &mut Elements<'_, '_, '_> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Error> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        seed.deserialize(self.decoder.part(self.element)?).map(Some)
    }

    fn size_hint(&self) -> Option<usize> {
        // Not more than the bytes that are there; serde allots memory with care.
        Some(self.left.min(self.decoder.reader.0.len()))
    }
}

/// A map: keys and values in turn.
pub(super) struct Entries<'x, 'a, 'm> {
    pub(super) decoder: &'x mut Decoder<'a, 'm>,
    pub(super) key: i64,
    pub(super) value: i64,
    pub(super) left: usize,
}

impl<'de> MapAccess<'de> for &mut Entries<'_, '_, '_> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Error> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        seed.deserialize(self.decoder.part(self.key)?).map(Some)
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, Error> {
        seed.deserialize(self.decoder.part(self.value)?)
    }
}

#[derive(Clone, Copy)]
pub(super) enum Next {
    /// Fields as they were sent.
    Sent,
    /// Then those that were described and left out, from this index.
    LeftOut(usize),
}

/// The field whose value is asked for next, by its type.
#[derive(Clone, Copy)]
pub(super) enum Current {
    Sent(i64),
    /// Described, and a zero.
    LeftOut(i64),
    /// Never described, and a zero.
    Unknown,
}

/// A struct: what was sent, what was left out, and what has to be zero because nothing says otherwise.
pub(super) struct Fields<'x, 'a, 'm> {
    pub(super) decoder: &'x mut Decoder<'a, 'm>,
    pub(super) members: &'a [types::Field],
    pub(super) sent: Vec<bool>,
    pub(super) next: usize,
    pub(super) state: Next,
    pub(super) unknown: Vec<&'static str>,
    pub(super) current: Current,
}

impl<'de> MapAccess<'de> for &mut Fields<'_, '_, '_> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Error> {
        if let Next::Sent = self.state {
            if let Some(index) =
                next_field(self.decoder.reader, &mut self.next, self.members.len())?
            {
                self.sent[index] = true;
                self.current = Current::Sent(self.members[index].id);
                return seed.deserialize((*self.members[index].name).into_deserializer()).map(Some);
            }
            self.state = Next::LeftOut(0);
        }
        if let Next::LeftOut(from) = self.state {
            if let Some(index) = (from..self.members.len()).find(|index| !self.sent[*index]) {
                self.state = Next::LeftOut(index + 1);
                self.current = Current::LeftOut(self.members[index].id);
                return seed.deserialize((*self.members[index].name).into_deserializer()).map(Some);
            }
            self.state = Next::LeftOut(self.members.len());
        }
        self.current = Current::Unknown;
        match self.unknown.pop() {
            Some(name) => seed.deserialize(name.into_deserializer()).map(Some),
            None => Ok(None),
        }
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, Error> {
        let Decoder { types, zeros, .. } = *self.decoder;
        match self.current {
            Current::Sent(id) => seed.deserialize(self.decoder.part(id)?),
            Current::LeftOut(id) => seed.deserialize(Zero { zeros, of: Some((types, id)) }),
            Current::Unknown => seed.deserialize(Zero { zeros, of: None }),
        }
    }
}
