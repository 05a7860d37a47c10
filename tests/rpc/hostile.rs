//! Peers that do not keep to the protocol.

use std::{
    collections::HashSet,
    convert::Infallible,
    io::{Read, Write},
    net::Shutdown,
    os::unix::net::UnixStream,
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use ringpipe::rpc::{CallError, Client, Codec, Connection, Limits, Server, Service, gob::Encoder};

use crate::setup::{
    Args, Bare, CODECS, Gate, Scene, Transport, against_bare, arith, everywhere, hush, read_all,
    read_frame, watched, write_frame,
};

/// Streams changed at random, for each transport and codec.
const CHANGED: usize = 300;

/// Small numbers that look random and are the same every time.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }
}

/// What a server says to `bytes` before it ends the connection.
fn feed(server: &Server, transport: Transport, codec: Codec, bytes: &[u8]) -> Vec<u8> {
    let (theirs, Bare { mut reader, mut writer }) = against_bare(transport);
    thread::scope(|threads| {
        threads.spawn(|| server.serve(theirs, codec));
        let answer = threads.spawn(move || {
            let mut answer = Vec::new();
            let _ = reader.read_to_end(&mut answer);
            answer
        });
        // The server may have hung up before it had read everything.
        let _ = writer.write_all(bytes);
        drop(writer);
        answer.join().unwrap()
    })
}

fn recorded(codec: Codec) -> Vec<u8> {
    match codec {
        Codec::Json => include_bytes!("../data/go-arith-requests.json").to_vec(),
        Codec::Gob => include_bytes!("../data/go-arith-64-requests.gob").to_vec(),
        _ => {
            let mut bytes = Vec::new();
            for (number, method) in [(0, "Arith.Multiply"), (1, "Arith.Divide"), (2, "Arith.Nope")]
            {
                let mut frame = vec![number, method.len() as u8];
                frame.extend_from_slice(method.as_bytes());
                frame.extend_from_slice(&[34, 16]);
                write_frame(&mut bytes, &frame);
            }
            bytes
        }
    }
}

fn arith_server() -> Server {
    // One at a time, so that the answers come in the order of the requests.
    let server = Server::with_limits(Limits::default().message(1 << 16).in_flight(1));
    server.register(arith("Arith", &Gate::default().into())).unwrap();
    server
}

#[test]
fn garbage_ends_its_own_connection_and_no_other() {
    everywhere(|scene| {
        for garbage in [
            &b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"[..],
            b"\xff\xff\xff\xff\xff\xff\xff\xff\xff",
            b"\x00",
            b"]]]]",
            b"{{{{{{",
            b"{\"method\":17,\"id\":1}",
            b"\x01\x00\x00\x00\x80",
        ] {
            feed(&scene.server, scene.transport, scene.codec, garbage);
            assert_eq!(scene.multiply(2, 3), 6);
        }
    });
}

#[test]
fn requests_cut_anywhere_are_answered_as_far_as_they_are_whole() {
    everywhere(|scene| {
        let server = arith_server();
        let whole = recorded(scene.codec);
        let answer = feed(&server, scene.transport, scene.codec, &whole);
        assert!(!answer.is_empty());
        for length in 0..whole.len() {
            let part = feed(&server, scene.transport, scene.codec, &whole[..length]);
            assert!(answer.starts_with(&part), "cut at {length}");
        }
        assert_eq!(scene.multiply(2, 3), 6);
        eprintln!("{:?} with {}: {} cuts", scene.transport, scene.codec, whole.len());
    });
}

#[test]
fn changed_requests_end_in_an_answer_or_an_end() {
    everywhere(|scene| {
        let server = arith_server();
        let whole = recorded(scene.codec);
        let mut random = Random(0x1234_5678_9abc_def1);
        for _ in 0..CHANGED {
            let mut changed = whole.clone();
            for _ in 0..=random.below(4) {
                let at = random.below(changed.len());
                match random.below(4) {
                    0 => changed[at] ^= 1 << random.below(8),
                    1 => changed[at] = random.next() as u8,
                    2 => drop(changed.remove(at)),
                    _ => changed.insert(at, random.next() as u8),
                }
            }
            feed(&server, scene.transport, scene.codec, &changed);
        }
        assert_eq!(scene.multiply(2, 3), 6);
        eprintln!("{:?} with {}: {CHANGED} changed streams", scene.transport, scene.codec);
    });
}

