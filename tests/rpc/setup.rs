//! What the tests of the calls share: connections of every kind, a service, and a watchdog.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    os::unix::{fs::OpenOptionsExt, net::UnixStream},
    panic::{self, AssertUnwindSafe},
    process,
    sync::{Arc, Condvar, Mutex, mpsc},
    thread,
    time::Duration,
};

use ringpipe::rpc::{Bytes, CallError, Client, Codec, Connection, Limits, Server, Service};
use serde::{Deserialize, Serialize};

use report::Report;

#[path = "../common/report.rs"]
mod report;

pub(crate) const CODECS: [Codec; 3] = [Codec::Bin, Codec::Json, Codec::Gob];

/// What carries the calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    Memory,
    Ring,
    /// Two named pipes.
    Fifo,
    Unix,
    Tcp,
    /// A stream that knows no time-outs, so that threads must do what callers do elsewhere.
    Untimed,
}

pub(crate) const TRANSPORTS: [Transport; 6] = [
    Transport::Memory,
    Transport::Ring,
    Transport::Fifo,
    Transport::Unix,
    Transport::Tcp,
    Transport::Untimed,
];

/// The two sides of a new connection: the client's and the server's.
pub(crate) fn connect(transport: Transport) -> (Connection, Connection) {
    match transport {
        Transport::Memory => {
            let (their_reader, our_writer) = ringpipe::pipe();
            let (our_reader, their_writer) = ringpipe::pipe();
            (
                Connection::from_ends(our_reader, our_writer),
                Connection::from_ends(their_reader, their_writer),
            )
        }
        Transport::Ring => {
            let (their_reader, our_writer) = ring();
            let (our_reader, their_writer) = ring();
            (
                Connection::from_ends(our_reader, our_writer),
                Connection::from_ends(their_reader, their_writer),
            )
        }
        Transport::Fifo => {
            let (their_reader, our_writer) = fifo();
            let (our_reader, their_writer) = fifo();
            (
                Connection::from_descriptors(our_reader, our_writer).unwrap(),
                Connection::from_descriptors(their_reader, their_writer).unwrap(),
            )
        }
        Transport::Unix => {
            let (a, b) = UnixStream::pair().unwrap();
            (a.into(), b.into())
        }
        Transport::Tcp => {
            let (a, b) = tcp_pair();
            (Connection::tcp(a).unwrap(), Connection::tcp(b).unwrap())
        }
        Transport::Untimed => {
            let (a, b) = UnixStream::pair().unwrap();
            (untimed(a), untimed(b))
        }
    }
}

/// One side of a connection as bare bytes. Dropping the writer ends that direction.
pub(crate) struct Bare {
    pub(crate) reader: Box<dyn Read + Send>,
    pub(crate) writer: Box<dyn Write + Send>,
}

/// A client's or server's side, and the bare bytes of the other.
pub(crate) fn against_bare(transport: Transport) -> (Connection, Bare) {
    match transport {
        Transport::Memory => {
            let (reader, our_writer) = ringpipe::pipe();
            let (our_reader, writer) = ringpipe::pipe();
            let ours = Connection::from_ends(our_reader, our_writer);
            (ours, Bare { reader: Box::new(reader), writer: Box::new(writer) })
        }
        Transport::Ring => {
            let (reader, our_writer) = ring();
            let (our_reader, writer) = ring();
            let ours = Connection::from_ends(our_reader, our_writer);
            (ours, Bare { reader: Box::new(reader), writer: Box::new(writer) })
        }
        Transport::Fifo => {
            let (reader, our_writer) = fifo();
            let (our_reader, writer) = fifo();
            let ours = Connection::from_descriptors(our_reader, our_writer).unwrap();
            (ours, Bare { reader: Box::new(reader), writer: Box::new(writer) })
        }
        Transport::Unix | Transport::Untimed => {
            let (a, b) = UnixStream::pair().unwrap();
            let ours = if transport == Transport::Unix { a.into() } else { untimed(a) };
            let writer = Half(b.try_clone().unwrap(), |socket| socket.shutdown(Shutdown::Write));
            let reader = Half(b, |socket| socket.shutdown(Shutdown::Read));
            (ours, Bare { reader: Box::new(reader), writer: Box::new(writer) })
        }
        Transport::Tcp => {
            let (a, b) = tcp_pair();
            let writer = Half(b.try_clone().unwrap(), |socket| socket.shutdown(Shutdown::Write));
            let reader = Half(b, |socket| socket.shutdown(Shutdown::Read));
            let ours = Connection::tcp(a).unwrap();
            (ours, Bare { reader: Box::new(reader), writer: Box::new(writer) })
        }
    }
}

/// One direction of a socket, which ends when this is dropped.
struct Half<S>(S, fn(&S) -> io::Result<()>);

impl<S: Read> Read for Half<S> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.read(buf)
    }
}

impl<S: Write> Write for Half<S> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.0.write(buf)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl<S> Drop for Half<S> {
    fn drop(&mut self) {
        let _ = self.1(&self.0);
    }
}

