//! Types as a stream describes them.

use std::{collections::HashMap, sync::Arc};

use super::wire::{Reader, put_bytes, put_int, put_uint};

pub(super) const BOOL: i64 = 1;
pub(super) const INT: i64 = 2;
pub(super) const UINT: i64 = 3;
pub(super) const FLOAT: i64 = 4;
pub(super) const BYTES: i64 = 5;
pub(super) const STRING: i64 = 6;
pub(super) const COMPLEX: i64 = 7;
pub(super) const INTERFACE: i64 = 8;
/// The first number of a described type that we give. Go has begun at 65, and begins at 64 today.
pub(super) const FIRST_ID: i64 = 65;
const FIRST_ID_ACCEPTED: i64 = 64;
/// More types than any program has, and few enough that describing them is no attack.
const MOST_TYPES: usize = 1024;
/// More fields than any struct has: those that were left out are gone through for each value.
const MOST_FIELDS: usize = 4096;
/// What all descriptions of a stream may take of it. In memory one takes up to 24 times as much, and stays.
const MOST_DESCRIBED: usize = 1 << 20;

/// A described type.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Definition {
    pub(super) name: String,
    pub(super) id: i64,
    pub(super) kind: Kind,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    Array(i64, u64),
    List(i64),
    Struct(Vec<Field>),
    Map(i64, i64),
    /// A Go type that writes itself: its bytes mean something to that type only.
    Opaque,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Field {
    pub(super) name: Box<str>,
    pub(super) id: i64,
}

/// What one direction of a stream has told of the types in it. Cloning it shares the descriptions.
#[derive(Clone, Debug, Default)]
pub(crate) struct TypesReceived {
    types: Arc<HashMap<i64, Arc<Definition>>>,
    /// How many bytes described them.
    described: usize,
}

impl TypesReceived {
    pub(super) fn get(&self, id: i64) -> Result<&Definition, String> {
        self.types
            .get(&id)
            .map(|definition| &**definition)
            .ok_or_else(|| format!("type {id} was never described"))
    }

    /// Takes a description from the stream.
    pub(super) fn define(&mut self, id: i64, mut message: Reader<'_>) -> Result<(), String> {
        if id < FIRST_ID_ACCEPTED {
            return Err(format!("type {id} cannot be described"));
        }
        if self.types.len() >= MOST_TYPES {
            return Err(format!("more than {MOST_TYPES} types are described"));
        }
        self.described = self.described.saturating_add(message.0.len());
        if self.described > MOST_DESCRIBED {
            return Err(format!("types are described with more than {MOST_DESCRIBED} bytes"));
        }
        let mut definition = read_definition(&mut message)?;
        definition.id = id;
        // Copied only while bodies described before are still waiting to be decoded.
        let types = Arc::make_mut(&mut self.types);
        if types.insert(id, Arc::new(definition)).is_some() {
            return Err(format!("type {id} is described twice"));
        }
        Ok(())
    }

    /// What a value of the type is called in messages.
    pub(super) fn name(&self, id: i64) -> String {
        match id {
            BOOL => "bool".into(),
            INT => "int".into(),
            UINT => "uint".into(),
            FLOAT => "float".into(),
            BYTES => "bytes".into(),
            STRING => "string".into(),
            COMPLEX => "complex".into(),
            INTERFACE => "interface".into(),
            _ => match self.get(id) {
                Ok(definition) => match definition.kind {
                    Kind::Struct(_) => format!("struct {}", definition.name),
                    Kind::Array(..) => format!("array {}", definition.name),
                    Kind::List(_) => format!("slice {}", definition.name),
                    Kind::Map(..) => format!("map {}", definition.name),
                    Kind::Opaque => format!("self-written type {}", definition.name),
                },
                Err(_) => format!("unknown type {id}"),
            },
        }
    }
}

/// Writes fields with their distances, as gob does within a struct.
struct Deltas<'a> {
    out: &'a mut Vec<u8>,
    last: u64,
}

impl Deltas<'_> {
    fn field(&mut self, number: u64) -> &mut Vec<u8> {
        put_uint(self.out, number - self.last);
        self.last = number;
        self.out
    }
}

