//! Rust's and Go's types that have no exact counterpart: what stands for them, what is read past, and what is refused.

use std::{
    collections::BTreeMap,
    fmt,
    io::{self, ErrorKind, Read},
};

use ringpipe::rpc::{
    Bytes,
    gob::{Decoder, Encoder},
};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{IgnoredAny, MapAccess, SeqAccess, Visitor},
    ser::{Error as _, SerializeMap as _},
};
use serde_json::json;

use crate::gob::{decode, encode, read_back_in_turn, uint};

#[derive(Debug, Default, Deserialize, PartialEq, Serialize)]
struct Id(u64);

#[derive(Debug, Default, Deserialize, PartialEq, Serialize)]
struct Pair(i64, i64);

#[derive(Debug, Default, Deserialize, PartialEq, Serialize)]
struct Marker;

#[derive(Debug, Deserialize, PartialEq, Serialize)]
enum Choice {
    Unit,
    Tuple(i64, i64),
    Struct { n: i64 },
}

#[derive(Debug, Default, Deserialize, PartialEq, Serialize)]
struct Wrapped {
    id: Id,
    pair: Pair,
    marker: Marker,
    byte: u8,
    ids: Vec<Id>,
    matrix: BTreeMap<String, BTreeMap<u8, f64>>,
    blobs: Vec<Vec<u8>>,
    flags: Vec<bool>,
    sizes: BTreeMap<String, Vec<u64>>,
}

#[test]
fn newtypes_are_what_they_wrap_and_structs_without_names_are_tuples() {
    let wrapped = Wrapped {
        id: Id(7),
        pair: Pair(1, -2),
        marker: Marker,
        byte: 9,
        ids: vec![Id(1), Id(2)],
        matrix: [("a".into(), [(1, 0.5)].into()), ("b".into(), [(2, 1.5), (3, 2.5)].into())].into(),
        blobs: vec![vec![1, 2], vec![], vec![3]],
        flags: vec![true, false],
        sizes: [("s".into(), vec![4, 5])].into(),
    };
    for wrapped in [wrapped, Wrapped::default()] {
        assert_eq!(decode::<Wrapped>(&encode(&wrapped)).unwrap(), wrapped);
    }
    assert_eq!(encode(&Id(7)), encode(&7_u64));
    assert_eq!(encode(&Pair(1, -2)), encode(&(1_i64, -2_i64)));
    assert_eq!(decode::<Pair>(&encode(&[1_i64, -2][..])).unwrap(), Pair(1, -2));
    assert_eq!(decode::<Marker>(&encode(&Marker)).unwrap(), Marker);
    assert_eq!(decode::<()>(&encode(&Marker)).unwrap(), ());
    assert_eq!(decode::<()>(&encode(&None::<i64>)).unwrap(), ());
    let error = decode::<Marker>(&encode(&7_i64)).unwrap_err();
    assert_eq!(error, "type mismatch: a struct is wanted, int was sent");
}

#[test]
fn a_field_that_is_left_out_on_the_way_may_come_and_go() {
    #[derive(Debug, Default, Deserialize, PartialEq, Serialize)]
    struct Sparse {
        #[serde(default, skip_serializing_if = "String::is_empty")]
        name: String,
        n: i64,
    }
    read_back_in_turn([Sparse { name: "x".into(), n: 1 }, Sparse { name: String::new(), n: 2 }]);
}

#[test]
fn a_list_of_bytes_and_bytes_are_one_thing() {
    let bytes = encode(&Bytes::from(vec![1, 2, 3]));
    assert_eq!(decode::<Vec<u8>>(&bytes).unwrap(), [1, 2, 3]);
    assert_eq!(decode::<[u8; 3]>(&bytes).unwrap(), [1, 2, 3]);
    assert_eq!(
        decode::<[u8; 2]>(&bytes).unwrap_err(),
        "type mismatch: an array of length 2 is wanted, 3 were sent"
    );
    assert_eq!(encode(&vec![1_u8, 2, 3]), bytes);
}

