//! A call that does next to nothing, one at a time, over everything that carries calls and with every codec; and the bytes of
//! such a call without a call.

use std::{
    io::{Read, Write},
    os::unix::net::UnixStream,
    thread,
    time::Instant,
};

use criterion::{BenchmarkId, Criterion};
use ringpipe::rpc::{Client, Codec, Connection, Server, Service};

const CODECS: [Codec; 3] = [Codec::Bin, Codec::Json, Codec::Gob];
const CAPACITY: usize = 1 << 20;

type Make = fn() -> (Connection, Connection);

fn carriers() -> [(&'static str, Make); 3] {
    [
        ("ring", || {
            let ring = || ringpipe::ring(CAPACITY).expect("a ring");
            let ((there, send), (back, answer)) = (ring(), ring());
            (Connection::from_ends(back, send), Connection::from_ends(there, answer))
        }),
        ("pipe-in-memory", || {
            let ((there, send), (back, answer)) = (ringpipe::pipe(), ringpipe::pipe());
            (Connection::from_ends(back, send), Connection::from_ends(there, answer))
        }),
        ("unix-socket", || {
            let (a, b) = UnixStream::pair().expect("a socket pair");
            (a.into(), b.into())
        }),
    ]
}

pub(crate) fn group(c: &mut Criterion) {
    let mut group = c.benchmark_group("rpc/null_call");
    for (name, make) in carriers() {
        for codec in CODECS {
            group.bench_function(BenchmarkId::new(name, codec), |b| {
                let (here, there) = make();
                let server = thread::spawn(move || {
                    let server = Server::new();
                    let next = |n: u64| Ok::<_, String>(n + 1);
                    server.register(Service::new("S").method("Next", next)).expect("a free name");
                    server.serve(there, codec);
                });
                let client = Client::new(here, codec).expect("a client");
                let mut number = 0u64;
                b.iter(|| {
                    number += 1;
                    let next: u64 = client.call("S.Next", &number).expect("an answer");
                    assert_eq!(next, number + 1);
                });
                client.close().expect("it was open");
                server.join().expect("the server");
            });
        }
    }
    for (name, make) in carriers() {
        group.bench_function(BenchmarkId::new(name, "bytes-only"), |b| {
            b.iter_custom(|rounds| {
                let (mut here, mut there) = make();
                let echo = thread::spawn(move || {
                    let mut message = [0; 32];
                    for _ in 0..rounds {
                        there.read_exact(&mut message).expect("a request");
                        there.write_all(&message).expect("a reply");
                    }
                });
                let mut got = [0; 32];
                let start = Instant::now();
                for number in 0..rounds {
                    let message = [number as u8; 32];
                    here.write_all(&message).expect("a request");
                    here.read_exact(&mut got).expect("a reply");
                    assert_eq!(got, message);
                }
                let took = start.elapsed();
                echo.join().expect("the echo");
                took
            });
        });
    }
    group.finish();
}
