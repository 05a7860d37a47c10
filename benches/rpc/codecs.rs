//! What each codec takes to write a request down, and to read one, without anybody waiting.
//!
//! Through the public ends of a connection: requests are written to a sink by a client that gives each call up at once, and
//! recorded ones are answered by a server from memory.

use std::{
    hint::black_box,
    io::{self, Cursor},
    sync::{
        Arc, Condvar, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use criterion::{BenchmarkId, Criterion};
use ringpipe::rpc::{
    Client, Codec, Connection, Server, Service,
    connection::{Hangup, Input, Output, Until},
};
use serde::{Serialize, de::DeserializeOwned};

use crate::values::{bytes, record};

/// Requests of one recorded connection: enough for its start not to count, few enough for memory.
const STREAM: u64 = 512;

pub(crate) fn groups(c: &mut Criterion) {
    for codec in [Codec::Bin, Codec::Json, Codec::Gob] {
        both(c, codec, "number", 4711u64);
        both(c, codec, "record", record());
        both(c, codec, "4096-bytes", bytes());
    }
}

fn both<T>(c: &mut Criterion, codec: Codec, name: &str, value: T)
where
    T: Serialize + DeserializeOwned + PartialEq + Clone + Send + Sync + 'static,
{
    let mut group = c.benchmark_group("rpc/encode");
    group.bench_function(BenchmarkId::new(codec.to_string(), name), |b| {
        let recorder = Recorder::default();
        let client = client(&recorder, codec);
        b.iter(|| drop(client.start::<_, ()>("S.Take", black_box(&value))));
        assert!(recorder.written.load(Ordering::Relaxed) > 0);
    });
    group.finish();

    let mut group = c.benchmark_group("rpc/decode");
    group.bench_function(BenchmarkId::new(codec.to_string(), name), |b| {
        let recorder = Recorder { keeps: true, ..Recorder::default() };
        let client = client(&recorder, codec);
        (0..STREAM).for_each(|_| drop(client.start::<_, ()>("S.Take", &value)));
        let requests = recorder.take();
        let (taken, expected) = (Arc::new(AtomicU64::new(0)), value.clone());
        let count = Arc::clone(&taken);
        let server = Server::new();
        let take = move |got: T| {
            if got != expected {
                return Err("garbled");
            }
            count.fetch_add(1, Ordering::Relaxed);
            Ok(())
        };
        server.register(Service::new("S").method("Take", take)).expect("a free name");
        b.iter_custom(|calls| {
            // Whole streams, and of the time the part that was asked for.
            let streams = calls.div_ceil(STREAM);
            let before = taken.load(Ordering::Relaxed);
            let start = Instant::now();
            for _ in 0..streams {
                let input = Cursor::new(requests.clone());
                server.serve(Connection::from_streams(input, io::sink(), || {}), codec);
            }
            let took = start.elapsed();
            let served = taken.load(Ordering::Relaxed) - before;
            assert_eq!(served, streams * STREAM, "calls that arrived as they were sent");
            took.mul_f64(calls as f64 / served as f64)
        });
    });
    group.finish();
}

fn client(recorder: &Recorder, codec: Codec) -> Client {
    let nobody = Nobody::default();
    let connection = Connection::new(nobody.clone(), recorder.clone(), nobody);
    Client::new(connection, codec).expect("a client")
}

/// Takes what a client writes, and keeps it if asked to.
#[derive(Clone, Default)]
struct Recorder {
    keeps: bool,
    kept: Arc<Mutex<Vec<u8>>>,
    written: Arc<AtomicU64>,
}

impl Recorder {
    fn take(&self) -> Vec<u8> {
        std::mem::take(&mut *self.kept.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Output for Recorder {
    fn write(&mut self, buf: &[u8], _: Until) -> io::Result<usize> {
        self.written.fetch_add(buf.len() as u64, Ordering::Relaxed);
        if self.keeps {
            self.kept.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(buf);
        }
        Ok(buf.len())
    }
}

/// A server that never answers. Who waits for it waits until the connection is hung up.
#[derive(Clone, Default)]
struct Nobody(Arc<(Mutex<bool>, Condvar)>);

impl Input for Nobody {
    fn read(&mut self, _: &mut [u8], until: Until) -> io::Result<usize> {
        let (hung_up, changed) = &*self.0;
        let mut gone = hung_up.lock().unwrap_or_else(PoisonError::into_inner);
        while !*gone {
            let wait = match until {
                Until::Now => return Err(io::ErrorKind::WouldBlock.into()),
                Until::At(moment) => moment.saturating_duration_since(Instant::now()),
                Until::Forever => Duration::MAX,
            };
            if wait.is_zero() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            gone = changed.wait_timeout(gone, wait).unwrap_or_else(PoisonError::into_inner).0;
        }
        Ok(0)
    }
}

impl Hangup for Nobody {
    fn hang_up(&self) {
        let (hung_up, changed) = &*self.0;
        *hung_up.lock().unwrap_or_else(PoisonError::into_inner) = true;
        changed.notify_all();
    }
}
