//! Gob streams against recorded ones and against themselves.

use std::{fmt::Debug, io::ErrorKind, io::Write, net::Shutdown, thread};

use ringpipe::rpc::{
    Codec, Connection, Server,
    gob::{Decoder, Encoder},
};
use serde::{Serialize, de::DeserializeOwned};

use crate::gob_values::{Data, Everything, check_types, everything, write_types};
use crate::setup::{Gate, arith, read_all, understand, watched};

pub(crate) fn encode<T: Serialize + ?Sized>(value: &T) -> Vec<u8> {
    let mut stream = Vec::new();
    Encoder::new(&mut stream).encode(value).unwrap();
    stream
}

pub(crate) fn decode<T: DeserializeOwned>(stream: &[u8]) -> Result<T, String> {
    Decoder::new(stream).decode().map(Option::unwrap).map_err(|error| error.to_string())
}

/// One stream of these values gives them back in their order.
pub(crate) fn read_back_in_turn<T>(sent: impl IntoIterator<Item = T>)
where
    T: Debug + DeserializeOwned + PartialEq + Serialize,
{
    let (mut stream, sent) = (Vec::new(), Vec::from_iter(sent));
    let mut encoder = Encoder::new(&mut stream);
    for value in &sent {
        encoder.encode(value).unwrap();
    }
    let mut decoder = Decoder::new(&stream[..]);
    for value in sent {
        assert_eq!(decoder.decode::<T>().unwrap(), Some(value));
    }
}

const DATA: &str = "25 ff 81 03 01 01 04 44 61 74 61 01 ff 82 00 01 02 01 04 4e 61 6d 65 01 0c 00 \
                    01 05 56 61 6c 75 65 01 04 00 00 00 \
                    0f ff 82 01 07 45 78 61 6d 70 6c 65 01 ff f6 00";

fn hex(text: &str) -> Vec<u8> {
    text.split_whitespace().map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect()
}

#[test]
fn the_bytes_are_those_of_go() {
    let data = Data { name: "Example".into(), value: 123 };
    let mut stream = Vec::new();
    let mut encoder = Encoder::new(&mut stream);
    encoder.encode(&data).unwrap();
    encoder.encode(&data).unwrap();
    let known = hex(DATA);
    assert_eq!(stream[..54], known);
    assert_eq!(stream[54..], known[38..], "the type is told once");
}

#[test]
fn recorded_go_streams_of_either_numbering_are_read() {
    check_types(include_bytes!("../data/go-types-64.gob"));
    check_types(include_bytes!("../data/go-types-65.gob"));
}

#[test]
fn every_kind_of_value_reads_back() {
    assert_eq!(decode::<Everything>(&encode(&everything())).unwrap(), everything());
    let mut stream = Vec::new();
    write_types(&mut stream);
    let mut decoder = Decoder::new(&stream[..]);
    for _ in 0..2 {
        decoder.decode::<Data>().unwrap().unwrap();
    }
    assert_eq!(decoder.decode::<Everything>().unwrap(), Some(everything()));
    assert_eq!(decoder.decode::<Everything>().unwrap(), Some(Everything::default()));
}

#[test]
fn a_struct_seen_empty_first_and_filled_later_reads_back_each_time() {
    read_back_in_turn([Everything::default(), everything(), Everything::default()]);
}

#[test]
fn kinds_do_not_mix_and_numbers_do_not_overflow() {
    assert!(decode::<u64>(&encode(&1_i64)).unwrap_err().contains("type mismatch"));
    assert!(decode::<i64>(&encode(&1_u64)).unwrap_err().contains("type mismatch"));
    assert!(decode::<i64>(&encode(&1.0)).unwrap_err().contains("type mismatch"));
    assert!(decode::<String>(&encode(&true)).unwrap_err().contains("type mismatch"));
    assert!(decode::<Vec<i64>>(&encode(&17_i64)).unwrap_err().contains("type mismatch"));
    assert!(decode::<[i64; 2]>(&encode(&[1_i64, 2, 3])).unwrap_err().contains("length 2"));
    assert!(decode::<Data>(&encode(&[1_i64][..])).unwrap_err().contains("type mismatch"));
    assert!(decode::<u8>(&encode(&256_u64)).is_err());
    assert!(decode::<i8>(&encode(&-129_i64)).is_err());
    assert!(decode::<f32>(&encode(&1e300)).is_err());
    assert_eq!(decode::<u8>(&encode(&255_u64)).unwrap(), 255);
    assert_eq!(decode::<i8>(&encode(&-128_i64)).unwrap(), -128);
}

#[test]
fn what_gob_cannot_express_is_unsupported_and_writes_nothing() {
    #[derive(Serialize)]
    enum Choice {
        A,
        B(i64),
    }
    let mut stream = Vec::new();
    let mut encoder = Encoder::new(&mut stream);
    let errors = [
        encoder.encode(&Choice::A).unwrap_err(),
        encoder.encode(&Choice::B(1)).unwrap_err(),
        encoder.encode(&'c').unwrap_err(),
        encoder.encode(&1_i128).unwrap_err(),
        encoder.encode(&(1_i64, "mixed")).unwrap_err(),
        encoder.encode(&[Some(1_i64), None][..]).unwrap_err(),
        encoder.encode(&Vec::<i64>::new()).unwrap_err(),
    ];
    for error in errors {
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    }
    encoder.encode(&17_i64).unwrap();
    assert_eq!(stream, encode(&17_i64));
}

