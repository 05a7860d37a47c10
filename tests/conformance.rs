//! The conformance suite over every pair of ends that lives in one process.

#[cfg(target_os = "linux")]
#[path = "support/signals.rs"]
mod signals;

use ringpipe::conformance::{Suite, model::Model};

/// Runs a suite, prints its table, and fails with it.
macro_rules! conforms {
    ($suite:expr) => {{
        let suite = $suite;
        #[cfg(target_os = "linux")]
        let suite = suite.interrupt_by(crate::signals::interrupt);
        let report = suite.run();
        println!("{report}");
        if let Err(table) = report.verdict() {
            panic!("{table}");
        }
    }};
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

    use ringpipe::{
        Options, Reader, Wait, Writer,
        conformance::{Rules, Suite},
    };

    const CAPACITY: usize = 4096;

    fn threads(wait: Wait) -> Suite<Reader, Writer> {
        Suite::new(format!("ring in threads, {wait:?}"), Rules::ring(CAPACITY), move || {
            Ok(Options::new().capacity(CAPACITY).wait(wait).ring()?)
        })
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
