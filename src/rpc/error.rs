//! What can go wrong with a call, and with setting up who makes and who answers it.

use std::{error, fmt, io, sync::Arc};

use super::Address;

/// Why a call has no reply.
///
/// [`Server`](Self::Server) is the method's own answer; everything else is about getting there and back.
/// [`is_safe_to_retry`](Self::is_safe_to_retry) tells when the server cannot have executed the call.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum CallError {
    /// The server answered with an error: the method's own text, or one of the server's that start with `rpc: `.
    Server(String),
    /// This client was closed, or its connection had ended before the call; nothing was written.
    ShutDown,
    /// The connection ended by itself while the call was waiting. Whether it was executed is unknown.
    UnexpectedEof,
    /// The connection broke with this error while the call was waiting. Whether it was executed is unknown.
    Broken(Arc<io::Error>),
    /// The request could not be written: not one byte of it left, so the server has not executed it.
    NotSent(Arc<io::Error>),
    /// The server died before it had read any of the request, so it has not executed it.
    NotDelivered,
    /// The deadline of the call passed. If the request had been sent, it may still be executed.
    Deadline,
    /// The call was canceled. If the request had been sent, it may still be executed.
    Canceled,
    /// The arguments cannot be expressed in this codec, or are too large; nothing was sent.
    Encode(String),
    /// The reply came but does not fit the expected type; the connection lives on.
    Decode(String),
    /// The server sent something that is no reply; the connection was closed.
    Garbage(String),
}

impl CallError {
    /// Whether the server cannot have executed the call, so that making it again elsewhere does nothing twice.
    ///
    /// ```
    /// use ringpipe::rpc::CallError;
    /// assert!(CallError::ShutDown.is_safe_to_retry());
    /// assert!(!CallError::UnexpectedEof.is_safe_to_retry());
    /// ```
    pub fn is_safe_to_retry(&self) -> bool {
        matches!(self, Self::ShutDown | Self::NotSent(_) | Self::NotDelivered | Self::Encode(_))
    }

    /// Whether the peer died, as far as the transport tells death from an end.
    pub(super) fn is_death(&self) -> bool {
        match self {
            Self::Broken(error) => {
                matches!(crate::Error::of(error), Some(crate::Error::PeerDied { .. }))
            }
            _ => false,
        }
    }

    /// The kind this error wears inside an [`io::Error`].
    pub fn kind(&self) -> io::ErrorKind {
        use io::ErrorKind as K;
        match self {
            Self::Server(_) => K::Other,
            Self::ShutDown => K::NotConnected,
            Self::UnexpectedEof => K::UnexpectedEof,
            Self::Broken(error) | Self::NotSent(error) => error.kind(),
            Self::NotDelivered => K::ConnectionAborted,
            Self::Deadline => K::TimedOut,
            Self::Canceled => K::Interrupted,
            Self::Encode(_) => K::InvalidInput,
            Self::Decode(_) | Self::Garbage(_) => K::InvalidData,
        }
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Server(text) => f.write_str(text),
            Self::ShutDown => f.write_str("connection is shut down"),
            Self::UnexpectedEof => f.write_str("unexpected EOF"),
            Self::Broken(error) => write!(f, "the connection broke: {error}"),
            Self::NotSent(error) => {
                write!(f, "the request was not sent and can be repeated: {error}")
            }
            Self::NotDelivered => f.write_str(
                "the server died before it had read the request, which can be repeated elsewhere",
            ),
            Self::Deadline => f.write_str("the deadline of the call passed"),
            Self::Canceled => f.write_str("the call was canceled"),
            Self::Encode(text) => write!(f, "the arguments cannot be sent: {text}"),
            Self::Decode(text) => write!(f, "the reply does not fit: {text}"),
            Self::Garbage(text) => write!(f, "the server sent no valid reply: {text}"),
        }
    }
}

impl error::Error for CallError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Broken(error) | Self::NotSent(error) => Some(&**error),
            _ => None,
        }
    }
}

impl From<CallError> for io::Error {
    fn from(error: CallError) -> Self {
        Self::new(error.kind(), error)
    }
}

/// Why a client or a server could not be set up.
#[derive(Debug)]
#[non_exhaustive]
pub enum SetupError {
    /// An argument that can never work; the text says what would.
    Invalid(String),
    /// This build, system or kind of address cannot do it; the text says what can.
    Unsupported(String),
    /// Nobody could be reached at this address.
    Dial {
        /// Whom the client wanted to reach.
        address: Address,
        /// What the system said.
        source: io::Error,
    },
    /// The address could not be listened on.
    Listen {
        /// Where the server wanted to listen.
        address: Address,
        /// What the system said.
        source: io::Error,
    },
    /// A service of this name is registered already.
    Defined(String),
}

impl fmt::Display for SetupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid(text) | Self::Unsupported(text) => f.write_str(text),
            Self::Dial { address, source } => write!(f, "dialing {address}: {source}"),
            Self::Listen { address, source } => write!(f, "listening on {address}: {source}"),
            Self::Defined(name) => write!(f, "rpc: service already defined: {name}"),
        }
    }
}

impl error::Error for SetupError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Dial { source, .. } | Self::Listen { source, .. } => Some(source),
            _ => None,
        }
    }
}

impl From<SetupError> for io::Error {
    fn from(error: SetupError) -> Self {
        let kind = match &error {
            SetupError::Invalid(_) => io::ErrorKind::InvalidInput,
            SetupError::Unsupported(_) => io::ErrorKind::Unsupported,
            SetupError::Dial { source, .. } | SetupError::Listen { source, .. } => source.kind(),
            SetupError::Defined(_) => io::ErrorKind::AlreadyExists,
        };
        Self::new(kind, error)
    }
}
