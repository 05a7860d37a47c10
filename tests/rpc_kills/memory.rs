//! The same inside one process, where a server cannot be killed: its ends are closed under it, and it replies no more.

use std::{sync::Arc, thread, time::Duration};

use ringpipe::rpc::{Client, Codec, Connection, Limits, Server};

use crate::{
    common::Random,
    flight::{Flight, Load, Tally},
    ledger::Ledger,
    server::narrow,
    work::{self, Release},
};

/// Serves calls in memory and gives up in their middle, or before it has read any of them.
pub(crate) fn give_up(
    codec: Codec,
    load: Load,
    is_narrow: bool,
    serves: bool,
    ledger: &Arc<Ledger>,
    random: &mut Random,
) -> Tally {
    let (their_reader, our_writer) = ringpipe::pipe();
    let (our_reader, their_writer) = ringpipe::pipe();
    let ends = [their_reader.control(), their_writer.control()];
    let theirs = Connection::from_ends(their_reader, their_writer);
    let client = Client::new(Connection::from_ends(our_reader, our_writer), codec).unwrap();
    let delay = Duration::from_micros(random.below(3000) as u64);
    let server = Server::with_limits(if is_narrow { narrow() } else { Limits::default() });
    let release = Arc::new(Release::default());
    server.register(work::service(Arc::clone(ledger), Arc::clone(&release), |_| {})).unwrap();
    let flight = thread::scope(|scope| {
        if serves {
            scope.spawn(|| server.serve(theirs, codec));
            scope.spawn(|| {
                thread::sleep(delay);
                for end in ends {
                    end.close();
                }
            });
        } else {
            scope.spawn(move || {
                thread::sleep(delay);
                drop(theirs);
            });
        }
        let flight = Flight::until_death(&client, load, random);
        release.release();
        flight
    });
    assert_eq!(client.pending(), 0);
    assert!(client.close().is_err(), "the connection had ended before");
    // Joins everything that may still be executing.
    server.close();
    flight.check(ledger)
}
