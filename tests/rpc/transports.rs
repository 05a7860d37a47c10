//! Connections without calls, and calls over transports of one's own.

use std::{
    io::{self, ErrorKind, Read, Write},
    path::PathBuf,
    sync::{Arc, Condvar, Mutex},
    thread,
    time::{Duration, Instant},
};

use ringpipe::{
    Control, Error, ReadEnd, WriteEnd,
    ends::Controlled,
    error::Cause,
    rpc::{
        Address, CallError, Client, Codec, Connection, Listener, Server, SetupError,
        connection::{Hangup, Input, Output, Until},
    },
};

use crate::setup::{Gate, arith, connect, over_every_transport, watched};

#[test]
fn a_connection_is_a_plain_stream_too() {
    over_every_transport(|transport| {
        let (mut here, mut there) = connect(transport);
        let answering = thread::spawn(move || {
            let mut asked = [0; 4];
            there.read_exact(&mut asked).unwrap();
            there.write_all(&asked).unwrap();
            there.flush().unwrap();
            there
        });
        assert_eq!(here.write(b"").unwrap(), 0);
        here.write_all(b"ping").unwrap();
        let mut answer = [0; 4];
        here.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"ping");
        drop(answering.join().unwrap());
        assert_eq!(here.read(&mut answer).unwrap(), 0, "the other side has gone");
    });
}

#[test]
fn the_halves_of_a_connection_belong_to_a_thread_each_and_are_ended_from_a_third() {
    over_every_transport(|transport| {
        let (here, there) = connect(transport);
        let (mut reader, mut writer, hangup) = here.split();
        assert_eq!(format!("{reader:?} {writer:?}"), "ReadHalf { .. } WriteHalf { .. }");
        let (mut from, mut to, _) = there.split();
        thread::scope(|threads| {
            threads.spawn(|| {
                writer.write_all(b"over").unwrap();
                writer.flush().unwrap();
            });
            threads.spawn(|| to.write_all(b"back").unwrap());
            let mut got = [0; 4];
            from.read_exact(&mut got).unwrap();
            assert_eq!(&got, b"over");
            reader.read_exact(&mut got).unwrap();
            assert_eq!(&got, b"back");
            // Whether it blocks already or comes too late: nothing is read any more.
            let blocked = threads.spawn(|| matches!(reader.read(&mut [0]), Ok(0) | Err(_)));
            hangup.hang_up();
            assert!(blocked.join().unwrap());
        });
    });
}

fn addresses() -> [Address; 3] {
    let path = |name: &str| {
        let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
        directory.join(format!("plain-{name}-{}", std::process::id()))
    };
    ["tcp:127.0.0.1:0".parse().unwrap(), Address::Unix(path("unix")), Address::Shm(path("shm"))]
}

#[test]
fn a_listener_gives_out_plain_connections_until_it_is_closed() {
    watched("plain listener", || {
        for address in addresses() {
            let listener = Listener::bind(&address).unwrap();
            let bound = listener.address().clone();
            for timeout in [None, Some(Duration::from_secs(60))] {
                thread::scope(|threads| {
                    let dialing = threads.spawn(|| match timeout {
                        None => Connection::dial(&bound).unwrap(),
                        Some(timeout) => Connection::dial_timeout(&bound, timeout).unwrap(),
                    });
                    let mut accepted = listener.accept().unwrap();
                    let mut dialed = dialing.join().unwrap();
                    dialed.write_all(b"hello").unwrap();
                    let mut hello = [0; 5];
                    accepted.read_exact(&mut hello).unwrap();
                    assert_eq!(&hello, b"hello");
                });
            }
            thread::scope(|threads| {
                let waiting = threads.spawn(|| listener.accept());
                listener.close();
                let error = waiting.join().unwrap().unwrap_err();
                assert_eq!(error.kind(), ErrorKind::NotConnected);
                assert_eq!(error.to_string(), "the listener is closed");
            });
            assert_eq!(listener.accept().unwrap_err().kind(), ErrorKind::NotConnected);
        }
    });
}

#[test]
fn who_cannot_be_dialed_is_named() {
    let nobody = addresses()[2].clone();
    let error = Connection::dial_timeout(&nobody, Duration::from_secs(1)).unwrap_err();
    let SetupError::Dial { source, .. } = &error else { panic!("{error:?}") };
    assert_eq!(source.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains(": connecting to "), "{error}");
    let none_left = Connection::dial_timeout(&"tcp:127.0.0.1:1".parse().unwrap(), Duration::ZERO);
    let Err(SetupError::Dial { source, .. }) = none_left else { panic!("{none_left:?}") };
    assert_eq!(source.kind(), ErrorKind::TimedOut);
}

#[test]
fn a_closed_server_ends_what_its_listener_still_accepts() {
    watched("closed server", || {
        for address in addresses() {
            let listener = Listener::bind(&address).unwrap();
            let (bound, control) = (listener.address().clone(), listener.control());
            let server = Server::new();
            server.register(arith("Arith", &Gate::default().into())).unwrap();
            server.close();
            thread::scope(|threads| {
                let accepting = threads.spawn(|| server.accept(&listener, Codec::Bin));
                // Over shared memory even the greeting ends.
                if let Ok(client) = Client::dial(&bound, Codec::Bin) {
                    client.call::<_, ()>("Arith.Nothing", &()).unwrap_err();
                }
                control.close();
                accepting.join().unwrap().unwrap();
            });
        }
    });
}

/// An input that stays silent until it is hung up, and obeys its time-outs.
#[derive(Clone, Default)]
struct Silence(Arc<(Mutex<bool>, Condvar)>);