#[test]
fn changed_replies_end_in_a_result_or_an_error() {
    everywhere(|scene| {
        let codec = scene.codec;
        let replies = match codec {
            Codec::Json => include_bytes!("../data/go-arith-replies.json").to_vec(),
            Codec::Gob => include_bytes!("../data/go-arith-64-replies.gob").to_vec(),
            _ => feed(&arith_server(), scene.transport, codec, &recorded(codec)),
        };
        let mut random = Random(0x9876_5432_1fed_cba9);
        for _ in 0..CHANGED {
            let mut changed = replies.clone();
            for _ in 0..=random.below(3) {
                let at = random.below(changed.len());
                changed[at] = random.next() as u8;
            }
            let (ours, Bare { mut reader, mut writer }) = against_bare(scene.transport);
            let client = Client::new(ours, codec).unwrap();
            thread::scope(|threads| {
                // In memory a request has been sent once it was read.
                threads.spawn(move || std::io::copy(&mut reader, &mut std::io::sink()));
                let calls: Vec<_> = (0..4)
                    .map(|_| client.start::<_, i64>("Arith.Multiply", &Args { a: 17, b: 8 }))
                    .collect();
                threads.spawn(move || drop(writer.write_all(&changed)));
                for call in calls {
                    // Any end will do; that there is one is the point.
                    let _ = call.wait();
                }
                let _ = client.close();
            });
        }
        eprintln!("{:?} with {codec}: {CHANGED} changed streams", scene.transport);
    });
}

#[test]
fn an_announced_length_allots_nothing() {
    watched("announced", || {
        for codec in CODECS {
            let server = Server::new();
            let announced: Vec<u8> = match codec {
                // Just under the limit of 64 MiB, and then hardly anything.
                Codec::Bin => vec![0, 0, 0, 4, 1, 2, 3],
                Codec::Json => b"{\"method\":\"A.B\",\"params\":[\"".to_vec(),
                _ => vec![0xfc, 4, 0, 0, 0, 1, 2, 3],
            };
            let before = resident();
            let waiting: Vec<_> = (0..64)
                .map(|_| {
                    let (mut ours, theirs) = UnixStream::pair().unwrap();
                    ours.write_all(&announced).unwrap();
                    let server = server.clone();
                    let serving =
                        thread::spawn(move || server.serve(Connection::from(theirs), codec));
                    (ours, serving)
                })
                .collect();
            while server.connections() < 64 {
                thread::yield_now();
            }
            let grown = resident().saturating_sub(before);
            assert!(grown < 128 << 20, "{codec}: {grown} bytes for 64 announcements of 64 MiB");
            for (ours, serving) in waiting {
                drop(ours);
                serving.join().unwrap();
            }
        }
    });
}

/// Requests of a method, with an id where the codec has any, and with a body of so many bytes.
fn requests(codec: Codec, asked: &[(&str, &str, usize)]) -> Vec<u8> {
    #[derive(serde::Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Request<'a> {
        service_method: &'a str,
        seq: u64,
    }
    let mut bytes = Vec::new();
    let mut gob = Encoder::new(Vec::new());
    for &(method, id, size) in asked {
        match codec {
            Codec::Bin => {
                let length = [method.len() as u8 | 0x80, (method.len() >> 7) as u8 | 0x80];
                let length = [&length[..], &[(method.len() >> 14) as u8]].concat();
                let parts = [&[1], &length[..], method.as_bytes(), &vec![0; size]];
                write_frame(&mut bytes, &parts.concat());
            }
            Codec::Json => {
                let text = "x".repeat(size);
                write!(bytes, "{{\"method\":{method:?},\"params\":[{text:?}],\"id\":{id:?}}}")
                    .unwrap();
            }
            _ => {
                gob.encode(&Request { service_method: method, seq: 1 }).unwrap();
                gob.encode(&"x".repeat(size)).unwrap();
            }
        }
    }
    bytes.extend(gob.into_inner());
    bytes
}

