//! The values that `tests/go/gob_types.go` writes and checks.

use std::{collections::BTreeMap, io::Write};

use ringpipe::rpc::{
    Bytes,
    gob::{Decoder, Encoder},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

#[derive(Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Data {
    pub(crate) name: String,
    pub(crate) value: i64,
}

#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Inner {
    label: String,
    on: bool,
}

#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Everything {
    bool: bool,
    int: i64,
    small: i8,
    uint: u64,
    float: f64,
    single: f32,
    text: String,
    bytes: Bytes,
    list: Vec<i64>,
    texts: Vec<String>,
    array: [i64; 3],
    map: BTreeMap<String, i64>,
    inner: Inner,
    inners: Vec<Inner>,
    by_name: BTreeMap<String, Inner>,
    nested: Vec<Vec<i64>>,
    nothing: String,
    pointer: Option<Inner>,
}

pub(crate) fn everything() -> Everything {
    let inner = |label: &str, on| Inner { label: label.into(), on };
    Everything {
        bool: true,
        int: -123_456_789,
        small: -128,
        uint: u64::MAX,
        float: -1.5e300,
        single: 0.25,
        text: "héllo".into(),
        bytes: vec![0, 255, 10].into(),
        list: vec![1, -1, 0, i64::MIN],
        texts: vec!["".into(), "x".into()],
        array: [1, 0, -3],
        map: [("one".into(), 1)].into(),
        inner: inner("in", true),
        inners: vec![inner("a", false), inner("", true)],
        by_name: [("k".into(), inner("v", true))].into(),
        nested: vec![vec![1, 2], vec![], vec![3]],
        nothing: String::new(),
        pointer: Some(inner("p", false)),
    }
}

/// What `tests/go/gob_types.go` writes, without what only Go has.
pub(crate) fn write_types(stream: impl Write) {
    let mut encoder = Encoder::new(stream);
    let data = |name: &str, value| Data { name: name.into(), value };
    encoder.encode(&data("Example", 123)).unwrap();
    encoder.encode(&data("Again", -5)).unwrap();
    encoder.encode(&everything()).unwrap();
    encoder.encode(&Everything::default()).unwrap();
    encoder.encode(&17_i64).unwrap();
    encoder.encode("text").unwrap();
    encoder.encode(&Bytes::from(b"bytes".to_vec())).unwrap();
    encoder.encode(&[1_i64, 2, 3][..]).unwrap();
    encoder.encode(&BTreeMap::from([("a", 1_i64)])).unwrap();
    encoder.encode(&2.5).unwrap();
    encoder.encode(&true).unwrap();
    encoder.encode(&300_u64).unwrap();
}

/// Reads what `tests/go/gob_types.go` writes.
pub(crate) fn check_types(stream: &[u8]) {
    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(rename_all = "PascalCase")]
    struct After {
        kept: i64,
        new: String,
        also: (i64, i64),
        inner: Inner,
        maybe: Option<i64>,
    }
    let mut decoder = Decoder::new(stream);
    fn next<T: DeserializeOwned>(decoder: &mut Decoder<&[u8]>) -> T {
        decoder.decode().unwrap().expect("the stream ends too early")
    }
    let data: Data = next(&mut decoder);
    assert_eq!((data.name.as_str(), data.value), ("Example", 123));
    let data: Data = next(&mut decoder);
    assert_eq!((data.name.as_str(), data.value), ("Again", -5));
    assert_eq!(next::<Everything>(&mut decoder), everything());
    assert_eq!(next::<Everything>(&mut decoder), Everything::default());
    assert_eq!(
        next::<After>(&mut decoder),
        After { kept: 7, new: String::new(), also: (0, 0), inner: Inner::default(), maybe: None }
    );
    assert_eq!(next::<i64>(&mut decoder), 17);
    assert_eq!(next::<String>(&mut decoder), "text");
    assert_eq!(&*next::<Bytes>(&mut decoder), b"bytes");
    assert_eq!(next::<Vec<i64>>(&mut decoder), [1, 2, 3]);
    assert_eq!(next::<BTreeMap<String, i64>>(&mut decoder), BTreeMap::from([("a".into(), 1)]));
    assert_eq!(next::<f64>(&mut decoder), 2.5);
    assert!(next::<bool>(&mut decoder));
    assert_eq!(next::<u16>(&mut decoder), 300);
    assert_eq!(decoder.decode::<Data>().unwrap(), None);
}
