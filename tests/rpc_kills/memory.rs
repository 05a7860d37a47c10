//! The same inside one process, where a server cannot be killed: its ends are closed under it, and it replies no more.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
        mpsc,
    },
    thread,
};

use ringpipe::rpc::{Client, Codec, Connection, Limits, Server};

use crate::{
    common::Random,
    executioner::{Order, now},
    flight::{Flight, Load, Tally},
    ledger::Ledger,
    work::{self, Release},
};

/// A server that gives up in the middle of everything.
#[derive(Debug)]
pub(crate) struct InMemory {
    pub(crate) codec: Codec,
    /// None if it drops its connection and has read nothing.
    pub(crate) limits: Option<Limits>,
    pub(crate) said_at: u32,
    pub(crate) when: Order,
}

impl InMemory {
    /// What came of the calls, and how many nanoseconds after the end of the server the last of them had ended.
    pub(crate) fn give_up(
        self,
        load: Load,
        ledger: &Arc<Ledger>,
        random: &mut Random,
    ) -> (Tally, u64) {
        let Self { codec, limits, said_at, when } = self;
        let (their_reader, our_writer) = ringpipe::pipe();
        let (our_reader, their_writer) = ringpipe::pipe();
        let ends = [their_reader.control(), their_writer.control()];
        let theirs = Connection::from_ends(their_reader, their_writer);
        let client = Client::new(Connection::from_ends(our_reader, our_writer), codec).unwrap();
        let server = Server::with_limits(limits.unwrap_or_default());
        let release = Arc::new(Release::default());
        let (say, said) = mpsc::channel();
        let ended_at = AtomicU64::new(0);
        let service = work::service(Arc::clone(ledger), Arc::clone(&release), move |execution| {
            if execution == said_at {
                // Nobody waits for it where the moment is any.
                let _ = say.send(());
            }
        });
        server.register(service).unwrap();
        let flight = thread::scope(|scope| {
            if limits.is_some() {
                scope.spawn(|| server.serve(theirs, codec));
                let ended_at = &ended_at;
                scope.spawn(move || {
                    if when.at_work {
                        said.recv().unwrap();
                    }
                    thread::sleep(when.delay);
                    ended_at.store(now(), SeqCst);
                    for end in ends {
                        end.close();
                    }
                });
            } else {
                let ended_at = &ended_at;
                scope.spawn(move || {
                    thread::sleep(when.delay);
                    ended_at.store(now(), SeqCst);
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
        let took = flight.last_told().saturating_sub(ended_at.into_inner());
        (flight.check(ledger), took)
    }
}
