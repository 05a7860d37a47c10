//! What a call costs, and what it costs to write a value down and read it again.

use perf_gate::{Probe, probe::partner};
use ringpipe::{
    pipe, ring,
    rpc::{
        Client, Codec, Connection, Server, Service,
        gob::{Decoder, Encoder},
    },
};
use serde::{Deserialize, Serialize};

pub fn codecs(probe: &mut Probe) {
    probe.alone("rpc/gob", gob);
}

pub fn calls(probe: &mut Probe) {
    probe.pair("rpc/call/ring", || {
        let ends = || ring(1 << 20).expect("there is memory for a ring");
        let ((there, send), (back, answer)) = (ends(), ends());
        call(Connection::from_ends(back, send), Connection::from_ends(there, answer))
    });
    probe.pair("rpc/call/pipe", || {
        let ((there, send), (back, answer)) = (pipe(), pipe());
        call(Connection::from_ends(back, send), Connection::from_ends(there, answer))
    });
}

/// A call that does next to nothing.
fn call(here: Connection, there: Connection) -> impl FnMut(u64) {
    partner(move || {
        let server = Server::new();
        let service = Service::new("Echo").method("Next", |n: u64| Ok::<_, String>(n + 1));
        server.register(service).expect("a name that is free");
        server.serve(there, Codec::Bin);
    });
    let client = Client::new(here, Codec::Bin).expect("there is a thread for it");
    move |operations| {
        for number in 0..operations {
            let next: u64 = client.call("Echo.Next", &number).expect("the server answers");
            assert_eq!(next, number + 1);
        }
    }
}

#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
struct Value {
    id: u64,
    name: String,
    parts: Vec<i64>,
}

/// Values of one stream, which describes their type once.
const STREAM: u64 = 64;

/// One value into a stream, and out again.
fn gob() -> impl FnMut(u64) {
    let mut value = Value { id: 0, name: "a name of usual length".into(), parts: vec![1, -2, 300] };
    move |operations| {
        for first in (0..operations).step_by(STREAM as usize) {
            let ids = first..operations.min(first + STREAM);
            let mut encoder = Encoder::new(Vec::new());
            for id in ids.clone() {
                value.id = id;
                encoder.encode(&value).expect("memory takes everything");
            }
            let bytes = encoder.into_inner();
            let mut decoder = Decoder::new(&bytes[..]);
            for id in ids {
                let got: Value = decoder.decode().expect("it was encoded").expect("it is the next");
                assert_eq!(got.id, id);
            }
        }
    }
}
