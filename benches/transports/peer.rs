//! The other process: how it is started, and what it does.

use std::{
    env,
    io::{self, Read, Write},
    os::{
        fd::AsFd,
        linux::net::SocketAddrExt,
        unix::net::{SocketAddr, UnixListener, UnixStream},
    },
    process::{self, Child, Command},
    sync::atomic::{AtomicU32, Ordering},
};

use crate::{contenders::Pair, processes::Kind, round_trip::echo, stream::pour};

/// Tells a process that it is a peer: of which kind, and where its orders come from.
const ROLE: &str = "RINGPIPE_BENCH_PEER";

/// What the peer is told to do, so and so many times.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Order {
    /// Send every message back.
    Echo,
    /// Send messages of this size.
    Pour(usize),
}

/// The other process, with what joins it to this one. It ends when it is dropped.
pub(crate) struct Peer {
    pub(crate) reader: Box<dyn Read + Send>,
    pub(crate) writer: Box<dyn Write + Send>,
    /// Closed before the child is waited for: the end of its orders is what it ends by.
    orders: Option<UnixStream>,
    child: Child,
}

impl Peer {
    pub(crate) fn start(kind: Kind) -> Self {
        start(kind).unwrap_or_else(|error| panic!("no peer over {}: {error}", kind.name()))
    }

    pub(crate) fn order(&mut self, order: Order, count: u64) {
        let size = match order {
            Order::Echo => 0,
            Order::Pour(size) => size as u64,
        };
        let mut orders = self.orders.as_ref().expect("closed only by dropping");
        for word in [size, count] {
            orders.write_all(&word.to_le_bytes()).expect("the peer lives");
        }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.orders = None;
        // It fails only for a child that is gone.
        let _ = self.child.wait();
    }
}

fn start(kind: Kind) -> io::Result<Peer> {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let name = format!("ringpipe-bench-{}-{number}", process::id());
    let door = UnixListener::bind_addr(&SocketAddr::from_abstract_name(&name)?)?;
    let (opening, [input, output]) = kind.open()?;
    let child = Command::new(env::current_exe()?)
        .env(ROLE, format!("{} {name}", kind.name()))
        .stdin(input)
        .stdout(output)
        .spawn()?;
    let (orders, _) = door.accept()?;
    let (reader, writer) = opening.finish()?;
    Ok(Peer { reader, writer, orders: Some(orders), child })
}

/// Plays the peer if this process was started as one; says whether it was.
pub(crate) fn play() -> bool {
    let Ok(role) = env::var(ROLE) else { return false };
    serve(&role).unwrap_or_else(|error| panic!("as a peer, {role}: {error}"));
    true
}

fn serve(role: &str) -> io::Result<()> {
    let (kind, name) = role.split_once(' ').ok_or(io::ErrorKind::InvalidInput)?;
    let kind = Kind::ALL.into_iter().find(|known| known.name() == kind);
    let kind = kind.ok_or(io::ErrorKind::InvalidInput)?;
    let mut orders = UnixStream::connect_addr(&SocketAddr::from_abstract_name(name)?)?;
    let (mut reader, mut writer) = ends(kind)?;
    loop {
        let mut words = [[0; 8]; 2];
        for word in &mut words {
            if orders.read_exact(word).is_err() {
                return Ok(());
            }
        }
        match words.map(u64::from_le_bytes) {
            [0, count] => echo(&mut reader, &mut writer, count),
            [size, count] => pour(&mut writer, size as usize, count),
        }
    }
}

/// The ends that came as standard input and output.
fn ends(kind: Kind) -> io::Result<Pair> {
    let input = io::stdin().as_fd().try_clone_to_owned()?;
    if let Some(options) = kind.options() {
        let (reader, writer) = options.connect_on(input.into())?.split();
        return Ok((Box::new(reader), Box::new(writer)));
    }
    let output = io::stdout().as_fd().try_clone_to_owned()?;
    Ok((Box::new(std::fs::File::from(input)), Box::new(std::fs::File::from(output))))
}
