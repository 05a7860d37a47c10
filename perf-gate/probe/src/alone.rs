//! What the ring costs by itself: both ends in one thread, so that nobody ever waits.

use std::io::{IoSlice, Read, Write};

use perf_gate::Probe;
use ringpipe::{Reader, Writer, ring};

use crate::message::Messages;

/// A ring that stays in the processor's own cache: what is compared is the code.
const CAPACITY: usize = 64 << 10;

pub fn rows(probe: &mut Probe) {
    probe.alone("ring/copy/64", || copy(64));
    probe.alone("ring/copy/4096", || copy(4096));
    probe.alone("ring/vectored/64", vectored);
    probe.alone("ring/message/64", || message(64));
    probe.alone("ring/in-place/64", || in_place(64));
    probe.alone("ring/set-up", set_up);
}

fn ends() -> (Reader, Writer) {
    ring(CAPACITY).expect("there is memory for a ring")
}

fn copy(size: usize) -> impl FnMut(u64) {
    let (mut reader, mut writer) = ends();
    let (messages, mut got) = (Messages::new(size), vec![0; size]);
    move |operations| {
        for number in 0..operations {
            writer.write_all(messages.get(number)).expect("there is room");
            reader.read_exact(&mut got).expect("there is a message");
            messages.check(&got, number);
        }
    }
}

fn vectored() -> impl FnMut(u64) {
    let (mut reader, mut writer) = ends();
    let (messages, mut got) = (Messages::new(64), vec![0; 64]);
    move |operations| {
        for number in 0..operations {
            let (head, body) = messages.get(number).split_at(16);
            let n = writer.write_vectored(&[IoSlice::new(head), IoSlice::new(body)]);
            assert_eq!(n.expect("there is room"), 64);
            reader.read_exact(&mut got).expect("there is a message");
            messages.check(&got, number);
        }
    }
}

fn message(size: usize) -> impl FnMut(u64) {
    let (mut reader, mut writer) = ends();
    let (messages, mut got) = (Messages::new(size), vec![0; size]);
    move |operations| {
        for number in 0..operations {
            writer.send(messages.get(number)).expect("there is room");
            assert_eq!(reader.recv(&mut got).expect("the writer is there"), Some(size));
            messages.check(&got, number);
        }
    }
}

fn in_place(size: usize) -> impl FnMut(u64) {
    let (mut reader, mut writer) = ends();
    let messages = Messages::new(size);
    move |operations| {
        for number in 0..operations {
            let mut grant = writer.reserve(size).expect("there is room");
            grant.as_mut_slice().expect("both ends are here").copy_from_slice(messages.get(number));
            grant.commit(size).expect("it is open");
            let span = reader.peek().expect("the writer is there");
            messages.check(span.as_slice().expect("both ends are here"), number);
            drop(span);
            reader.consume(size);
        }
    }
}

/// From nothing to the first byte, and back to nothing.
fn set_up() -> impl FnMut(u64) {
    |operations| {
        for number in 0..operations {
            let (mut reader, mut writer) = ends();
            let byte = number as u8;
            writer.write_all(&[byte]).expect("there is room");
            let mut got = [!byte];
            reader.read_exact(&mut got).expect("there is a byte");
            assert_eq!(got, [byte]);
        }
    }
}