/// Both ends of a named pipe whose name is gone again.
fn fifo() -> (File, File) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("fifo");
    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
    // Nobody writes yet, and this does not wait until somebody does.
    let reader =
        OpenOptions::new().read(true).custom_flags(nix::libc::O_NONBLOCK).open(&path).unwrap();
    let writer = OpenOptions::new().write(true).open(&path).unwrap();
    let flags = nix::fcntl::FcntlArg::F_SETFL(nix::fcntl::OFlag::empty());
    nix::fcntl::fcntl(&reader, flags).unwrap();
    (reader, writer)
}

fn ring() -> (ringpipe::Reader, ringpipe::Writer) {
    // Two busy waiters for each connection would starve each other on a machine with two processors.
    ringpipe::Options::new().capacity(1 << 16).wait(ringpipe::Wait::Park).ring().unwrap()
}

pub(crate) fn tcp_pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let a = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (a, listener.accept().unwrap().0)
}

fn untimed(stream: UnixStream) -> Connection {
    let (reader, writer) = (stream.try_clone().unwrap(), stream.try_clone().unwrap());
    Connection::from_streams(reader, writer, move || {
        let _ = stream.shutdown(Shutdown::Both);
    })
}

/// A client's or server's side, and the bare socket on the other.
pub(crate) fn against_socket() -> (Connection, UnixStream) {
    let (a, b) = UnixStream::pair().unwrap();
    (a.into(), b)
}

/// Replies with `result` to the request of which this is the frame, in the codec `bin`.
pub(crate) fn reply_to(request: &[u8], result: &[u8], writer: &mut impl Write) {
    // The tests' numbers are below 128, so that the first byte is all of the number.
    write_frame(writer, &[&request[..1], &[0], result].concat());
}

/// Runs `test` for every transport and codec, each in time.
pub(crate) fn everywhere(test: impl Fn(&Scene) + Send + Sync + 'static) {
    let counted = Report::new("T16", "rules held over a transport with a codec");
    let test = Arc::new(test);
    let mut held = 0;
    for transport in TRANSPORTS {
        for codec in CODECS {
            held += 1;
            let test = Arc::clone(&test);
            watched(&format!("{transport:?} with {codec}"), move || {
                let scene = Scene::new(transport, codec);
                test(&scene);
                scene.end();
            });
        }
    }
    counted.done(held, (TRANSPORTS.len() * CODECS.len()) as u64);
}

/// Runs `test` for every transport, where the codec makes no difference.
pub(crate) fn over_every_transport(test: impl Fn(Transport) + Send + Sync + 'static) {
    let counted = Report::new("T16 transports", "rules held over a transport");
    let test = Arc::new(test);
    for transport in TRANSPORTS {
        let test = Arc::clone(&test);
        watched(&format!("{transport:?}"), move || test(transport));
    }
    counted.done(TRANSPORTS.len() as u64, 1);
}

/// Runs `test`, and ends the process if it hangs.
pub(crate) fn watched(what: &str, test: impl FnOnce() + Send + 'static) {
    let (done, waiting) = mpsc::channel();
    let thread = thread::spawn(move || {
        let result = panic::catch_unwind(AssertUnwindSafe(test));
        let _ = done.send(());
        result
    });
    if waiting.recv_timeout(Duration::from_secs(60)).is_err() {
        eprintln!("{what}: still running after 60 s");
        process::abort();
    }
    if let Err(panic) = thread.join().unwrap() {
        eprintln!("with {what}:");
        panic::resume_unwind(panic);
    }
}

/// A server of [`arith`] and a client of it.
pub(crate) struct Scene {
    pub(crate) transport: Transport,
    pub(crate) codec: Codec,
    pub(crate) client: Client,
    pub(crate) server: Server,
    pub(crate) gate: Arc<Gate>,
    serving: thread::JoinHandle<()>,
}

impl Scene {
    pub(crate) fn new(transport: Transport, codec: Codec) -> Self {
        let server = Server::with_limits(Limits::default().message(1 << 20));
        let gate = Arc::new(Gate::default());
        server.register(arith("Arith", &gate)).unwrap();
        let (ours, theirs) = connect(transport);
        let serving = {
            let server = server.clone();
            thread::spawn(move || server.serve(theirs, codec))
        };
        Self { transport, codec, client: Client::new(ours, codec).unwrap(), server, gate, serving }
    }

    /// Another client of the same server, and the thread that serves it.
    pub(crate) fn another(&self) -> (Client, thread::JoinHandle<()>) {
        let (ours, serving) = self.connection();
        (Client::new(ours, self.codec).unwrap(), serving)
    }

    /// One that takes messages of at most `limit` bytes.
    pub(crate) fn another_within(&self, limit: usize) -> (Client, thread::JoinHandle<()>) {
        let (ours, serving) = self.connection();
        (Client::with_message_limit(ours, self.codec, limit).unwrap(), serving)
    }

