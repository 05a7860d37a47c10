//! What it costs to reach a thread on another CPU. The protocol is the same between processes.

use std::{
    io::{Read, Write},
    sync::mpsc::{Receiver, Sender, channel},
};

use perf_gate::{Probe, probe::partner};
use ringpipe::{Options, Wait, pipe};

use crate::message::Messages;

pub fn rows(probe: &mut Probe) {
    probe.pair("ring/round-trip/64", || round_trip(ring(Wait::Adaptive), ring(Wait::Adaptive)));
    probe.pair("ring/wake/64", || round_trip(ring(Wait::Park), ring(Wait::Park)));
    probe.pair("ring/stream/64", || stream(ring(Wait::Adaptive), 64));
    probe.pair("ring/stream/4096", || stream(ring(Wait::Adaptive), 4096));
    probe.pair("pipe/round-trip/64", || round_trip(pipe(), pipe()));
}

fn ring(wait: Wait) -> (ringpipe::Reader, ringpipe::Writer) {
    Options::new().wait(wait).ring().expect("there is memory for a ring")
}

/// A message there and back.
fn round_trip<R, W>(
    (mut there, mut send): (R, W),
    (mut back, mut answer): (R, W),
) -> impl FnMut(u64)
where
    R: Read + Send + 'static,
    W: Write + Send + 'static,
{
    let orders = helper(move |operations| {
        let mut message = [0; 64];
        for _ in 0..operations {
            there.read_exact(&mut message).expect("there is a message");
            answer.write_all(&message).expect("somebody waits for it");
        }
    });
    let (messages, mut got) = (Messages::new(64), [0; 64]);
    move |operations| {
        orders.start(operations);
        for number in 0..operations {
            send.write_all(messages.get(number)).expect("somebody reads it");
            back.read_exact(&mut got).expect("there is an answer");
            messages.check(&got, number);
        }
        orders.wait();
    }
}

/// Messages one way, until the last one is checked.
fn stream(
    (mut reader, mut writer): (ringpipe::Reader, ringpipe::Writer),
    size: usize,
) -> impl FnMut(u64) {
    let (messages, expected) = (Messages::new(size), Messages::new(size));
    let mut got = vec![0; size];
    let orders = helper(move |operations| {
        for number in 0..operations {
            reader.read_exact(&mut got).expect("there is a message");
            expected.check(&got, number);
        }
    });
    move |operations| {
        orders.start(operations);
        for number in 0..operations {
            writer.write_all(messages.get(number)).expect("somebody reads it");
        }
        orders.wait();
    }
}

/// A thread on the other CPU that works when it is told to, and sleeps in between.
struct Helper {
    orders: Sender<u64>,
    done: Receiver<()>,
}

fn helper(mut work: impl FnMut(u64) + Send + 'static) -> Helper {
    let (orders, to_do) = channel();
    let (tell, done) = channel();
    partner(move || {
        for operations in to_do {
            work(operations);
            if tell.send(()).is_err() {
                return;
            }
        }
    });
    Helper { orders, done }
}

impl Helper {
    fn start(&self, operations: u64) {
        self.orders.send(operations).expect("the other thread lives");
    }

    fn wait(&self) {
        self.done.recv().expect("the other thread lives");
    }
}
