//! What takes part, made in the same way for every group.

use std::{
    io::{Read, Write},
    os::unix::net::UnixStream,
};

use ringpipe::{Options, Wait};

/// Bytes from small to more than a cache of the first level holds.
pub(crate) const SIZES: [usize; 3] = [64, 4096, 65536];
pub(crate) const CAPACITY: usize = 1 << 20;

pub(crate) type Make = fn() -> Pair;
pub(crate) type Pair = (Box<dyn Read + Send>, Box<dyn Write + Send>);

/// Everything that joins two threads, by name.
pub(crate) fn contenders() -> [(&'static str, Make); 6] {
    [
        ("ring", || ring(Wait::Adaptive)),
        ("ring-spin", || ring(Wait::Spin)),
        ("ring-park", || ring(Wait::Park)),
        ("pipe-in-memory", || {
            let (reader, writer) = ringpipe::pipe();
            (Box::new(reader), Box::new(writer))
        }),
        ("kernel-pipe", || {
            let (reader, writer) = std::io::pipe().expect("a pipe");
            (Box::new(reader), Box::new(writer))
        }),
        ("unix-socket", || {
            let (a, b) = UnixStream::pair().expect("a socket pair");
            (Box::new(a), Box::new(b))
        }),
    ]
}

/// Those of [`contenders`] that hold bytes while nobody reads, up to so many.
pub(crate) fn buffered(size: usize) -> impl Iterator<Item = (&'static str, Make)> {
    // What the kernel's two hold at least, unless they are asked for more.
    const KERNEL: usize = 65536;
    contenders().into_iter().filter(move |(name, _)| match *name {
        "ring" => true,
        "kernel-pipe" | "unix-socket" => size < KERNEL,
        _ => false,
    })
}

fn ring(wait: Wait) -> Pair {
    let (reader, writer) = Options::new().capacity(CAPACITY).wait(wait).ring().expect("a ring");
    (Box::new(reader), Box::new(writer))
}