    /// One that speaks a codec of its own.
    pub(crate) fn another_speaking(&self, codec: Codec) -> (Client, thread::JoinHandle<()>) {
        let (ours, serving) = self.connection();
        (Client::new(ours, codec).unwrap(), serving)
    }

    fn connection(&self) -> (Connection, thread::JoinHandle<()>) {
        let (ours, theirs) = connect(self.transport);
        let (server, codec) = (self.server.clone(), self.codec);
        (ours, thread::spawn(move || server.serve(theirs, codec)))
    }

    pub(crate) fn multiply(&self, a: i64, b: i64) -> i64 {
        self.client.call("Arith.Multiply", &Args { a, b }).unwrap()
    }

    /// The connection has to work to the end, and nothing may be left of it.
    pub(crate) fn end(self) {
        self.gate.open();
        assert_eq!(self.client.pending(), 0);
        let _ = self.client.close();
        self.serving.join().unwrap();
        assert_eq!(self.server.connections(), 0);
        self.server.close();
    }
}

#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Args {
    pub(crate) a: i64,
    pub(crate) b: i64,
}

#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Quotient {
    pub(crate) quo: i64,
    pub(crate) rem: i64,
}

/// Where methods wait until the test lets them go.
#[derive(Default)]
pub(crate) struct Gate {
    state: Mutex<(usize, bool)>,
    changed: Condvar,
}

impl Gate {
    /// Waits inside a method until the gate is open.
    pub(crate) fn pass(&self) {
        let mut state = self.state.lock().unwrap();
        state.0 += 1;
        self.changed.notify_all();
        while !state.1 {
            state = self.changed.wait(state).unwrap();
        }
        state.0 -= 1;
    }

    /// Waits until `n` methods stand before the gate at the same time.
    pub(crate) fn wait_for(&self, n: usize) {
        let mut state = self.state.lock().unwrap();
        while state.0 < n {
            state = self.changed.wait(state).unwrap();
        }
    }

    pub(crate) fn open(&self) {
        self.state.lock().unwrap().1 = true;
        self.changed.notify_all();
    }
}

pub(crate) fn arith(name: &str, gate: &Arc<Gate>) -> Service {
    let gate = Arc::clone(gate);
    Service::new(name)
        .method("Multiply", |args: Args| Ok::<_, String>(args.a * args.b))
        .method("Divide", |args: Args| match args.b {
            0 => Err("divide by zero"),
            b => Ok(Quotient { quo: args.a / b, rem: args.a % b }),
        })
        .method("Echo", |bytes: Bytes| Ok::<_, String>(bytes))
        .method("Large", |size: u64| Ok::<_, String>(Bytes::from(vec![b'x'; size as usize])))
        .method("Nothing", |()| Ok::<_, String>(()))
        .method("Wait", move |n: i64| {
            gate.pass();
            Ok::<_, String>(n)
        })
        .method("Panic", |n: i64| -> Result<i64, String> { panic!("number {n}") })
}

/// Reads everything until the other side ends.
pub(crate) fn read_all(stream: &mut impl Read) -> Vec<u8> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    bytes
}

/// Reads one frame of the codec `bin`, without its length.
pub(crate) fn read_frame(stream: &mut impl Read) -> Vec<u8> {
    let mut length = [0; 4];
    stream.read_exact(&mut length).unwrap();
    let mut frame = vec![0; u32::from_le_bytes(length) as usize];
    stream.read_exact(&mut frame).unwrap();
    frame
}

/// Writes one frame of the codec `bin`.
pub(crate) fn write_frame(stream: &mut impl Write, frame: &[u8]) {
    let mut bytes = u32::try_from(frame.len()).unwrap().to_le_bytes().to_vec();
    bytes.extend_from_slice(frame);
    stream.write_all(&bytes).unwrap();
}

/// Panics of methods are tested here, and are no news on the terminal; all others are.
pub(crate) fn hush() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let default = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let planned = info
                .payload()
                .downcast_ref::<String>()
                .is_some_and(|text| text.starts_with("number "));
            if !planned {
                default(info);
            }
        }));
    });
}

/// A client whose server says just what was recorded, each reply after its request.
pub(crate) fn understand(codec: Codec, replies: &[u8]) {
    let (ours, mut theirs) = against_socket();
    let client = Client::new(ours, codec).unwrap();
    let args = |b| Args { a: 17, b };
    let product = client.start::<_, i64>("Arith.Multiply", &args(8));
    let quotient = client.start::<_, Quotient>("Arith.Divide", &args(8));
    let by_zero = client.start::<_, Quotient>("Arith.Divide", &args(0));
    let nope = client.start::<_, i64>("Arith.Nope", &args(8));
    theirs.write_all(replies).unwrap();
    assert_eq!(product.wait().unwrap(), 136);
    assert_eq!(quotient.wait().unwrap(), Quotient { quo: 2, rem: 1 });
    for (call, text) in [
        (by_zero.wait().map(drop), "divide by zero"),
        (nope.wait().map(drop), "rpc: can't find method Arith.Nope"),
    ] {
        assert!(matches!(call, Err(CallError::Server(got)) if got == text));
    }
}
