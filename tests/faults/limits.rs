//! Resources of which there is only so much.

use std::{fmt, fs, sync::Mutex};

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// A resource, and how much of it there is beyond what is in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Limit {
    /// Descriptors.
    Descriptors(u64),
    /// Bytes of address space.
    Space(u64),
    /// Bytes of the longest file, whatever is in use.
    FileSize(u64),
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Descriptors(n) => write!(f, "{n} more descriptors"),
            Self::Space(n) => write!(f, "{n} more bytes of address space"),
            Self::FileSize(n) => write!(f, "files of {n} bytes"),
        }
    }
}

/// The limit of this process, and what it is while nothing goes wrong.
static LIMIT: Mutex<Option<(Limit, u64)>> = Mutex::new(None);

impl Limit {
    /// Makes it the one that [`lower`] sets.
    pub(crate) fn choose(self) {
        let (before, _) = getrlimit(self.resource()).unwrap();
        *LIMIT.lock().unwrap() = Some((self, before));
    }

    fn resource(self) -> Resource {
        match self {
            Self::Descriptors(_) => Resource::RLIMIT_NOFILE,
            Self::Space(_) => Resource::RLIMIT_AS,
            Self::FileSize(_) => Resource::RLIMIT_FSIZE,
        }
    }

    /// The limit in the kernel's terms.
    fn absolute(self) -> u64 {
        match self {
            // It limits the numbers; each below that is free is one more.
            Self::Descriptors(n) => (0..)
                .filter(|fd| fs::read_link(format!("/proc/self/fd/{fd}")).is_err())
                .nth(n as usize)
                .unwrap_or(u64::MAX),
            Self::Space(n) => space() as u64 + n,
            Self::FileSize(n) => n,
        }
    }

    /// Whether it explains a failure with `code`.
    pub(crate) fn explains(self, code: i32) -> bool {
        match self {
            Self::Descriptors(_) => code == libc::EMFILE,
            Self::Space(_) => [libc::ENOMEM, libc::EAGAIN].contains(&code),
            Self::FileSize(_) => code == libc::EFBIG,
        }
    }

    pub(crate) fn to_words(self) -> String {
        match self {
            Self::Descriptors(n) => format!("descriptors {n}"),
            Self::Space(n) => format!("space {n}"),
            Self::FileSize(n) => format!("file-size {n}"),
        }
    }

    pub(crate) fn from_words(what: &str, n: &str) -> Self {
        let n = n.parse().unwrap();
        match what {
            "descriptors" => Self::Descriptors(n),
            "space" => Self::Space(n),
            "file-size" => Self::FileSize(n),
            other => panic!("unknown limit {other}"),
        }
    }
}

/// Bytes of address space that this process uses.
pub(crate) fn space() -> usize {
    let pages = fs::read_to_string("/proc/self/statm").unwrap();
    pages.split(' ').next().unwrap().parse::<usize>().unwrap() * 4096
}

/// Puts the chosen limit in force.
pub(crate) fn lower() {
    set(|limit, _| limit.absolute());
}

/// Takes it back.
pub(crate) fn lift() {
    set(|_, before| before);
}

fn set(soft: impl Fn(Limit, u64) -> u64) {
    let Some((limit, before)) = *LIMIT.lock().unwrap() else { return };
    let resource = limit.resource();
    let (_, hard) = getrlimit(resource).unwrap();
    setrlimit(resource, soft(limit, before).min(hard), hard).unwrap();
}
