//! What a call costs on top of the ring that carries it: null calls one at a time and many in flight.

use std::{
    collections::VecDeque,
    io::{Read, Write},
    thread,
    time::{Duration, Instant},
};

use ringpipe::rpc::{Call, Client, Codec, Connection, Server, Service};

use super::{
    contenders, pin,
    rounds::{Make, Plan, nanoseconds},
};

const MIB: usize = 1 << 20;
/// More than a null call sends or gets.
const MESSAGE: usize = 64;

pub(crate) fn run(plan: &Plan) {
    pin::to(plan.cpus.0);
    let cpu = plan.cpus.1;
    let ring = || contenders::ring(MIB, ringpipe::Wait::Adaptive);
    let calls = |codec, in_flight| -> Make<'static> {
        Box::new(move || {
            let ((send, there), (answer, back)) = (ring(), ring());
            let serving = Serving::start(cpu, Connection::from_ends(there, answer), codec);
            let client = Client::new(Connection::from_ends(back, send), codec).expect("a client");
            Box::new(move |count| serving.timed(|| exchange(&client, count, in_flight)))
        })
    };
    plan.compare(
        "null calls over the ring",
        ("ns", nanoseconds),
        MESSAGE,
        vec![
            ("64 B there and back", bare(cpu)),
            ("bin", calls(Codec::Bin, 1)),
            ("bin, 2 in flight", calls(Codec::Bin, 2)),
            ("bin, 8 in flight", calls(Codec::Bin, 8)),
            ("bin, 64 in flight", calls(Codec::Bin, 64)),
            ("json", calls(Codec::Json, 1)),
            ("json, 64 in flight", calls(Codec::Json, 64)),
            ("gob", calls(Codec::Gob, 1)),
            ("gob, 64 in flight", calls(Codec::Gob, 64)),
        ],
    );
}

fn exchange(client: &Client, count: u64, in_flight: usize) {
    if in_flight == 1 {
        for _ in 0..count {
            client.call::<_, ()>("Lab.Null", &()).expect("a reply");
        }
        return;
    }
    let mut flying: VecDeque<Call<()>> = VecDeque::with_capacity(in_flight);
    for _ in 0..count {
        if flying.len() == in_flight {
            flying.pop_front().expect("a full window").wait().expect("a reply");
        }
        flying.push_back(client.start("Lab.Null", &()));
    }
    for call in flying {
        call.wait().expect("a reply");
    }
}

/// A server in a thread of its own, until this is dropped.
struct Serving {
    server: Server,
    thread: Option<thread::JoinHandle<()>>,
}

impl Serving {
    fn start(cpu: usize, connection: Connection, codec: Codec) -> Self {
        let server = Server::new();
        let service = Service::new("Lab").method("Null", |()| Ok::<_, String>(()));
        server.register(service).expect("the only one of its name");
        let handle = server.clone();
        let thread = thread::spawn(move || {
            pin::to(cpu);
            handle.serve(connection, codec);
        });
        Self { server, thread: Some(thread) }
    }

    fn timed(&self, work: impl FnOnce()) -> Duration {
        let start = Instant::now();
        work();
        start.elapsed()
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.server.close();
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the server");
        }
    }
}

/// The bytes of a call without a call.
fn bare(cpu: usize) -> Make<'static> {
    Box::new(move || {
        let ring = || contenders::ring(MIB, ringpipe::Wait::Adaptive);
        let ((mut send, mut there), (mut answer, mut back)) = (ring(), ring());
        // Ends when this side drops its writer.
        thread::spawn(move || {
            pin::to(cpu);
            let mut message = [0; MESSAGE];
            while there.read_exact(&mut message).is_ok() {
                answer.write_all(&message).expect("a reader");
            }
        });
        let mut message = [0; MESSAGE];
        Box::new(move |count| {
            let start = Instant::now();
            for number in 0..count {
                message[..8].copy_from_slice(&number.to_le_bytes());
                send.write_all(&message).expect("room");
                back.read_exact(&mut message).expect("an echo");
                assert_eq!(message[..8], number.to_le_bytes());
            }
            start.elapsed()
        })
    })
}