pub(super) fn write_definition(out: &mut Vec<u8>, definition: &Definition) {
    let number = match definition.kind {
        Kind::Array(..) => 1,
        Kind::List(_) => 2,
        Kind::Struct(_) => 3,
        Kind::Map(..) => 4,
        Kind::Opaque => 5,
    };
    put_uint(out, number);
    {
        let mut fields = Deltas { out, last: 0 };
        let common = fields.field(1);
        let mut names = Deltas { out: common, last: 0 };
        if !definition.name.is_empty() {
            put_bytes(names.field(1), definition.name.as_bytes());
        }
        put_int(names.field(2), definition.id);
        common.push(0);
        match &definition.kind {
            Kind::Array(element, length) => {
                put_int(fields.field(2), *element);
                if *length > 0 {
                    put_int(fields.field(3), *length as i64);
                }
            }
            Kind::List(element) => put_int(fields.field(2), *element),
            Kind::Struct(members) if !members.is_empty() => {
                let out = fields.field(2);
                put_uint(out, members.len() as u64);
                for member in members {
                    let mut fields = Deltas { out, last: 0 };
                    if !member.name.is_empty() {
                        put_bytes(fields.field(1), member.name.as_bytes());
                    }
                    put_int(fields.field(2), member.id);
                    out.push(0);
                }
            }
            Kind::Map(key, value) => {
                put_int(fields.field(2), *key);
                put_int(fields.field(3), *value);
            }
            Kind::Struct(_) | Kind::Opaque => {}
        }
    }
    out.push(0);
    out.push(0);
}

/// Reads the fields of a struct: their numbers, until the 0 that ends it.
fn each_field<'a>(
    reader: &mut Reader<'a>,
    mut field: impl FnMut(u64, &mut Reader<'a>) -> Result<(), String>,
) -> Result<(), String> {
    let mut number = 0_u64;
    loop {
        match reader.uint()? {
            0 => return Ok(()),
            delta => {
                number = number.saturating_add(delta);
                field(number, reader)?;
            }
        }
    }
}

fn read_definition(reader: &mut Reader<'_>) -> Result<Definition, String> {
    let mut definition: Option<Definition> = None;
    each_field(reader, |number, reader| {
        if definition.is_some() || number > 7 {
            return Err("a type description of an unknown kind".into());
        }
        definition = Some(read_kind(number, reader)?);
        Ok(())
    })?;
    definition.ok_or_else(|| "a type description that describes nothing".into())
}

fn read_kind(which: u64, reader: &mut Reader<'_>) -> Result<Definition, String> {
    let mut name = String::new();
    let (mut second, mut third) = (0, 0);
    let mut members = Vec::new();
    each_field(reader, |number, reader| {
        match (which, number) {
            (_, 1) => each_field(reader, |number, reader| {
                match number {
                    1 => name = String::from_utf8_lossy(reader.bytes()?).into_owned(),
                    2 => drop(reader.int()?),
                    _ => return Err("a type description with an unknown field".into()),
                }
                Ok(())
            })?,
            (3, 2) => {
                let count = reader.count()?;
                if count > MOST_FIELDS {
                    return Err(format!("a struct of {count} fields; {MOST_FIELDS} is the most"));
                }
                for _ in 0..count {
                    members.push(read_member(reader)?);
                }
            }
            (1 | 2 | 4, 2) => second = reader.int()?,
            (1 | 4, 3) => third = reader.int()?,
            _ => return Err("a type description with an unknown field".into()),
        }
        Ok(())
    })?;
    let kind = match which {
        1 => Kind::Array(
            second,
            u64::try_from(third).map_err(|_| "an array of negative length".to_owned())?,
        ),
        2 => Kind::List(second),
        3 => Kind::Struct(members),
        4 => Kind::Map(second, third),
        _ => Kind::Opaque,
    };
    Ok(Definition { name, id: 0, kind })
}

fn read_member(reader: &mut Reader<'_>) -> Result<Field, String> {
    let mut member = Field { name: "".into(), id: 0 };
    each_field(reader, |number, reader| {
        match number {
            1 => member.name = reader.text()?.into(),
            2 => member.id = reader.int()?,
            _ => return Err("a field description with an unknown field".into()),
        }
        Ok(())
    })?;
    Ok(member)
}
