//! The ring between two threads.

use std::{
    io::{ErrorKind, Read, Write},
    thread,
};

use ringpipe::{Options, Wait};

#[test]
fn random_chunks_arrive_in_order_under_every_way_of_waiting() {
    for wait in [Wait::Spin, Wait::Adaptive, Wait::Park] {
        let (mut reader, mut writer) = Options::new().capacity(4096).wait(wait).ring().unwrap();
        const TOTAL: usize = 3_000_000;
        let sender = thread::spawn(move || {
            let (mut at, mut seed) = (0usize, 1u64);
            while at < TOTAL {
                seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                let n = (1 + (seed >> 33) as usize % 9000).min(TOTAL - at);
                let bytes: Vec<u8> = (at..at + n).map(|i| (i % 251) as u8).collect();
                assert_eq!(writer.write(&bytes).unwrap(), n);
                at += n;
            }
            writer.stats()
        });
        let mut buf = vec![0; 5000];
        let mut at = 0usize;
        loop {
            let n = reader.read(&mut buf).unwrap();
            if n == 0 {
                break;
            }
            for (i, byte) in buf[..n].iter().enumerate() {
                assert_eq!(*byte, ((at + i) % 251) as u8);
            }
            at += n;
        }
        assert_eq!(at, TOTAL);
        println!("{wait:?} {:?} {:?}", reader.stats(), sender.join().unwrap());
    }
}

#[test]
fn close_with_error_arrives_after_the_last_byte() {
    let (mut reader, mut writer) = ringpipe::ring(4096).unwrap();
    writer.write_all(b"last").unwrap();
    writer.close_with_error(std::io::Error::new(ErrorKind::InvalidData, "bad sector"));
    let mut got = Vec::new();
    let error = reader.read_to_end(&mut got).unwrap_err();
    assert_eq!(got, b"last");
    assert_eq!(error.kind(), ErrorKind::InvalidData);
    assert_eq!(error.to_string(), "bad sector");
}
