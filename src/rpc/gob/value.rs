//! A value between its Rust type and its bytes, and the shape that gob wants to be told first.
//!
//! Go describes a type before its first value. Serialization shows values only, so the description is made
//! from what a value shows: an empty list or map and a `None` show nothing of their type, and a field that holds
//! one is left out, as gob leaves out every zero. The shape of a struct grows as its fields are seen filled.

use std::collections::HashMap;

/// What was serialized.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Bool(bool),
    Int(i64),
    Uint(u64),
    /// A `u8`: a number by itself, a byte in a list.
    Byte(u8),
    Float(f64),
    Bytes(Vec<u8>),
    Text(String),
    List(Vec<Value>),
    Array(Vec<Value>),
    Map(Vec<(Value, Value)>),
    Struct(&'static str, Vec<(&'static str, Value)>),
    /// `None` or `()`.
    Nothing,
}

/// A type as gob describes it, without its number.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Shape {
    Bool,
    Int,
    Uint,
    Float,
    Bytes,
    Text,
    List(Box<Shape>),
    Array(Box<Shape>, usize),
    Map(Box<Shape>, Box<Shape>),
    Struct(&'static str, Vec<(&'static str, Shape)>),
    /// Nothing of it was seen.
    Unknown,
}

impl Value {
    /// What a field that holds this is left out for.
    pub(super) fn is_zero(&self) -> bool {
        match self {
            Self::Bool(value) => !value,
            Self::Int(value) => *value == 0,
            Self::Uint(value) => *value == 0,
            Self::Byte(value) => *value == 0,
            Self::Float(value) => *value == 0.0,
            Self::Bytes(bytes) => bytes.is_empty(),
            Self::Text(text) => text.is_empty(),
            Self::List(list) => list.is_empty(),
            Self::Map(map) => map.is_empty(),
            // Go sends these whatever is in them.
            Self::Array(_) | Self::Struct(..) => false,
            Self::Nothing => true,
        }
    }

    /// The shape this value shows.
    ///
    /// # Errors
    /// What gob has no type for.
    pub(super) fn shape(&self) -> Result<Shape, String> {
        Ok(match self {
            Self::Bool(_) => Shape::Bool,
            Self::Int(_) => Shape::Int,
            Self::Uint(_) | Self::Byte(_) => Shape::Uint,
            Self::Float(_) => Shape::Float,
            Self::Bytes(_) => Shape::Bytes,
            Self::Text(_) => Shape::Text,
            Self::List(list) => match merge_all(list, "a list")? {
                Shape::Unknown if list.is_empty() => Shape::Unknown,
                element => Shape::List(Box::new(element)),
            },
            Self::Array(list) => match merge_all(list, "a tuple")? {
                Shape::Unknown if list.is_empty() => {
                    return Err("an array of length 0 shows no type; gob needs one".into());
                }
                element => Shape::Array(Box::new(element), list.len()),
            },
            Self::Map(map) if map.is_empty() => Shape::Unknown,
            Self::Map(map) => Shape::Map(
                Box::new(merge_all(map.iter().map(|(key, _)| key), "a map's keys")?),
                Box::new(merge_all(map.iter().map(|(_, value)| value), "a map")?),
            ),
            Self::Struct(name, fields) => {
                let mut shapes = Vec::new();
                for (field, value) in fields {
                    match value.shape()? {
                        Shape::Unknown => {}
                        shape => shapes.push((*field, shape)),
                    }
                }
                Shape::Struct(name, shapes)
            }
            Self::Nothing => Shape::Unknown,
        })
    }
}

/// The one shape of all elements.
fn merge_all<'a>(values: impl IntoIterator<Item = &'a Value>, what: &str) -> Result<Shape, String> {
    let mut merged = Shape::Unknown;
    for value in values {
        if *value == Value::Nothing {
            return Err(format!("{what} holds a None, which gob cannot express"));
        }
        merged = merged.merge(&value.shape()?).ok_or_else(|| {
            format!("{what} holds values of different types, which gob cannot express")
        })?;
    }
    Ok(merged)
}

impl Shape {
    /// The shape of values of both shapes, if there can be one.
    pub(super) fn merge(&self, other: &Self) -> Option<Self> {
        Some(match (self, other) {
            (Self::Unknown, shape) | (shape, Self::Unknown) => shape.clone(),
            (Self::List(a), Self::List(b)) => Self::List(Box::new(a.merge(b)?)),
            (Self::Array(a, n), Self::Array(b, m)) if n == m => {
                Self::Array(Box::new(a.merge(b)?), *n)
            }
            (Self::Map(ka, va), Self::Map(kb, vb)) => {
                Self::Map(Box::new(ka.merge(kb)?), Box::new(va.merge(vb)?))
            }
            (Self::Struct(a, fields), Self::Struct(b, more)) if a == b => {
                let mut merged = fields.clone();
                for (name, shape) in more {
                    match merged.iter_mut().find(|(known, _)| known == name) {
                        Some((_, known)) => *known = known.merge(shape)?,
                        None => merged.push((*name, shape.clone())),
                    }
                }
                Self::Struct(a, merged)
            }
            (a, b) if a == b => a.clone(),
            _ => return None,
        })
    }

    /// This shape with every struct as wide as it was ever seen, so that few shapes have to be described.
    pub(super) fn widen(self, seen: &mut HashMap<&'static str, Shape>) -> Self {
        match self {
            Self::List(element) => Self::List(Box::new(element.widen(seen))),
            Self::Array(element, length) => Self::Array(Box::new(element.widen(seen)), length),
            Self::Map(key, value) => {
                Self::Map(Box::new(key.widen(seen)), Box::new(value.widen(seen)))
            }
            Self::Struct(name, fields) => {
                let fields =
                    fields.into_iter().map(|(field, shape)| (field, shape.widen(seen))).collect();
                let shape = Self::Struct(name, fields);
                // Two types of one name that do not fit together take turns.
                let wide = seen.get(name).and_then(|known| known.merge(&shape)).unwrap_or(shape);
                seen.insert(name, wide.clone());
                wide
            }
            other => other,
        }
    }

    /// Whether a part of it was never seen, so that it cannot be described.
    pub(super) fn has_unknown(&self) -> bool {
        match self {
            Self::Unknown => true,
            Self::List(element) | Self::Array(element, _) => element.has_unknown(),
            Self::Map(key, value) => key.has_unknown() || value.has_unknown(),
            Self::Struct(_, fields) => fields.iter().any(|(_, shape)| shape.has_unknown()),
            _ => false,
        }
    }

    /// The name Go would give it.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Bool => "bool".into(),
            Self::Int => "int".into(),
            Self::Uint => "uint".into(),
            Self::Float => "float64".into(),
            Self::Bytes => "[]uint8".into(),
            Self::Text => "string".into(),
            Self::List(element) => format!("[]{}", element.name()),
            Self::Array(element, length) => format!("[{length}]{}", element.name()),
            Self::Map(key, value) => format!("map[{}]{}", key.name(), value.name()),
            Self::Struct(name, _) => (*name).into(),
            Self::Unknown => "unknown".into(),
        }
    }
}
