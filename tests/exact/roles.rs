//! What the child processes do: get somewhere, say so, and stay there until they are killed.

use std::{
    io::{Read, Write},
    thread,
};

use ringpipe::{Options, Wait};

/// So small that a writer soon finds it full.
const SMALL: usize = 4096;
/// Enough for a thread that only reads, so that a thousand of them fit anywhere.
const STACK: usize = 64 << 10;

pub(crate) fn play(role: &[&str]) {
    match role {
        ["reader", wait, path] => {
            let listener = options(wait).bind(path).unwrap();
            say("bound");
            let mut idle = listener.accept().unwrap();
            let _full = listener.accept().unwrap();
            let got = idle.read(&mut [0]);
            panic!("nobody wrote, and {got:?} came");
        }
        ["writer", wait, path] => {
            let _idle = options(wait).connect(path).unwrap();
            let mut full = options(wait).connect(path).unwrap();
            loop {
                full.write_all(&[0; 64]).unwrap();
            }
        }
        ["many", rings, capacity] => many(rings.parse().unwrap(), capacity.parse().unwrap()),
        role => panic!("unknown role {role:?}"),
    }
}

/// Many rings, each with a reader that waits.
fn many(rings: usize, capacity: usize) {
    let options = Options::new().capacity(capacity).prefault(true);
    let mut writers = Vec::new();
    for _ in 0..rings {
        let (mut reader, writer) = options.ring().unwrap();
        writers.push(writer);
        let waiting = thread::Builder::new().stack_size(STACK);
        waiting.spawn(move || reader.read(&mut [0])).unwrap();
    }
    say("open");
    loop {
        thread::park();
    }
}

fn options(wait: &str) -> Options {
    let wait = match wait {
        "adaptive" => Wait::Adaptive,
        "park" => Wait::Park,
        wait => panic!("unknown way of waiting {wait}"),
    };
    Options::new().capacity(SMALL).wait(wait)
}

/// To the test, which waits for it.
fn say(word: &str) {
    eprintln!("{word}");
}
