//! Where clients arrive.

#[cfg(unix)]
mod unix;

use std::{
    error, fmt, io,
    net::{TcpListener, TcpStream},
    sync::Arc,
    time::Duration,
};

#[cfg(unix)]
use nix::poll::{PollFlags, PollTimeout};

use crate::sync::{AtomicBool, Ordering};

#[cfg(not(target_os = "linux"))]
use super::connection::no_shm;
#[cfg(unix)]
use super::polling::{self, Wake};
use super::{Address, Connection, SetupError};

/// How long a shortage of descriptors or memory is left to pass before the next try; doubled up to the longest.
const SHORTAGE: Duration = Duration::from_millis(5);
const LONGEST_SHORTAGE: Duration = Duration::from_secs(1);

/// Listens at an [`Address`] for connections to serve.
///
/// ```
/// use ringpipe::rpc::Listener;
/// let listener = Listener::bind(&"tcp:127.0.0.1:0".parse()?)?;
/// assert_ne!(listener.address().to_string(), "tcp:127.0.0.1:0", "the port is the real one");
/// # Ok::<(), ringpipe::rpc::SetupError>(())
/// ```
#[derive(Debug)]
pub struct Listener {
    socket: Socket,
    address: Address,
    control: ListenerControl,
}

#[derive(Debug)]
enum Socket {
    Tcp(TcpListener),
    #[cfg(unix)]
    Unix(unix::PathListener),
    #[cfg(target_os = "linux")]
    Shm(unix::PathListener),
}

/// A client that has arrived and may not have greeted yet, which must not keep others from arriving.
#[derive(Debug)]
pub(super) enum Arrival {
    Tcp(TcpStream),
    #[cfg(unix)]
    Unix(std::os::unix::net::UnixStream),
    #[cfg(target_os = "linux")]
    Shm(std::os::unix::net::UnixStream),
}

impl Arrival {
    /// The connection with the client.
    ///
    /// # Blocking
    /// Over shared memory until the two sides agree, or the time for that is over.
    pub(super) fn greet(self) -> io::Result<Connection> {
        match self {
            Self::Tcp(stream) => Connection::tcp(stream),
            #[cfg(unix)]
            Self::Unix(stream) => Ok(Connection::from(stream)),
            #[cfg(target_os = "linux")]
            Self::Shm(socket) => Ok(crate::Options::new().accept_on(socket)?.into()),
        }
    }
}

/// Closes a listener from any thread, also while it is blocked in accepting.
#[derive(Clone, Debug)]
pub struct ListenerControl(Arc<Closing>);

#[derive(Debug)]
struct Closing {
    closed: AtomicBool,
    #[cfg(unix)]
    wake: Wake,
    #[cfg(not(unix))]
    wake: std::net::SocketAddr,
}

impl ListenerControl {
    /// Ends accepting. Connections accepted before live on. Idempotent, never blocks.
    pub fn close(&self) {
        self.0.closed.store(true, Ordering::Release);
        #[cfg(unix)]
        self.0.wake.wake();
        #[cfg(not(unix))]
        // A connection wakes the accept; that it may fail means that nobody is accepting.
        drop(TcpStream::connect(self.0.wake));
    }

    fn is_closed(&self) -> bool {
        self.0.closed.load(Ordering::Acquire)
    }
}

impl Listener {
    /// Listens at `address`. A path left behind by a process that is gone is taken over; one that is in use, or
    /// is no socket, is not touched.
    ///
    /// # Errors
    /// [`SetupError::Listen`] with what the system said, [`SetupError::Unsupported`] for a transport this build lacks.
    pub fn bind(address: &Address) -> Result<Self, SetupError> {
        Self::try_bind(address)
            .map_err(|source| SetupError::Listen { address: address.clone(), source })?
    }

