//! Where a service is found: the address alone says which transport carries the calls.

use std::{fmt, path::PathBuf, str::FromStr};

use super::SetupError;

/// `tcp:host:port`, `unix:/path` or `shm:/path`.
///
/// Only TCP reaches other machines; the other two say so when they are asked to.
///
/// ```
/// use ringpipe::rpc::Address;
/// let address: Address = "unix:/run/x.sock".parse()?;
/// assert_eq!(address, Address::Unix("/run/x.sock".into()));
/// assert_eq!(address.to_string(), "unix:/run/x.sock");
///
/// let error = "shm:db.example:7000".parse::<Address>().unwrap_err();
/// assert!(error.to_string().contains("use tcp:db.example:7000"));
/// # Ok::<(), ringpipe::rpc::SetupError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Address {
    /// A TCP host and port, also on another machine.
    Tcp(String),
    /// The path of a Unix stream socket.
    Unix(PathBuf),
    /// The path where two processes meet to share a ring.
    Shm(PathBuf),
}

impl FromStr for Address {
    type Err = SetupError;

    fn from_str(text: &str) -> Result<Self, SetupError> {
        let Some((scheme, rest)) = text.split_once(':') else {
            return Err(unknown(text));
        };
        match scheme {
            "tcp" => match rest.rsplit_once(':') {
                Some((host, port)) if !host.is_empty() && port.parse::<u16>().is_ok() => {
                    Ok(Self::Tcp(rest.to_owned()))
                }
                _ => Err(SetupError::Invalid(format!(
                    "{text:?} lacks a host or a port; write tcp:HOST:PORT, such as tcp:127.0.0.1:7000"
                ))),
            },
            "unix" => Ok(Self::Unix(local_path(scheme, rest)?)),
            "shm" => Ok(Self::Shm(local_path(scheme, rest)?)),
            _ => Err(unknown(text)),
        }
    }
}

fn unknown(text: &str) -> SetupError {
    SetupError::Invalid(format!(
        "{text:?} names no transport; write tcp:HOST:PORT, unix:/PATH or shm:/PATH"
    ))
}

/// A path on this machine. What looks like another machine is refused with the address that would reach it.
fn local_path(scheme: &str, rest: &str) -> Result<PathBuf, SetupError> {
    if rest.is_empty() {
        return Err(SetupError::Invalid(format!("{scheme}: lacks a path; write {scheme}:/PATH")));
    }
    let host = rest.strip_prefix("//").map(|rest| rest.split('/').next().unwrap_or(rest));
    let remote = match host {
        Some(host) => !host.is_empty(),
        None => {
            !rest.contains('/')
                && rest.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok())
        }
    };
    if remote {
        let other = host.unwrap_or(rest);
        let other = if other.contains(':') { other.to_owned() } else { format!("{other}:PORT") };
        return Err(SetupError::Unsupported(format!(
            "{scheme}: does not reach other machines; use tcp:{other}, the client stays the same"
        )));
    }
    Ok(PathBuf::from(rest))
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(host) => write!(f, "tcp:{host}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Shm(path) => write!(f, "shm:{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_reads_back_as_it_was_written() {
        for text in ["tcp:127.0.0.1:0", "tcp:[::1]:80", "unix:/a b", "unix:rel", "shm:/run/x"] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_cannot_work_is_refused_with_what_would() {
        for (text, hint) in [
            ("", "names no transport"),
            ("http:x", "names no transport"),
            ("tcp:localhost", "lacks a host or a port"),
            ("tcp::80", "lacks a host or a port"),
            ("tcp:h:70000", "lacks a host or a port"),
            ("unix:", "lacks a path"),
            ("shm://far/x", "use tcp:far:PORT"),
            ("shm://far:70/x", "use tcp:far:70,"),
            ("unix:far:80", "use tcp:far:80"),
        ] {
            let error = text.parse::<Address>().unwrap_err().to_string();
            assert!(error.contains(hint), "{text}: {error}");
        }
    }
}
