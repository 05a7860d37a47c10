//! The conformance suite over every pair of ends that lives in one process.

#[cfg(target_os = "linux")]
#[path = "support/signals.rs"]
mod signals;

#[path = "support/conforms.rs"]
mod conforms;

#[cfg(target_os = "linux")]
#[path = "support/polled.rs"]
mod polled;

use ringpipe::conformance::{Rules, Suite, model::Model};

/// Runs a suite whose calls are interrupted where that can be done.
macro_rules! conforms {
    ($suite:expr) => {{
        let suite = $suite;
        #[cfg(target_os = "linux")]
        let suite = suite.interrupt_by(crate::signals::interrupt);
        crate::conforms::conforms(suite);
    }};
}

#[test]
fn the_in_memory_pipe_keeps_every_rule() {
    conforms!(Suite::new("in-memory pipe", Rules::in_memory(), || Ok(ringpipe::pipe())).parallel());
}

#[test]
fn the_rendezvous_model_keeps_every_rule() {
    let model = Model::rendezvous();
    conforms!(
        Suite::new("model without a buffer", model.rules(), move || Ok(model.pair())).parallel()
    );
}

#[test]
fn the_buffered_model_keeps_every_rule() {
    for capacity in [64, 4096] {
        let model = Model::buffered(capacity);
        let name = format!("model with a buffer of {capacity}");
        conforms!(Suite::new(name, model.rules(), move || Ok(model.pair())).parallel());
    }
}

#[cfg(target_os = "linux")]
mod ring {
    use std::{io, os::unix::net::UnixStream, thread};

    use crate::polled::Polled;
    use ringpipe::{
        Doorbell, Options, Reader, Wait, Writer,
        conformance::{Rules, Suite},
    };

    const CAPACITY: usize = 4096;

    fn threads(wait: Wait) -> Suite<Reader, Writer> {
        Suite::new(format!("ring in threads, {wait:?}"), Rules::ring(CAPACITY), move || {
            Ok(Options::new().capacity(CAPACITY).wait(wait).ring()?)
        })
    }

    #[test]
    fn a_ring_with_descriptors_keeps_every_rule() {
        conforms!(Suite::new("ring with descriptors", Rules::ring(CAPACITY), || {
            Ok(Options::new().capacity(CAPACITY).doorbell(Doorbell::EventFd).ring()?)
        }));
    }

    /// What may block waits in `poll`, the way of an event loop. Deadlines and timeouts are then the loop's affair.
    #[test]
    fn a_polled_ring_keeps_every_rule_that_has_no_deadline() {
        let suite = Suite::new("ring, polled", Rules::ring(CAPACITY), || {
            let ring = Options::new().capacity(CAPACITY).doorbell(Doorbell::EventFd).ring()?;
            Ok((Polled::new(ring.0.pollable()?), Polled::new(ring.1.pollable()?)))
        });
        let groups = ["read.", "write.", "close.", "errors.", "unwind.", "vectored.", "integrity."];
        let groups = groups.into_iter().chain(["nonblocking.", "gate.each", "gate.reads"]);
        let drain = ["drain.every", "drain.a_close"];
        conforms!(groups.chain(drain).fold(suite, Suite::only));
    }

    #[test]
    fn a_parking_ring_keeps_every_rule() {
        conforms!(threads(Wait::Park));
    }

    #[test]
    fn an_adaptive_ring_keeps_every_rule() {
        conforms!(threads(Wait::Adaptive));
    }

    #[test]
    fn a_spinning_ring_keeps_every_rule() {
        conforms!(threads(Wait::Spin));
    }

    #[test]
    fn a_large_ring_keeps_every_rule() {
        let rules = Rules::ring(1 << 20);
        conforms!(Suite::new("ring of 1 MiB", rules, || Ok(ringpipe::ring(1 << 20)?)));
    }

    /// One direction of a stream whose two halves met over a socket, as those of two processes do.
    fn met() -> io::Result<(Reader, Writer)> {
        let (ours, theirs) = UnixStream::pair()?;
        let options = Options::new().capacity(CAPACITY);
        let accepting = options.clone();
        let accepted = thread::spawn(move || accepting.accept_on(theirs));
        let (reader, _) = options.connect_on(ours)?.split();
        let (_, writer) = accepted.join().expect("accepting does not panic")?.split();
        Ok((reader, writer))
    }

    #[test]
    fn a_stream_keeps_every_rule() {
        conforms!(Suite::new("stream met over a socket", Rules::ring(CAPACITY), met));
    }
}