/// What a newer program added to [`Old`]: every field is zero when an older one sends.
#[derive(Debug, Default, Deserialize, PartialEq)]
struct New {
    kept: i64,
    bool: bool,
    signed: (i8, i16, i32, i64, i128),
    unsigned: (u8, u16, u32, u64, u128),
    floats: (f32, f64),
    text: String,
    bytes: Bytes,
    option: Option<i64>,
    list: Vec<i64>,
    map: BTreeMap<String, i64>,
    unit: (),
    marker: Marker,
    id: Id,
    pair: Pair,
    array: [i64; 3],
    inner: Inner,
    any: serde_json::Value,
}

#[derive(Debug, Default, Deserialize, PartialEq)]
struct Inner {
    deep: Id,
    twice: (Pair, Pair),
}

#[derive(Serialize)]
struct Old {
    kept: i64,
}

#[test]
fn a_field_the_sender_never_heard_of_is_zero_whatever_its_type() {
    let old = encode(&Old { kept: 7 });
    assert_eq!(decode::<New>(&old).unwrap(), New { kept: 7, ..New::default() });

    #[derive(Debug, Deserialize)]
    struct WithIgnored {
        #[expect(dead_code, reason = "what is read is that nothing is")]
        ignored: IgnoredAny,
    }
    decode::<WithIgnored>(&old).unwrap();

    #[derive(Debug, Deserialize)]
    struct WithChar {
        #[expect(dead_code, reason = "never read")]
        letter: char,
    }
    #[derive(Debug, Deserialize)]
    struct WithEnum {
        #[expect(dead_code, reason = "never read")]
        choice: Choice,
    }
    let error = decode::<WithChar>(&old).unwrap_err();
    assert_eq!(error, "gob has no characters; take a string or a number");
    let error = decode::<WithEnum>(&old).unwrap_err();
    assert_eq!(error, "gob has no enums; take a string or a number");
}

#[test]
fn enums_and_characters_are_refused_with_what_to_take_instead() {
    let refusal = |value: &dyn erased::Encode| {
        let error = value.encode().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        error.to_string()
    };
    for choice in [Choice::Tuple(1, 2), Choice::Struct { n: 1 }] {
        assert_eq!(refusal(&choice), "gob has no enums; send a struct with a field for each case");
    }
    assert_eq!(refusal(&Choice::Unit), "gob has no enums; send a string or a number");
    assert_eq!(refusal(&1_u128), "gob has no 128-bit integers");
    assert_eq!(refusal(&[0_i64; 0]), "an array of length 0 shows no type; gob needs one");
    assert_eq!(refusal(&vec![None::<i64>]), "a list holds a None, which gob cannot express");
    let number = encode(&7_i64);
    assert_eq!(
        decode::<Choice>(&number).unwrap_err(),
        "gob has no enums; take a string or a number"
    );
    assert_eq!(
        decode::<char>(&number).unwrap_err(),
        "gob has no characters; take a string or a number"
    );
}

/// `Serialize` behind a pointer, as far as these tests need it.
mod erased {
    use super::*;

    pub(super) trait Encode {
        fn encode(&self) -> io::Result<()>;
    }

    impl<T: Serialize> Encode for T {
        fn encode(&self) -> io::Result<()> {
            Encoder::new(io::sink()).encode(self)
        }
    }
}

