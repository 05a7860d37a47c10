//! Calls beside the stream: echoes of random sizes, waited for one by one or many at once, and now and then left alone.

use std::{
    io,
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
    thread::{self, JoinHandle},
};

use ringpipe::rpc::{Address, Bytes, Client, Codec, Listener, ListenerControl, Server, Service};

use crate::{
    common::Random,
    plan::{any_bytes, any_size},
};

/// Most calls that are started at once.
const MOST_STARTED: usize = 32;
/// Calls of a round, as long as the rest of it lasts; at least the first number.
const LEAST: u64 = 8;
const ENOUGH: u64 = 120;

/// Where this round's calls go, and how they are written.
fn address_and_codec(directory: &Path, random: &mut Random) -> (Address, Codec) {
    let path = directory.join("calls.sock");
    let address = if random.below(3) > 0 { Address::Shm(path) } else { Address::Unix(path) };
    (address, [Codec::Bin, Codec::Bin, Codec::Json, Codec::Gob][random.below(4)])
}

/// A server of its own for each round.
pub(crate) struct Serving {
    server: Server,
    control: ListenerControl,
    accepting: JoinHandle<io::Result<()>>,
}

impl Serving {
    pub(crate) fn start(directory: &Path, mut random: Random) -> Self {
        let (address, codec) = address_and_codec(directory, &mut random);
        let listener = Listener::bind(&address).unwrap();
        let server = Server::new();
        let echo = Service::new("Soak").method("Echo", |bytes: Bytes| Ok::<_, String>(bytes));
        server.register(echo).unwrap();
        let control = listener.control();
        let accepting = {
            let server = server.clone();
            thread::spawn(move || server.accept(&listener, codec))
        };
        Self { server, control, accepting }
    }

    pub(crate) fn end(self) {
        self.control.close();
        self.accepting.join().unwrap().unwrap();
        self.server.close();
        assert_eq!(self.server.connections(), 0);
    }
}

/// Calls until `enough`; gives how many calls there were, and how many bytes came back.
pub(crate) fn call(directory: &Path, mut random: Random, enough: &AtomicBool) -> (u64, u64) {
    let (address, codec) = address_and_codec(directory, &mut random);
    // What is text on its way takes its time.
    let most = if codec == Codec::Bin { 64 << 10 } else { 1 << 10 };
    let (mut calls, mut bytes) = (0, 0);
    while calls < LEAST || calls < ENOUGH && !enough.load(Ordering::Relaxed) {
        let client = Client::dial(&address, codec).unwrap();
        for _ in 0..random.below(50) {
            let batch = any_size(&mut random, MOST_STARTED).max(1);
            let sent: Vec<_> = (0..batch).map(|_| any_bytes(&mut random, most)).collect();
            for (sent, got) in sent.iter().zip(echo(&client, &sent)) {
                assert!(*sent == &*got, "an echo of {} bytes is another", sent.len());
                bytes += 2 * sent.len() as u64;
            }
            calls += batch as u64;
        }
        // Some of them end with calls that nobody waits for any more.
        for _ in 0..random.below(4) {
            drop(client.start::<_, Bytes>("Soak.Echo", &Bytes::from(vec![1; 100])));
        }
        if random.below(2) == 0 {
            client.close().unwrap();
        }
    }
    (calls, bytes)
}

fn echo(client: &Client, sent: &[&[u8]]) -> Vec<Bytes> {
    let argument = |sent: &[u8]| Bytes::from(sent.to_vec());
    if let [one] = sent {
        return vec![client.call("Soak.Echo", &argument(one)).unwrap()];
    }
    let started: Vec<_> =
        sent.iter().map(|sent| client.start::<_, Bytes>("Soak.Echo", &argument(sent))).collect();
    started.into_iter().map(|call| call.wait().unwrap()).collect()
}
