//! Reaching a server, in time where that is asked for.

use std::{
    io,
    net::{TcpStream, ToSocketAddrs},
    time::{Duration, Instant},
};

use super::{
    super::{Address, SetupError},
    Connection,
};

pub(super) fn dial(address: &Address, timeout: Option<Duration>) -> Result<Connection, SetupError> {
    let failed = |source| SetupError::Dial { address: address.clone(), source };
    match address {
        Address::Tcp(host) => tcp(host, timeout).and_then(Connection::tcp).map_err(failed),
        #[cfg(unix)]
        Address::Unix(path) => unix(path, timeout).map(Connection::from).map_err(failed),
        #[cfg(not(unix))]
        Address::Unix(_) => Err(SetupError::Unsupported(
            "this system has no Unix sockets; use tcp:HOST:PORT".into(),
        )),
        #[cfg(target_os = "linux")]
        Address::Shm(path) => {
            shm(path, timeout).map(Connection::from).map_err(|error| failed(error.into()))
        }
        #[cfg(not(target_os = "linux"))]
        Address::Shm(_) => Err(super::no_shm()),
    }
}

fn tcp(host: &str, timeout: Option<Duration>) -> io::Result<TcpStream> {
    let Some(deadline) = timeout.and_then(|timeout| Instant::now().checked_add(timeout)) else {
        return TcpStream::connect(host);
    };
    let mut result = Err(io::Error::new(io::ErrorKind::NotFound, "the host has no address"));
    for place in host.to_socket_addrs()? {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        result = TcpStream::connect_timeout(&place, left);
        if result.is_ok() {
            break;
        }
    }
    result
}

#[cfg(unix)]
fn unix(
    path: &std::path::Path,
    timeout: Option<Duration>,
) -> io::Result<std::os::unix::net::UnixStream> {
    #[cfg(target_os = "linux")]
    if let Some(timeout) = timeout {
        let stream = crate::ring::dial(path, timeout)?;
        // What limited the connecting would interrupt every later write.
        stream.set_write_timeout(None)?;
        return Ok(stream);
    }
    // Elsewhere a connection to a path is made or refused at once.
    let _ = timeout;
    std::os::unix::net::UnixStream::connect(path)
}

#[cfg(target_os = "linux")]
fn shm(path: &std::path::Path, timeout: Option<Duration>) -> Result<crate::Stream, crate::Error> {
    let options = crate::Options::new();
    let Some(timeout) = timeout else {
        return options.connect(path);
    };
    let start = Instant::now();
    let socket = crate::ring::dial(path, timeout).map_err(|errno| {
        crate::sys::os_error(format!("connecting to {}", path.display()), errno)
    })?;
    options.handshake_timeout(timeout.saturating_sub(start.elapsed())).connect_on(socket)
}
