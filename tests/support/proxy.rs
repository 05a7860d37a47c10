//! An end that lives in a child process, and looks as if it lived here.
//!
//! The child is this test executable started again. It finds its end of the data on standard input, and connects back
//! for its orders to a socket with an abstract name, which leaves nothing in the file system. Orders to the end itself
//! wait for each other, as calls on one end do; closing and deadlines overtake them, as a control does.

use std::{
    collections::HashMap,
    fmt,
    io::{self, Read, Write},
    os::{
        fd::OwnedFd,
        linux::net::SocketAddrExt,
        unix::net::{SocketAddr, UnixListener, UnixStream},
    },
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use ringpipe::{Control, ReadEnd, WriteEnd, ends::Controlled, error::Cause};

use crate::wire::{Answer, Order, receive, send};

/// Tells the child what to be: its role, and the name of the socket for its orders.
pub(crate) const ROLE: &str = "RINGPIPE_TEST_ROLE";
pub(crate) const ORDERS: &str = "RINGPIPE_TEST_ORDERS";
/// The test of the executable that is the child's whole life.
const ENTRY: &str = "child_process";

pub(crate) fn abstract_name(name: &str) -> io::Result<SocketAddr> {
    SocketAddr::from_abstract_name(name)
}

/// Answers that have not come yet, by the id of their order; `None` when the child is gone.
type Pending = Mutex<Option<HashMap<u64, mpsc::Sender<Answer>>>>;

/// The connection to a child; the child ends when it is dropped.
struct Link {
    orders: Mutex<UnixStream>,
    pending: Arc<Pending>,
    next: AtomicU64,
    child: Mutex<Child>,
}

impl Link {
    /// Starts a child in `role`, with `data` as its standard input.
    fn start(role: &str, data: OwnedFd) -> io::Result<Self> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("ringpipe-conformance-{}-{number}", std::process::id());
        let listener = UnixListener::bind_addr(&abstract_name(&name)?)?;
        let mut child = Command::new(std::env::current_exe()?)
            .args([ENTRY, "--exact", "--nocapture", "--test-threads=1"])
            .env(ROLE, role)
            .env(ORDERS, &name)
            .stdin(data)
            .stdout(Stdio::null())
            .spawn()?;
        let orders = accept_from(&listener, &mut child)?;
        let mut answers = orders.try_clone()?;
        let pending: Arc<Pending> = Arc::new(Mutex::new(Some(HashMap::new())));
        let theirs = pending.clone();
        thread::spawn(move || {
            while let Ok((id, answer)) = receive::<Answer>(&mut answers) {
                let asked = theirs.lock().unwrap().as_mut().and_then(|all| all.remove(&id));
                if let Some(asked) = asked {
                    // Whoever asked may have gone; then nobody wants the answer.
                    let _ = asked.send(answer);
                }
            }
            *theirs.lock().unwrap() = None;
        });
        Ok(Self {
            orders: Mutex::new(orders),
            pending,
            next: AtomicU64::new(0),
            child: Mutex::new(child),
        })
    }

    fn ask(&self, order: &Order) -> io::Result<Answer> {
        let gone = || io::Error::other("the child process is gone");
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let (asked, answer) = mpsc::channel();
        self.pending.lock().unwrap().as_mut().ok_or_else(gone)?.insert(id, asked);
        send(&mut *self.orders.lock().unwrap(), id, order)?;
        answer.recv().map_err(|_| gone())
    }

    fn kill(&self) {
        let mut child = self.child.lock().unwrap();
        child.kill().expect("a child can be killed");
        child.wait().expect("a killed child can be waited for");
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        // The child ends when its orders end; it holds nothing that would keep it.
        let _ = self.orders.get_mut().unwrap().shutdown(std::net::Shutdown::Both);
        let _ = self.child.get_mut().unwrap().wait();
    }
}

impl Controlled for Link {
    fn close(&self, cause: Option<Cause>) {
        let order = cause
            .map_or(Order::Close, |cause| Order::CloseWithError(cause.kind(), cause.to_string()));
        // A child that is gone has closed in its own way.
        let _ = self.ask(&order);
    }

    fn set_deadline(&self, deadline: Option<Instant>) {
        let from_now = deadline.map(|deadline| {
            let now = Instant::now();
            match deadline.checked_duration_since(now) {
                Some(ahead) => ahead.as_nanos() as i64,
                None => -(now.duration_since(deadline).as_nanos() as i64),
            }
        });
        let _ = self.ask(&Order::SetDeadline(from_now));
    }
}