/// A service whose one method takes any text and waits at the gate.
fn text_service(gate: &Arc<Gate>) -> Service {
    let gate = Arc::clone(gate);
    Service::new("Arith").method("Text", move |_: String| {
        gate.pass();
        Ok::<_, String>(1)
    })
}

#[test]
fn calls_that_wait_their_turn_are_bounded_whatever_a_client_makes_large() {
    const LIMIT: usize = 1 << 20;
    const LARGE: usize = 100_000;
    // What waits, what is half read, and what the socket holds.
    const MOST: usize = 8 * LIMIT;
    let large = "x".repeat(LARGE);
    let cases = [
        ("body", ("Arith.Echo", "1", LARGE)),
        ("name", (&*format!("Arith.{large}"), "1", 1)),
        ("id", ("Arith.Echo", &*large, 1)),
    ];
    let mut held = 0;
    for codec in CODECS {
        for (what, request) in cases {
            if what == "id" && codec != Codec::Json {
                continue;
            }
            held += 1;
            let first = requests(codec, &[("Arith.Text", "0", 1)]);
            let more = requests(codec, &[("Arith.Text", "0", 1), request])[first.len()..].to_vec();
            watched(&format!("{codec}, large {what}"), move || {
                let server = Server::with_limits(Limits::default().message(LIMIT).in_flight(1));
                let gate = std::sync::Arc::new(Gate::default());
                server.register(text_service(&gate)).unwrap();
                let (mut ours, theirs) = UnixStream::pair().unwrap();
                let serving = {
                    let server = server.clone();
                    thread::spawn(move || server.serve(Connection::from(theirs), codec))
                };
                ours.write_all(&first).unwrap();
                gate.wait_for(1);
                ours.set_write_timeout(Some(Duration::from_millis(300))).unwrap();
                let mut taken = 0;
                while taken <= MOST && ours.write_all(&more).is_ok() {
                    taken += more.len();
                }
                assert!(taken <= MOST, "{taken} bytes wait for one call to end");
                gate.open();
                drop(ours);
                serving.join().unwrap();
            });
        }
    }
    eprintln!("{held} kinds of requests");
}

fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

#[test]
fn beyond_the_limit_the_connection_ends_at_the_announcement() {
    watched("limit", || {
        let server = Server::new();
        for (codec, bytes) in
            [(Codec::Bin, vec![1, 0, 0, 4, 1]), (Codec::Gob, vec![0xfc, 4, 0, 0, 1, 1])]
        {
            let (mut ours, theirs) = UnixStream::pair().unwrap();
            thread::scope(|threads| {
                threads.spawn(|| server.serve(Connection::from(theirs), codec));
                ours.write_all(&bytes).unwrap();
                // The end comes although we have not ended.
                assert!(read_all(&mut ours).is_empty());
            });
        }
    });
}

/// Successful replies, each a number and a result, as a server writes them one after the other.
fn replies(codec: Codec, said: &[(u8, u8)]) -> Vec<u8> {
    #[derive(serde::Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Response {
        service_method: &'static str,
        seq: u64,
        error: &'static str,
    }
    let mut bytes = Vec::new();
    let mut gob = Encoder::new(Vec::new());
    for &(number, result) in said {
        match codec {
            Codec::Json => {
                write!(bytes, "{{\"id\":{number},\"result\":{result},\"error\":null}}").unwrap();
            }
            Codec::Bin => write_frame(&mut bytes, &[number, 0, result]),
            _ => {
                let seq = number.into();
                gob.encode(&Response { service_method: "A.B", seq, error: "" }).unwrap();
                gob.encode(&u64::from(result)).unwrap();
            }
        }
    }
    bytes.extend(gob.into_inner());
    bytes
}