#[test]
fn what_a_type_says_of_itself_reaches_the_caller() {
    struct Unwilling;
    impl Serialize for Unwilling {
        fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(S::Error::custom("not today"))
        }
    }
    struct KeylessMap;
    impl Serialize for KeylessMap {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let mut map = serializer.serialize_map(None)?;
            map.serialize_value(&1)?;
            map.end()
        }
    }
    /// Is written otherwise for people.
    struct ForPeople;
    impl Serialize for ForPeople {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let for_people = serializer.is_human_readable();
            serializer.serialize_bool(for_people)
        }
    }
    let mut encoder = Encoder::new(Vec::new());
    assert_eq!(encoder.encode(&Unwilling).unwrap_err().to_string(), "not today");
    let error = encoder.encode(&KeylessMap).unwrap_err();
    assert_eq!(error.to_string(), "a map value came before its key");
    encoder.encode(&ForPeople).unwrap();
    let stream = encoder.into_inner();
    assert!(!decode::<bool>(&stream).unwrap(), "the bytes are not for people");
}

#[derive(Serialize)]
struct Loose {
    on: bool,
    signed: i64,
    unsigned: u64,
    float: f64,
    text: String,
    list: Vec<i64>,
    map: BTreeMap<String, i64>,
    part: Old,
}

#[test]
fn values_of_types_not_known_beforehand_are_read_as_what_they_are() {
    let loose = Loose {
        on: true,
        signed: -3,
        unsigned: 4,
        float: 1.5,
        text: "t".into(),
        list: vec![1, 2],
        map: [("k".into(), 5)].into(),
        part: Old { kept: 6 },
    };
    assert_eq!(
        decode::<serde_json::Value>(&encode(&loose)).unwrap(),
        json!({
            "on": true, "signed": -3, "unsigned": 4, "float": 1.5, "text": "t",
            "list": [1, 2], "map": {"k": 5}, "part": {"kept": 6},
        })
    );

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(untagged)]
    enum TextOrBytes {
        Text(String),
        Bytes(Bytes),
    }
    assert_eq!(decode::<TextOrBytes>(&encode("t")).unwrap(), TextOrBytes::Text("t".into()));
    assert_eq!(
        decode::<TextOrBytes>(&encode(&Bytes::from(vec![0xff]))).unwrap(),
        TextOrBytes::Bytes(vec![0xff].into())
    );
}

#[test]
fn a_zero_that_was_left_out_has_the_type_it_was_described_with() {
    let zero = || Loose {
        on: false,
        signed: 0,
        unsigned: 0,
        float: 0.0,
        text: String::new(),
        list: Vec::new(),
        map: BTreeMap::new(),
        part: Old { kept: 0 },
    };
    let mut stream = Vec::new();
    let mut encoder = Encoder::new(&mut stream);
    // Filled first: a value shows its types, and an empty list none.
    let full = Loose { list: vec![1], map: [("k".into(), 1)].into(), ..zero() };
    for loose in [full, zero()] {
        encoder.encode(&loose).unwrap();
    }
    let mut decoder = Decoder::new(&stream[..]);
    decoder.decode::<serde_json::Value>().unwrap();
    assert_eq!(
        decoder.decode::<serde_json::Value>().unwrap().unwrap(),
        json!({
            "on": false, "signed": 0, "unsigned": 0, "float": 0.0, "text": "",
            "list": [], "map": {}, "part": {"kept": 0},
        })
    );

    // Which is what a struct within a struct of the same fields needs.
    #[derive(Debug, Deserialize, PartialEq)]
    struct Flat {
        #[serde(flatten)]
        numbers: Numbers,
        bytes: Bytes,
        part: Option<serde_json::Value>,
    }
    #[derive(Debug, Deserialize, PartialEq)]
    struct Numbers {
        signed: i64,
        unsigned: u64,
    }
    #[derive(Serialize)]
    struct Sent {
        signed: i64,
        unsigned: u64,
        bytes: Bytes,
        part: Option<Old>,
    }
    let mut stream = Vec::new();
    let mut encoder = Encoder::new(&mut stream);
    let part = Some(Old { kept: 1 });
    encoder.encode(&Sent { signed: 1, unsigned: 2, bytes: vec![3].into(), part }).unwrap();
    let sent = Sent { signed: 0, unsigned: 0, bytes: Bytes::default(), part: None };
    encoder.encode(&sent).unwrap();
    let mut decoder = Decoder::new(&stream[..]);
    let flat = |signed, unsigned, bytes: Vec<u8>, part| Flat {
        numbers: Numbers { signed, unsigned },
        bytes: bytes.into(),
        part,
    };
    let filled = flat(1, 2, vec![3], Some(json!({"kept": 1})));
    assert_eq!(decoder.decode::<Flat>().unwrap(), Some(filled));
    assert_eq!(decoder.decode::<Flat>().unwrap(), Some(flat(0, 0, Vec::new(), None)));
}

