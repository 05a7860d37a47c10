//! From nothing to the first byte on the other side.

use std::{
    hint::black_box,
    io::{Read, Write},
    os::unix::net::{UnixListener, UnixStream},
    rc::Rc,
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use ringpipe::{Listener, Options, Stream};

use super::{
    memory::fresh,
    pin,
    rounds::{Make, Plan},
};

const MIB: usize = 1 << 20;

/// A Unix socket's way there, with the memory that a stream has; and the stream's.
pub(crate) fn run(plan: &Plan) {
    pin::to(plan.cpus.0);
    let cpu = plan.cpus.1;
    let folder = std::env::temp_dir().join(format!("ringpipe-lab-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let (plain, path) = (folder.join("plain"), folder.join("ring"));
    let listener = UnixListener::bind(&plain).expect("a listener");
    let accept = move || {
        let (socket, _) = listener.accept().expect("a client");
        let memory = (fresh(MIB), fresh(MIB));
        (socket, black_box(memory))
    };
    let rings = Listener::bind(&path).expect("a listener");
    plan.compare(
        "from nothing to the first answer",
        ("us", |nanos, _| nanos / 1e3),
        0,
        vec![
            (
                "socket and zeroed memory",
                meet(
                    cpu,
                    accept,
                    |(socket, _)| answer(socket),
                    move || ask(UnixStream::connect(&plain).expect("a server")),
                ),
            ),
            (
                "stream",
                meet(
                    cpu,
                    move || rings.accept().expect("a client"),
                    answer,
                    move || ask(Stream::connect(&path).expect("a server")),
                ),
            ),
            ("ring in one process", Box::new(|| Box::new(alone))),
        ],
    );
    let _ = std::fs::remove_dir_all(&folder);
}

fn alone(count: u64) -> Duration {
    let start = Instant::now();
    for _ in 0..count {
        let (mut reader, mut writer) = Options::new().ring().expect("a ring");
        writer.write_all(&[7]).expect("room");
        let mut byte = [0];
        reader.read_exact(&mut byte).expect("a byte");
    }
    start.elapsed()
}

fn ask<S: Read + Write>(mut stream: S) -> S {
    stream.write_all(&[7]).expect("room");
    let mut byte = [0];
    stream.read_exact(&mut byte).expect("an answer");
    assert_eq!(byte, [8]);
    stream
}

fn answer(stream: &mut (impl Read + Write)) {
    let mut byte = [0];
    stream.read_exact(&mut byte).expect("a byte");
    stream.write_all(&[byte[0] + 1]).expect("room");
}

/// The time from the client's first step to the first answer, without what it takes to leave again.
fn meet<'a, S, C>(
    cpu: usize,
    accept: impl Fn() -> S + Sync + 'a,
    serve: impl Fn(&mut S) + Sync + 'a,
    client: impl Fn() -> C + 'a,
) -> Make<'a> {
    let parts = Rc::new((accept, serve, client));
    Box::new(move || {
        let parts = parts.clone();
        Box::new(move |count| {
            let (accept, serve, client) = &*parts;
            let (gone, is_gone) = mpsc::channel();
            thread::scope(|scope| {
                scope.spawn(move || {
                    pin::to(cpu);
                    for _ in 0..count {
                        let mut served = accept();
                        serve(&mut served);
                        drop(served);
                        gone.send(()).expect("the client");
                    }
                });
                let mut took = Duration::ZERO;
                for _ in 0..count {
                    let start = Instant::now();
                    let client = client();
                    took += start.elapsed();
                    drop(client);
                    is_gone.recv().expect("the server");
                }
                took
            })
        })
    })
}