#[test]
fn replies_to_nobody_are_read_past_and_counted() {
    everywhere(|scene| {
        let (ours, Bare { mut reader, mut writer }) = against_bare(scene.transport);
        let client = Client::new(ours, scene.codec).unwrap();
        // Two numbers that were never used, the right one, the right one again; and the next.
        let first = [(99, 1), (98, 2), (0, 7), (0, 8)];
        let at_first = replies(scene.codec, &first);
        let all = replies(scene.codec, &[&first[..], &[(1, 9)]].concat());
        thread::scope(|threads| {
            let (go_on, waiting) = std::sync::mpsc::channel();
            threads.spawn(move || {
                // Not before the request has come: a reply to nothing is nobody's.
                reader.read_exact(&mut [0]).unwrap();
                threads.spawn(move || std::io::copy(&mut reader, &mut std::io::sink()));
                writer.write_all(&at_first).unwrap();
                waiting.recv().unwrap();
                writer.write_all(&all[at_first.len()..]).unwrap();
                waiting.recv().unwrap();
            });
            let call = client.start::<_, u8>("A.B", &1_u8);
            assert_eq!(call.wait().unwrap(), 7, "the first one counts");
            // Numbers are not used again, so the second reply is nobody's.
            let call = client.start::<_, u8>("A.B", &1_u8);
            go_on.send(()).unwrap();
            assert_eq!(call.wait().unwrap(), 9);
            assert_eq!(client.dropped_replies(), 3);
            client.close().unwrap();
            go_on.send(()).unwrap();
        });
    });
}

#[test]
fn a_server_that_sends_no_replies_but_garbage_is_left() {
    everywhere(|scene| {
        let (ours, Bare { mut reader, mut writer }) = against_bare(scene.transport);
        let client = Client::new(ours, scene.codec).unwrap();
        thread::scope(|threads| {
            // Ends because the client hangs up.
            threads.spawn(move || std::io::copy(&mut reader, &mut std::io::sink()));
            let calls: Vec<_> = (0..5).map(|n| client.start::<_, i64>("A.B", &n)).collect();
            threads.spawn(move || drop(writer.write_all(&[0xf0; 64])));
            let reasons: HashSet<_> = calls
                .into_iter()
                .map(|call| match call.wait().unwrap_err() {
                    CallError::Garbage(reason) => reason,
                    error => panic!("{error:?}"),
                })
                .collect();
            assert_eq!(reasons.len(), 1, "the first reason is that of all: {reasons:?}");
            let later = client.call::<_, i64>("A.B", &1).unwrap_err();
            assert!(matches!(later, CallError::ShutDown), "{later:?}");
        });
    });
}

/// A stream that panics at its first read or write.
struct Panics(UnixStream, #[expect(dead_code, reason = "it is held")] mpsc::Sender<Infallible>);

impl Read for Panics {
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        let _ = self.0.read(buf);
        std::panic::panic_any("number 3".to_owned())
    }
}