/// Waits for the child to connect, unless it dies first.
fn accept_from(listener: &UnixListener, child: &mut Child) -> io::Result<UnixStream> {
    listener.set_nonblocking(true)?;
    loop {
        match listener.accept() {
            Ok((orders, _)) => {
                orders.set_nonblocking(false)?;
                return Ok(orders);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        if let Some(status) = child.try_wait()? {
            return Err(io::Error::other(format!("the child ended before its orders: {status}")));
        }
        thread::sleep(Duration::from_micros(200));
    }
}

/// What both proxies are.
struct Proxy(Arc<Link>);

impl Proxy {
    fn count(&self, order: &Order) -> io::Result<usize> {
        match self.0.ask(order)? {
            Answer::Count(n) => Ok(n as usize),
            other => Err(other.into_error()),
        }
    }

    fn bytes(&self, order: &Order, buf: &mut [u8]) -> io::Result<usize> {
        match self.0.ask(order)? {
            Answer::Bytes(bytes) => {
                let fits = buf.get_mut(..bytes.len());
                fits.ok_or_else(|| io::Error::other("more bytes than the buffer holds"))?
                    .copy_from_slice(&bytes);
                Ok(bytes.len())
            }
            other => Err(other.into_error()),
        }
    }

    fn timeout(&self) -> Option<Duration> {
        match self.0.ask(&Order::Timeout) {
            Ok(Answer::Timeout(timeout)) => timeout,
            other => panic!("the child answered {other:?} when asked for its timeout"),
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let order = if thread::panicking() { Order::DropUnwinding } else { Order::Drop };
        // A child that was killed has dropped its end already.
        let _ = self.0.ask(&order);
    }
}

/// The reading end in a child process.
pub(crate) struct ProxyReader(Proxy);

/// The writing end in a child process.
pub(crate) struct ProxyWriter(Proxy);

impl fmt::Debug for ProxyReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProxyReader").finish_non_exhaustive()
    }
}

impl fmt::Debug for ProxyWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProxyWriter").finish_non_exhaustive()
    }
}

impl ProxyReader {
    /// Starts a child that reads `data` in the way `role` says.
    pub(crate) fn start(role: &str, data: impl Into<OwnedFd>) -> io::Result<Self> {
        Ok(Self(Proxy(Arc::new(Link::start(role, data.into())?))))
    }

    pub(crate) fn kill(&self) {
        self.0.0.kill();
    }
}

impl ProxyWriter {
    /// Starts a child that writes to `data` in the way `role` says.
    pub(crate) fn start(role: &str, data: impl Into<OwnedFd>) -> io::Result<Self> {
        Ok(Self(Proxy(Arc::new(Link::start(role, data.into())?))))
    }

    pub(crate) fn kill(&self) {
        self.0.0.kill();
    }
}

impl Read for ProxyReader {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.bytes(&Order::Read(buf.len() as u64), buf)
    }
}

impl ReadEnd for ProxyReader {
    fn try_read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.bytes(&Order::TryRead(buf.len() as u64), buf)
    }

    fn control(&self) -> Control {
        Control::new(self.0.0.clone())
    }

    fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.0.count(&Order::SetTimeout(timeout)).map(drop)
    }

    fn read_timeout(&self) -> Option<Duration> {
        self.0.timeout()
    }

    fn set_nonblocking(&self, nonblocking: bool) {
        self.0.count(&Order::SetNonblocking(nonblocking)).expect("the child obeys");
    }
}

impl Write for ProxyWriter {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.0.count(&Order::Write(buf.to_vec()))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl WriteEnd for ProxyWriter {
    fn try_write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.0.count(&Order::TryWrite(buf.to_vec()))
    }

    fn control(&self) -> Control {
        Control::new(self.0.0.clone())
    }

    fn set_write_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.0.count(&Order::SetTimeout(timeout)).map(drop)
    }

    fn write_timeout(&self) -> Option<Duration> {
        self.0.timeout()
    }

    fn set_nonblocking(&self, nonblocking: bool) {
        self.0.count(&Order::SetNonblocking(nonblocking)).expect("the child obeys");
    }
}
