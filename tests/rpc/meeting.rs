//! Addresses, listeners, and what happens to the files they make.

use std::{
    fs, io::ErrorKind, net::TcpListener, os::unix::net::UnixListener, path::PathBuf, thread,
    time::Duration,
};

use nix::sys::socket::{Backlog, listen};
use ringpipe::rpc::{Address, Client, Codec, Listener, Server, SetupError};

use crate::setup::{Args, Gate, arith, watched};

fn path(name: &str) -> PathBuf {
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    directory.join(format!("{name}-{}", std::process::id()))
}

fn addresses(name: &str) -> [Address; 3] {
    [
        "tcp:127.0.0.1:0".parse().unwrap(),
        Address::Unix(path(&format!("{name}-unix"))),
        Address::Shm(path(&format!("{name}-shm"))),
    ]
}

#[test]
fn the_same_client_works_at_every_address() {
    watched("every address", || {
        for address in addresses("meet") {
            let listener = Listener::bind(&address).unwrap();
            let bound = listener.address().clone();
            let control = listener.control();
            let server = Server::new();
            server.register(arith("Arith", &Gate::default().into())).unwrap();
            let accepting = {
                let server = server.clone();
                thread::spawn(move || server.accept(&listener, Codec::Bin))
            };
            let clients: Vec<_> =
                (0..3).map(|_| Client::dial(&bound, Codec::Bin).unwrap()).collect();
            for client in &clients {
                let product: i64 = client.call("Arith.Multiply", &Args { a: 17, b: 8 }).unwrap();
                assert_eq!(product, 136);
            }
            control.close();
            accepting.join().unwrap().unwrap();
            // Closing the listener ends accepting and nothing else.
            for client in &clients {
                let product: i64 = client.call("Arith.Multiply", &Args { a: 2, b: 8 }).unwrap();
                assert_eq!(product, 16);
            }
            server.close();
            assert!(matches!(Client::dial(&bound, Codec::Bin), Err(SetupError::Dial { .. })));
            if let Address::Unix(path) | Address::Shm(path) = bound {
                assert!(!path.exists());
            }
        }
    });
}

#[test]
fn a_client_that_never_greets_keeps_nobody_out() {
    watched("never greets", || {
        let path = path("greet");
        let listener = Listener::bind(&Address::Shm(path.clone())).unwrap();
        let control = listener.control();
        let server = Server::new();
        server.register(arith("Arith", &Gate::default().into())).unwrap();
        let accepting = {
            let server = server.clone();
            thread::spawn(move || server.accept(&listener, Codec::Bin))
        };
        let silent = std::os::unix::net::UnixStream::connect(&path).unwrap();
        let client = Client::dial(&Address::Shm(path), Codec::Bin).unwrap();
        let product: i64 = client.call("Arith.Multiply", &Args { a: 2, b: 8 }).unwrap();
        assert_eq!(product, 16);
        drop(silent);
        control.close();
        accepting.join().unwrap().unwrap();
        server.close();
    });
}

#[test]
fn a_stale_path_is_taken_over_a_live_one_and_any_other_file_is_not() {
    for make in [Address::Unix, Address::Shm] {
        let path = path("stale");
        drop(UnixListener::bind(&path).unwrap());
        let live = Listener::bind(&make(path.clone())).unwrap();
        let error = Listener::bind(&make(path.clone())).unwrap_err();
        assert!(
            matches!(&error, SetupError::Listen { source, .. } if source.kind() == std::io::ErrorKind::AddrInUse),
            "{error}"
        );
        drop(live);
        assert!(!path.exists());

        fs::write(&path, "precious").unwrap();
        assert!(Listener::bind(&make(path.clone())).is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
        fs::remove_file(&path).unwrap();
    }
}

#[test]
fn a_path_that_somebody_else_took_is_left_alone() {
    let path = path("taken");
    let listener = Listener::bind(&Address::Unix(path.clone())).unwrap();
    fs::remove_file(&path).unwrap();
    let other = UnixListener::bind(&path).unwrap();
    drop(listener);
    assert!(path.exists());
    drop(other);
    fs::remove_file(&path).unwrap();
}

#[test]
fn dialing_waits_no_longer_than_it_is_told() {
    watched("dialing", || {
        // Nobody accepts, and there is room for one or two who wait to be.
        let paths = [path("full-unix"), path("full-shm")];
        let sockets = paths.each_ref().map(|path| UnixListener::bind(path).unwrap());
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        for socket in &sockets {
            listen(socket, Backlog::new(0).unwrap()).unwrap();
        }
        listen(&tcp, Backlog::new(0).unwrap()).unwrap();
        let [unix_path, shm_path] = paths.clone();
        let timeout = Duration::from_millis(50);
        let mut refused = 0;
        for address in [
            Address::Unix(unix_path),
            Address::Shm(shm_path),
            Address::Tcp(tcp.local_addr().unwrap().to_string()),
        ] {
            let mut queued = Vec::new();
            let error = loop {
                match Client::dial_timeout(&address, Codec::Bin, timeout) {
                    Ok(client) => queued.push(client),
                    Err(error) => break error,
                }
            };
            assert!(
                matches!(&error, SetupError::Dial { source, .. } if source.kind() == ErrorKind::TimedOut),
                "{address}: {error}"
            );
            refused += 1;
        }
        assert_eq!(refused, 3);
        drop((sockets, tcp));
        for path in paths {
            fs::remove_file(path).unwrap();
        }
    });
}

#[test]
fn two_who_find_a_stale_path_at_once_do_not_both_take_it() {
    watched("stale path", || {
        for make in [Address::Unix, Address::Shm] {
            for _ in 0..100 {
                let path = path("raced");
                drop(UnixListener::bind(&path).unwrap());
                let address = make(path.clone());
                let start = std::sync::Barrier::new(4);
                thread::scope(|threads| {
                    let racing: Vec<_> = (0..4)
                        .map(|_| {
                            threads.spawn(|| {
                                start.wait();
                                Listener::bind(&address)
                            })
                        })
                        .collect();
                    let won: Vec<_> =
                        racing.into_iter().filter_map(|racer| racer.join().unwrap().ok()).collect();
                    assert_eq!(won.len(), 1);
                });
                assert!(!path.exists());
            }
        }
    });
}

#[test]
fn dialing_and_listening_fail_with_errors_that_can_be_told_apart() {
    let nobody = Address::Unix(path("nobody"));
    let dial = Client::dial(&nobody, Codec::Bin).unwrap_err();
    assert!(dial.to_string().starts_with("dialing unix:"), "{dial}");
    let nowhere = Address::Unix("/nonexistent/x.sock".into());
    let listen = Listener::bind(&nowhere).unwrap_err();
    assert!(listen.to_string().starts_with("listening on unix:/nonexistent/x.sock"), "{listen}");
    assert!(matches!("shm:far:7000".parse::<Address>(), Err(SetupError::Unsupported(_))));
    assert!(matches!("quic:far:7000".parse::<Address>(), Err(SetupError::Invalid(_))));
}