#[test]
fn after_a_value_of_another_type_the_next_one_is_read() {
    let mut stream = Vec::new();
    let mut encoder = Encoder::new(&mut stream);
    encoder.encode("text").unwrap();
    encoder.encode(&17_i64).unwrap();
    let mut decoder = Decoder::new(&stream[..]);
    assert_eq!(decoder.decode::<i64>().unwrap_err().kind(), ErrorKind::InvalidData);
    assert_eq!(decoder.decode::<i64>().unwrap(), Some(17));
}

#[test]
fn a_stream_cut_or_changed_anywhere_is_an_error_or_another_value() {
    let mut whole = Vec::new();
    write_types(&mut whole);
    for length in 0..whole.len() {
        let mut decoder = Decoder::new(&whole[..length]);
        while let Ok(Some(_)) = decoder.decode::<Everything>() {}
    }
    let mut cases = 0;
    for at in 0..whole.len() {
        for value in [0, 1, 0x7f, 0x80, 0xf8, 0xff, whole[at] ^ 1, whole[at].wrapping_add(1)] {
            let mut changed = whole.clone();
            changed[at] = value;
            let mut decoder = Decoder::new(&changed[..]);
            for _ in 0..13 {
                if let Ok(None) = decoder.decode::<Everything>() {
                    break;
                }
            }
            cases += 1;
        }
    }
    eprintln!("{} cuts, {cases} changes", whole.len());
}

#[test]
fn values_nested_too_deep_are_refused() {
    // A list of itself, a thousand deep.
    let mut stream = vec![0x0b, 0xff, 0x81, 0x02, 0x01, 0x02, 0xff, 0x82, 0x00, 0x01, 0xff, 0x82];
    stream[0] = 13;
    stream.extend_from_slice(&[0, 0]);
    let mut value = vec![0xff, 0x82, 0x00];
    value.extend_from_slice(&[1; 1000]);
    value.push(0);
    stream.extend_from_slice(&[0xfe, (value.len() >> 8) as u8, value.len() as u8]);
    stream.extend_from_slice(&value);
    let error = decode::<serde::de::IgnoredAny>(&stream).unwrap_err();
    assert!(error.contains("lie in each other"), "{error}");
}

/// An unsigned number as gob writes it.
pub(crate) fn uint(n: usize) -> Vec<u8> {
    let bytes = n.to_be_bytes();
    let bytes = &bytes[(n.leading_zeros() / 8) as usize..];
    match n {
        0..128 => vec![n as u8],
        _ => [&[(bytes.len() as u8).wrapping_neg()], bytes].concat(),
    }
}

/// The description of a struct with that many fields of no name, each of them one byte long.
fn wide_struct(id: usize, fields: usize) -> Vec<u8> {
    let mut message = uint(2 * id - 1);
    message.extend([3, 1, 2]);
    message.extend(uint(2 * id));
    message.extend([0, 1]);
    message.extend(uint(fields));
    message.resize(message.len() + fields + 2, 0);
    [uint(message.len()), message].concat()
}

#[test]
fn descriptions_take_no_more_room_than_programs_need() {
    let refusal = |stream: &[u8]| {
        let error = Decoder::new(stream).decode::<i64>().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidData);
        error.to_string()
    };
    let number = encode(&17_i64);
    let some = [wide_struct(100, 4096), number].concat();
    assert_eq!(decode::<i64>(&some), Ok(17));
    assert_eq!(refusal(&wide_struct(100, 4097)), "a struct of 4097 fields; 4096 is the most");
    // A peer that describes and describes: by what it sends in all, and by how many types.
    let many_bytes: Vec<u8> = (100..500).flat_map(|id| wide_struct(id, 4000)).collect();
    assert_eq!(refusal(&many_bytes), "types are described with more than 1048576 bytes");
    let many_types: Vec<u8> = (100..2000).flat_map(|id| wide_struct(id, 1)).collect();
    assert_eq!(refusal(&many_types), "more than 1024 types are described");
}

#[test]
fn recorded_go_clients_get_answers_and_recorded_go_servers_are_understood() {
    watched("recorded calls", || {
        for (requests, replies) in [
            (
                &include_bytes!("../data/go-arith-64-requests.gob")[..],
                &include_bytes!("../data/go-arith-64-replies.gob")[..],
            ),
            (
                &include_bytes!("../data/go-arith-65-requests.gob")[..],
                &include_bytes!("../data/go-arith-65-replies.gob")[..],
            ),
        ] {
            let server = Server::new();
            server.register(arith("Arith", &Gate::default().into())).unwrap();
            let (mut ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
            let serving = thread::spawn(move || server.serve(Connection::from(theirs), Codec::Gob));
            ours.write_all(requests).unwrap();
            ours.shutdown(Shutdown::Write).unwrap();
            let answers = read_all(&mut ours);
            serving.join().unwrap();
            for replies in [&answers[..], replies] {
                understand(Codec::Gob, replies);
            }
        }
    });
}
