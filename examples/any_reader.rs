//! The pipe as a reader and a writer among others: whatever takes `impl Read` or `impl Write` takes its ends.
//!
//! ```text
//! cargo run --example any_reader
//! ```
//! A slow producer, writes of one byte, random pieces on both sides, a parser that knows nothing of pipes; and what a
//! buffer in front of the pipe saves, which has none of its own.

use std::{
    error::Error,
    io::{self, BufRead, BufReader, BufWriter, Read, Write},
    thread,
    time::Duration,
};

use ringpipe::pipe::scope;
use serde_json::Value;

fn main() -> Result<(), Box<dyn Error>> {
    slow_producer()?;
    one_byte_writes()?;
    random_pieces()?;
    a_parser()?;
    with_a_buffer()
}

/// The reader has each line as soon as it is written, and not when the producer is done.
fn slow_producer() -> Result<(), Box<dyn Error>> {
    let (written, lines) = scope(
        |writer| {
            for number in 1..=3 {
                thread::sleep(Duration::from_millis(5));
                writeln!(writer, "line {number}")?;
            }
            io::Result::Ok(())
        },
        |reader| BufReader::new(reader).lines().collect::<io::Result<Vec<_>>>(),
    );
    written?;
    println!("slow producer: {}", lines?.join(", "));
    Ok(())
}

fn one_byte_writes() -> Result<(), Box<dyn Error>> {
    let text = "every byte is a write of its own";
    let (written, got) = scope(
        |writer| text.bytes().try_for_each(|byte| writer.write_all(&[byte])),
        |reader| io::read_to_string(reader),
    );
    written?;
    println!("one byte at a time: {:?}", got?);
    Ok(())
}

/// Pieces of other sizes go in than come out; the bytes are the same.
fn random_pieces() -> Result<(), Box<dyn Error>> {
    const TOTAL: usize = 1 << 20;
    let (written, got) = scope(
        |writer| {
            let (mut sizes, mut bytes, mut left) = (Random(1), Random(2), TOTAL);
            let mut sent = Checksum::default();
            while left > 0 {
                let piece: Vec<u8> =
                    (0..left.min(sizes.below(5000) + 1)).map(|_| bytes.next() as u8).collect();
                writer.write_all(&piece)?;
                sent.update(&piece);
                left -= piece.len();
            }
            io::Result::Ok(sent)
        },
        |reader| {
            let (mut sizes, mut got, mut buf) = (Random(3), Checksum::default(), [0; 5000]);
            loop {
                let room = sizes.below(buf.len()) + 1;
                match reader.read(&mut buf[..room])? {
                    0 => return io::Result::Ok(got),
                    n => got.update(&buf[..n]),
                }
            }
        },
    );
    let (written, got) = (written?, got?);
    assert_eq!(written, got);
    println!("random pieces: {} bytes in, {} bytes out, the same", written.bytes, got.bytes);
    Ok(())
}

/// serde_json reads from anything that reads.
fn a_parser() -> Result<(), Box<dyn Error>> {
    let (written, value) = scope(
        |writer| {
            writer.write_all(br#"{"from": "a pipe", "#)?;
            writer.write_all(br#""numbers": [1, 2, 3]}"#)
        },
        |reader| serde_json::from_reader::<_, Value>(BufReader::new(reader)),
    );
    written?;
    println!("a parser: {}", value?);
    Ok(())
}

/// Without a buffer every write waits for a read. `BufWriter` makes few of many.
fn with_a_buffer() -> Result<(), Box<dyn Error>> {
    let (written, bare) = scope(numbers, hand_overs);
    written?;
    let (written, buffered) = scope(
        |writer| {
            let mut writer = BufWriter::with_capacity(4096, writer);
            numbers(&mut writer)?;
            writer.flush()
        },
        hand_overs,
    );
    written?;
    println!("1000 writes of 8 bytes: {} hand-overs, {} behind a BufWriter", bare?, buffered?);
    Ok(())
}

fn numbers(writer: &mut impl Write) -> io::Result<()> {
    (0..1000_u64).try_for_each(|number| writer.write_all(&number.to_le_bytes()))
}

/// How many reads it takes, each of which returns the bytes of one write at most.
fn hand_overs(reader: &mut impl Read) -> io::Result<usize> {
    let mut buf = [0; 1 << 16];
    let mut count = 0;
    while reader.read(&mut buf)? > 0 {
        count += 1;
    }
    Ok(count)
}

#[derive(Debug, Default, PartialEq)]
struct Checksum {
    bytes: usize,
    sum: u64,
}

impl Checksum {
    fn update(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len();
        for &byte in bytes {
            // FNV-1a.
            self.sum = (self.sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}

/// Numbers that look random and are the same every time (xorshift, Marsaglia 2003).
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