    fn try_bind(address: &Address) -> io::Result<Result<Self, SetupError>> {
        let (socket, address) = match address {
            Address::Tcp(host) => {
                let listener = TcpListener::bind(host.as_str())?;
                let bound = Address::Tcp(listener.local_addr()?.to_string());
                (Socket::Tcp(listener), bound)
            }
            #[cfg(unix)]
            Address::Unix(path) => (Socket::Unix(unix::PathListener::bind(path)?), address.clone()),
            #[cfg(not(unix))]
            Address::Unix(_) => {
                return Ok(Err(SetupError::Unsupported(
                    "this system has no Unix sockets; use tcp:HOST:PORT".into(),
                )));
            }
            #[cfg(target_os = "linux")]
            Address::Shm(path) => (Socket::Shm(unix::PathListener::bind(path)?), address.clone()),
            #[cfg(not(target_os = "linux"))]
            Address::Shm(_) => return Ok(Err(no_shm())),
        };
        #[cfg(unix)]
        let wake = Wake::new()?;
        #[cfg(not(unix))]
        let wake = {
            let Socket::Tcp(listener) = &socket;
            listener.local_addr()?
        };
        #[cfg(unix)]
        match &socket {
            Socket::Tcp(listener) => listener.set_nonblocking(true)?,
            Socket::Unix(listener) => listener.set_nonblocking()?,
            #[cfg(target_os = "linux")]
            Socket::Shm(listener) => listener.set_nonblocking()?,
        }
        Ok(Ok(Self {
            socket,
            address,
            control: ListenerControl(Arc::new(Closing { closed: AtomicBool::new(false), wake })),
        }))
    }

    /// Where clients find this listener, with the port the system chose if it was asked to.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// A handle that ends accepting from another thread.
    pub fn control(&self) -> ListenerControl {
        self.control.clone()
    }

    /// Ends accepting. Idempotent, never blocks.
    pub fn close(&self) {
        self.control.close();
    }

    /// Waits for a client.
    ///
    /// # Blocking
    /// Until one comes or the listener is closed. A shortage of descriptors or memory is waited out.
    ///
    /// # Errors
    /// `NotConnected` after the listener was closed; what the system said when no client can come any more; what was
    /// wrong with this client's greeting.
    pub fn accept(&self) -> io::Result<Connection> {
        self.arrive()?.greet()
    }

    /// Waits for a client, and leaves the greeting for later.
    pub(super) fn arrive(&self) -> io::Result<Arrival> {
        let mut shortage = SHORTAGE;
        loop {
            if self.control.is_closed() {
                return Err(Closed.into());
            }
            let error = match self.try_accept() {
                Ok(arrival) => {
                    if self.control.is_closed() {
                        return Err(Closed.into());
                    }
                    return Ok(arrival);
                }
                Err(error) => error,
            };
            match classify(&error) {
                Trouble::Wait => self.wait(None)?,
                Trouble::OfThisClient => {}
                Trouble::Shortage => {
                    self.wait(Some(shortage))?;
                    shortage = (shortage * 2).min(LONGEST_SHORTAGE);
                }
                Trouble::Final => return Err(error),
            }
        }
    }

    fn try_accept(&self) -> io::Result<Arrival> {
        match &self.socket {
            Socket::Tcp(listener) => {
                let (stream, _) = listener.accept()?;
                // Some systems hand the listener's mode down.
                stream.set_nonblocking(false)?;
                Ok(Arrival::Tcp(stream))
            }
            #[cfg(unix)]
            Socket::Unix(listener) => listener.accept().map(Arrival::Unix),
            #[cfg(target_os = "linux")]
            Socket::Shm(listener) => listener.accept().map(Arrival::Shm),
        }
    }

