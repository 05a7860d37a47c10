use std::{
    io::{Read, Write},
    thread,
};

use ringpipe::{Options, Reader, Writer};

use super::{allocator::allocations, figures::figure};

const SIZE: usize = 1 << 20;
/// Far below the size of the message, so that no copy of it can hide on the stack.
const STACK: usize = 256 << 10;
const MESSAGES: usize = 20;

/// Where the next message will lie, as the writer says.
fn place(writer: &mut Writer) -> *const u8 {
    writer.reserve(SIZE).unwrap().as_mut_slice().unwrap().as_ptr()
}

/// The bytes that are readable, where they lie.
fn readable(reader: &mut Reader) -> (*const u8, Vec<u8>) {
    let span = reader.peek().unwrap();
    let bytes = span.as_slice().unwrap();
    (bytes.as_ptr(), bytes.to_vec())
}

/// On a small stack.
fn apart<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    thread::Builder::new().stack_size(STACK).spawn(work).unwrap().join().unwrap()
}

/// A write puts the bytes where the reader will find them, and a read takes them from there; neither has a place of its own
/// to keep them meanwhile: nothing is allocated, and the stack is too small.
#[test]
fn a_message_is_copied_in_once_and_out_once() {
    apart(|| {
        let (mut reader, mut writer) = Options::new().capacity(SIZE).ring().unwrap();
        let (mut message, mut copy) = (vec![0; SIZE], vec![0; SIZE]);
        for number in 0..MESSAGES {
            message.fill(number as u8 + 1);
            let place = place(&mut writer);
            assert_eq!(allocations(|| writer.write_all(&message).unwrap()), 0);
            let (found, bytes) = readable(&mut reader);
            assert!(found == place && bytes == message, "message {number}");
            assert_eq!(allocations(|| reader.read_exact(&mut copy).unwrap()), 0);
            assert!(copy == message, "message {number}");
        }
        println!("{MESSAGES} messages of {SIZE} bytes");
    });
    figure("P9", "copies of a message by write and read", 2, 2);
}

/// What the writer fills is what the reader sees: the same address.
#[test]
fn in_place_a_message_is_not_copied_by_the_ring() {
    apart(|| {
        let (mut reader, mut writer) = Options::new().capacity(SIZE).ring().unwrap();
        for number in 0..MESSAGES {
            let mut grant = writer.reserve(SIZE).unwrap();
            let filled = grant.as_mut_slice().unwrap();
            // The one time that the bytes are written, and by the caller.
            filled.fill(number as u8 + 1);
            let place = filled.as_ptr();
            assert_eq!(allocations(|| grant.commit(SIZE).unwrap()), 0);
            let span = reader.peek().unwrap();
            let seen = span.as_slice().unwrap();
            assert!(std::ptr::eq(seen.as_ptr(), place) && seen.len() == SIZE, "message {number}");
            assert!(seen.iter().all(|byte| *byte == number as u8 + 1), "message {number}");
            reader.consume(SIZE);
        }
        println!("{MESSAGES} messages of {SIZE} bytes");
    });
    figure(
        "P9",
        "copies of a message by reserve and peek, the caller's own writing included",
        1,
        1,
    );
}