impl Write for Panics {
    fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
        std::panic::panic_any("number 4".to_owned())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_transport_that_panics_ends_its_connection() {
    hush();
    // The receiver hears when nobody holds the connection any more.
    let connection = |stream: &UnixStream, reads: bool| {
        let own = || stream.try_clone().unwrap();
        let (held, dropped) = mpsc::channel();
        let panics = Panics(own(), held);
        let hang_up = own();
        let hang_up = move || drop(hang_up.shutdown(Shutdown::Both));
        let connection = if reads {
            Connection::from_streams(panics, own(), hang_up)
        } else {
            Connection::from_streams(own(), panics, hang_up)
        };
        (connection, dropped)
    };
    watched("a client whose reading panics", move || {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let (ours, dropped) = connection(&ours, true);
        let client = Client::new(ours, Codec::Bin).unwrap();
        let call = client.start::<_, i64>("A.B", &1);
        theirs.write_all(&[0; 4]).unwrap();
        assert!(matches!(call.wait().unwrap_err(), CallError::Broken(_) | CallError::ShutDown));
        drop(client);
        assert!(dropped.recv().is_err());
    });
    watched("a server whose writing panics", move || {
        for method in ["Arith.Text", "Arith.Nope"] {
            let (mut ours, theirs) = UnixStream::pair().unwrap();
            let server = Server::new();
            let gate = Arc::new(Gate::default());
            server.register(text_service(&gate)).unwrap();
            let (theirs, dropped) = connection(&theirs, false);
            let serving = {
                let server = server.clone();
                thread::spawn(move || server.serve(theirs, Codec::Bin))
            };
            ours.write_all(&requests(Codec::Bin, &[(method, "1", 1)])).unwrap();
            if method == "Arith.Text" {
                gate.wait_for(1);
                gate.open();
            }
            assert!(read_all(&mut ours).is_empty());
            // The panic may be of the thread that serves.
            let _ = serving.join();
            assert_eq!(server.connections(), 0);
            assert!(dropped.recv().is_err());
        }
    });
}

#[test]
fn a_client_that_half_closes_gets_the_replies_of_calls_in_flight() {
    everywhere(|scene| {
        // Both are being executed when their client ends its direction.
        let codec = scene.codec;
        let server = Server::new();
        let gate = Arc::new(Gate::default());
        server.register(text_service(&gate)).unwrap();
        let (theirs, Bare { mut reader, mut writer }) = against_bare(scene.transport);
        let asked = requests(codec, &[("Arith.Text", "1", 1), ("Arith.Text", "2", 1)]);
        thread::scope(|threads| {
            let serving = threads.spawn(|| server.serve(theirs, codec));
            writer.write_all(&asked).unwrap();
            gate.wait_for(2);
            drop(writer);
            let answered = threads.spawn(move || read_all(&mut reader));
            gate.open();
            serving.join().unwrap();
            let said = answered.join().unwrap();
            let replies = match codec {
                Codec::Bin => said.chunks(7).filter(|reply| reply[4..] == [1, 0, 2]).count(),
                Codec::Json => said.split(|&byte| byte == b'\n').count() - 1,
                // The name of the method, once in each reply.
                _ => said.windows(10).filter(|part| part == b"Arith.Text").count(),
            };
            assert_eq!(replies, 2, "{said:?}");
        });
        // And what is quick comes byte for byte.
        let answer = feed(&arith_server(), scene.transport, codec, &recorded(codec));
        match codec {
            Codec::Json => {
                assert_eq!(answer, include_bytes!("../data/go-arith-replies.json"));
            }
            Codec::Bin => {
                let mut rest = &answer[..];
                assert_eq!(read_frame(&mut rest), [0, 0, 0x90, 0x02]);
                assert_eq!(read_frame(&mut rest), [1, 0, 4, 2]);
                assert_eq!(read_frame(&mut rest), b"\x02\x01rpc: can't find method Arith.Nope");
                assert!(rest.is_empty());
            }
            _ => assert!(!answer.is_empty()),
        }
    });
}

#[test]
fn a_client_that_reads_no_replies_holds_up_no_other() {
    watched("reads no replies", || {
        let scene = Scene::new(Transport::Unix, Codec::Json);
        let (mut ours, theirs) = UnixStream::pair().unwrap();
        let serving = {
            let server = scene.server.clone();
            thread::spawn(move || server.serve(Connection::from(theirs), Codec::Json))
        };
        let request = "{\"method\":\"Arith.Nope\",\"params\":[1],\"id\":1}\n".repeat(1000);
        ours.set_nonblocking(true).unwrap();
        let mut stuck = 0;
        while stuck < 100 {
            // Whether it ends within a request does not matter: it is never to be answered.
            let written = ours.write(request.as_bytes()).unwrap_or(0);
            stuck = if written > 0 { 0 } else { stuck + 1 };
            assert_eq!(scene.multiply(2, 3), 6);
        }
        drop(ours);
        serving.join().unwrap();
    });
}
