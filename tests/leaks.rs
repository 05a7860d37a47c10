//! Opening and closing, again and again, leaves nothing behind.

#[path = "common/census.rs"]
mod census;
#[path = "common/report.rs"]
mod report;

use std::{
    io::{Read, Write},
    os::unix::net::UnixStream,
    thread,
};

use census::Census;
use report::{Report, scaled};
use ringpipe::{Doorbell, Listener, Options, Stream};

/// Rings of a CI run, which are opened and closed in this process; half as many streams meet at a path, and half as many
/// over a socket pair.
const CYCLES: u64 = 10_000;

fn carries_a_byte(reader: &mut impl Read, writer: &mut impl Write, byte: u8) {
    writer.write_all(&[byte]).unwrap();
    let mut got = [0];
    reader.read_exact(&mut got).unwrap();
    assert_eq!(got, [byte]);
}

// One test, because the census counts the whole process.
#[test]
fn ten_thousand_opened_and_closed_leave_everything_as_it_was() {
    let mut report = Report::new("T8 cycles", "rings and streams opened and closed");
    let (rings, streams) = (scaled(CYCLES), scaled(CYCLES / 2));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("leaks.sock");
    let before = Census::take();
    let options = Options::new().capacity(4096);
    let polled = options.clone().doorbell(Doorbell::EventFd);

    for i in 0..rings {
        let options = if i % 4 == 0 { &polled } else { &options };
        let (mut reader, mut writer) = options.ring().unwrap();
        carries_a_byte(&mut reader, &mut writer, i as u8);
        if i % 3 == 0 {
            drop((writer, reader));
        }
    }
    before.assert_unchanged();

    let listener = Listener::bind(&path).unwrap();
    let client = thread::spawn({
        let path = path.clone();
        move || {
            for i in 0..streams {
                let mut stream = Stream::connect(&path).unwrap();
                let mut got = [0];
                stream.read_exact(&mut got).unwrap();
                assert_eq!(got, [i as u8]);
            }
        }
    });
    for i in 0..streams {
        let mut stream = listener.accept().unwrap();
        stream.write_all(&[i as u8]).unwrap();
        // Until the other side has closed, or its end would be told of a death before it read.
        assert_eq!(stream.read(&mut [0]).unwrap(), 0);
    }
    client.join().unwrap();
    drop(listener);
    before.assert_unchanged();

    for i in 0..streams {
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
    assert!(!path.exists());
    report.field("refused", streams.div_ceil(3));
    report.done(rings + 2 * streams, 2 * CYCLES);
}