    /// Waits for a client, or only for some time; the closing ends it in both cases.
    #[cfg(unix)]
    fn wait(&self, only: Option<Duration>) -> io::Result<()> {
        use std::os::fd::AsFd;
        let socket = match &self.socket {
            Socket::Tcp(listener) => listener.as_fd(),
            Socket::Unix(listener) => listener.as_fd(),
            #[cfg(target_os = "linux")]
            Socket::Shm(listener) => listener.as_fd(),
        };
        let wake = &self.control.0.wake;
        match only {
            None => wake.wait(socket, PollFlags::POLLIN, PollTimeout::NONE).map(drop),
            Some(time) => {
                let millis = u16::try_from(time.as_millis()).unwrap_or(u16::MAX);
                polling::wait(&mut [wake.as_poll_fd()], PollTimeout::from(millis))
            }
        }
    }

    #[cfg(not(unix))]
    fn wait(&self, only: Option<Duration>) -> io::Result<()> {
        std::thread::sleep(only.unwrap_or(SHORTAGE));
        Ok(())
    }
}

enum Trouble {
    Wait,
    OfThisClient,
    Shortage,
    Final,
}

fn classify(error: &io::Error) -> Trouble {
    use io::ErrorKind as K;
    match error.kind() {
        K::WouldBlock => Trouble::Wait,
        // The client left between arriving and being accepted, or its network failed it.
        K::Interrupted | K::ConnectionAborted | K::ConnectionReset | K::InvalidInput => {
            Trouble::OfThisClient
        }
        K::OutOfMemory => Trouble::Shortage,
        _ => classify_code(error),
    }
}

#[cfg(unix)]
fn classify_code(error: &io::Error) -> Trouble {
    use nix::errno::Errno;
    match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::EMFILE | Errno::ENFILE | Errno::ENOBUFS | Errno::ENOMEM) => Trouble::Shortage,
        Some(Errno::EPROTO | Errno::ENETDOWN | Errno::EHOSTUNREACH | Errno::ENETUNREACH) => {
            Trouble::OfThisClient
        }
        _ => Trouble::Final,
    }
}

#[cfg(not(unix))]
fn classify_code(_: &io::Error) -> Trouble {
    Trouble::Final
}

/// The listener was closed.
#[derive(Debug)]
pub(super) struct Closed;

impl Closed {
    pub(super) fn is(error: &io::Error) -> bool {
        error.get_ref().is_some_and(|error| error.is::<Self>())
    }
}

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the listener is closed")
    }
}

impl error::Error for Closed {}

impl From<Closed> for io::Error {
    fn from(closed: Closed) -> Self {
        Self::new(io::ErrorKind::NotConnected, closed)
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use nix::errno::Errno;

    #[test]
    fn only_what_no_later_client_can_mend_ends_accepting() {
        let name = |error: &io::Error| match classify(error) {
            Trouble::Wait => "wait",
            Trouble::OfThisClient => "of this client",
            Trouble::Shortage => "shortage",
            Trouble::Final => "final",
        };
        for (errno, trouble) in [
            (Errno::EAGAIN, "wait"),
            (Errno::EINTR, "of this client"),
            (Errno::ECONNABORTED, "of this client"),
            (Errno::EPROTO, "of this client"),
            (Errno::ENETDOWN, "of this client"),
            (Errno::EMFILE, "shortage"),
            (Errno::ENFILE, "shortage"),
            (Errno::ENOBUFS, "shortage"),
            (Errno::ENOMEM, "shortage"),
            (Errno::EBADF, "final"),
            (Errno::EOPNOTSUPP, "final"),
        ] {
            assert_eq!(name(&errno.into()), trouble, "{errno}");
        }
        assert_eq!(name(&io::Error::other("not of the system")), "final");
    }

    #[test]
    fn a_shortage_is_waited_out_unless_the_listener_is_closed() {
        let listener = Listener::bind(&"tcp:127.0.0.1:0".parse().unwrap()).unwrap();
        listener.wait(Some(Duration::from_millis(1))).unwrap();
        listener.close();
        listener.wait(Some(Duration::from_secs(60))).unwrap();
        assert!(Closed::is(&listener.accept().unwrap_err()));
    }
}
