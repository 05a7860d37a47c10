//! Peers that do not keep to the protocol.

use std::{
    io::{Read, Write},
    net::Shutdown,
    os::unix::net::UnixStream,
    thread,
};

use ringpipe::rpc::{CallError, Client, Codec, Connection, Limits, Server};

use crate::setup::{
    Args, CODECS, Gate, Scene, Transport, against_socket, arith, read_all, read_frame, watched,
    write_frame,
};

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
fn feed(server: &Server, codec: Codec, bytes: &[u8]) -> Vec<u8> {
    let (mut ours, theirs) = UnixStream::pair().unwrap();
    thread::scope(|threads| {
        threads.spawn(|| server.serve(Connection::from(theirs), codec));
        let mut reader = ours.try_clone().unwrap();
        let answer = threads.spawn(move || {
            let mut answer = Vec::new();
            let _ = reader.read_to_end(&mut answer);
            answer
        });
        // The server may have hung up before it had read everything.
        let _ = ours.write_all(bytes);
        let _ = ours.shutdown(Shutdown::Write);
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
    watched("garbage", || {
        for codec in CODECS {
            let scene = Scene::new(Transport::Unix, codec);
            for garbage in [
                &b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"[..],
                b"\xff\xff\xff\xff\xff\xff\xff\xff\xff",
                b"\x00",
                b"]]]]",
                b"{{{{{{",
                b"{\"method\":17,\"id\":1}",
                b"\x01\x00\x00\x00\x80",
            ] {
                feed(&scene.server, codec, garbage);
                assert_eq!(scene.multiply(2, 3), 6);
            }
        }
    });
}

#[test]
fn requests_cut_anywhere_are_answered_as_far_as_they_are_whole() {
    watched("cut", || {
        let server = arith_server();
        for codec in CODECS {
            let whole = recorded(codec);
            let answer = feed(&server, codec, &whole);
            assert!(!answer.is_empty());
            let mut cuts = 0;
            for length in 0..whole.len() {
                let part = feed(&server, codec, &whole[..length]);
                assert!(answer.starts_with(&part), "{codec} cut at {length}");
                cuts += 1;
            }
            eprintln!("{codec}: {cuts} cuts");
        }
    });
}

#[test]
fn changed_requests_end_in_an_answer_or_an_end() {
    watched("changed", || {
        let server = arith_server();
        for codec in CODECS {
            let whole = recorded(codec);
            let mut random = Random(0x1234_5678_9abc_def1);
            for _ in 0..2000 {
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
                feed(&server, codec, &changed);
            }
            eprintln!("{codec}: 2000 changed streams");
        }
    });
}

#[test]
fn changed_replies_end_in_a_result_or_an_error() {
    watched("changed replies", || {
        for codec in CODECS {
            let replies = match codec {
                Codec::Json => include_bytes!("../data/go-arith-replies.json").to_vec(),
                Codec::Gob => include_bytes!("../data/go-arith-64-replies.gob").to_vec(),
                _ => feed(&arith_server(), codec, &recorded(codec)),
            };
            let mut random = Random(0x9876_5432_1fed_cba9);
            for _ in 0..1000 {
                let mut changed = replies.clone();
                for _ in 0..=random.below(3) {
                    let at = random.below(changed.len());
                    changed[at] = random.next() as u8;
                }
                let (ours, mut theirs) = against_socket();
                let client = Client::new(ours, codec).unwrap();
                let calls: Vec<_> = (0..4)
                    .map(|_| client.start::<_, i64>("Arith.Multiply", &Args { a: 17, b: 8 }))
                    .collect();
                let _ = theirs.write_all(&changed);
                drop(theirs);
                for call in calls {
                    // Any end will do; that there is one is the point.
                    let _ = call.wait();
                }
            }
            eprintln!("{codec}: 1000 changed streams");
        }
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

#[test]
fn replies_to_nobody_are_read_past_and_counted() {
    watched("replies to nobody", || {
        let (ours, mut theirs) = against_socket();
        let client = Client::new(ours, Codec::Bin).unwrap();
        let call = client.start::<_, u8>("A.B", &1_u8);
        let number = read_frame(&mut theirs)[0];
        write_frame(&mut theirs, &[99, 0, 1]);
        write_frame(&mut theirs, &[98, 1, b'e', b'r', b'r']);
        write_frame(&mut theirs, &[number, 0, 7]);
        write_frame(&mut theirs, &[number, 0, 8]);
        assert_eq!(call.wait().unwrap(), 7, "the first one counts");
        // Numbers are not used again, so the second reply is nobody's.
        let call = client.start::<_, u8>("A.B", &1_u8);
        let next = read_frame(&mut theirs)[0];
        assert_ne!(next, number);
        write_frame(&mut theirs, &[next, 0, 9]);
        assert_eq!(call.wait().unwrap(), 9);
        assert_eq!(client.dropped_replies(), 3);
    });
}

#[test]
fn a_server_that_sends_no_replies_but_garbage_is_left() {
    watched("garbage from the server", || {
        for codec in CODECS {
            let (ours, mut theirs) = against_socket();
            let client = Client::new(ours, codec).unwrap();
            let call = client.start::<_, i64>("A.B", &1);
            theirs.write_all(&[0xf0; 64]).unwrap();
            let error = call.wait().unwrap_err();
            assert!(matches!(error, CallError::Garbage(_)), "{codec}: {error:?}");
            let later = client.call::<_, i64>("A.B", &1).unwrap_err();
            assert!(matches!(later, CallError::ShutDown), "{later:?}");
            read_all(&mut theirs);
        }
    });
}

#[test]
fn a_client_that_half_closes_gets_the_replies_of_calls_in_flight() {
    watched("half close", || {
        for codec in CODECS {
            let answer = feed(&arith_server(), codec, &recorded(codec));
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