#[test]
fn a_map_fills_a_struct_that_takes_any_other_field() {
    #[derive(Debug, Deserialize, PartialEq)]
    struct Open {
        known: i64,
        #[serde(flatten)]
        rest: BTreeMap<String, i64>,
    }
    let map = BTreeMap::from([("known", 1_i64), ("other", 2)]);
    let open = Open { known: 1, rest: [("other".into(), 2)].into() };
    assert_eq!(decode::<Open>(&encode(&map)).unwrap(), open);
}

/// Takes the first element of a list or entry of a map or struct, and leaves the others.
#[derive(Debug, PartialEq)]
struct First(i64);

struct FirstOf;

impl<'de> Visitor<'de> for FirstOf {
    type Value = First;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("something that is not empty")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<First, A::Error> {
        Ok(First(seq.next_element()?.unwrap()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<First, A::Error> {
        Ok(First(map.next_entry::<String, i64>()?.unwrap().1))
    }
}

impl<'de> Deserialize<'de> for First {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FirstOf)
    }
}

#[test]
fn a_type_that_is_content_with_less_leaves_the_rest_to_be_read_past() {
    #[derive(Serialize)]
    struct Whole {
        list: Vec<i64>,
        map: BTreeMap<String, i64>,
        part: Two,
        after: i64,
    }
    #[derive(Serialize)]
    struct Two {
        a: i64,
        b: i64,
    }
    #[derive(Debug, Deserialize, PartialEq)]
    struct Less {
        list: First,
        map: First,
        part: First,
        after: i64,
    }
    let whole = Whole {
        list: vec![1, 2, 3],
        map: [("x".into(), 4), ("y".into(), 5)].into(),
        part: Two { a: 6, b: 7 },
        after: 8,
    };
    let less = Less { list: First(1), map: First(4), part: First(6), after: 8 };
    assert_eq!(decode::<Less>(&encode(&whole)).unwrap(), less);
}

/// A signed number as gob writes it.
fn int(n: i64) -> Vec<u8> {
    uint(((n << 1) ^ (n >> 63)) as usize)
}

fn text(text: &str) -> Vec<u8> {
    [uint(text.len()), text.as_bytes().to_vec()].concat()
}

fn message(parts: &[Vec<u8>]) -> Vec<u8> {
    let message = parts.concat();
    [uint(message.len()), message].concat()
}

/// What Go says of a type before its first value; `rest` is what its kind adds to the name.
fn described(id: i64, kind: u8, name: &str, rest: Vec<u8>) -> Vec<u8> {
    let common = [vec![kind, 1, 1], text(name), vec![1], int(id), vec![0]].concat();
    message(&[int(-id), common, rest, vec![0, 0]])
}

fn described_struct(id: i64, name: &str, fields: &[(&str, i64)]) -> Vec<u8> {
    let fields: Vec<_> = fields
        .iter()
        .map(|(name, id)| [vec![1], text(name), vec![1], int(*id), vec![0]].concat())
        .collect();
    described(id, 3, name, [vec![1], uint(fields.len()), fields.concat()].concat())
}

/// Gob's numbers of the types that every stream knows, as far as these tests use them.
const INT: i64 = 2;
const COMPLEX: i64 = 7;
const INTERFACE: i64 = 8;

/// A struct of everything only Go has, and one number at the end; `any` is what its interface holds.
fn only_in_go(any: Vec<u8>) -> Vec<u8> {
    let array = [vec![1], int(INT), vec![1], int(2)].concat();
    let map = [vec![1], int(INT), vec![1], int(66)].concat();
    [
        described(66, 5, "Time", Vec::new()),
        described(67, 1, "[2]int", array),
        described(68, 4, "map[int]Time", map),
        described_struct(69, "Point", &[("X", INT), ("Y", INT)]),
        described_struct(
            65,
            "OnlyInGo",
            &[
                ("Complex", COMPLEX),
                ("Any", INTERFACE),
                ("Time", 66),
                ("Array", 67),
                ("Map", 68),
                ("Point", 69),
                ("Kept", INT),
            ],
        ),
        message(&[
            int(65),
            vec![1, 1, 2],
            vec![1],
            any,
            vec![1, 3, 0xaa, 0xbb, 0xcc],
            [vec![1, 2], int(-1), int(1)].concat(),
            [vec![1, 1], int(5), vec![1, 0xdd]].concat(),
            [vec![1, 1], int(3), vec![0]].concat(),
            [vec![1], int(7), vec![0]].concat(),
        ]),
    ]
    .concat()
}

/// An interface that holds `value` of a type that was described.
fn holding(name: &str, id: i64, value: &[u8]) -> Vec<u8> {
    [text(name), int(id), uint(value.len()), value.to_vec()].concat()
}

#[test]
fn what_only_go_has_is_read_past_and_refused_where_it_is_wanted() {
    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(rename_all = "PascalCase")]
    struct Kept {
        kept: i64,
    }
    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct WithComplex {
        #[expect(dead_code, reason = "it cannot be read")]
        complex: serde_json::Value,
    }
    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct WithAny {
        #[expect(dead_code, reason = "it cannot be read")]
        any: serde_json::Value,
    }
    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct WithTime {
        #[expect(dead_code, reason = "it cannot be read")]
        time: serde_json::Value,
    }
    for any in [vec![0], holding("int", INT, &[0, 6])] {
        let stream = only_in_go(any);
        assert_eq!(decode::<Kept>(&stream).unwrap(), Kept { kept: 7 });
        for (error, name) in [
            (decode::<WithComplex>(&stream).unwrap_err(), "complex"),
            (decode::<WithAny>(&stream).unwrap_err(), "interface"),
            (decode::<WithTime>(&stream).unwrap_err(), "self-written type Time"),
        ] {
            assert_eq!(
                error,
                format!("type mismatch: a type this library knows is wanted, {name} was sent")
            );
        }
    }
    // Go describes a type at the latest within the interface that first holds it.
    let within = [text("main.T"), int(-70)].concat();
    assert_eq!(
        decode::<Kept>(&only_in_go(within)).unwrap_err(),
        "gob has described a type within a value, which is not supported"
    );
}

#[test]
fn a_type_is_described_once() {
    let twice = [described_struct(65, "T", &[]), described_struct(65, "T", &[])].concat();
    assert_eq!(decode::<i64>(&twice).unwrap_err(), "type 65 is described twice");
}

#[test]
fn a_stream_is_interrupted_without_harm_and_its_errors_are_passed_on() {
    struct Unsteady(Vec<io::Result<Vec<u8>>>);
    impl Read for Unsteady {
        fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
            let bytes = self.0.pop().unwrap()?;
            buf[..bytes.len()].copy_from_slice(&bytes);
            Ok(bytes.len())
        }
    }
    let mut decoder = Decoder::new(Unsteady(vec![
        Err(ErrorKind::ConnectionReset.into()),
        Ok(encode(&17_i64)),
        Err(ErrorKind::Interrupted.into()),
    ]));
    assert_eq!(decoder.decode::<i64>().unwrap(), Some(17));
    assert_eq!(decoder.decode::<i64>().unwrap_err().kind(), ErrorKind::ConnectionReset);
}