impl Input for Silence {
    fn read(&mut self, _: &mut [u8], until: Until) -> io::Result<usize> {
        let (over, changed) = &*self.0;
        let mut over = over.lock().unwrap();
        while !*over {
            let left = match until {
                Until::Now => return Err(ErrorKind::WouldBlock.into()),
                Until::At(moment) => moment.saturating_duration_since(Instant::now()),
                Until::Forever => Duration::from_secs(60),
            };
            if left.is_zero() {
                return Err(ErrorKind::TimedOut.into());
            }
            over = changed.wait_timeout(over, left).unwrap().0;
        }
        Ok(0)
    }
}

impl Hangup for Silence {
    fn hang_up(&self) {
        *self.0.0.lock().unwrap() = true;
        self.0.1.notify_all();
    }
}

/// An output that takes nothing.
struct Full;

impl Output for Full {
    fn write(&mut self, _: &[u8], _: Until) -> io::Result<usize> {
        Ok(0)
    }
}

impl Write for Full {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Ok(0)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_transport_that_takes_nothing_is_an_error_and_no_endless_loop() {
    watched("takes nothing", || {
        let silence = Silence::default();
        let timed = Connection::new(silence.clone(), Full, silence);
        let (a, _b) = std::os::unix::net::UnixStream::pair().unwrap();
        let closer = a.try_clone().unwrap();
        let untimed = Connection::from_streams(a, Full, move || {
            let _ = closer.shutdown(std::net::Shutdown::Both);
        });
        for connection in [timed, untimed] {
            let client = Client::new(connection, Codec::Bin).unwrap();
            let error = client.call::<_, i64>("A.B", &1).unwrap_err();
            assert!(matches!(error, CallError::NotSent(_)), "{error:?}");
            assert_eq!(error.kind(), ErrorKind::WriteZero);
            assert!(error.is_safe_to_retry());
        }
    });
}

/// One end of a pipe whose other process may die; what it had read by then is up to the test.
#[derive(Clone, Default)]
struct Mortal(Arc<Life>);

#[derive(Default)]
struct Life {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    written: u64,
    /// The peer is dead, and has read so many bytes of what was written.
    dead: Option<u64>,
    /// So many writes still succeed: one end may hear of the death before the other.
    in_vain: u32,
    closed: bool,
}

impl Mortal {
    fn wait_for(&self, written: u64) {
        let mut state = self.0.state.lock().unwrap();
        while state.written < written {
            state = self.0.changed.wait(state).unwrap();
        }
    }

    fn written(&self) -> u64 {
        self.0.state.lock().unwrap().written
    }

    fn die_having_read(&self, read: u64, in_vain: u32) {
        let mut state = self.0.state.lock().unwrap();
        (state.dead, state.in_vain) = (Some(read), in_vain);
        self.0.changed.notify_all();
    }
}

impl Controlled for Life {
    fn close(&self, _: Option<Cause>) {
        self.state.lock().unwrap().closed = true;
        self.changed.notify_all();
    }

    fn set_deadline(&self, _: Option<Instant>) {}
}

/// What both ends have in common and these tests never use.
macro_rules! timeouts {
    ($set:ident, $get:ident) => {
        fn control(&self) -> Control {
            Control::new(self.0.clone())
        }

        fn $set(&self, _: Option<Duration>) -> io::Result<()> {
            Ok(())
        }

        fn $get(&self) -> Option<Duration> {
            None
        }

        fn set_nonblocking(&self, _: bool) {}
    };
}

impl Read for Mortal {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        let mut state = self.0.state.lock().unwrap();
        loop {
            if state.closed {
                return Err(Error::Closed.into());
            }
            if state.dead.is_some() {
                return Err(Error::PeerDied { unconsumed: None }.into());
            }
            state = self.0.changed.wait(state).unwrap();
        }
    }
}

impl ReadEnd for Mortal {
    fn try_read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        match self.0.state.lock().unwrap().dead {
            Some(_) => Err(Error::PeerDied { unconsumed: None }.into()),
            None => Err(ErrorKind::WouldBlock.into()),
        }
    }

    timeouts!(set_read_timeout, read_timeout);
}

impl Write for Mortal {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let mut state = self.0.state.lock().unwrap();
        if let Some(read) = state.dead {
            if state.in_vain == 0 {
                return Err(Error::PeerDied { unconsumed: Some(state.written - read) }.into());
            }
            state.in_vain -= 1;
        }
        state.written += buf.len() as u64;
        self.0.changed.notify_all();
        Ok(buf.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl WriteEnd for Mortal {
    fn try_write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.write(buf)
    }

    timeouts!(set_write_timeout, write_timeout);
}

#[test]
fn calls_that_a_dead_server_never_read_are_told_from_those_it_may_have_executed() {
    let round = |in_vain| {
        let end = Mortal::default();
        let connection = Connection::from_ends(end.clone(), end.clone());
        let client = Client::new(connection, Codec::Bin).unwrap();
        let first = client.start::<_, i64>("A.Read", &1);
        end.wait_for(1);
        let read = end.written();
        let second = client.start::<_, i64>("A.Never", &2);
        end.wait_for(read + 1);
        end.die_having_read(read, in_vain);
        let error = second.wait().unwrap_err();
        assert!(matches!(error, CallError::NotDelivered), "{error:?}");
        let error = first.wait().unwrap_err();
        assert!(matches!(&error, CallError::Broken(_)), "{error:?}");
        assert_eq!(
            error.to_string(),
            "the connection broke: the writing process died before it closed the stream"
        );
        assert!(!error.is_safe_to_retry());
        let later = client.call::<_, i64>("A.Later", &3).unwrap_err();
        assert!(matches!(later, CallError::ShutDown), "{later:?}");
    };
    watched("dead server", move || [0, 2].into_iter().for_each(round));
}
