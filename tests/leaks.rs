//! Opening and closing, again and again, leaves nothing behind.

#[path = "common/census.rs"]
mod census;

use std::{
    io::{Read, Write},
    os::unix::net::UnixStream,
    thread,
};

use census::Census;
use ringpipe::{Doorbell, Listener, Options, Stream};

const CYCLES: usize = 10_000;

fn carries_a_byte(reader: &mut impl Read, writer: &mut impl Write, byte: u8) {
    writer.write_all(&[byte]).unwrap();
    let mut got = [0];
    reader.read_exact(&mut got).unwrap();
    assert_eq!(got, [byte]);
}

// One test, because the census counts the whole process.
#[test]
fn ten_thousand_opened_and_closed_leave_everything_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("leaks.sock");
    let before = Census::take();
    let options = Options::new().capacity(4096);
    let polled = options.clone().doorbell(Doorbell::EventFd);

    for i in 0..CYCLES {
        let options = if i % 4 == 0 { &polled } else { &options };
        let (mut reader, mut writer) = options.ring().unwrap();
        carries_a_byte(&mut reader, &mut writer, i as u8);
        if i % 3 == 0 {
            drop((writer, reader));
        }
    }
    before.assert_unchanged();
    println!("leaks: {CYCLES} rings opened and closed");

    let listener = Listener::bind(&path).unwrap();
    let client = thread::spawn({
        let path = path.clone();
        move || {
            for i in 0..CYCLES / 2 {
                let mut stream = Stream::connect(&path).unwrap();
                let mut got = [0];
                stream.read_exact(&mut got).unwrap();
                assert_eq!(got, [i as u8]);
            }
        }
    });
    for i in 0..CYCLES / 2 {
        let mut stream = listener.accept().unwrap();
        stream.write_all(&[i as u8]).unwrap();
        // Until the other side has closed, or its end would be told of a death before it read.
        assert_eq!(stream.read(&mut [0]).unwrap(), 0);
    }
    client.join().unwrap();
    drop(listener);
    before.assert_unchanged();
    println!("leaks: {} streams met at a path", CYCLES / 2);

    for i in 0..CYCLES / 2 {
        let (a, b) = UnixStream::pair().unwrap();
        // Every third handshake fails half-way.
        if i % 3 == 0 {
            drop(b);
            assert!(options.accept_on(a).is_err());
            continue;
        }
        let other = thread::spawn({
            let options = polled.clone();
            move || options.connect_on(b).unwrap()
        });
        let (mut reader, writer) = options.accept_on(a).unwrap().split();
        let (unused, mut peer) = other.join().unwrap().split();
        carries_a_byte(&mut reader, &mut peer, i as u8);
        drop((unused, writer));
    }
    before.assert_unchanged();
    println!("leaks: {} streams over a socket pair, a third of them refused", CYCLES / 2);
    assert!(!path.exists());
}
