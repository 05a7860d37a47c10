//! From [`Value`]s to messages: each type is described once, before the first value of it.

use std::collections::HashMap;

use serde::Serialize;

use super::{
    ser,
    types::{self, FIRST_ID},
    value::{Shape, Value},
    wire::{put_bytes, put_float, put_int, put_uint},
};

/// What one direction of a stream has been told of the types in it.
#[derive(Debug, Default)]
pub(crate) struct TypesSent {
    ids: HashMap<Shape, i64>,
    seen: HashMap<&'static str, Shape>,
    // Described in messages that have not left yet.
    pending: Vec<Shape>,
}

impl TypesSent {
    /// Appends the messages of one value to `out`.
    ///
    /// # Errors
    /// What gob cannot express; `out` may hold part of it then.
    pub(crate) fn write<T: Serialize + ?Sized>(
        &mut self,
        out: &mut Vec<u8>,
        value: &T,
    ) -> Result<(), String> {
        let value = match ser::value(value).map_err(|error| error.0)? {
            // `()`, and what has nothing to say, is Go's struct{}.
            Value::Nothing => Value::Struct("", Vec::new()),
            value => value,
        };
        let shape = value.shape()?.widen(&mut self.seen);
        if shape.has_unknown() {
            return Err(
                "gob is told the type of a list or map by its content, and this one is empty; \
                 make it a field of a struct"
                    .into(),
            );
        }
        let mut described = Vec::new();
        let id = self.id(&shape, &mut described);
        for (id, shape) in described {
            let definition = self.definition(id, &shape);
            let mut message = Vec::new();
            put_int(&mut message, -id);
            types::write_definition(&mut message, &definition);
            put_bytes(out, &message);
        }
        let mut message = Vec::new();
        put_int(&mut message, id);
        if !matches!(shape, Shape::Struct(..)) {
            message.push(0);
        }
        write_value(&mut message, &value, &shape)?;
        put_bytes(out, &message);
        Ok(())
    }

    /// The messages written have left, or are certain to.
    pub(crate) fn commit(&mut self) {
        self.pending.clear();
    }

    /// The messages written since the last commit will never leave.
    pub(crate) fn roll_back(&mut self) {
        for shape in self.pending.drain(..) {
            self.ids.remove(&shape);
        }
    }

    /// The number of a type; it and its parts go into `described` if they have none yet.
    fn id(&mut self, shape: &Shape, described: &mut Vec<(i64, Shape)>) -> i64 {
        let basic = match shape {
            Shape::Bool => types::BOOL,
            Shape::Int => types::INT,
            Shape::Uint => types::UINT,
            Shape::Float => types::FLOAT,
            Shape::Bytes => types::BYTES,
            Shape::Text => types::STRING,
            _ => 0,
        };
        if basic != 0 {
            return basic;
        }
        if let Some(&id) = self.ids.get(shape) {
            return id;
        }
        let id = FIRST_ID + self.ids.len() as i64;
        self.ids.insert(shape.clone(), id);
        self.pending.push(shape.clone());
        described.push((id, shape.clone()));
        match shape {
            Shape::List(element) | Shape::Array(element, _) => {
                self.id(element, described);
            }
            Shape::Map(key, value) => {
                self.id(key, described);
                self.id(value, described);
            }
            Shape::Struct(_, fields) => {
                for (_, field) in fields {
                    self.id(field, described);
                }
            }
            _ => {}
        }
        id
    }

    fn definition(&mut self, id: i64, shape: &Shape) -> types::Definition {
        let mut part = |shape: &Shape| self.id(shape, &mut Vec::new());
        let kind = match shape {
            Shape::List(element) => types::Kind::List(part(element)),
            Shape::Array(element, length) => types::Kind::Array(part(element), *length as u64),
            Shape::Map(key, value) => types::Kind::Map(part(key), part(value)),
            Shape::Struct(_, fields) => types::Kind::Struct(
                fields
                    .iter()
                    .map(|(name, shape)| types::Field { name: (*name).into(), id: part(shape) })
                    .collect(),
            ),
            _ => types::Kind::Struct(Vec::new()),
        };
        types::Definition { name: shape.name(), id, kind }
    }
}

fn write_value(out: &mut Vec<u8>, value: &Value, shape: &Shape) -> Result<(), String> {
    match (value, shape) {
        (Value::Bool(value), _) => put_uint(out, u64::from(*value)),
        (Value::Int(value), _) => put_int(out, *value),
        (Value::Uint(value), _) => put_uint(out, *value),
        (Value::Byte(value), _) => put_uint(out, u64::from(*value)),
        (Value::Float(value), _) => put_float(out, *value),
        (Value::Bytes(bytes), _) => put_bytes(out, bytes),
        (Value::Text(text), _) => put_bytes(out, text.as_bytes()),
        (Value::List(list), Shape::List(element))
        | (Value::Array(list), Shape::Array(element, _)) => {
            put_uint(out, list.len() as u64);
            for value in list {
                write_value(out, value, element)?;
            }
        }
        // An empty one beside others that are not: as a list element it is written, and shows no type of its own.
        (Value::List(list), _) if list.is_empty() => put_uint(out, 0),
        (Value::Map(map), _) if map.is_empty() => put_uint(out, 0),
        (Value::Map(map), Shape::Map(key_shape, value_shape)) => {
            put_uint(out, map.len() as u64);
            for (key, value) in map {
                write_value(out, key, key_shape)?;
                write_value(out, value, value_shape)?;
            }
        }
        (Value::Struct(_, values), Shape::Struct(_, fields)) => {
            let mut last = -1;
            for (index, (name, shape)) in fields.iter().enumerate() {
                let Some((_, value)) = values.iter().find(|(other, _)| other == name) else {
                    continue;
                };
                if value.is_zero() {
                    continue;
                }
                let index = index as i64;
                put_uint(out, (index - last) as u64);
                last = index;
                write_value(out, value, shape)?;
            }
            out.push(0);
        }
        _ => return Err("a value does not have the shape it showed".into()),
    }
    Ok(())
}
